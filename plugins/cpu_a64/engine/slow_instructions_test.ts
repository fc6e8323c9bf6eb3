/** Instructions that take long: the same are counted on each tier, and a run has no more of them than it may. */
import { assertEquals } from "@std/assert";
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
];

for (const tier1 of ["off", "on", "force"] as const) {
  for (const [name, word, isSlow] of cases) {
    Deno.test(`${name} ${isSlow ? "counts as slow" : "isn't slow"}, tier 1 ${tier1}`, () => {
      const { engine } = programMachine({ [BASE]: [word, BACK] }, tier1);
      const vcpu = patientVcpu(engine);
      vcpu.write("CPACR_EL1", 3n << 20n);
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
