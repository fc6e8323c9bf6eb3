/** AT instructions: which translation they ask for, and PAR_EL1. Arm ARM DDI 0487, "PAR_EL1, Physical Address Register". */
import type { TranslationFault } from "./result.ts";

/** What an AT instruction asks. */
export interface AddressTranslation {
  /** Privilege to translate for: 0, 1 or 2. */
  readonly el: number;
  readonly write: boolean;
  /** PSTATE.PAN applies (AT S1E1RP and S1E1WP, when it is set). */
  readonly pan: boolean;
  /** Stage 1 only: the result is an IPA. */
  readonly stage1Only: boolean;
}

/** Decodes AT by its `SYS` operands (CRn is 7); `undefined`: no such AT. `pan`: PSTATE.PAN, for the two forms of FEAT_PAN2. */
export function decodeAt(op1: number, crm: number, op2: number, pan: boolean): AddressTranslation | undefined {
  const write = (op2 & 1) !== 0;
  if (op1 === 0 && crm === 8 && op2 < 4) return { el: op2 < 2 ? 1 : 0, write, pan: false, stage1Only: true };
  if (op1 === 0 && crm === 9 && op2 < 2) return { el: 1, write, pan, stage1Only: true };
  if (op1 !== 4 || crm !== 8 || op2 === 2 || op2 === 3) return undefined;
  if (op2 < 2) return { el: 2, write, pan: false, stage1Only: true };
  return { el: op2 < 6 ? 1 : 0, write, pan: false, stage1Only: false };
}

/** Bit 11 is RES1; NS (bit 9) is 1 on a CPU without Secure state, and 0 on one that has nothing else. */
const FIXED = 0x800n, NON_SECURE = 0x200n;

/** PAR_EL1 of a success. `attributes` in MAIR_EL1's format. */
export function parOfTranslation(address: number, attributes: number, shareability: number, isSecure: boolean): bigint {
  const fixed = isSecure ? FIXED : FIXED | NON_SECURE;
  return (BigInt(attributes) << 56n) | (BigInt(address) & 0xffff_ffff_f000n) | fixed | (BigInt(shareability) << 7n);
}

/** PAR_EL1 of a fault: F, FST, PTW and S. */
export function parOfFault(fault: TranslationFault): bigint {
  return 0x801n | (BigInt(fault.status) << 1n) | (fault.s1ptw ? 1n << 8n : 0n) | (fault.stage === 2 ? 1n << 9n : 0n);
}
