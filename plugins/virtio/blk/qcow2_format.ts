/** The qcow2 image format, versions 2 and 3 (QEMU, "Qcow2 Image File Format"). All numbers are big-endian. */
import type { Disk } from "../../../core/mod.ts";

/** "QFI" and 0xfb. */
const MAGIC = 0x514649fb;
/** Incompatible features that don't keep us from reading: none but DIRTY. */
export const DIRTY = 1n;
/** Where the incompatible features are. */
export const INCOMPATIBLE = 72;
/** Entries of the first-level table that we take: 32 MiB of them. */
const L1_LIMIT = 2 ** 22;

/** Bits of table entries: an offset, and flags. */
export const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
export const COPIED = 1n << 63n;
export const COMPRESSED = 1n << 62n;
/** Version 3: the cluster reads as zeroes. */
export const ZERO = 1n;

/** What the header says. */
export interface Qcow2Header {
  readonly version: number;
  readonly clusterBytes: number;
  readonly sizeBytes: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
  readonly refcountTable: number;
  readonly refcountTableBytes: number;
  readonly incompatible: bigint;
}

/** Reads and checks it. Throws an error that says what can't be. `write`: more has to be understood. */
export function readHeader(file: Disk, write: boolean): Qcow2Header {
  const view = new DataView(new ArrayBuffer(104));
  file.read(0, new Uint8Array(view.buffer));
  const version = view.getUint32(4);
  const refuse = (why: string): never => {
    throw new Error(`as qcow2: ${why}`);
  };
  if (view.getUint32(0) !== MAGIC) refuse("it isn't a qcow2 image");
  if (version !== 2 && version !== 3) refuse(`version ${version} isn't 2 or 3`);
  if (view.getBigUint64(8) !== 0n) refuse("it has a backing file");
  if (view.getUint32(32) !== 0) refuse("it is encrypted");
  const bits = view.getUint32(20);
  if (bits < 9 || bits > 21) refuse(`clusters of 2^${bits} bytes`);
  const incompatible = version === 3 ? view.getBigUint64(INCOMPATIBLE) : 0n;
  if ((incompatible & ~DIRTY) !== 0n) refuse(`incompatible features 0x${incompatible.toString(16)}`);
  const clusterBytes = 2 ** bits;
  const number = (at: number, what: string) => {
    const value = view.getBigUint64(at);
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? refuse(`${what} ${value}`) : Number(value);
  };
  const header: Qcow2Header = {
    version,
    clusterBytes,
    sizeBytes: number(24, "a size of"),
    l1Entries: view.getUint32(36),
    l1Offset: number(40, "a table at"),
    refcountTable: number(48, "a table at"),
    refcountTableBytes: view.getUint32(56) * clusterBytes,
    incompatible,
  };
  const needed = Math.ceil(header.sizeBytes / (clusterBytes * (clusterBytes / 8)));
  if (header.l1Entries < needed || header.l1Entries > L1_LIMIT) refuse(`a first-level table of ${header.l1Entries} entries`);
  if (header.l1Offset % clusterBytes !== 0 || header.l1Offset + 8 * header.l1Entries > file.sizeBytes) {
    refuse("a first-level table outside the file");
  }
  if (!write) return header;
  if (view.getUint32(60) !== 0) refuse("it has internal snapshots, so it can only be read");
  if (version === 3 && view.getUint32(96) !== 4) refuse("its reference counts haven't 16 bits, so it can only be read");
  if (header.refcountTable % clusterBytes !== 0 || header.refcountTable + header.refcountTableBytes > file.sizeBytes) {
    refuse("a reference count table outside the file");
  }
  return header;
}
