/**
 * EL2's stage 1 descriptors, 4 KiB granule, and the registers that go with them.
 * Arm ARM DDI 0487, "VMSAv8-64 translation table format descriptors", "MAIR_EL2", "TCR_EL2", "SCTLR_EL2".
 */
import type { Mapping, MemoryType } from "../../../core/mod.ts";

const VALID = 1n, TABLE_OR_PAGE = 2n;
/** AP[1]: RES1 where there is no EL0. */
const AP1 = 1n << 6n;
const READ_ONLY = 1n << 7n;
const ACCESS_FLAG = 1n << 10n;
const CONTIGUOUS = 1n << 52n;
const EXECUTE_NEVER = 1n << 54n;
const OUTER_SHAREABLE = 2n << 8n, INNER_SHAREABLE = 3n << 8n;

/** AttrIndx by type. Index 3 (Write-Back without allocation) is for nobody. */
const index: Readonly<Record<MemoryType, bigint>> = {
  "device-ngnrne": 0n,
  "normal-nc": 1n,
  "normal-wt": 2n,
  "device-ngnre": 4n,
  "device-ngre": 5n,
  "device-gre": 6n,
  "normal-wb": 7n,
};
const typeOf = new Map(Object.entries(index).map(([type, bits]) => [bits, type as MemoryType]));

/** MAIR_EL2: a byte for each index. */
export const MAIR = 0xff0c_0804_eeaa_4400n;

/** SCTLR_EL2: its RES1 bits, I, SA, C, M. */
export const SCTLR = 0x30c5_0830n | 1n << 12n | 1n << 3n | 1n << 2n | 1n;
/** SCTLR_EL2.M. */
export const SCTLR_M = 1n;
/** SCTLR_EL2.WXN: what is writable is never executable. */
export const SCTLR_WXN = 1n << 19n;

/** TCR_EL2: 48 bits of VA, walks Write-Back and inner shareable, 4 KiB granule. `ps`: as ID_AA64MMFR0_EL1.PARange gives it. */
export function tcr(ps: number): bigint {
  return 1n << 31n | 1n << 23n | BigInt(ps) << 16n | 3n << 12n | 1n << 10n | 1n << 8n | 16n;
}

/** A page (level 3) or block. Every one is readable: EL2's stage 1 can't say otherwise. */
export function el2Leaf(pa: number, level: number, mapping: Mapping, contiguous: boolean): bigint {
  const cacheable = mapping.type === "normal-wb" || mapping.type === "normal-wt";
  return BigInt(pa) | VALID | AP1 | ACCESS_FLAG | index[mapping.type] << 2n | (cacheable ? INNER_SHAREABLE : OUTER_SHAREABLE) |
    (level === 3 ? TABLE_OR_PAGE : 0n) | (mapping.write ? 0n : READ_ONLY) | (mapping.execute ? 0n : EXECUTE_NEVER) |
    (contiguous ? CONTIGUOUS : 0n);
}

/** What a leaf allows. */
export function el2MappingOf(descriptor: bigint): Mapping {
  const type = typeOf.get(descriptor >> 2n & 7n);
  if (type === undefined) throw new Error(`EL2 descriptor 0x${descriptor.toString(16)} has an attribute index that vmsa never writes`);
  return { read: true, write: (descriptor & READ_ONLY) === 0n, execute: (descriptor & EXECUTE_NEVER) === 0n, type };
}

/** The hint that 16 aligned entries are one range. */
export function isContiguous(descriptor: bigint): boolean {
  return (descriptor & CONTIGUOUS) !== 0n;
}
