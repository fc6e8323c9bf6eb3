/** Identification registers. Arm ARM DDI 0487, "Identification registers". */
import { NONE, RO0, RO1, type Row, row, RW1 } from "./row.ts";
import { idGroup1, idGroup2, idGroup3, unlessEl0 } from "./traps.ts";

/** Names in the ID space op0 = 3, op1 = 0, CRn = 0, by CRm and op2; "" is unallocated and reads as zero. */
const ID_SPACE: Readonly<Record<number, readonly string[]>> = {
  1: ["ID_PFR0_EL1", "ID_PFR1_EL1", "ID_DFR0_EL1", "ID_AFR0_EL1", "ID_MMFR0_EL1", "ID_MMFR1_EL1", "ID_MMFR2_EL1", "ID_MMFR3_EL1"],
  2: ["ID_ISAR0_EL1", "ID_ISAR1_EL1", "ID_ISAR2_EL1", "ID_ISAR3_EL1", "ID_ISAR4_EL1", "ID_ISAR5_EL1", "ID_MMFR4_EL1", "ID_ISAR6_EL1"],
  3: ["MVFR0_EL1", "MVFR1_EL1", "MVFR2_EL1", "", "ID_PFR2_EL1", "ID_DFR1_EL1", "ID_MMFR5_EL1", ""],
  4: ["ID_AA64PFR0_EL1", "ID_AA64PFR1_EL1", "ID_AA64PFR2_EL1", "", "ID_AA64ZFR0_EL1", "ID_AA64SMFR0_EL1", "", "ID_AA64FPFR0_EL1"],
  5: ["ID_AA64DFR0_EL1", "ID_AA64DFR1_EL1", "ID_AA64DFR2_EL1", "", "ID_AA64AFR0_EL1", "ID_AA64AFR1_EL1", "", ""],
  6: ["ID_AA64ISAR0_EL1", "ID_AA64ISAR1_EL1", "ID_AA64ISAR2_EL1", "ID_AA64ISAR3_EL1", "", "", "", ""],
  7: ["ID_AA64MMFR0_EL1", "ID_AA64MMFR1_EL1", "ID_AA64MMFR2_EL1", "ID_AA64MMFR3_EL1", "ID_AA64MMFR4_EL1", "", "", ""],
};

const idSpace: readonly Row[] = Object.entries(ID_SPACE).flatMap(([crm, names]) =>
  names.map((name, op2) =>
    row(name || `S3_0_C0_C${crm}_${op2}`, [3, 0, 0, Number(crm), op2], RO1, {
      // At EL1 the field GIC follows ICC_SRE_EL1.
      hook: name === "ID_AA64PFR0_EL1" ? "computed" : undefined,
      reset: name ? "model" : 0n,
      mask: NONE,
      traps: idGroup3,
    })
  )
);

export const idRegisters: readonly Row[] = [
  // At EL1 these two read VPIDR_EL2 and VMPIDR_EL2.
  row("MIDR_EL1", [3, 0, 0, 0, 0], RO1, { hook: "computed", reset: "model", mask: NONE }),
  row("MPIDR_EL1", [3, 0, 0, 0, 5], RO1, { hook: "computed", reset: "model", mask: NONE }),
  row("REVIDR_EL1", [3, 0, 0, 0, 6], RO1, { reset: "model", mask: NONE, traps: idGroup1 }),
  ...idSpace,
  row("CCSIDR_EL1", [3, 1, 0, 0, 0], RO1, { hook: "computed", mask: NONE, traps: idGroup2 }),
  row("CLIDR_EL1", [3, 1, 0, 0, 1], RO1, { reset: "model", mask: NONE, traps: idGroup2 }),
  row("AIDR_EL1", [3, 1, 0, 0, 7], RO1, { reset: "model", mask: NONE, traps: idGroup1 }),
  row("CSSELR_EL1", [3, 2, 0, 0, 0], RW1, { mask: 0xfn, traps: idGroup2 }),
  row("CTR_EL0", [3, 3, 0, 0, 1], RO0, { reset: "model", mask: NONE, traps: [unlessEl0("SCTLR_EL1", [15]), ...idGroup2] }),
  // DZP reads as one where DC ZVA would trap.
  row("DCZID_EL0", [3, 3, 0, 0, 7], RO0, { hook: "computed", reset: "model", mask: NONE }),
];
