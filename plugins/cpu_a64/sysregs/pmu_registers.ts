/** Performance monitors, PMUv3 with the cycle counter and no event counters. Arm ARM DDI 0487, "Performance Monitors registers". */
import { LOW32, NONE, RO0, type Row, row, RW0, RW1, WO0 } from "./row.ts";
import { performance, performanceEl1 } from "./traps.ts";

/** Bits of PMUSERENR_EL0 that let EL0 in. */
const EN = 0, SW = 1, CR = 2, ER = 3;
/** The only implemented bit of the set and clear registers: the cycle counter. */
const CYCLES = 1n << 31n;

export const pmuRegisters: readonly Row[] = [
  // E, D, X, DP; writing P or C resets counters. N is 0; LC is RES1 without AArch32.
  row("PMCR_EL0", [3, 3, 9, 12, 0], RW0, { hook: "pmu", mask: 0x39n, ones: 0x40n, reset: "model", traps: performance({ isPmcr: true }) }),
  row("PMCNTENSET_EL0", [3, 3, 9, 12, 1], RW0, { hook: "pmu", mask: CYCLES, traps: performance() }),
  row("PMCNTENCLR_EL0", [3, 3, 9, 12, 2], RW0, { hook: "pmu", mask: CYCLES, traps: performance() }),
  row("PMOVSCLR_EL0", [3, 3, 9, 12, 3], RW0, { hook: "pmu", mask: CYCLES, traps: performance() }),
  row("PMSWINC_EL0", [3, 3, 9, 12, 4], WO0, { mask: NONE, traps: performance({ el0Write: [EN, SW] }) }),
  row("PMSELR_EL0", [3, 3, 9, 12, 5], RW0, { mask: 0x1fn, traps: performance({ el0Read: [EN, ER], el0Write: [EN, ER] }) }),
  row("PMCEID0_EL0", [3, 3, 9, 12, 6], RO0, { mask: NONE, reset: "model", traps: performance() }),
  row("PMCEID1_EL0", [3, 3, 9, 12, 7], RO0, { mask: NONE, reset: "model", traps: performance() }),
  row("PMCCNTR_EL0", [3, 3, 9, 13, 0], RW0, { hook: "pmu", traps: performance({ el0Read: [EN, CR] }) }),
  row("PMXEVTYPER_EL0", [3, 3, 9, 13, 1], RW0, { hook: "pmu", mask: 0xfc00_0000n, traps: performance() }),
  row("PMXEVCNTR_EL0", [3, 3, 9, 13, 2], RW0, { hook: "pmu", mask: LOW32, traps: performance({ el0Read: [EN, ER] }) }),
  row("PMUSERENR_EL0", [3, 3, 9, 14, 0], { read: 0, write: 1 }, { mask: 0xfn, traps: performanceEl1 }),
  row("PMINTENSET_EL1", [3, 0, 9, 14, 1], RW1, { hook: "pmu", mask: CYCLES, traps: performanceEl1 }),
  row("PMINTENCLR_EL1", [3, 0, 9, 14, 2], RW1, { hook: "pmu", mask: CYCLES, traps: performanceEl1 }),
  row("PMOVSSET_EL0", [3, 3, 9, 14, 3], RW0, { hook: "pmu", mask: CYCLES, traps: performance() }),
  // P, U, NSK, NSU, NSH, M: which levels the cycle counter counts.
  row("PMCCFILTR_EL0", [3, 3, 14, 15, 7], RW0, { hook: "pmu", mask: 0xfc00_0000n, traps: performance() }),
];
