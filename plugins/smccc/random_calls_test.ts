/** Any function identifier with any arguments gets an architectural answer: seeded, with PSCI and the calls of SMCCC in one domain. */
import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { psci } from "../psci/mod.ts";
import type { PsciOptions } from "../psci/mod.ts";
import { Random } from "../../tests/support/random.ts";
import { smccc } from "./mod.ts";

const RAM = 0x4000_0000n;
const CALLS = 100_000;
const interesting = [
  0n,
  1n,
  2n,
  3n,
  4n,
  0x101n,
  0x1_0000n,
  0x1_0000_0001n,
  0x8000_0000n,
  0xffff_ffffn,
  RAM,
  RAM + 1n,
  RAM + 0x100n,
  RAM + 0x10_0000n,
];

async function machine(version: PsciOptions["version"], powerUp: number): Promise<Bench> {
  const kit = bench({ vcpus: 4 });
  await kit.attach(smccc, { trng: true, soc_revision: 0 });
  await kit.attach(psci, { conduit: "hvc", version, suspend: "powerdown", power_up: powerUp });
  kit.vcpu().start(RAM, 0n);
  return kit;
}

/** Answers that aren't results of their own: errors of PSCI, TRNG and SMCCC. */
const isError = (x0: bigint) => BigInt.asIntN(64, x0) >= -9n && BigInt.asIntN(64, x0) < 0n;
/** Largest result that isn't an error: versions, and words of UUIDs. */
const isResult = (x0: bigint) => x0 <= 0xffff_ffffn;

function identifier(random: Random): number {
  switch (random.below(4)) {
    case 0:
      return (random.pick([0x8400_0000, 0xc400_0000]) + random.below(0x20)) >>> 0;
    case 1:
      return (random.pick([0x8000_0000, 0x8400_0050, 0xc400_0050, 0x8600_ff00, 0x8000_7ffe, 0x8000_3ffe]) + random.below(4)) >>> 0;
    case 2:
      // Any owner, either convention, fast or yielding.
      return (random.below(256) * 2 ** 24 + random.below(0x1_0000)) >>> 0;
    default:
      return random.below(2 ** 32) >>> 0;
  }
}

function argument(random: Random): bigint {
  const value = random.below(3) === 0 ? BigInt(random.below(2 ** 32)) << 32n | BigInt(random.below(2 ** 32)) : random.pick(interesting);
  return random.below(4) === 0 ? value | BigInt(random.below(2 ** 32)) << 32n : value;
}

Deno.test(`any call gets an architectural answer: ${CALLS} of them`, async () => {
  const random = new Random("smccc");
  const versions: readonly PsciOptions["version"][] = ["0.1", "0.2", "1.0", "1.1"];
  let kit = await machine("1.1", 0);
  const nexts = new Map<string, number>();
  for (let n = 0; n < CALLS;) {
    if (kit.domain.outcome !== undefined) kit = await machine(random.pick(versions), random.pick([0, 1000]));
    const vcpu = random.below(4);
    if (kit.vcpu(vcpu).power === "off") {
      kit.advance(100);
      continue;
    }
    n++;
    const id = identifier(random);
    const args = Array.from({ length: 6 }, () => argument(random));
    for (let x = 7; x < 31; x++) kit.state(vcpu).setX(x, BigInt(x));
    const { x0, next } = kit.call(id, args, { vcpu, conduit: random.below(8) === 0 ? "smc" : "hvc" });
    const what = `${id.toString(16)}(${args.map((arg) => arg.toString(16)).join(", ")}): ${x0.toString(16)}, ${next}`;
    nexts.set(next, (nexts.get(next) ?? 0) + 1);
    assertEquals(kit.state(vcpu).injected.length, 0, what);
    if (next === "run") {
      assert(isError(x0) || isResult(x0), what);
      for (let x = 7; x < 31; x++) assertEquals(kit.state(vcpu).x(x), BigInt(x), what);
    } else if (next === "wait") {
      assertEquals(x0, 0n, what);
      kit.vcpu(vcpu).block();
      kit.state(vcpu).pending = true;
      kit.vcpu(vcpu).kick();
      kit.state(vcpu).pending = false;
      kit.enter(vcpu);
      kit.advance(0);
    } else {
      assertEquals(next, "stopped", what);
      assertEquals(kit.vcpu(vcpu).power, "off", what);
      if (kit.domain.vcpus.every(({ power }) => power === "off")) kit.domain.end({ kind: "power-off" });
    }
    if (random.below(3) === 0) kit.advance(random.below(1500));
  }
  for (const next of ["run", "wait", "stopped"]) assert(nexts.get(next)! > 200, `${next}: ${nexts.get(next)}`);
});
