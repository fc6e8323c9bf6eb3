import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { OverlapError } from "../memory/mmio.ts";
import { definePlugin } from "../plugin/plugin.ts";
import type { Plugin } from "../plugin/plugin.ts";
import type { DomainContext } from "../plugin/context.ts";
import { bench } from "../testing.ts";
import type { Bench } from "../testing.ts";
import type { SmcccCall } from "../arch/exceptions.ts";

const WINDOW = 0x1000_0000;
const ISV = 1 << 24;
const WRITE = 1 << 6;
const WIDE = 1 << 15;
const SIGNED = 1 << 21;
const TRANSLATION = 0b000111;
const sas = (size: number) => Math.log2(size) << 22;
const srt = (register: number) => register << 16;

interface Access {
  kind: "read" | "write";
  offset: number;
  size: number;
  value?: bigint;
}

async function benchWith(attach: (context: DomainContext<unknown, unknown>) => void): Promise<Bench> {
  const kit = bench();
  await kit.attach(definePlugin({ name: "owner", doc: "", options: {}, attach }) as Plugin, {});
  return kit;
}

async function device(accesses: Access[]): Promise<Bench> {
  return await benchWith(({ exceptions }) =>
    exceptions.claimMmio(WINDOW, 0x1000, "registers", {
      read(offset, size) {
        accesses.push({ kind: "read", offset, size });
        return 0x8899_aabb_ccdd_eeffn;
      },
      write(offset, size, value) {
        accesses.push({ kind: "write", offset, size, value });
      },
    })
  );
}

/** A data abort at an IPA, from an instruction at 0x8000. */
function dataAbort(kit: Bench, ipa: number, iss: number): { pc: bigint; injected: unknown } {
  const state = kit.state();
  if (kit.vcpu().power === "off") kit.vcpu().start(0x8000n, 0n);
  state.pc = 0x8000n;
  state.injected.length = 0;
  state.write("FAR_EL2", 0xffff_0000_0000_0000n | BigInt(ipa % 4096));
  state.write("HPFAR_EL2", BigInt(Math.floor(ipa / 4096)) << 4n);
  kit.trap(0x24, iss);
  return { pc: state.pc, injected: state.injected[0] };
}

const external = (access: string, far: bigint, status = 0b010000) => ({ kind: "abort", access, va: far, status });
const FAR = 0xffff_0000_0000_0000n;

Deno.test("loads: width, sign extension, register width, XZR", async () => {
  const accesses: Access[] = [];
  const kit = await device(accesses);
  const rows: [iss: number, ipa: number, register: number, want: bigint][] = [
    [sas(1), 0, 3, 0xffn],
    [sas(2), 2, 3, 0xeeffn],
    [sas(4), 4, 3, 0xccdd_eeffn],
    [sas(8) | WIDE, 8, 3, 0x8899_aabb_ccdd_eeffn],
    [sas(1) | SIGNED, 0, 3, 0xffff_ffffn],
    [sas(1) | SIGNED | WIDE, 0, 3, 0xffff_ffff_ffff_ffffn],
    [sas(4) | SIGNED | WIDE, 0, 3, 0xffff_ffff_ccdd_eeffn],
    [sas(4) | WIDE, 0, 31, 0n],
  ];
  for (const [iss, offset, register, want] of rows) {
    const { pc, injected } = dataAbort(kit, WINDOW + offset, ISV | TRANSLATION | srt(register) | iss);
    assertEquals([pc, injected, kit.state().x(register)], [0x8004n, undefined, want], `ISS ${iss.toString(16)}`);
    assertEquals(accesses.pop(), { kind: "read", offset, size: 1 << (iss >> 22 & 3) });
  }
});

