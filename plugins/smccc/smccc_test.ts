/** The calls that a guest can make: the architecture's, entropy, the hypervisor's identity, and what plugins add. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { definePlugin, OverlapError } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { psci } from "../psci/mod.ts";
import { Calls } from "./contract.ts";
import type { CallRange } from "./contract.ts";
import { smccc } from "./mod.ts";
import type { SmcccOptions } from "./mod.ts";

const error = (code: number): bigint => BigInt.asUintN(64, BigInt(code));
const [NOT_SUPPORTED, INVALID_PARAMETERS, INVALID_PARAMETER] = [-1, -2, -3].map(error);

async function machine(options: Partial<SmcccOptions> = {}): Promise<Bench> {
  const kit = bench({ vcpus: 2 });
  await kit.attach(smccc, { trng: true, soc_revision: 0, ...options });
  return kit;
}

const rows: [name: string, id: number, args: (number | bigint)[], result: bigint, options?: Partial<SmcccOptions>][] = [
  ["SMCCC_VERSION is 1.2", 0x8000_0000, [], 0x1_0002n],
  ["SMCCC_VERSION has no 64-bit form", 0xc000_0000, [], NOT_SUPPORTED],
  ["ARCH_FEATURES: SMCCC_VERSION", 0x8000_0001, [0x8000_0000], 0n],
  ["ARCH_FEATURES: itself; garbage above bit 31 doesn't count", 0x8000_0001, [0xdead_beef_8000_0001n], 0n],
  ["ARCH_FEATURES: workaround 1 isn't needed", 0x8000_0001, [0x8000_8000], 1n],
  ["ARCH_FEATURES: workaround 2 isn't needed", 0x8000_0001, [0x8000_7fff], 1n],
  ["ARCH_FEATURES: workaround 3 isn't needed", 0x8000_0001, [0x8000_3fff], 1n],
  ["ARCH_FEATURES: no such function", 0x8000_0001, [0x8000_1234], NOT_SUPPORTED],
  ["ARCH_FEATURES: no SoC", 0x8000_0001, [0x8000_0002], NOT_SUPPORTED],
  ["ARCH_SOC_ID: no SoC", 0x8000_0002, [0], NOT_SUPPORTED],
  ["ARCH_FEATURES: a SoC", 0x8000_0001, [0x8000_0002], 0n, { soc: 0x043b_0007 }],
  ["ARCH_SOC_ID: version", 0x8000_0002, [0], 0x043b_0007n, { soc: 0x043b_0007 }],
  ["ARCH_SOC_ID: revision", 0x8000_0002, [1], 3n, { soc: 1, soc_revision: 3 }],
  ["ARCH_SOC_ID: no such type", 0x8000_0002, [2], INVALID_PARAMETER, { soc: 1 }],
  ["workaround 1 does nothing", 0x8000_8000, [], 0n],
  ["workaround 2 does nothing", 0x8000_7fff, [1], 0n],
  ["workaround 3 does nothing", 0x8000_3fff, [], 0n],
  ["TRNG_VERSION is 1.0", 0x8400_0050, [], 0x1_0000n],
  ["TRNG_FEATURES: RND64", 0x8400_0051, [0xc400_0053], 0n],
  ["TRNG_FEATURES: GET_UUID has no 64-bit form", 0x8400_0051, [0xc400_0052], NOT_SUPPORTED],
  ["TRNG_RND32: no bits", 0x8400_0053, [0], INVALID_PARAMETERS],
  ["TRNG_RND32: too many", 0x8400_0053, [97], INVALID_PARAMETERS],
  ["TRNG_RND64: too many", 0xc400_0053, [193], INVALID_PARAMETERS],
  ["TRNG_RND64: far too many", 0xc400_0053, [2n ** 64n - 1n], INVALID_PARAMETERS],
  ["TRNG_RND32: all, dirty upper half", 0x8400_0053, [0xffff_ffff_0000_0060n], 0n],
  ["TRNG: off", 0x8400_0050, [], NOT_SUPPORTED, { trng: false }],
  ["call count of the vendor's calls: deprecated", 0x8600_ff00, [], NOT_SUPPORTED],
];

for (const [name, id, args, result, options] of rows) {
  Deno.test(`smccc: ${name}`, async () => {
    assertEquals((await machine(options)).call(id, args), { x0: result, next: "run" });
  });
}

const results = (kit: Bench) => [0, 1, 2, 3].map((n) => kit.state().x(n));

Deno.test("smccc: UIDs are UUIDs, the first byte in bits 7:0; ours is our own", async () => {
  const kit = await machine();
  const uuid = (id: number) => {
    kit.call(id);
    const bytes = results(kit).flatMap((word) => [0n, 8n, 16n, 24n].map((shift) => Number(word >> shift & 0xffn)));
    assert(results(kit).every((word) => word <= 0xffff_ffffn));
    return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };
  assertEquals(uuid(0x8600_ff01), "7c1d9a52-6e0b-4f3a-9b1c-2d8e5f40a6b3");
  // Version 4, variant 1; a GET_UUID that begins with -1 would say that it isn't there.
  assertMatch(uuid(0x8400_0052), /^(?!ffffffff).{8}-.{4}-4.{3}-[89ab].{3}-.{12}$/);
  kit.call(0x8600_ff03);
  assertEquals(results(kit).slice(0, 2), [0n, 1n]);
});

Deno.test("smccc: entropy comes with its low bits in X3, zeroes above what was asked for, and repeats with the board's seed", async () => {
  const [kit, twin] = [await machine(), await machine()];
  for (const [id, width, most] of [[0x8400_0053, 32n, 96], [0xc400_0053, 64n, 192]] as const) {
    let seen = 0n;
    const sizes = [...Array.from({ length: most }, (_, n) => n + 1), ...Array<number>(32).fill(most)];
    for (const bits of sizes) {
      for (const one of [kit, twin]) assertEquals(one.call(id, [bits]).x0, 0n);
      assertEquals(results(kit), results(twin));
      const [, x1, x2, x3] = results(kit);
      assert([x1, x2, x3].every((word) => word < 1n << width));
      const value = x1 << width * 2n | x2 << width | x3;
      assert(value < 1n << BigInt(bits), `${bits} bits: ${value}`);
      seen |= value;
    }
    assertEquals(seen, (1n << BigInt(most)) - 1n);
  }
});

Deno.test("smccc: what a call doesn't return is preserved", async () => {
  const kit = await machine();
  for (let n = 1; n < 31; n++) kit.state().setX(n, BigInt(n) << 40n);
  kit.call(0x8000_0000);
  for (let n = 1; n < 31; n++) assertEquals(kit.state().x(n), BigInt(n) << 40n);
  kit.call(0xc400_0053, [0]);
  assertEquals(results(kit), [INVALID_PARAMETERS, 0n, 0n, 0n]);
  for (let n = 4; n < 31; n++) assertEquals(kit.state().x(n), BigInt(n) << 40n);
});

function adder(name: string, ranges: readonly Omit<CallRange, "exceptions">[]): Plugin<Record<never, never>, undefined> {
  return definePlugin<Record<never, never>, undefined>({
    name,
    doc: "Adds calls.",
    options: {},
    needs: [Calls],
    attach({ get, exceptions }) {
      for (const range of ranges) get(Calls).extend({ exceptions, ...range });
    },
  });
}

Deno.test("smccc: a plugin adds functions, and ARCH_FEATURES tells of them", async () => {
  const kit = await machine();
  await kit.attach(
    adder("stolen", [{
      from: 0xc500_0020,
      to: 0xc500_0021,
      handler: ({ args: [a, b] }) => [a + b, 7n],
      features: (id) => id === 0xc500_0020 ? 0n : -1n,
    }, { from: 0x8300_0000, to: 0x8300_000f, handler: () => 5n }]),
    {},
  );
  assertEquals(kit.call(0xc500_0020, [40, 2]).x0, 42n);
  assertEquals(kit.state().x(1), 7n);
  assertEquals(kit.call(0x8300_000f).x0, 5n);
  assertEquals(kit.call(0x8300_0010).x0, NOT_SUPPORTED);
  const features = (id: number) => kit.call(0x8000_0001, [id]).x0;
  assertEquals([0xc500_0020, 0xc500_0021, 0x8300_0003, 0x8300_0010].map(features), [0n, NOT_SUPPORTED, 0n, NOT_SUPPORTED]);
});

Deno.test("smccc: overlaps name both plugins; ranges must be one owner's fast calls", async () => {
  const kit = await machine();
  const plain = { conduit: "hvc", version: "1.1", suspend: "standby", power_up: 0 } as const;
  await kit.attach(psci, plain);
  await kit.attach(adder("first", [{ from: 0x8300_0000, to: 0x8300_000f, handler: () => 0n }]), {});
  const { extend } = kit.get(Calls);
  const exceptions = kit.scope.claims.forInstance("guest/second");
  const add = (from: number, to: number) => () => extend({ exceptions, from, to, handler: () => 0n });
  assertMatch(assertThrows(add(0x8300_0008, 0x8300_0020), OverlapError).message, /guest\/second claims it, and guest\/first has it/);
  assertMatch(assertThrows(add(0x8400_001f, 0x8400_0020), OverlapError).message, /guest\/psci/);
  assertMatch(assertThrows(add(0x8400_0040, 0x8400_0050), OverlapError).message, /guest\/smccc/);
  for (
    const [from, to] of [[0x8300_0010, 0x8400_0010], [0x8300_0020, 0x8300_0010], [0x0300_0000, 0x0300_0001], [0x8301_0000, 0x8301_0001]]
  ) {
    assertThrows(add(from, to), RangeError, "SMCCC functions");
  }
  assertThrows(add(NaN, 0x8300_0011), RangeError);
});

Deno.test("smccc: it listens where the power controller does", async () => {
  const use = { plugin: psci, options: { conduit: "smc" }, path: [] };
  const kit = bench({ board: { plugins: [use] } });
  await kit.attach(smccc, { trng: true, soc_revision: 0 });
  await kit.attach(psci, { conduit: "smc", version: "1.1", suspend: "standby", power_up: 0 });
  assertEquals(kit.get(Calls).conduits, ["smc"]);
  for (const id of [0x8000_0000, 0x8400_0050, 0x8600_ff01, 0x8400_0000]) {
    assert(kit.call(id, [], { conduit: "smc" }).x0 !== NOT_SUPPORTED);
    assertEquals(kit.call(id, [], { conduit: "hvc" }).x0, NOT_SUPPORTED);
  }
});
