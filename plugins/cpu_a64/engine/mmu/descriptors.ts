/**
 * Geometry and fields of VMSAv8-64 descriptors, as 32-bit halves.
 * Arm ARM DDI 0487, "VMSAv8-64 translation table format descriptors".
 */

/** Output address sizes of TCR_EL1.IPS, TCR_EL2.PS and VTCR_EL2.PS. The reserved value acts as 48 bits. */
const SIZES = new Uint8Array([32, 36, 40, 42, 44, 48, 52, 48]);

/** Output address size in bits, at most the implemented one. */
export function outputSize(ps: number, paBits: number): number {
  const bits = SIZES[ps & 7];
  return bits > paBits ? paBits : bits;
}

/** log2 of the granule for TCR_ELx.TG0 and VTCR_EL2.TG0. The reserved value acts as 4 KiB. */
export function granuleOfTg0(tg: number): number {
  return tg === 1 ? 16 : tg === 2 ? 14 : 12;
}

/** log2 of the granule for TCR_EL1.TG1, whose encoding differs. The reserved value acts as 4 KiB. */
export function granuleOfTg1(tg: number): number {
  return tg === 3 ? 16 : tg === 1 ? 14 : 12;
}

/** First level that may hold blocks: 1 GiB for 4 KiB, else level 2. */
export function firstBlockLevel(granule: number): number {
  return granule === 12 ? 1 : 2;
}

/** Level at which a stage 1 walk of so many input bits starts. */
export function stage1StartLevel(inputSize: number, granule: number): number {
  const stride = granule - 3;
  const remaining = inputSize - granule;
  if (remaining <= stride) return 3;
  if (remaining <= 2 * stride) return 2;
  return remaining <= 3 * stride ? 1 : 0;
}

/** Bits `[shift + width - 1 : shift]` of an address in halves. `shift` is 4 to 47 and not 32; `width` at most 20. */
export function bitsOf(hi: number, lo: number, shift: number, width: number): number {
  const value = shift < 32 ? (hi << (32 - shift)) | (lo >>> shift) : hi >>> (shift - 32);
  return value & ((1 << width) - 1);
}

/** The address in bits [47:shift] of a descriptor or base register, zeros below; `shift` under 32. */
export function addressOf(hi: number, lo: number, shift: number): number {
  return (hi & 0xffff) * 0x1_0000_0000 + ((lo & (-1 << shift)) >>> 0);
}

/** True when bits [47:size] of a descriptor or base register are not all zero. */
export function exceeds(hi: number, size: number): boolean {
  return (hi & 0xffff) >>> (size - 32) !== 0;
}

/** Swaps the bytes of a word, as a signed number: tables of a big-endian regime. */
export function swapBytes(word: number): number {
  return (word << 24) | ((word << 8) & 0xff0000) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

/** Fields of the low half of a leaf. */
export const ACCESS_FLAG_BIT = 1 << 10;
export const NOT_GLOBAL = 1 << 11;
/** Stage 1 AP[1]: EL0 may access. */
export const AP_USER = 1 << 6;
/** Stage 1 AP[2]: read-only. */
export const AP_READ_ONLY = 1 << 7;
/** Stage 2 S2AP. */
export const S2AP_READ = 1 << 6;
export const S2AP_WRITE = 1 << 7;

/** Fields of the high half of a leaf. */
export const HI_CONTIGUOUS = 1 << 20;
export const HI_PXN = 1 << 21;
export const HI_UXN = 1 << 22;

/** Fields of the high half of a table descriptor, stage 1. */
export const HI_PXN_TABLE = 1 << 27;
export const HI_XN_TABLE = 1 << 28;
/** APTable[0]: no EL0 access below. */
export const HI_AP_TABLE_USER = 1 << 29;
/** APTable[1]: no writes below. */
export const HI_AP_TABLE_READ_ONLY = 1 << 30;