Deno.test("stores: only the bytes of the access; XZR is zero", async () => {
  const accesses: Access[] = [];
  const kit = await device(accesses);
  kit.vcpu().start(0x8000n, 0n);
  kit.state().setX(5, 0x1122_3344_5566_7788n);
  dataAbort(kit, WINDOW + 4, ISV | TRANSLATION | WRITE | sas(2) | srt(5));
  dataAbort(kit, WINDOW + 8, ISV | TRANSLATION | WRITE | sas(8) | srt(31) | WIDE);
  assertEquals(accesses, [{ kind: "write", offset: 4, size: 2, value: 0x7788n }, { kind: "write", offset: 8, size: 8, value: 0n }]);
});

Deno.test("a store to a window that is mapped read-only is a store to the device", async () => {
  const accesses: Access[] = [];
  const kit = await device(accesses);
  kit.vcpu().start(0x8000n, 0n);
  kit.state().setX(5, 0x98n);
  const { pc, injected } = dataAbort(kit, WINDOW + 4, ISV | 0b001111 | WRITE | sas(4) | srt(5));
  assertEquals([pc, injected, accesses], [0x8004n, undefined, [{ kind: "write", offset: 4, size: 4, value: 0x98n }]]);
});

Deno.test("data aborts that no device may answer", async () => {
  const accesses: Access[] = [];
  const kit = await device(accesses);
  const rows: [why: string, ipa: number, iss: number, access: string, status?: number][] = [
    ["nobody there", 0x2000_0000, ISV | sas(4) | TRANSLATION, "read"],
    ["nobody there, write", 0x2000_0000, ISV | sas(4) | WRITE | TRANSLATION, "write"],
    ["ISV clear", WINDOW, TRANSLATION, "read"],
    ["S1PTW", WINDOW, ISV | sas(4) | 1 << 7 | TRANSLATION, "read"],
    ["permission fault of a load", WINDOW, ISV | sas(4) | 0b001111, "read"],
    ["permission fault of a store, where no window is", 0x2000_0000, ISV | sas(4) | WRITE | 0b001111, "write"],
    ["an alignment fault of stage 2 is an alignment fault", WINDOW, ISV | sas(4) | 0b100001, "read", 0b100001],
    ["FnV", WINDOW, ISV | sas(4) | 1 << 10 | TRANSLATION, "read"],
    ["just below", WINDOW - 1, ISV | sas(1) | TRANSLATION, "read"],
    ["just above", WINDOW + 0x1000, ISV | sas(1) | TRANSLATION, "read"],
    ["reaches beyond the end", WINDOW + 0xffe, ISV | sas(4) | TRANSLATION, "read"],
    ["unaligned", WINDOW + 2, ISV | sas(4) | TRANSLATION, "read", 0b100001],
  ];
  for (const [why, ipa, iss, access, status] of rows) {
    const { pc, injected } = dataAbort(kit, ipa, iss);
    assertEquals([pc, injected], [0x8000n, external(access, FAR | BigInt(ipa % 4096), status)], why);
  }
  assertEquals(accesses, []);
  assertEquals(kit.traced.length, rows.length);
});

Deno.test("cache maintenance on a device's window is ignored", async () => {
  const accesses: Access[] = [];
  const kit = await device(accesses);
  const { pc, injected } = dataAbort(kit, WINDOW, 1 << 8 | WRITE | TRANSLATION);
  assertEquals([pc, injected, accesses.length], [0x8004n, undefined, 0]);
});

Deno.test("a skipped instruction clears SPSR_EL2.SS and BTYPE", async () => {
  const kit = await device([]);
  kit.vcpu().start(0x8000n, 0n);
  kit.state().write("SPSR_EL2", 0x3c5n | 1n << 21n | 2n << 10n);
  dataAbort(kit, WINDOW, ISV | sas(4) | TRANSLATION);
  assertEquals(kit.state().read("SPSR_EL2"), 0x3c5n);
});

