/**
 * Stage 2 descriptors, 4 KiB granule, HCR_EL2.FWB clear.
 * Arm ARM DDI 0487, "VMSAv8-64 translation table format descriptors" and "Stage 2 memory region type and cacheability attributes".
 */
import type { Mapping, MemoryType } from "../../core/mod.ts";

const VALID = 1n;
/** Table, or page at level 3. */
const TABLE_OR_PAGE = 2n;
const READ = 1n << 6n;
const WRITE = 1n << 7n;
const ACCESS_FLAG = 1n << 10n;
/** XN[1] of FEAT_XNX, the only XN bit without it: executable at no Exception level. */
const EXECUTE_NEVER = 1n << 54n;
const ADDRESS = 0xffff_ffff_f000n;

const OUTER_SHAREABLE = 2n << 8n;
const INNER_SHAREABLE = 3n << 8n;

/** MemAttr[3:0] by type: Device subtypes, then outer and inner cacheability. */
const memAttr: Readonly<Record<MemoryType, bigint>> = {
  "device-ngnrne": 0b0000n,
  "device-ngnre": 0b0001n,
  "device-ngre": 0b0010n,
  "device-gre": 0b0011n,
  "normal-nc": 0b0101n,
  "normal-wt": 0b1010n,
  "normal-wb": 0b1111n,
};
const typeOf = new Map(Object.entries(memAttr).map(([type, bits]) => [bits, type as MemoryType]));

/** A descriptor that points to a table. */
export function table(pa: number): bigint {
  return BigInt(pa) | TABLE_OR_PAGE | VALID;
}

/** A page (level 3) or block (levels 1 and 2). The access flag is set: nothing here tracks accesses. */
export function leaf(pa: number, level: number, mapping: Mapping): bigint {
  const cacheable = mapping.type === "normal-wb" || mapping.type === "normal-wt";
  return BigInt(pa) | VALID | ACCESS_FLAG | (memAttr[mapping.type] << 2n) | (cacheable ? INNER_SHAREABLE : OUTER_SHAREABLE) |
    (level === 3 ? TABLE_OR_PAGE : 0n) | (mapping.read ? READ : 0n) | (mapping.write ? WRITE : 0n) | (mapping.execute ? 0n : EXECUTE_NEVER);
}

/** True when hardware uses it. */
export function isValid(descriptor: bigint): boolean {
  return (descriptor & VALID) !== 0n;
}

/** True when it points to a table. */
export function isTable(descriptor: bigint, level: number): boolean {
  return level < 3 && (descriptor & 3n) === 3n;
}

/** Where it points. */
export function addressOf(descriptor: bigint): number {
  return Number(descriptor & ADDRESS);
}

/** What a leaf allows. */
export function mappingOf(descriptor: bigint): Mapping {
  const type = typeOf.get((descriptor >> 2n) & 15n);
  if (type === undefined) throw new Error(`stage 2 descriptor 0x${descriptor.toString(16)} has a memory type that vmsa never writes`);
  return {
    read: (descriptor & READ) !== 0n,
    write: (descriptor & WRITE) !== 0n,
    execute: (descriptor & EXECUTE_NEVER) === 0n,
    type,
  };
}

/** A part of a block, one level down: same attributes, `index`-th piece of `size` bytes. */
export function piece(block: bigint, level: number, index: number, size: number): bigint {
  return (block + BigInt(index * size)) | (level + 1 === 3 ? TABLE_OR_PAGE : 0n);
}
