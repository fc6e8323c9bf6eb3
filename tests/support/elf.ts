/** Writes static AArch64 ELF executables: just program headers, no sections. */

/** One PT_LOAD segment. */
export interface Segment {
  readonly address: number;
  readonly content: Uint8Array;
  /** Size in memory in bytes; what `content` doesn't fill is zero. */
  readonly size: number;
  /** Permissions as ELF has them: 4 read, 2 write, 1 execute. */
  readonly permissions: number;
}

const PAGE = 0x1000;
const HEADER = 64;
const PROGRAM_HEADER = 56;

/** An ELF64 executable of the segments. Their addresses must be page-aligned. */
export function writeElf(entry: number, segments: readonly Segment[]): Uint8Array {
  const offsets: number[] = [];
  let end = PAGE;
  for (const { address, content } of segments) {
    if (address % PAGE) throw new Error(`segment at ${address.toString(16)} isn't page-aligned`);
    offsets.push(end);
    end = Math.ceil((end + content.length) / PAGE) * PAGE;
  }
  const file = new Uint8Array(end);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 183, true); // EM_AARCH64
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(entry), true);
  view.setBigUint64(32, BigInt(HEADER), true);
  view.setUint16(52, HEADER, true);
  view.setUint16(54, PROGRAM_HEADER, true);
  view.setUint16(56, segments.length, true);
  segments.forEach(({ address, content, size, permissions }, index) => {
    const at = HEADER + index * PROGRAM_HEADER;
    view.setUint32(at, 1, true); // PT_LOAD
    view.setUint32(at + 4, permissions, true);
    view.setBigUint64(at + 8, BigInt(offsets[index]), true);
    view.setBigUint64(at + 16, BigInt(address), true);
    view.setBigUint64(at + 24, BigInt(address), true);
    view.setBigUint64(at + 32, BigInt(content.length), true);
    view.setBigUint64(at + 40, BigInt(size), true);
    view.setBigUint64(at + 48, BigInt(PAGE), true);
    file.set(content, offsets[index]);
  });
  return file;
}
