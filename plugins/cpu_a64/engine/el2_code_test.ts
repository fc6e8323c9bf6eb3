/** EL2's own code: real instructions, in EL2's translation, that leave the guest's state alone. */
import { assertEquals, assertThrows } from "@std/assert";
import { Ram } from "../../../core/memory/ram.ts";
import type { El2Call, MmioHandler, VcpuState } from "../../../core/mod.ts";
import { modelByName } from "../sysregs/mod.ts";
import { A64Engine } from "./engine.ts";

const BASE = 0x4000_0000, TABLE = BASE + 0x8000;
const RET = 0xd65f03c0;
const device: MmioHandler = {
  read: (offset, size) => BigInt(offset * 16 + size),
  write: (offset, size, value) => void written.push([offset, size, value]),
};
const written: [number, number, bigint][] = [];

function machine(
  words: readonly number[],
): { engine: A64Engine; vcpus: VcpuState[]; ram: Ram; call(x: bigint[], more?: Partial<El2Call>): El2Call } {
  const ram = new Ram([{ at: BASE, size: 0x10_0000 }]);
  const engine = new A64Engine({
    memory: ram,
    bus: { claim() {}, find: (pa) => pa >= 0x1000 && pa < 0x2000 ? { at: 0x1000, name: "device", handler: device } : undefined },
    model: modelByName("cortex-a57"),
    counterFrequencyHz: 62_500_000,
    smc: "trap",
  });
  ram.view(BASE, words.length * 4).set(new Uint8Array(new Uint32Array(words).buffer));
  const call = (x: bigint[], more: Partial<El2Call> = {}): El2Call => ({
    entry: BigInt(BASE),
    x,
    returnTo: 0xfff0n,
    maxInstructions: 100,
    ...more,
  });
  return { engine, vcpus: [engine.createVcpu({ mpidr: 0n }), engine.createVcpu({ mpidr: 1n })], ram, call };
}

/** VA 0 to 1 GiB is Device at PA 0; the next GiB is RAM, Normal, read-only from 0x4020_0000 on; 2 GiB isn't mapped. */
function mapped(ram: Ram, vcpu: VcpuState): void {
  ram.write64(TABLE, 0x0040_0000_0000_0701n | 4n);
  ram.write64(TABLE + 8, BigInt(TABLE + 4096) | 3n);
  ram.write64(TABLE + 4096, 0x4000_0701n);
  ram.write64(TABLE + 4096 + 8, 0x4000_0781n);
  vcpu.write("TTBR0_EL2", BigInt(TABLE));
  vcpu.write("TCR_EL2", 25n | 2n << 16n);
  vcpu.write("MAIR_EL2", 0x00ffn);
  vcpu.write("SCTLR_EL2", 0x30c5_1835n);
}

Deno.test("it returns, X0 comes back, and nothing of the guest has changed", () => {
  const { engine, vcpus: [vcpu], call } = machine([
    0x8b010000, // 00 add x0, x0, x1
    0x910003e2, // 04 mov x2, sp
    0xf81f0fe2, // 08 str x2, [sp, #-16]!
    0xd5384243, // 0c mrs x3, CurrentEL
    0x8b030000, // 10 add x0, x0, x3
    0xd51cd040, // 14 msr tpidr_el2, x0
    0xb100001f, // 18 cmn x0, #0
    RET,
  ]);
  vcpu.pc = 0x1234_5678n;
  vcpu.pstate = 0x6000_03c5n;
  vcpu.sp = 0x77n;
  for (let n = 0; n < 31; n++) vcpu.setX(n, BigInt(1000 + n));
  vcpu.write("ELR_EL2", 5n);
  const pcs: bigint[] = [];
  const stop = engine.runAtEl2(vcpu, call([3n, 4n], { sp: BigInt(BASE + 0x4000), onInstruction: (pc) => pcs.push(pc) }));
  assertEquals(stop, { kind: "returned", instructions: 8, x0: 15n });
  assertEquals(pcs, Array.from({ length: 8 }, (_, n) => BigInt(BASE + 4 * n)));
  assertEquals([vcpu.pc, vcpu.pstate, vcpu.sp, vcpu.read("ELR_EL2"), vcpu.read("TPIDR_EL2"), vcpu.retired], [
    0x1234_5678n,
    0x6000_03c5n,
    0x77n,
    5n,
    15n,
    0,
  ]);
  assertEquals(Array.from({ length: 31 }, (_, n) => vcpu.x(n)), Array.from({ length: 31 }, (_, n) => BigInt(1000 + n)));
  assertEquals(engine.lastRetired, 0);
});

