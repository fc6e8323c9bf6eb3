/** What the MMU needs from the engine: memory, and where the system registers lie. */

import type { CachePlace } from "./stage2_cache.ts";

/** Optional parts of the architecture that change what a walk finds. The ID registers must say the same. */
export interface MmuFeatures {
  /** Implemented physical address size in bits (ID_AA64MMFR0_EL1.PARange): 32, 36, 40, 42, 44 or 48. */
  readonly paBits: number;
  /** FEAT_HPDS: TCR_ELx.HPD0, HPD1 and HPD switch the hierarchical attributes off. */
  readonly hpds: boolean;
  /** FEAT_XNX: stage 2 XN has two bits. */
  readonly xnx: boolean;
  /** FEAT_PAuth's TCR_ELx.TBID: the top byte counts for instruction fetches. */
  readonly tbid: boolean;
  /** 16-bit ASIDs where TCR_EL1.AS asks for them. */
  readonly asid16: boolean;
  /** 16-bit VMIDs where VTCR_EL2.VS asks for them. */
  readonly vmid16: boolean;
}

/** A plain Armv8.0-A with 48-bit addresses. */
export const defaultFeatures: MmuFeatures = { paBits: 48, hpds: false, xnx: false, tbid: false, asid16: true, vmid16: false };

/** The engine's side of the MMU. */
export interface MmuEnvironment {
  /** The whole shared memory as 32-bit words. Asked for once per walk, so the memory may grow between two. */
  words(): Uint32Array;
  /** Host byte offset, in the shared memory, of the 4 KiB frame at this PA; -1 when it isn't RAM. `pa` is a multiple of 4 KiB. */
  ramOffset(pa: number): number;
  /** Byte offset, in the shared memory, of a 64-bit system register of this CPU. Asked once for each. */
  register(name: string): number;
  readonly features?: Partial<MmuFeatures>;
  /** Where results of stage 2 are remembered; absent: anywhere. */
  readonly stage2Cache?: CachePlace;
  /** Where generated walks look for what registers mean to them, see `plain.ts`; absent: there are none. */
  readonly plain?: CachePlace;
  /** An Armv8-R CPU: EL2 has an MPU instead of tables, EL1 has one unless VTCR_EL2.MSA says tables. */
  readonly mpu?: MpuEnvironment;
}

/** Where the regions of both MPUs lie. */
export interface MpuEnvironment {
  /** Byte offset in the shared memory of EL1's first region, a multiple of 4; EL2's follow EL1's, 16 bytes each. */
  readonly address: number;
  /** How many regions each has, at most 255. */
  readonly el1: number;
  readonly el2: number;
}

/** What SCTLR_ELx and MAIR_ELx say to an MPU. */
export interface MpuControl {
  /** SCTLR_ELx.BR. */
  readonly hasBackground: boolean;
  /** SCTLR_ELx.WXN. */
  readonly writeImpliesXn: boolean;
  /** Word index of MAIR_ELx. */
  readonly mair: number;
}

/** Word indices of the registers that walks read: the low half; the high half is the next word. */
export class RegisterIndices {
  readonly sctlrEl1: number;
  readonly tcrEl1: number;
  readonly ttbr0El1: number;
  readonly ttbr1El1: number;
  readonly mairEl1: number;
  readonly hcrEl2: number;
  readonly vtcrEl2: number;
  readonly vttbrEl2: number;
  readonly sctlrEl2: number;
  readonly tcrEl2: number;
  readonly ttbr0El2: number;
  readonly mairEl2: number;

  constructor(env: MmuEnvironment) {
    const word = (name: string) => env.register(name) / 4;
    this.sctlrEl1 = word("SCTLR_EL1");
    this.tcrEl1 = word("TCR_EL1");
    this.ttbr0El1 = word("TTBR0_EL1");
    this.ttbr1El1 = word("TTBR1_EL1");
    this.mairEl1 = word("MAIR_EL1");
    this.hcrEl2 = word("HCR_EL2");
    this.vtcrEl2 = word("VTCR_EL2");
    this.vttbrEl2 = word("VTTBR_EL2");
    this.sctlrEl2 = word("SCTLR_EL2");
    this.tcrEl2 = word("TCR_EL2");
    this.ttbr0El2 = word("TTBR0_EL2");
    this.mairEl2 = word("MAIR_EL2");
  }
}

/** Bits of HCR_EL2 that matter here: low word. */
export const HCR_VM = 1 << 0;
export const HCR_PTW = 1 << 2;
export const HCR_DC = 1 << 12;
export const HCR_TGE = 1 << 27;
/** Bits of HCR_EL2's high word. */
export const HCR_HI_CD = 1 << 0;
export const HCR_HI_ID = 1 << 1;
export const HCR_HI_TEA = 1 << 5;
export const HCR_HI_FWB = 1 << 14;

/** VTCR_EL2 of an Armv8-R CPU: VMSA at EL1. */
export const VTCR_MSA = 1 << 31;

/** Bits of SCTLR_ELx: low word. */
export const SCTLR_M = 1 << 0;
export const SCTLR_I = 1 << 12;
/** Background region of an MPU. */
export const SCTLR_BR = 1 << 17;
export const SCTLR_WXN = 1 << 19;
export const SCTLR_EE = 1 << 25;
