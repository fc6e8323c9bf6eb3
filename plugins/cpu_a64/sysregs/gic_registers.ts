/**
 * GICv3 CPU interface and its hypervisor control. Arm IHI 0069, "AArch64 System
 * register descriptions". Priorities have five bits, so of the active priority
 * registers only number 0 exists. With HCR_EL2.IMO or FMO an EL1 access to an
 * ICC register reaches the virtual interface: the hook decides.
 */
import { type Access, type Encoding, LOW32, NONE, RO1, RO2, type Row, row, RW1, RW2, WO1 } from "./row.ts";
import { gicCommon, gicDeactivate, gicEnable, gicGroup0, gicGroup1, gicSgi, gicSystemRegisters, type TrapRule } from "./traps.ts";

/** List registers that have a row; ICH_VTR_EL2.ListRegs says how many a CPU has. */
export const LIST_REGISTERS = 16;

function icc(name: string, encoding: Encoding, access: Access, traps: readonly TrapRule[], mask = LOW32): Row {
  return row(name, encoding, access, { hook: "gic", feature: "GIC", mask, traps: [gicSystemRegisters, ...traps] });
}

function ich(name: string, encoding: Encoding, access: Access, mask = LOW32, reset: bigint | "model" = 0n): Row {
  return row(name, encoding, access, { hook: "gic", feature: "GIC", mask, reset });
}

export const gicRegisters: readonly Row[] = [
  icc("ICC_PMR_EL1", [3, 0, 4, 6, 0], RW1, gicCommon, 0xf8n),
  icc("ICC_IAR0_EL1", [3, 0, 12, 8, 0], RO1, gicGroup0, NONE),
  icc("ICC_EOIR0_EL1", [3, 0, 12, 8, 1], WO1, gicGroup0),
  icc("ICC_HPPIR0_EL1", [3, 0, 12, 8, 2], RO1, gicGroup0, NONE),
  icc("ICC_BPR0_EL1", [3, 0, 12, 8, 3], RW1, gicGroup0, 7n),
  icc("ICC_AP0R0_EL1", [3, 0, 12, 8, 4], RW1, gicGroup0),
  icc("ICC_AP1R0_EL1", [3, 0, 12, 9, 0], RW1, gicGroup1),
  icc("ICC_DIR_EL1", [3, 0, 12, 11, 1], WO1, gicDeactivate),
  icc("ICC_RPR_EL1", [3, 0, 12, 11, 3], RO1, gicCommon, NONE),
  icc("ICC_SGI1R_EL1", [3, 0, 12, 11, 5], WO1, gicSgi, 2n ** 64n - 1n),
  icc("ICC_ASGI1R_EL1", [3, 0, 12, 11, 6], WO1, gicSgi, 2n ** 64n - 1n),
  icc("ICC_SGI0R_EL1", [3, 0, 12, 11, 7], WO1, gicSgi, 2n ** 64n - 1n),
  icc("ICC_IAR1_EL1", [3, 0, 12, 12, 0], RO1, gicGroup1, NONE),
  icc("ICC_EOIR1_EL1", [3, 0, 12, 12, 1], WO1, gicGroup1),
  icc("ICC_HPPIR1_EL1", [3, 0, 12, 12, 2], RO1, gicGroup1, NONE),
  icc("ICC_BPR1_EL1", [3, 0, 12, 12, 3], RW1, gicGroup1, 7n),
  icc("ICC_CTLR_EL1", [3, 0, 12, 12, 4], RW1, gicCommon, 3n),
  // EL2 chooses for each vCPU: to EL1, SRE is RAO/WI, or RAZ/WI where its CPU interface is in memory. DFB and DIB are RAO/WI.
  row("ICC_SRE_EL1", [3, 0, 12, 12, 5], RW1, { feature: "GIC", mask: 1n, ones: 6n, reset: 7n, traps: gicEnable }),
  icc("ICC_IGRPEN0_EL1", [3, 0, 12, 12, 6], RW1, gicGroup0, 1n),
  icc("ICC_IGRPEN1_EL1", [3, 0, 12, 12, 7], RW1, gicGroup1, 1n),
  ich("ICH_AP0R0_EL2", [3, 4, 12, 8, 0], RW2),
  ich("ICH_AP1R0_EL2", [3, 4, 12, 9, 0], RW2),
  // Enable may come set where SRE is fixed, but EL2 keeps the switch.
  row("ICC_SRE_EL2", [3, 4, 12, 9, 5], RW2, { feature: "GIC", mask: 8n, ones: 7n, reset: 8n }),
  // EOIcount, TDIR, TALL1, TALL0, TC, and the maintenance enables.
  ich("ICH_HCR_EL2", [3, 4, 12, 11, 0], RW2, 0xf800_5cffn),
  ich("ICH_VTR_EL2", [3, 4, 12, 11, 1], RO2, NONE, "model"),
  ich("ICH_MISR_EL2", [3, 4, 12, 11, 2], RO2, NONE),
  ich("ICH_EISR_EL2", [3, 4, 12, 11, 3], RO2, NONE),
  ich("ICH_ELRSR_EL2", [3, 4, 12, 11, 5], RO2, NONE),
  // VPMR, VBPR0, VBPR1, VEOIM, VCBPR, VFIQEn, VAckCtl, VENG1, VENG0.
  ich("ICH_VMCR_EL2", [3, 4, 12, 11, 7], RW2, 0xf8fc_021fn),
  ...Array.from(
    { length: LIST_REGISTERS },
    (_, n) => ich(`ICH_LR${n}_EL2`, [3, 4, 12, 12 + (n >> 3), n & 7], RW2, 0xf0ff_1fff_ffff_ffffn),
  ),
];
