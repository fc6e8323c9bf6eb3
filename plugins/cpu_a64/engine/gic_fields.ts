/** Fields of the GIC's hypervisor control registers. Arm IHI 0069, "AArch64 System register descriptions". */

/** INTID that means "nothing". */
export const SPURIOUS = 1023;
/** INTID field of ICC_EOIR and ICC_DIR. */
export const EOI_INTID = 0xff_ffff;

/** ICH_HCR_EL2. */
export const Hcr = {
  EN: 1 << 0,
  UIE: 1 << 1,
  LRENPIE: 1 << 2,
  NPIE: 1 << 3,
  VGRP0_EIE: 1 << 4,
  VGRP0_DIE: 1 << 5,
  VGRP1_EIE: 1 << 6,
  VGRP1_DIE: 1 << 7,
  EOI_COUNT_SHIFT: 27,
} as const;

/** ICH_MISR_EL2. */
export const Misr = {
  EOI: 1 << 0,
  U: 1 << 1,
  LRENP: 1 << 2,
  NP: 1 << 3,
  VGRP0_E: 1 << 4,
  VGRP0_D: 1 << 5,
  VGRP1_E: 1 << 6,
  VGRP1_D: 1 << 7,
} as const;

/** ICH_VMCR_EL2. */
export const Vmcr = {
  VENG0: 1 << 0,
  VENG1: 1 << 1,
  VACKCTL: 1 << 2,
  VFIQEN: 1 << 3,
  VCBPR: 1 << 4,
  VEOIM: 1 << 9,
  VBPR1: 7 << 18,
  VBPR1_SHIFT: 18,
  VBPR0: 7 << 21,
  VBPR0_SHIFT: 21,
  VPMR: 0xff << 24,
  VPMR_SHIFT: 24,
} as const;

/** High word of ICH_LR<n>_EL2; the low word is the virtual INTID. */
export const LR_HI = {
  /** With HW = 1: what ends with it. */
  PHYSICAL_INTID: 0x1fff,
  /** With HW = 0: maintenance interrupt at the end. */
  EOI: 1 << 9,
  PRIORITY_SHIFT: 16,
  GROUP_SHIFT: 28,
  HW: 1 << 29,
  PENDING: 1 << 30,
  ACTIVE: 1 << 31,
  STATE: 3 << 30,
} as const;

/** A virtual IRQ (group 1; the memory-mapped interface may have group 0 here as well), or a virtual FIQ (group 0) waits. */
export const Signal = { irq: 1, fiq: 2 } as const;

/** 1020 to 1023 mean "none". */
export function isSpecial(intid: number): boolean {
  return intid >= 1020 && intid <= SPURIOUS;
}
