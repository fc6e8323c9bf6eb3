/**
 * Registers of PMSAv8-64, the protected memory system of Armv8-R AArch64. Arm DDI 0600, "System registers": each MPU shows one
 * region at a time behind PRBAR and PRLAR, chosen by PRSELR, and fifteen of the same group of sixteen behind PRBAR<n> and PRLAR<n>.
 */
import { LOW32, NONE, RO1, RO2, type Row, row, RW1, RW2 } from "./row.ts";
import { idGroup1, virtualMemory } from "./traps.ts";

/** Most regions of an MPU: MPUIR_ELx.REGION has eight bits. */
export const MAX_MPU_REGIONS = 255;
/** PRBAR<n> and PRLAR<n> have n from 0 (printed without a number) to this. */
export const DIRECT_REGIONS = 16;

/** Bits [47:6] of an address. */
const ADDRESS = 0xffff_ffff_ffc0n;
/** XN, AP and SH. At EL1 XN[0] is RES0: one bit says never, the EL2 MPU's two tell EL1 from EL0. */
const PRBAR_MASK = { 1: ADDRESS | 0x3en, 2: ADDRESS | 0x3fn } as const;
/** EN, AttrIndx and NS. */
const PRLAR_MASK = ADDRESS | 0x1fn;

function mpu(el: 1 | 2): Row[] {
  const op1 = el === 1 ? 0 : 4;
  const readOnly = el === 1 ? RO1 : RO2, access = el === 1 ? RW1 : RW2;
  const details = { feature: "PMSA", traps: el === 1 ? virtualMemory : undefined } as const;
  const regions = Array.from({ length: DIRECT_REGIONS }, (_, n) => {
    const crm = 8 + (n >> 1), op2 = 4 * (n & 1);
    return [
      row(`PRBAR${n || ""}_EL${el}`, [3, op1, 6, crm, op2], access, { ...details, hook: "mpu", mask: PRBAR_MASK[el] }),
      row(`PRLAR${n || ""}_EL${el}`, [3, op1, 6, crm, op2 + 1], access, { ...details, hook: "mpu", mask: PRLAR_MASK }),
    ];
  });
  return [
    row(`MPUIR_EL${el}`, [3, op1, 0, 0, 4], readOnly, {
      feature: "PMSA",
      reset: "model",
      mask: NONE,
      traps: el === 1 ? idGroup1 : undefined,
    }),
    row(`PRENR_EL${el}`, [3, op1, 6, 1, 1], access, { ...details, hook: "mpu", mask: LOW32 }),
    row(`PRSELR_EL${el}`, [3, op1, 6, 2, 1], access, { ...details, mask: 0xffn }),
    ...regions.flat(),
  ];
}

/** The rows. VSCTLR_EL2 takes the encoding of TTBR0_EL2, which an EL2 without tables doesn't have. */
export const pmsaRegisters: readonly Row[] = [
  ...mpu(1),
  ...mpu(2),
  row("VSCTLR_EL2", [3, 4, 2, 0, 0], RW2, { feature: "PMSA", hook: "mmu", mask: 0xffff_0000_0000_0000n }),
  // SA and SC. Memory isn't divided by Security state here, so they are stored and decide nothing.
  row("VSTCR_EL2", [3, 4, 2, 6, 2], RW2, { feature: "PMSA", hook: "mmu", mask: 0x4010_0000n }),
];
