/** The symbol table of an ELF file. System V ABI, "Object Files". */
import type { NamedAddress } from "./symbol_table.ts";

const SYMBOL_TABLE = 2; // SHT_SYMTAB
const SYMBOL_BYTES = 24;
/** Untyped and functions: assembly has the former. */
const TYPES: ReadonlySet<number> = new Set([0, 2]);

/** True for an ELF file. */
export function isElf(file: Uint8Array): boolean {
  return file.length >= 4 && file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c && file[3] === 0x46;
}

/** Functions and labels. Whatever lies outside the file is left out. */
export function elfSymbols(file: Uint8Array): NamedAddress[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const is64 = file.length >= 64 && file[4] === 2 && file[5] === 1;
  if (!is64) return [];
  const found: NamedAddress[] = [];
  const sections = sectionsOf(view);
  for (const { type, offset, size, link } of sections) {
    const names = sections[link];
    if (type !== SYMBOL_TABLE || names === undefined) continue;
    const end = Math.min(offset + size, file.length);
    for (let at = offset; at + SYMBOL_BYTES <= end; at += SYMBOL_BYTES) {
      const isDefined = view.getUint16(at + 6, true) !== 0;
      if (!isDefined || !TYPES.has(view.getUint8(at + 4) & 15)) continue;
      const name = text(file, names.offset + view.getUint32(at, true), names.offset + names.size);
      if (name !== "") found.push({ at: view.getBigUint64(at + 8, true), name });
    }
  }
  return found;
}

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

function sectionsOf(view: DataView): Section[] {
  const table = Number(view.getBigUint64(40, true));
  const [entrySize, count] = [view.getUint16(58, true), view.getUint16(60, true)];
  const sections: Section[] = [];
  for (let n = 0; n < count && entrySize >= 64; n++) {
    const at = table + n * entrySize;
    if (at + 64 > view.byteLength) break;
    sections.push({
      type: view.getUint32(at + 4, true),
      offset: Number(view.getBigUint64(at + 24, true)),
      size: Number(view.getBigUint64(at + 32, true)),
      link: view.getUint32(at + 40, true),
    });
  }
  return sections;
}

function text(file: Uint8Array, at: number, limit: number): string {
  const end = file.indexOf(0, at);
  return end < 0 || end > limit || end - at > 4096 ? "" : new TextDecoder().decode(file.subarray(at, end));
}
