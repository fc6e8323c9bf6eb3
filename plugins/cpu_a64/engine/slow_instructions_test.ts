/** Instructions that take long: the same are counted on each tier, and a run has no more of them than it may. */
import { assert, assertEquals } from "@std/assert";
import { BASE, patientVcpu, programMachine } from "./tests/program_machine.ts";

const NOP = 0xd503_201f, BACK = 0x17ff_ffff;
const cases: readonly (readonly [name: string, word: number, isSlow: boolean])[] = [
  ["nop", NOP, false],
  ["tlbi vmalle1", 0xd508_871f, true],
  ["tlbi vaae1is, x1", 0xd508_8361, true],
  ["at s1e1r, x1", 0xd508_7801, true],
  ["msr SCTLR_EL1, x1", 0xd518_1001, true],
  ["msr MAIR_EL1, x1", 0xd518_a201, true],
  ["msr CNTV_CVAL_EL0, x1", 0xd51b_e341, true],
  ["msr MDSCR_EL1, x1", 0xd510_0241, true],
  ["msr TTBR0_EL1, x1", 0xd518_2001, false],
  ["msr TPIDR_EL1, x1", 0xd518_d081, false],
  ["msr DAIFSet, #2", 0xd503_42df, false],
  ["mrs x0, CNTVCT_EL0", 0xd53b_e040, false],
  ["mrs x0, CNTP_TVAL_EL0", 0xd53b_e200, false],
  ["msr FPCR, x1", 0xd51b_4401, false],
  ["ic ivau, x1", 0xd50b_7521, false],
  ["stp x0, x0, [x1] across pages", 0xa900_0020, true],
  ["ldp x0, x2, [x1] across pages", 0xa940_0820, false],
];

for (const tier1 of ["off", "on", "force"] as const) {
  for (const [name, word, isSlow] of cases) {
    Deno.test(`${name} ${isSlow ? "counts as slow" : "isn't slow"}, tier 1 ${tier1}`, () => {
      const { engine } = programMachine({ [BASE]: [word, BACK] }, tier1);
      const vcpu = patientVcpu(engine);
      vcpu.write("CPACR_EL1", 3n << 20n);
      if (name.includes("across")) vcpu.setX(1, BigInt(BASE + 0x2ff8));
      const run = (budget: number, mostSlow?: number) => {
        const exit = engine.run(vcpu, { budget, startNs: 0, nsPerInstruction: 1, mostSlow });
        return [exit.kind, engine.lastRetired, engine.lastSlow];
      };
      // A timer's register is looked at by the hypervisor each time.
      const isLookedAt = name.includes("CNTV_CVAL");
      if (!isLookedAt) assertEquals(run(1000), ["budget", 1000, isSlow ? 500 : 0]);
      assertEquals(run(1000, 10), isLookedAt ? ["budget", 1, 1] : isSlow ? ["budget", 19, 10] : ["budget", 1000, 0]);
      assertEquals(run(1, 10).slice(0, 2), ["budget", 1]);
      assertEquals(run(1000, 1), isSlow ? ["budget", 1, 1] : ["budget", 1000, 0]);
      assertEquals(Number(vcpu.pc) - BASE, 4);
    });
  }
}

/** Instructions with so many operations in software. */
const computing: readonly (readonly [name: string, word: number, operations: number])[] = [
  ["fadd v0.8h, v1.8h, v2.8h", 0x4e42_1420, 8],
  ["fmul v0.2d, v1.2d, v2.2d of denormals", 0x6e62_dc20, 2],
  ["fcvtzs x0, d1 beyond its range", 0x9e78_0020, 1],
];

for (const [name, word, operations] of computing) {
  Deno.test(`arithmetic in software: a run ends by it, at the same instruction on each tier: ${name}`, () => {
    const ends = (["off", "on", "force"] as const).map((tier1) => {
      const { engine } = programMachine({ [BASE]: [NOP, word, NOP, 0x17ff_fffd] }, tier1);
      const vcpu = patientVcpu(engine);
      vcpu.write("CPACR_EL1", 3n << 20n);
      const operand = operations === 1 ? 0x7fe0_0000_0000_1234n : 0x0000_0000_0000_0123n;
      for (const n of [1, 2]) vcpu.setV(n, operand << 64n | operand);
      const run = (budget: number, mostSlow?: number) => {
        const { kind } = engine.run(vcpu, { budget, startNs: 0, nsPerInstruction: 1, mostSlow });
        return { kind, retired: engine.lastRetired, slow: engine.lastSlow };
      };
      return { free: run(1_000_003), long: run(2_000_000, 20_000), again: run(2_000_000, 1), short: run(3000, 1) };
    });
    for (const end of ends) assertEquals(end, ends[0]);
    const [{ free, long, again, short }] = ends;
    assertEquals(free, { kind: "budget", retired: 1_000_003, slow: Math.floor(250_001 * operations / 10) });
    // Where 8192 divides what the vCPU has executed by then.
    assertEquals([(free.retired + long.retired) % 8192, again.retired % 8192], [0, 0]);
    for (const { slow } of [long, again]) assert(slow >= 20_000 && slow < 20_000 + 2048 * operations / 10, `${slow}`);
    assertEquals([short.kind, short.retired], ["budget", 3000]);
  });
}
