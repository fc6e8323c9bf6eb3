import { assertEquals } from "@std/assert";
import { Ram } from "../../../core/memory/ram.ts";
import type { VcpuState } from "../../../core/mod.ts";
import { modelByName } from "../sysregs/mod.ts";
import { A64Engine } from "./engine.ts";
import type { Tier1Mode } from "./tier1/tier1.ts";

/** RAM, and programs on pages of their own, run at EL1 until their HVC. */
const BASE = 0x4000_0000;
const TABLE = BASE + 0x8_0000;
const HVC = 0xd4000002;

function machine(tier1: Tier1Mode, ...programs: (readonly number[])[]): { engine: A64Engine; vcpus: VcpuState[]; ram: Ram } {
  const ram = new Ram([{ at: BASE, size: 0x10_0000 }]);
  const engine = new A64Engine({
    memory: ram,
    bus: { claim() {}, find: () => undefined },
    model: modelByName("cortex-a57"),
    counterFrequencyHz: 62_500_000,
    smc: "trap",
    tier1,
  });
  const vcpus = programs.map((words, index) => {
    const pc = BASE + index * 0x1000;
    ram.view(pc, words.length * 4).set(new Uint8Array(new Uint32Array(words).buffer));
    const vcpu = engine.createVcpu({ mpidr: BigInt(index) });
    vcpu.write("HCR_EL2", 1n << 31n);
    // VA = PA by one block of 1 GiB, Normal memory: T0SZ 25 starts at level 1.
    ram.write64(TABLE + 8, 0x4000_0701n);
    vcpu.write("TTBR0_EL1", BigInt(TABLE));
    vcpu.write("TCR_EL1", 25n | 1n << 23n | 2n << 32n);
    vcpu.write("MAIR_EL1", 0xffn);
    vcpu.write("SCTLR_EL1", 0x30d0_0801n);
    vcpu.pc = BigInt(pc);
    return vcpu;
  });
  return { engine, vcpus, ram };
}

const run = (engine: A64Engine, vcpu: VcpuState, budget = 10_000) => engine.run(vcpu, { budget, startNs: 0, nsPerInstruction: 1 });

/** With compiled regions and without. */
function test(name: string, body: (tier1: Tier1Mode) => void): void {
  for (const tier1 of ["off", "on", "force"] as const) Deno.test(`${name} (tier 1 ${tier1})`, () => body(tier1));
}

test("an instruction that the next store replaces executes in its new form", (tier1) => {
  const { engine, vcpus: [vcpu] } = machine(tier1, [
    0xd2800040, // 00 mov x0, #2
    0x18000101, // 04 ldr w1, 0x24
    0x10000062, // 08 adr x2, 0x14
    0xd2800003, // 0c mov x3, #0
    0xf1000400, // 10 subs x0, x0, #1
    0x91000463, // 14 add x3, x3, #1      replaced in the first round
    0xb9000041, // 18 str w1, [x2]
    0x54ffffa1, // 1c b.ne 0x10
    HVC, //        20
    0x91019063, // 24 add x3, x3, #100
  ]);
  assertEquals(run(engine, vcpu).kind, "exception");
  assertEquals(vcpu.x(3), 101n);
});

test("code on another page that was executed, then overwritten by a loop of stores, is decoded anew each time", (tier1) => {
  const { engine, vcpus: [vcpu], ram } = machine(tier1, [
    0xd2801904, // 00 mov x4, #200
    0x58000125, // 04 ldr x5, 0x28        the address of the other page
    0xd2800003, // 08 mov x3, #0
    0xb94000a1, // 0c ldr w1, [x5]
    0x11100021, // 10 add w1, w1, #0x400  one more in the immediate of the instruction that w1 holds
    0xb90000a1, // 14 str w1, [x5]
    0xd63f00a0, // 18 blr x5
    0xf1000484, // 1c subs x4, x4, #1
    0x54ffff61, // 20 b.ne 0xc
    HVC, //        24
    0x4000_8000,
    0, // 28
  ]);
  const other = new Uint32Array([0x91000063, 0xd65f03c0]); // add x3, x3, #0; ret
  ram.view(BASE + 0x8000, 8).set(new Uint8Array(other.buffer));
  assertEquals(run(engine, vcpu).kind, "exception");
  // 1 + 2 + … + 200: each round executed what the round before it wrote.
  assertEquals(vcpu.x(3), 20_100n);
});

test("one vCPU replaces the code that another is in the middle of", (tier1) => {
  const { engine, vcpus: [first, second] } = machine(
    tier1,
    [0x91000400, 0x17ffffff], // add x0, x0, #1; b .-4
    [
      0x18000081, // 00 ldr w1, 0x10
      0x580000a2, // 04 ldr x2, 0x18
      0xb9000041, // 08 str w1, [x2]
      HVC,
      HVC, //        10 what the first is to find
      0,
      BASE + 4, //   18
      0,
    ],
  );
  assertEquals(run(engine, first).kind, "budget");
  assertEquals(run(engine, second).kind, "exception");
  assertEquals(run(engine, first).kind, "exception");
  assertEquals(first.x(0) >= 5_000n, true);
});

test("an exclusive store fails when another vCPU ran between", (tier1) => {
  const program = [
    0x58000102, // 00 ldr x2, 0x20
    0xc85f7c41, // 04 ldxr x1, [x2]
    0x91000421, // 08 add x1, x1, #1
    0xc8037c41, // 0c stxr w3, x1, [x2]
    HVC,
    0,
    0,
    0,
    0x4000_9000, // 20
    0,
  ];
  const { engine, vcpus: [first, second], ram } = machine(tier1, program, program);
  assertEquals(run(engine, first, 2).kind, "budget");
  assertEquals(run(engine, second).kind, "exception");
  assertEquals(run(engine, first).kind, "exception");
  assertEquals([second.x(3), first.x(3), ram.read64(0x4000_9000)], [0n, 1n, 1n]);
});

test("a write by the host is seen", (tier1) => {
  const { engine, vcpus: [vcpu], ram } = machine(tier1, [0x91000400, 0x17ffffff]);
  assertEquals(run(engine, vcpu).kind, "budget");
  ram.view(BASE + 4, 4).set(new Uint8Array(new Uint32Array([HVC]).buffer));
  engine.memoryWritten(BASE + 4, 4);
  assertEquals(run(engine, vcpu).kind, "exception");
});
