/**
 * Initramfs archives in the "newc" format of Linux's "initramfs buffer format".
 * Deterministic: sorted by path, times zero, inodes counted.
 */

/** One entry. `mode` is st_mode: file type and permission bits. */
export interface CpioEntry {
  /** Without a leading slash. */
  readonly path: string;
  readonly mode: number;
  /** A file's bytes, or a link's target. */
  readonly data?: Uint8Array;
  /** Of a device node. */
  readonly major?: number;
  readonly minor?: number;
}

export const S_IFDIR = 0o040000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;

/** The kernel looks for the next archive at a multiple of 4 bytes; 512 is what cpio itself pads to. */
const ARCHIVE_ALIGNMENT = 512;
const alignUp = (value: number, alignment: number) => Math.ceil(value / alignment) * alignment;

/** Adds the directories that entries lie in, and sorts so that they come first. */
function complete(entries: readonly CpioEntry[]): CpioEntry[] {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path } of entries) {
    for (let slash = path.indexOf("/"); slash > 0; slash = path.indexOf("/", slash + 1)) {
      const directory = path.slice(0, slash);
      if (!byPath.has(directory)) byPath.set(directory, { path: directory, mode: S_IFDIR | 0o755 });
    }
  }
  return [...byPath.values()].toSorted((a, b) => a.path < b.path ? -1 : 1);
}

/** Packs an archive. */
export function packCpio(entries: readonly CpioEntry[]): Uint8Array {
  const text = new TextEncoder();
  const records = [...complete(entries), { path: "TRAILER!!!", mode: 0 } as CpioEntry].map((entry, index) => {
    const name = text.encode(`${entry.path}\0`);
    const data = entry.data ?? new Uint8Array(0);
    const links = (entry.mode & 0o170000) === S_IFDIR ? 2 : 1;
    const inode = entry.mode === 0 ? 0 : index + 1;
    const fields = [inode, entry.mode, 0, 0, links, 0, data.length, 0, 0, entry.major ?? 0, entry.minor ?? 0, name.length, 0];
    const header = text.encode(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
    const dataAt = alignUp(header.length + name.length, 4);
    return { header, name, data, dataAt, size: alignUp(dataAt + data.length, 4) };
  });
  const total = records.reduce((sum, { size }) => sum + size, 0);
  const archive = new Uint8Array(alignUp(total, ARCHIVE_ALIGNMENT));
  let at = 0;
  for (const { header, name, data, dataAt, size } of records) {
    archive.set(header, at);
    archive.set(name, at + header.length);
    archive.set(data, at + dataAt);
    at += size;
  }
  return archive;
}
