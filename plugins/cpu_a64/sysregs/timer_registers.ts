/** Generic timer. Arm ARM DDI 0487, "Generic Timer registers". The counter belongs to the system, so its reads are hooks. */
import type { Feature } from "./features.ts";
import { LOW32, NONE, RO0, type Row, row, type RowDetails, RW0, RW1, RW2 } from "./row.ts";
import { physicalTimer, unlessEl0 } from "./traps.ts";

/** CNTKCTL_EL1: EL0PCTEN, EL0VCTEN, EL0VTEN, EL0PTEN. */
const EL0PCTEN = 0, EL0VCTEN = 1, EL0VTEN = 8, EL0PTEN = 9;
/** CNTHCTL_EL2: EL1PCTEN, EL1PCEN. */
const EL1PCTEN = 0, EL1PCEN = 1;

/** A timer of the architecture: three registers and a private interrupt. */
export interface ArchitecturalTimer {
  /** What its registers' names begin with. */
  readonly prefix: "CNTP" | "CNTV" | "CNTHP" | "CNTHV" | "CNTHPS" | "CNTHVS" | "CNTPS";
  /** What its registers' names end with. */
  readonly el: "EL0" | "EL1" | "EL2";
  /** Its interrupt, as Arm's Base System Architecture (DEN 0094, "PPI assignments") and the FVPs have it. */
  readonly intid: number;
  /** CNTVOFF_EL2 counts. Not for CNTHV and CNTHVS: the virtual timers of EL2 see the physical count. */
  readonly isOffset: boolean;
  /** A model without it doesn't have the timer: its registers are UNDEFINED. */
  readonly feature?: Feature;
  /** CRm of its registers, op1, and the rest of their rows. */
  readonly crm: number;
  readonly op1: number;
  readonly access: Row["access"];
  readonly traps?: Row["traps"];
}

/** EL3's software alone may use it, unless EL3 lets Secure EL1 (SCR_EL3.ST): here nobody below EL2. */
const RW3: Row["access"] = { read: 3, write: 3 };

/** Every timer. */
export const architecturalTimers: readonly ArchitecturalTimer[] = [
  { prefix: "CNTP", el: "EL0", intid: 30, isOffset: false, op1: 3, crm: 2, access: RW0, traps: physicalTimer(EL0PTEN, EL1PCEN) },
  { prefix: "CNTV", el: "EL0", intid: 27, isOffset: true, op1: 3, crm: 3, access: RW0, traps: [unlessEl0("CNTKCTL_EL1", [EL0VTEN])] },
  { prefix: "CNTHP", el: "EL2", intid: 26, isOffset: false, op1: 4, crm: 2, access: RW2, feature: "NonSecure" },
  { prefix: "CNTHV", el: "EL2", intid: 28, isOffset: false, op1: 4, crm: 3, access: RW2, feature: "VHE" },
  { prefix: "CNTHVS", el: "EL2", intid: 19, isOffset: false, op1: 4, crm: 4, access: RW2, feature: "SEL2" },
  { prefix: "CNTHPS", el: "EL2", intid: 20, isOffset: false, op1: 4, crm: 5, access: RW2, feature: "SEL2" },
  { prefix: "CNTPS", el: "EL1", intid: 29, isOffset: false, op1: 7, crm: 2, access: RW3, feature: "NonSecure" },
];

/** TVAL, CTL (ENABLE and IMASK are stored, ENABLE resets to 0) and CVAL. */
function timer({ prefix, el, op1, crm, access, traps, feature }: ArchitecturalTimer): Row[] {
  const details: RowDetails = { hook: "timer", traps, feature };
  return [
    row(`${prefix}_TVAL_${el}`, [3, op1, 14, crm, 0], access, { ...details, mask: LOW32 }),
    row(`${prefix}_CTL_${el}`, [3, op1, 14, crm, 1], access, { ...details, mask: 3n }),
    row(`${prefix}_CVAL_${el}`, [3, op1, 14, crm, 2], access, details),
  ];
}

/** The rows. CNTPOFF_EL2 and the self-synchronised counters need FEAT_ECV, which no model advertises: they are UNDEFINED. */
export const timerRegisters: readonly Row[] = [
  // The event stream (EVNTEN, EVNTDIR, EVNTI) is stored and generates nothing: WFE may complete at any time ("Wait for Event": it is
  // IMPLEMENTATION DEFINED what else wakes it), and the scheduler ends each wait after 10 us at most, sooner than any event stream in use.
  row("CNTKCTL_EL1", [3, 0, 14, 1, 0], RW1, { hook: "timer", mask: 0x3ffn }),
  // Software at the highest Exception level, which is EL2, says what the frequency is.
  row("CNTFRQ_EL0", [3, 3, 14, 0, 0], { read: 0, write: 2 }, { mask: LOW32, traps: [unlessEl0("CNTKCTL_EL1", [EL0PCTEN, EL0VCTEN])] }),
  row("CNTPCT_EL0", [3, 3, 14, 0, 1], RO0, { hook: "timer", mask: NONE, traps: physicalTimer(EL0PCTEN, EL1PCTEN) }),
  row("CNTVCT_EL0", [3, 3, 14, 0, 2], RO0, { hook: "timer", mask: NONE, traps: [unlessEl0("CNTKCTL_EL1", [EL0VCTEN])] }),
  row("CNTVOFF_EL2", [3, 4, 14, 0, 3], RW2, { hook: "timer" }),
  // EL1PCTEN and EL1PCEN come out of reset set, so that nothing traps before EL2 asks for it.
  row("CNTHCTL_EL2", [3, 4, 14, 1, 0], RW2, { hook: "timer", mask: 0xffn, reset: 3n }),
  ...architecturalTimers.flatMap(timer),
];
