/**
 * Which changes of a translation table entry need break-before-make.
 * Arm ARM DDI 0487, "Using break-before-make when updating translation table entries", and FEAT_BBM's levels.
 */

/** An entry of a table, with what it stands for. */
export interface Descriptor {
  readonly lo: number;
  readonly hi: number;
  readonly level: number;
  /** First 4 KiB page of what it maps, VA or IPA >> 12. */
  readonly vpn: number;
  /** log2 of the bytes that it maps. */
  readonly bits: number;
}

/** Why a change needs break-before-make. */
export type Reason =
  | "output address"
  | "memory type"
  | "shareability"
  | "block size"
  | "contiguous hint"
  | "non-global to global"
  | "next table";

/** What the rules must know besides the two entries. */
export interface Circumstances {
  readonly stage: 1 | 2;
  /** MAIR_ELx, for stage 1. */
  readonly mairLo: number;
  readonly mairHi: number;
  /** ID_AA64MMFR2_EL1.BBM: 0, 1 or 2. */
  readonly bbmLevel: number;
  /** True when memory at both output addresses holds the same. */
  sameContents(oldPa: number, newPa: number, size: number): boolean;
  /** True when two tables differ in nothing that needs break-before-make. */
  sameTables(oldPa: number, newPa: number, level: number): boolean;
}

const ACCESS_FLAG = 1 << 10, NOT_GLOBAL = 1 << 11, NO_TRANSLATION = 1 << 16;
const READ_ONLY = 1 << 7, S2_WRITE = 1 << 7;
const HI_DBM = 1 << 19, HI_CONTIGUOUS = 1 << 20;
/** Normal memory with tags is Write-Back memory to whoever doesn't look at tags. */
const TAGGED = 0xf0, WRITE_BACK = 0xff;

/** A table descriptor? */
export function isTable({ lo, level }: Pick<Descriptor, "lo" | "level">): boolean {
  return level < 3 && (lo & 3) === 3;
}

/** Could hardware hold it in a TLB: valid, and for a leaf the access flag set? */
export function isCacheable({ lo, level }: Pick<Descriptor, "lo" | "level">): boolean {
  if ((lo & 1) === 0 || (level === 3 && (lo & 2) === 0) || (level === 0 && (lo & 2) === 0)) return false;
  return isTable({ lo, level }) || (lo & ACCESS_FLAG) !== 0;
}

/** Output address of a leaf, or of the next table. */
export function outputOf({ lo, hi, bits }: Pick<Descriptor, "lo" | "hi" | "bits">, isNext = false): number {
  return tableOf(lo, hi, isNext ? 12 : Math.min(bits, 31));
}

/** MAIR's byte for a stage 1 leaf, MemAttr for a stage 2 leaf. */
export function attributesOf(lo: number, { stage, mairLo, mairHi }: Pick<Circumstances, "stage" | "mairLo" | "mairHi">): number {
  if (stage === 2) return (lo >>> 2) & 15;
  const index = (lo >>> 2) & 7;
  const attributes = ((index < 4 ? mairLo : mairHi) >>> ((index & 3) * 8)) & 0xff;
  return attributes === TAGGED ? WRITE_BACK : attributes;
}

/** Shareability counts for cacheable memory only: Device and Non-cacheable memory is outer shareable whatever the field says. */
function isCached(attributes: number, stage: 1 | 2): boolean {
  return stage === 1 ? attributes >= 0x10 && attributes !== 0x44 : attributes > 5;
}

function isWritable({ lo, hi }: Descriptor, stage: 1 | 2): boolean {
  return (stage === 1 ? (lo & READ_ONLY) === 0 : (lo & S2_WRITE) !== 0) || (hi & HI_DBM) !== 0;
}

/** FEAT_BBM: level 2 lets sizes change in place, level 1 while the block has nT. */
function sizeMayChange(before: Descriptor, after: Descriptor, bbmLevel: number): boolean {
  const hasNt = (entry: Descriptor) => !isTable(entry) && entry.level < 3 && (entry.lo & NO_TRANSLATION) !== 0;
  return bbmLevel >= 2 || (bbmLevel === 1 && (hasNt(before) || hasNt(after)));
}

/**
 * Why a TLB must not meet both entries; `undefined` when it may: they differ in permissions, the access flag, dirty state or software's
 * own bits, or one couldn't be in a TLB. Their ranges must overlap.
 */
export function needsBreak(before: Descriptor, after: Descriptor, circumstances: Circumstances): Reason | undefined {
  if (!isCacheable(before) || !isCacheable(after)) return undefined;
  const { stage, bbmLevel } = circumstances;
  const beforeTable = isTable(before), afterTable = isTable(after);
  if (beforeTable && afterTable) {
    const from = outputOf(before, true), to = outputOf(after, true);
    return from === to || circumstances.sameTables(from, to, before.level + 1) ? undefined : "next table";
  }
  if (beforeTable !== afterTable) return sizeMayChange(before, after, bbmLevel) ? undefined : "block size";
  if (before.bits !== after.bits && !sizeMayChange(before, after, bbmLevel)) return "block size";
  const from = outputOf(before) + Math.max(0, after.vpn - before.vpn) * 4096;
  const to = outputOf(after) + Math.max(0, before.vpn - after.vpn) * 4096;
  const attributes = attributesOf(after.lo, circumstances);
  if (attributesOf(before.lo, circumstances) !== attributes) return "memory type";
  if (from !== to) {
    const size = 2 ** Math.min(before.bits, after.bits);
    if (isWritable(before, stage) || isWritable(after, stage) || !circumstances.sameContents(from, to, size)) return "output address";
  }
  if (isCached(attributes, stage) && ((before.lo ^ after.lo) & (3 << 8)) !== 0) return "shareability";
  if (((before.hi ^ after.hi) & HI_CONTIGUOUS) !== 0 && !sizeMayChange(before, after, bbmLevel)) return "contiguous hint";
  if (stage === 1 && (before.lo & NOT_GLOBAL) !== 0 && (after.lo & NOT_GLOBAL) === 0) return "non-global to global";
  return undefined;
}

/** log2 of what an entry of a level maps. */
export function sizeOf(level: number, granule: number): number {
  return (3 - level) * (granule - 3) + granule;
}

/** Where a table descriptor points. */
export function tableOf(lo: number, hi: number, granule: number): number {
  return (hi & 0xffff) * 0x1_0000_0000 + ((lo & (-1 << granule)) >>> 0);
}
