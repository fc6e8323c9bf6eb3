/** A kernel's own symbols as an ELF file that has nothing else: GDB reads it as if it were the program. System V ABI, "Object Files". */
import type { NamedAddress } from "../symbols/symbol_table.ts";

const HEADER = 64, SECTION = 64, SYMBOL = 24;
const NOBITS = 8, SYMTAB = 2, STRTAB = 3;
const WRITE = 1, ALLOC = 2, EXECUTE = 4;
const FUNC = 2, OBJECT = 1, GLOBAL = 1;
const ABSOLUTE = 0xfff1;
/** Functions in assembly that are a file's last may be this long, for all we know. */
const MOST_SIZE = 0x1_0000n;

/** Where a kernel has code: names of its first byte and the one after its last. */
const CODE = [["_stext", "_etext"], ["_sinittext", "_einittext"]] as const;

interface Part {
  readonly name: string;
  readonly from: bigint;
  readonly to: bigint;
  readonly isCode: boolean;
}

/** The file. Symbols are sorted by address. */
export function symbolElf(symbols: readonly NamedAddress[]): Uint8Array {
  const parts = partsOf(symbols);
  const names = new Names();
  const table = new DataView(new ArrayBuffer(SYMBOL * (symbols.length + 1)));
  symbols.forEach(({ at, name }, n) => {
    const part = parts.findIndex(({ from, to }) => at >= from && at < to);
    const next = symbols[n + 1]?.at ?? at;
    const row = SYMBOL * (n + 1);
    table.setUint32(row, names.add(name), true);
    table.setUint8(row + 4, GLOBAL << 4 | (parts[part]?.isCode ? FUNC : OBJECT));
    table.setUint16(row + 6, part < 0 ? ABSOLUTE : part + 1, true);
    table.setBigUint64(row + 8, at, true);
    table.setBigUint64(row + 16, next - at < MOST_SIZE ? next - at : 0n, true);
  });
  const sectionNames = new Names();
  const text = names.bytes();
  const strings = parts.length + 2;
  const rows = [
    ...parts.map(({ name, from, to, isCode }) => ({
      name,
      type: NOBITS,
      flags: ALLOC | (isCode ? EXECUTE : WRITE),
      address: from,
      content: new Uint8Array(),
      size: to - from,
    })),
    { name: ".symtab", type: SYMTAB, flags: 0, address: 0n, content: new Uint8Array(table.buffer) },
    { name: ".strtab", type: STRTAB, flags: 0, address: 0n, content: text },
    { name: ".shstrtab", type: STRTAB, flags: 0, address: 0n, content: new Uint8Array() },
  ].map((row) => ({ ...row, nameAt: sectionNames.add(row.name) }));
  rows[rows.length - 1].content = sectionNames.bytes();

  const contents = rows.reduce((sum, { content }) => sum + content.length, 0);
  const tableAt = Math.ceil((HEADER + contents) / 8) * 8;
  const file = new Uint8Array(tableAt + SECTION * (rows.length + 1));
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 183, true); // EM_AARCH64
  view.setUint32(20, 1, true);
  view.setBigUint64(24, parts[0]?.from ?? 0n, true);
  view.setBigUint64(40, BigInt(tableAt), true);
  view.setUint16(52, HEADER, true);
  view.setUint16(58, SECTION, true);
  view.setUint16(60, rows.length + 1, true);
  view.setUint16(62, rows.length, true);
  let offset = HEADER;
  rows.forEach(({ nameAt, type, flags, address, content, ...row }, n) => {
    const at = tableAt + SECTION * (n + 1);
    view.setUint32(at, nameAt, true);
    view.setUint32(at + 4, type, true);
    view.setBigUint64(at + 8, BigInt(flags), true);
    view.setBigUint64(at + 16, address, true);
    view.setBigUint64(at + 24, BigInt(offset), true);
    view.setBigUint64(at + 32, "size" in row ? row.size! : BigInt(content.length), true);
    if (type === SYMTAB) {
      view.setUint32(at + 40, strings, true);
      view.setUint32(at + 44, 1, true);
      view.setBigUint64(at + 56, BigInt(SYMBOL), true);
    }
    view.setBigUint64(at + 48, 1n, true);
    file.set(content, offset);
    offset += content.length;
  });
  return file;
}

/** Code, and what lies between and behind it. */
function partsOf(symbols: readonly NamedAddress[]): Part[] {
  const find = (wanted: string) => symbols.find(({ name }) => name === wanted)?.at;
  const parts: Part[] = [];
  for (const [first, last] of CODE) {
    const from = find(first), to = find(last);
    if (from === undefined || to === undefined || to <= from) continue;
    const before = parts.at(-1);
    if (before && before.to < from) parts.push({ name: ".data", from: before.to, to: from, isCode: false });
    parts.push({ name: parts.length === 0 ? ".text" : ".init.text", from, to, isCode: true });
  }
  const end = find("_end") ?? symbols.at(-1)?.at;
  const before = parts.at(-1);
  if (before && end !== undefined && before.to < end) parts.push({ name: ".bss", from: before.to, to: end, isCode: false });
  return parts;
}

/** A table of strings. */
class Names {
  readonly #names: string[] = [""];
  #end = 1;

  add(name: string): number {
    const at = this.#end;
    const plain = name.replace(/[^!-~]/g, "?");
    this.#names.push(plain);
    this.#end += plain.length + 1;
    return at;
  }

  bytes(): Uint8Array {
    return new TextEncoder().encode(`${this.#names.join("\0")}\0`);
  }
}