Deno.test("calls: return address by conduit, narrow arguments, several results, unknown functions", async () => {
  const calls: SmcccCall[] = [];
  const kit = await benchWith(({ exceptions }) => {
    exceptions.claimCalls(0x8600_0000, 0x8600_000f, ["hvc", "smc"], (call) => {
      calls.push(call);
      return [1n, 2n, 3n, -4n];
    });
    exceptions.claimCalls(0xc600_0000, 0xc600_0000, ["hvc"], (call) => {
      calls.push(call);
      return 9n;
    });
  });
  kit.vcpu().start(0x8000n, 0n);
  const state = kit.state();
  kit.call(0x8600_0003, [0xdead_beef_0000_0001n]);
  assertEquals([state.pc, state.x(0), state.x(3), calls[0].args[0]], [0x8000n, 1n, 2n ** 64n - 4n, 1n]);
  kit.call(0x8600_0003, [], { conduit: "smc" });
  assertEquals(state.pc, 0x8004n);
  kit.call(0xc600_0000, [0xdead_beef_0000_0001n]);
  assertEquals(calls[2].args[0], 0xdead_beef_0000_0001n);
  // The wrong conduit is an unknown function.
  assertEquals(kit.call(0xc600_0000, [], { conduit: "smc" }).x0, 2n ** 64n - 1n);
  assertEquals(kit.call(0x1234).x0, 2n ** 64n - 1n);
  // Dirty upper half of X0.
  assertEquals(kit.call(0x8600_0000).x0, 1n);
  state.setX(0, 0xffff_ffff_8600_0000n);
  kit.trap(0x16, 0);
  assertEquals(state.x(0), 1n);
});

Deno.test("an immediate other than zero is UNDEFINED, unless a plugin claims the class", async () => {
  const plain = await benchWith(() => {});
  plain.trap(0x16, 0xea1);
  plain.trap(0x17, 1);
  assertEquals(plain.state().injected.map(({ kind }) => kind), ["undefined", "undefined"]);
  const xen = await benchWith(({ exceptions }) =>
    exceptions.claim(0x16, ({ iss, vcpu }) => {
      if (iss !== 0xea1) return "unclaimed";
      vcpu.state.setX(0, 0x77n);
      return "resume";
    })
  );
  xen.trap(0x16, 0xea1);
  assertEquals([xen.state().x(0), xen.state().injected.length], [0x77n, 0]);
  assertEquals(xen.call(0x1234).x0, 2n ** 64n - 1n);
});

Deno.test("system registers: by name, by encoding, XZR, and the direction nobody answers", async () => {
  const written: bigint[] = [];
  const kit = await benchWith(({ exceptions }) => {
    exceptions.claimRegister("ICC_SGI1R_EL1", { write: (_vcpu, value) => written.push(value) });
    exceptions.claimRegister("S3_0_C15_C2_1", { read: () => 0x1_2345_6789n });
  });
  kit.engine.registerName = (iss) => (iss >>> 10 & 15) === 12 ? "ICC_SGI1R_EL1" : undefined;
  const iss = (op0: number, op1: number, CRn: number, CRm: number, op2: number, register: number, read: number) =>
    op0 << 20 | op2 << 17 | op1 << 14 | CRn << 10 | register << 5 | CRm << 1 | read;
  kit.vcpu().start(0x8000n, 0n);
  const state = kit.state();
  state.setX(4, 0xabcn);
  kit.trap(0x18, iss(3, 0, 12, 11, 5, 4, 0));
  kit.trap(0x18, iss(3, 0, 12, 11, 5, 31, 0));
  assertEquals([written, state.pc], [[0xabcn, 0n], 0x8008n]);
  kit.trap(0x18, iss(3, 0, 15, 2, 1, 7, 1));
  assertEquals([state.x(7), state.pc], [0x1_2345_6789n, 0x800cn]);
  kit.trap(0x18, iss(3, 0, 12, 11, 5, 4, 1));
  kit.trap(0x18, iss(3, 0, 15, 15, 7, 4, 1));
  assertEquals([state.injected.length, state.pc], [2, 0x800cn]);
  assertMatch(kit.traced.at(-1)!, /guest vCPU 0 at 0x800c reads S3_0_C15_C15_7/);
});

