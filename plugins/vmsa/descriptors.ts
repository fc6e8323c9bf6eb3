/**
 * Stage 2 descriptors, 4 KiB granule.
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

/** How descriptors say memory types. */
export interface Stage2Format {
  /** A page (level 3) or block (levels 1 and 2). The access flag is set: nothing here tracks accesses. */
  leaf(pa: number, level: number, mapping: Mapping): bigint;
  /** What a leaf allows. */
  mappingOf(descriptor: bigint): Mapping;
}

/** MemAttr[3:0] by type, HCR_EL2.FWB clear: Device subtypes, then outer and inner cacheability. Stage 1 is combined with it. */
const combined: Readonly<Record<MemoryType, bigint>> = {
  "device-ngnrne": 0b0000n,
  "device-ngnre": 0b0001n,
  "device-ngre": 0b0010n,
  "device-gre": 0b0011n,
  "normal-nc": 0b0101n,
  "normal-wt": 0b1010n,
  "normal-wb": 0b1111n,
};

/**
 * MemAttr[2:0] with HCR_EL2.FWB set. Write-Back is forced, so that no guest's uncached mapping sees stale memory; Write-Through can't be
 * said, and Non-cacheable is as visible. The type that was asked for is kept in bits [57:55], which hardware leaves to software.
 */
const forced: Readonly<Record<MemoryType, bigint>> = {
  "device-ngnrne": 0b000n,
  "device-ngnre": 0b001n,
  "device-ngre": 0b010n,
  "device-gre": 0b011n,
  "normal-nc": 0b101n,
  "normal-wt": 0b101n,
  "normal-wb": 0b110n,
};
const types = Object.keys(combined) as MemoryType[];

/** Where a format keeps what it was asked for. */
interface TypeField {
  readonly attributes: Readonly<Record<MemoryType, bigint>>;
  readonly note: (type: MemoryType) => bigint;
  readonly typeOf: (descriptor: bigint) => MemoryType | undefined;
}

function format({ attributes, note, typeOf }: TypeField): Stage2Format {
  return {
    leaf(pa, level, mapping) {
      const cacheable = mapping.type === "normal-wb" || mapping.type === "normal-wt";
      return BigInt(pa) | VALID | ACCESS_FLAG | (attributes[mapping.type] << 2n) | (cacheable ? INNER_SHAREABLE : OUTER_SHAREABLE) |
        (level === 3 ? TABLE_OR_PAGE : 0n) | (mapping.read ? READ : 0n) | (mapping.write ? WRITE : 0n) |
        (mapping.execute ? 0n : EXECUTE_NEVER) | note(mapping.type);
    },
    mappingOf(descriptor) {
      const type = typeOf(descriptor);
      if (type === undefined) throw new Error(`stage 2 descriptor 0x${descriptor.toString(16)} has a memory type that vmsa never writes`);
      return {
        read: (descriptor & READ) !== 0n,
        write: (descriptor & WRITE) !== 0n,
        execute: (descriptor & EXECUTE_NEVER) === 0n,
        type,
      };
    },
  };
}

const byCombined = new Map(Object.entries(combined).map(([type, bits]) => [bits, type as MemoryType]));
const combiningFormat = format({
  attributes: combined,
  note: () => 0n,
  typeOf: (descriptor) => byCombined.get((descriptor >> 2n) & 15n),
});
const forcingFormat = format({
  attributes: forced,
  note: (type) => BigInt(types.indexOf(type)) << 55n,
  typeOf: (descriptor) => types[Number((descriptor >> 55n) & 7n)],
});

/** The format for HCR_EL2.FWB clear or set. */
export function stage2Format(forceWriteBack: boolean): Stage2Format {
  return forceWriteBack ? forcingFormat : combiningFormat;
}

/** A descriptor that points to a table. */
export function table(pa: number): bigint {
  return BigInt(pa) | TABLE_OR_PAGE | VALID;
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

/** A part of a block, one level down: same attributes, `index`-th piece of `size` bytes. */
export function piece(block: bigint, level: number, index: number, size: number): bigint {
  return (block + BigInt(index * size)) | (level + 1 === 3 ? TABLE_OR_PAGE : 0n);
}

/** The block one level up that begins with this leaf. */
export function blockOf(leaf: bigint, level: number): bigint {
  return level === 3 ? leaf & ~TABLE_OR_PAGE : leaf;
}