Deno.test("exceptions, waiting, returns to EL1 and endless loops end it", () => {
  const rows: [number[], Partial<El2Call>, string][] = [
    [[0xf9400001, RET], {}, "exception at 40000000, ESR 96000010, FAR 90000000"], // ldr x1, [x0]: flat, but neither RAM nor a device
    [[0x00000000], {}, "exception at 40000000, ESR 2000000, FAR 90000000"],
    [[0xd4000002], {}, "exception at 40000004, ESR 5a000000, FAR 90000000"],
    [[0x14000000], {}, "budget"],
    [[0xd503207f], {}, "left"], // wfi
    [[0xd69f03e0], {}, "left"], // eret
    [[RET], { returnTo: 0x9000_0000n, maxInstructions: 2 }, "returned"],
  ];
  const { engine, vcpus: [vcpu], ram, call } = machine([]);
  for (const [words, more, want] of rows) {
    ram.view(BASE, words.length * 4).set(new Uint8Array(new Uint32Array(words).buffer));
    engine.memoryWritten(BASE, 64);
    vcpu.write("FAR_EL2", 0x9000_0000n);
    vcpu.write("SPSR_EL2", 0x3c5n);
    const stop = engine.runAtEl2(vcpu, call([0x9000_0000n], more));
    const text = stop.kind === "exception"
      ? `exception at ${stop.pc.toString(16)}, ESR ${stop.esr.toString(16)}, FAR ${stop.far.toString(16)}`
      : stop.kind;
    assertEquals([text, vcpu.pstate, vcpu.read("FAR_EL2"), vcpu.read("SPSR_EL2")], [want, 0x3c5n, 0x9000_0000n, 0x3c5n]);
  }
});

Deno.test("EL2's TLB holds a translation until TLBI, and none while the MMU is off", () => {
  const { engine, vcpus: [vcpu], ram, call } = machine([0xf9400000, RET]); // ldr x0, [x0]
  mapped(ram, vcpu);
  const other = BASE + 0x9_0000;
  ram.write64(other, 1n);
  ram.write64(BASE + 0x1_0000, 2n);
  // A page table of its own for the first 2 MiB.
  for (let n = 0; n < 512; n++) ram.write64(BASE + 0xa000 + n * 8, BigInt(BASE + n * 4096) | 0x703n);
  ram.write64(TABLE + 4096, BigInt(BASE + 0xa000) | 3n);
  const load = (va: number) => engine.runAtEl2(vcpu, call([BigInt(va)]));
  assertEquals(load(other), { kind: "returned", instructions: 2, x0: 1n });
  ram.write64(BASE + 0xa000 + 0x90 * 8, BigInt(BASE + 0x1_0000) | 0x703n);
  assertEquals(load(other), { kind: "returned", instructions: 2, x0: 1n });
  vcpu.write("SCTLR_EL2", 0x30c5_1834n);
  ram.write64(BASE + 0xa000 + 0x90 * 8, 0n);
  assertEquals(load(other), { kind: "returned", instructions: 2, x0: 1n });
  vcpu.write("SCTLR_EL2", 0x30c5_1835n);
  assertEquals(load(other), { kind: "returned", instructions: 2, x0: 1n });
  engine.invalidateTlb(0);
  assertEquals(load(other).kind, "exception");
});

Deno.test("loads and stores by EL2: translated, to RAM and to devices, with another vCPU in the CPU", () => {
  const { engine, vcpus: [vcpu, other], ram } = machine([]);
  mapped(ram, vcpu);
  for (const present of [vcpu, other]) {
    present.x(0);
    const at = BigInt(BASE + 0x1ffc);
    assertEquals(engine.accessAtEl2(vcpu, at, 8, 0x1122_3344_5566_7788n), 0n);
    assertEquals([1, 2, 4, 8].map((size) => engine.accessAtEl2(vcpu, at, size)), [0x88n, 0x7788n, 0x5566_7788n, 0x1122_3344_5566_7788n]);
    assertEquals(ram.read64(BASE + 0x2000), 0x1122_3344n);
    assertEquals(engine.accessAtEl2(vcpu, 0x1008n, 4), 0x84n);
    engine.accessAtEl2(vcpu, 0x1010n, 2, 0xabcden);
    assertEquals(written.pop(), [0x10, 2, 0xbcden]);
    const refuse = (at: bigint, size: number, value: bigint | undefined, message: string) =>
      assertThrows(() => engine.accessAtEl2(vcpu, at, size, value), RangeError, message);
    refuse(0x1001n, 2, undefined, "EL2's load of 2 bytes at VA 0x1001: alignment fault");
    refuse(0x2000n, 4, 1n, "EL2's store of 4 bytes at VA 0x2000: there is neither RAM nor a device");
    refuse(0x8000_0000n, 4, undefined, "translation fault, level 1");
    refuse(0xffff_0000_0000_0000n, 4, undefined, "translation fault, level 0");
    refuse(0x4020_0000n, 8, 1n, "EL2's store of 8 bytes at VA 0x4020_0000: permission fault, level 2");
    assertEquals(engine.accessAtEl2(vcpu, 0x4020_1ffcn, 8), 0x1122_3344_5566_7788n);
    refuse(0x7fff_fffcn, 8, undefined, "");
    assertEquals(other.read("SCTLR_EL2") & 1n, 0n);
  }
});
