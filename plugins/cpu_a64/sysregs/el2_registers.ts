/** Registers of EL2. Arm ARM DDI 0487, "General system control registers"; no VHE, no EL3. */
import { LOW32, NONE, RO2, type Row, row, RW2 } from "./row.ts";
import { SPSR_FEATURES, SPSR_MASK } from "./el1_registers.ts";

const ALL = 2n ** 64n - 1n;

export const el2Registers: readonly Row[] = [
  row("VPIDR_EL2", [3, 4, 0, 0, 0], RW2, { mask: LOW32, reset: "model" }),
  row("VMPIDR_EL2", [3, 4, 0, 0, 5], RW2, { reset: "model" }),
  // M, A, C, SA, I, WXN; the RES1 bits of Armv8.0. With an MPU also BR.
  row("SCTLR_EL2", [3, 4, 1, 0, 0], RW2, {
    hook: "mmu",
    mask: 0x0008_100fn,
    ones: 0x30c5_0830n,
    featureBits: { PMSA: 1n << 17n },
  }),
  row("ACTLR_EL2", [3, 4, 1, 0, 1], RW2, { mask: NONE }),
  // RW is RAO/WI: EL1 has no AArch32. E2H and everything later than Armv8.0 is RES0.
  row("HCR_EL2", [3, 4, 1, 1, 0], RW2, { hook: "control", mask: 0x3_7fff_ffffn, ones: 1n << 31n }),
  // HPMN, TPMCR, TPM, HPME, TDE, TDA, TDOSA, TDRA. HPMN resets to the number of event counters: 0.
  row("MDCR_EL2", [3, 4, 1, 1, 1], RW2, { hook: "control", mask: 0xfffn }),
  // TFP and TCPAC; there is no trace unit, so TTA is RES0. The RES1 bits of Armv8.0 without SVE.
  row("CPTR_EL2", [3, 4, 1, 1, 2], RW2, { hook: "control", mask: 0x8000_0400n, ones: 0x33ffn }),
  row("HSTR_EL2", [3, 4, 1, 1, 3], RW2, { mask: NONE }),
  row("HACR_EL2", [3, 4, 1, 1, 7], RW2, { mask: NONE }),
  row("TTBR0_EL2", [3, 4, 2, 0, 0], RW2, { hook: "mmu", mask: 0xffff_ffff_fffen, without: "PMSA" }),
  // T0SZ, IRGN0, ORGN0, SH0, TG0, PS, TBI.
  row("TCR_EL2", [3, 4, 2, 0, 2], RW2, { hook: "mmu", mask: 0x0017_ff3fn, ones: 0x8080_0000n }),
  row("VTTBR_EL2", [3, 4, 2, 1, 0], RW2, { hook: "mmu", mask: 0x00ff_ffff_ffff_fffen }),
  // T0SZ, SL0, IRGN0, ORGN0, SH0, TG0, PS. With an MPU MSA, NSA and VS instead, where tables have their RES1 bit and 8-bit VMIDs.
  row("VTCR_EL2", [3, 4, 2, 1, 2], RW2, { hook: "mmu", mask: 0x0007_ffffn, ones: 1n << 31n, featureMask: { PMSA: 0xc008_0000n } }),
  row("DACR32_EL2", [3, 4, 3, 0, 0], RW2, { mask: NONE }),
  row("SPSR_EL2", [3, 4, 4, 0, 0], RW2, { mask: SPSR_MASK, featureBits: SPSR_FEATURES }),
  row("ELR_EL2", [3, 4, 4, 0, 1], RW2),
  row("SP_EL1", [3, 4, 4, 1, 0], RW2),
  // Banked state of AArch32 modes, which EL1 doesn't have.
  row("SPSR_irq", [3, 4, 4, 3, 0], RW2, { mask: NONE }),
  row("SPSR_abt", [3, 4, 4, 3, 1], RW2, { mask: NONE }),
  row("SPSR_und", [3, 4, 4, 3, 2], RW2, { mask: NONE }),
  row("SPSR_fiq", [3, 4, 4, 3, 3], RW2, { mask: NONE }),
  row("IFSR32_EL2", [3, 4, 5, 0, 1], RW2, { mask: NONE }),
  row("AFSR0_EL2", [3, 4, 5, 1, 0], RW2, { mask: NONE }),
  row("AFSR1_EL2", [3, 4, 5, 1, 1], RW2, { mask: NONE }),
  row("ESR_EL2", [3, 4, 5, 2, 0], RW2, { mask: LOW32 }),
  row("FPEXC32_EL2", [3, 4, 5, 3, 0], RW2, { mask: NONE }),
  row("FAR_EL2", [3, 4, 6, 0, 0], RW2),
  // FIPA: IPA bits 47:12 in bits 39:4.
  row("HPFAR_EL2", [3, 4, 6, 0, 4], RW2, { mask: 0xff_ffff_fff0n }),
  row("MAIR_EL2", [3, 4, 10, 2, 0], RW2, { hook: "mmu" }),
  row("AMAIR_EL2", [3, 4, 10, 3, 0], RW2, { mask: NONE }),
  row("VBAR_EL2", [3, 4, 12, 0, 0], RW2, { mask: ~0x7ffn & ALL }),
  row("RVBAR_EL2", [3, 4, 12, 0, 1], RO2, { mask: NONE }),
  row("RMR_EL2", [3, 4, 12, 0, 2], RW2, { mask: NONE, ones: 1n }),
  row("TPIDR_EL2", [3, 4, 13, 0, 2], RW2),
  // Reachable from EL3 only: its slot is the bank of the stack pointer.
  row("SP_EL2", [3, 6, 4, 1, 0], { read: 3, write: 3 }),
];
