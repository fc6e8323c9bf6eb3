/** Fields of the hypervisor control registers that this plugin programs. Arm IHI 0069, "ICH_HCR_EL2", "ICH_LR<n>_EL2", "ICH_VMCR_EL2". */

/** ICH_HCR_EL2. */
export const Hcr = {
  EN: 1 << 0,
  /** Maintenance interrupt when EOIcount isn't zero. */
  LRENPIE: 1 << 2,
  /** When no list register is pending. */
  NPIE: 1 << 3,
  /** When a group gets enabled or disabled; group 1's are two bits further. */
  VGRP0_EIE: 1 << 4,
  VGRP0_DIE: 1 << 5,
  /**
   * ICC_DIR_EL1 traps: always. EL2 isn't told when a guest sets EOImode 1, and what it deactivates may be active on another vCPU, or have no
   * list register.
   */
  TDIR: 1 << 14,
  EOI_COUNT_SHIFT: 27,
} as const;

/** High word of ICH_LR<n>_EL2. */
export const List = {
  /** Maintenance interrupt when it ends. */
  EOI: 1 << 9,
  PRIORITY_SHIFT: 16,
  GROUP_SHIFT: 28,
  GROUP_AND_PRIORITY: 0x10ff_0000,
  PENDING: 1 << 30,
  ACTIVE: 1 << 31,
} as const;

/** ICH_VMCR_EL2. */
export const Vmcr = { VENG0: 1 << 0, VENG1: 1 << 1, VCBPR: 1 << 4, VEOIM: 1 << 9, VBPR1_SHIFT: 18, VBPR0_SHIFT: 21 } as const;

/** Names of the list registers, made once. */
export const listRegisterNames: readonly string[] = Array.from({ length: 16 }, (_, n) => `ICH_LR${n}_EL2`);