Deno.test("every exception class and a hostile ISS end in an answer", async () => {
  const kit = await device([]);
  kit.vcpu().start(0x8000n, 0n);
  for (let ec = 0; ec < 64; ec++) {
    for (const iss of [0, 0x1ff_ffff, 0xaa_aaaa, 0x155_5555]) {
      kit.state().write("HPFAR_EL2", 0xffff_ffff_ffff_ffffn);
      kit.state().write("FAR_EL2", 0xffff_ffff_ffff_ffffn);
      assert(["run", "wait", "yield"].includes(kit.trap(ec, iss)), `class ${ec}`);
    }
  }
});

Deno.test("overlapping claims name both owners", async () => {
  const kit = bench();
  const claimer = (name: string, body: (exceptions: DomainContext<unknown, unknown>["exceptions"]) => void) =>
    definePlugin({ name, doc: "", options: {}, attach: ({ exceptions }) => body(exceptions) }) as Plugin;
  const handler = { read: () => 0, write: () => {} };
  await kit.attach(
    claimer("first", (exceptions) => {
      exceptions.claim(0x19, () => "undefined");
      exceptions.claimCalls(0x8400_0000, 0x8400_001f, ["hvc"], () => 0n);
      exceptions.claimRegister("X_EL1", {});
      exceptions.claimMmio(0x1000, 0x1000, "a", handler);
      // The other conduit is free.
      exceptions.claimCalls(0x8400_0000, 0x8400_001f, ["smc"], () => 0n);
    }),
    {},
  );
  const rows: [Parameters<typeof claimer>[1], string][] = [
    [(exceptions) => exceptions.claim(0x19, () => "resume"), "exception class 0x19: guest/second claims it, and guest/first has it"],
    [(exceptions) => exceptions.claimCalls(0x8400_001f, 0x8400_0020, ["hvc"], () => 0n), "guest/first has it"],
    [(exceptions) => exceptions.claimRegister("X_EL1", {}), "system register X_EL1"],
    [
      (exceptions) => exceptions.claimMmio(0x1fff, 1, "b", handler),
      "IPA window 0x1fff..0x1fff of guest/second (b) overlaps 0x1000..0x1fff of guest/first (a)",
    ],
  ];
  const scope = kit.scope.claims;
  for (const [body, message] of rows) assertThrows(() => body(scope.forInstance("guest/second")), OverlapError, message);
});

Deno.test("HVC with an immediate goes to who claimed it; nobody's is UNDEFINED", async () => {
  let answer: unknown = "resume";
  const kit = await benchWith(({ exceptions }) => {
    exceptions.claimImmediate(0xea1, ({ vcpu }) => {
      vcpu.state.setX(0, 7n);
      return answer as "resume";
    });
    assertThrows(() => exceptions.claimImmediate(0xea1, () => "resume"), OverlapError, "HVC 0xea1");
    for (const bad of [0, 0x1_0000, 1.5]) assertThrows(() => exceptions.claimImmediate(bad, () => "resume"), RangeError);
  });
  const state = kit.state();
  for (const [given, next] of [["resume", "run"], ["wait", "wait"], ["yield", "yield"]] as const) {
    answer = given;
    kit.trap(0x16, 0xea1);
    state.pc = 0x8004n;
    assertEquals([kit.trap(0x16, 0xea1), state.pc, state.x(0)], [next, 0x8004n, 7n]);
  }
  answer = "advance";
  assertThrows(() => kit.trap(0x16, 0xea1), Error, "owner");
  for (const [ec, immediate] of [[0x16, 0xea2], [0x17, 0xea1]]) {
    state.injected.length = 0;
    kit.trap(ec, immediate);
    assertEquals(state.injected, [{ kind: "undefined" }]);
  }
});
