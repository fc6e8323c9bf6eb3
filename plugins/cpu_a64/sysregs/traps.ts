/**
 * Rules that send the access to a system register, or a system instruction, to
 * EL1 or EL2. Arm ARM DDI 0487: "EL1 configurable controls", "EL2 configurable
 * controls".
 */

/** A rule as data. It holds when the access fits and the control bits say so. */
export interface TrapRule {
  /** Exception level that the access goes to; with HCR_EL2.TGE EL2 takes what goes to EL1. `0`: UNDEFINED. */
  readonly to: 0 | 1 | 2;
  /** Levels from which the access traps. */
  readonly from: readonly (0 | 1 | 2)[];
  readonly on: "read" | "write" | "both";
  /** Where the control bits are: a system register, or PSTATE.SPSel. */
  readonly control: string;
  /** Bit numbers, all within one 32-bit half. */
  readonly bits: readonly number[];
  /** Traps when any of the bits is set, when none is, or when not all are. */
  readonly when: "any" | "none" | "notAll";
  /** Exception class: 0x18, or 0x07 for SIMD and floating point. */
  readonly ec: number;
}

type Direction = TrapRule["on"];

function toEl2(control: string, bits: number[], on: Direction = "both", from: (0 | 1)[] = [0, 1]): TrapRule {
  return { to: 2, from, on, control, bits, when: "any", ec: 0x18 };
}

/** HCR_EL2 bit, for accesses from EL1 (and EL0, where EL0 may access at all). */
export function hcr(bit: number, on: Direction = "both"): TrapRule {
  return toEl2("HCR_EL2", [bit], on);
}

/** An EL0 access goes to EL1 unless one of these bits of SCTLR_EL1, CNTKCTL_EL1, … permits it. */
export function unlessEl0(control: string, bits: number[], on: Direction = "both"): TrapRule {
  return { to: 1, from: [0], on, control, bits, when: "none", ec: 0x18 };
}

/** HCR_EL2.TVM and TRVM: the virtual memory control registers. */
export const virtualMemory: readonly TrapRule[] = [hcr(26, "write"), hcr(30, "read")];
/** HCR_EL2.TID1, TID2, TID3: the ID groups. */
export const idGroup1: readonly TrapRule[] = [hcr(16, "read")];
export const idGroup2: readonly TrapRule[] = [hcr(17)];
export const idGroup3: readonly TrapRule[] = [hcr(18, "read")];
/** HCR_EL2.TACR. */
export const auxiliary: readonly TrapRule[] = [hcr(21)];
/** CPTR_EL2.TCPAC. */
export const coprocessorAccess: readonly TrapRule[] = [toEl2("CPTR_EL2", [31])];

/** SIMD and floating point: CPACR_EL1.FPEN first, then CPTR_EL2.TFP. */
export const floatingPoint: readonly TrapRule[] = [
  { to: 1, from: [0], on: "both", control: "CPACR_EL1", bits: [20, 21], when: "notAll", ec: 0x07 },
  { to: 1, from: [1], on: "both", control: "CPACR_EL1", bits: [20], when: "none", ec: 0x07 },
  { to: 2, from: [0, 1, 2], on: "both", control: "CPTR_EL2", bits: [10], when: "any", ec: 0x07 },
];

/** SP_EL0 is UNDEFINED while it is the current stack pointer. */
export const unlessCurrentStack: readonly TrapRule[] = [
  { to: 0, from: [1, 2], on: "both", control: "SPSel", bits: [0], when: "none", ec: 0 },
];

/** MDCR_EL2.TDE makes TDA, TDOSA and TDRA count as set. */
const TDE = 8;
/** MDCR_EL2.TDA: debug registers other than the two groups below. */
export const debug: readonly TrapRule[] = [toEl2("MDCR_EL2", [9, TDE])];
/** MDCR_EL2.TDOSA: OS lock, double lock and power registers. */
export const debugOs: readonly TrapRule[] = [toEl2("MDCR_EL2", [10, TDE])];
/** MDCR_EL2.TDRA: the debug ROM address. */
export const debugRom: readonly TrapRule[] = [toEl2("MDCR_EL2", [11, TDE])];
/** MDSCR_EL1.TDCC, then MDCR_EL2.TDA: the debug communications channel, which EL0 reaches too. */
export const debugChannel: readonly TrapRule[] = [
  { to: 1, from: [0], on: "both", control: "MDSCR_EL1", bits: [12], when: "any", ec: 0x18 },
  ...debug,
];

/** Performance monitors: PMUSERENR_EL0 bits that let EL0 in, then MDCR_EL2.TPM (and TPMCR). */
export function performance(
  options: { readonly el0Read?: number[]; readonly el0Write?: number[]; readonly isPmcr?: boolean } = {},
): TrapRule[] {
  const { el0Read = [0], el0Write = [0], isPmcr = false } = options;
  return [
    unlessEl0("PMUSERENR_EL0", el0Read, "read"),
    unlessEl0("PMUSERENR_EL0", el0Write, "write"),
    toEl2("MDCR_EL2", isPmcr ? [5, 6] : [6]),
  ];
}
/** MDCR_EL2.TPM alone: PMUSERENR_EL0 itself, which EL0 may always read, and the EL1 ones. */
export const performanceEl1: readonly TrapRule[] = [toEl2("MDCR_EL2", [6])];

/** Physical counter and timer: CNTKCTL_EL1 for EL0, then CNTHCTL_EL2.EL1PCTEN or EL1PCEN. */
export function physicalTimer(cntkctlBit: number, cnthctlBit: number): TrapRule[] {
  return [
    unlessEl0("CNTKCTL_EL1", [cntkctlBit]),
    { to: 2, from: [0, 1], on: "both", control: "CNTHCTL_EL2", bits: [cnthctlBit], when: "none", ec: 0x18 },
  ];
}

/** ICC_SRE_EL1.SRE: the ICC registers are there. */
export const gicSystemRegisters: TrapRule = { to: 0, from: [1], on: "both", control: "ICC_SRE_EL1", bits: [0], when: "none", ec: 0 };
/** ICH_HCR_EL2.TC, TALL0 and TALL1. */
export const gicCommon: readonly TrapRule[] = [toEl2("ICH_HCR_EL2", [10])];
export const gicGroup0: readonly TrapRule[] = [toEl2("ICH_HCR_EL2", [11])];
export const gicGroup1: readonly TrapRule[] = [toEl2("ICH_HCR_EL2", [12])];
/** ICC_DIR_EL1: TC and TDIR. */
export const gicDeactivate: readonly TrapRule[] = [toEl2("ICH_HCR_EL2", [10, 14])];
/** Software generated interrupts: also whenever HCR_EL2 routes FIQ or IRQ to EL2. */
export const gicSgi: readonly TrapRule[] = [...gicCommon, toEl2("HCR_EL2", [3, 4])];
/** ICC_SRE_EL2.Enable: EL1 may use ICC_SRE_EL1. */
export const gicEnable: readonly TrapRule[] = [
  { to: 2, from: [1], on: "both", control: "ICC_SRE_EL2", bits: [3], when: "none", ec: 0x18 },
];
