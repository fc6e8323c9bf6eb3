/** Generic timer. Arm ARM DDI 0487, "Generic Timer registers". The counter belongs to the system, so its reads are hooks. */
import { LOW32, NONE, RO0, type Row, row, RW0, RW1, RW2 } from "./row.ts";
import { physicalTimer, unlessEl0 } from "./traps.ts";

/** CNTKCTL_EL1: EL0PCTEN, EL0VCTEN, EL0VTEN, EL0PTEN. */
const EL0PCTEN = 0, EL0VCTEN = 1, EL0VTEN = 8, EL0PTEN = 9;
/** CNTHCTL_EL2: EL1PCTEN, EL1PCEN. */
const EL1PCTEN = 0, EL1PCEN = 1;

const physical = physicalTimer(EL0PTEN, EL1PCEN);
const virtual = [unlessEl0("CNTKCTL_EL1", [EL0VTEN])];

export const timerRegisters: readonly Row[] = [
  row("CNTKCTL_EL1", [3, 0, 14, 1, 0], RW1, { hook: "timer", mask: 0x3ffn }),
  // Software at the highest Exception level, which is EL2, says what the frequency is.
  row("CNTFRQ_EL0", [3, 3, 14, 0, 0], { read: 0, write: 2 }, { mask: LOW32, traps: [unlessEl0("CNTKCTL_EL1", [EL0PCTEN, EL0VCTEN])] }),
  row("CNTPCT_EL0", [3, 3, 14, 0, 1], RO0, { hook: "timer", mask: NONE, traps: physicalTimer(EL0PCTEN, EL1PCTEN) }),
  row("CNTVCT_EL0", [3, 3, 14, 0, 2], RO0, { hook: "timer", mask: NONE, traps: [unlessEl0("CNTKCTL_EL1", [EL0VCTEN])] }),
  row("CNTP_TVAL_EL0", [3, 3, 14, 2, 0], RW0, { hook: "timer", mask: LOW32, traps: physical }),
  row("CNTP_CTL_EL0", [3, 3, 14, 2, 1], RW0, { hook: "timer", mask: 3n, traps: physical }),
  row("CNTP_CVAL_EL0", [3, 3, 14, 2, 2], RW0, { hook: "timer", traps: physical }),
  row("CNTV_TVAL_EL0", [3, 3, 14, 3, 0], RW0, { hook: "timer", mask: LOW32, traps: virtual }),
  row("CNTV_CTL_EL0", [3, 3, 14, 3, 1], RW0, { hook: "timer", mask: 3n, traps: virtual }),
  row("CNTV_CVAL_EL0", [3, 3, 14, 3, 2], RW0, { hook: "timer", traps: virtual }),
  row("CNTVOFF_EL2", [3, 4, 14, 0, 3], RW2, { hook: "timer" }),
  // EL1PCTEN and EL1PCEN come out of reset set, so that nothing traps before EL2 asks for it.
  row("CNTHCTL_EL2", [3, 4, 14, 1, 0], RW2, { hook: "timer", mask: 0xffn, reset: 3n }),
  row("CNTHP_TVAL_EL2", [3, 4, 14, 2, 0], RW2, { hook: "timer", mask: LOW32 }),
  row("CNTHP_CTL_EL2", [3, 4, 14, 2, 1], RW2, { hook: "timer", mask: 3n }),
  row("CNTHP_CVAL_EL2", [3, 4, 14, 2, 2], RW2, { hook: "timer" }),
  row("CNTHV_TVAL_EL2", [3, 4, 14, 3, 0], RW2, { hook: "timer", mask: LOW32, feature: "VHE" }),
  row("CNTHV_CTL_EL2", [3, 4, 14, 3, 1], RW2, { hook: "timer", mask: 3n, feature: "VHE" }),
  row("CNTHV_CVAL_EL2", [3, 4, 14, 3, 2], RW2, { hook: "timer", feature: "VHE" }),
];
