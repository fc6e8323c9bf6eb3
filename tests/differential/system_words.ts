/**
 * Words of the system class that user mode can compare. Random ones would be
 * registers whose values differ between any two machines, or traps.
 */
import type { Random } from "../support/random.ts";

/** MRS and MSR of registers of one's own at EL0: all bits but Rt. MSR is MRS without bit 21. */
const registers: Readonly<Record<string, number>> = {
  NZCV: 0xd53b4200,
  FPCR: 0xd53b4400,
  FPSR: 0xd53b4420,
  TPIDR_EL0: 0xd53bd040,
};

/** Registers and instructions that EL0 must not use: they are UNDEFINED there. */
const privileged = [
  0xd5381000, // MRS SCTLR_EL1
  0xd5181000, // MSR SCTLR_EL1
  0xd5384100, // MRS SP_EL0
  0xd5384240, // MRS CurrentEL
  0xd53c1100, // MRS HCR_EL2
  0xd53e1100, // MRS SCR_EL3
  0xd5184000, // MSR SPSR_EL1
  0xd5087800, // AT S1E1R
  0xd5087600, // DC IVAC
  0xd5087640, // DC ISW
  0xd508871f, // TLBI VMALLE1
  0xd508751f, // IC IALLU
  0xd50040bf, // MSR SPSel, #0
];

/** Cache maintenance by address at EL0, and DC ZVA: all bits but Rt. */
const byAddress = [
  0xd50b7420, // DC ZVA
  0xd50b7420,
  0xd50b7a20, // DC CVAC
  0xd50b7b20, // DC CVAU
  0xd50b7e20, // DC CIVAC
  0xd50b7520, // IC IVAU
];

/** Barriers and CLREX; hints without WFE and WFI, which wait for what never comes. */
const barriers = [0xd503305f, 0xd503309f, 0xd50330bf, 0xd50330df];
const hints = [0xd503201f, 0xd503203f, 0xd503209f, 0xd50320bf];
const BARRIER_OPTIONS = 0xf00;

/** Whether a word belongs to the system class. */
export const isSystem = (word: number): boolean => word >>> 22 === 0xd5000000 >>> 22;

/** Whether Rt of a system word is an address. */
export const isByAddress = (word: number): boolean => byAddress.includes((word & ~31) >>> 0);

/** A word of the system class that both sides can execute. */
export function systemWord(random: Random): number {
  const rt = random.below(32);
  switch (random.below(6)) {
    case 0:
      return (random.pick(Object.values(registers)) | rt) >>> 0;
    case 1: // TPIDR_EL0 would stay for later cases
      return ((random.pick([registers.NZCV, registers.FPCR, registers.FPSR]) & ~(1 << 21)) | rt) >>> 0;
    case 2:
      return random.pick(privileged);
    case 3:
      return (random.pick(byAddress) | rt) >>> 0;
    case 4:
      return (random.pick(barriers) | random.u32() & BARRIER_OPTIONS) >>> 0;
    default: // unallocated hints are NOPs; CRm 0 to 3 hold those that newer CPUs know
      return random.chance(0.5) ? random.pick(hints) : (0xd503241f | (random.below(12) << 8) | random.below(8) << 5) >>> 0;
  }
}
