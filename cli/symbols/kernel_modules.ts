/**
 * Functions of a Linux kernel's modules: each module has its symbols in memory, and all are in one list. Layouts: Linux's
 * include/linux/module.h, `struct module` (state, list, name), `struct mod_kallsyms`, and ELF's `Elf64_Sym`; what lies between them depends on
 * the kernel's configuration, and is looked through.
 */
import type { NamedAddress } from "./symbol_table.ts";
import { SymbolTable } from "./symbol_table.ts";

/** Memory as the kernel sees it: as much of it as is there, from the first byte on. */
export type ReadVirtual = (va: bigint, size: number) => Uint8Array;

/** A module. */
export interface KernelModule {
  readonly name: string;
  readonly table: SymbolTable;
}

/** Functions that begin with the list's head in a register. Debian's kernels don't name the list itself. */
const LIST_USERS = ["print_modules", "module_get_kallsym", "find_module_all", "module_kallsyms_lookup_name"];
const CODE_BYTES = 512;
/** Offsets in `struct module`, and how much of it is looked through. */
const LIST = 8, NAME = 24, NAME_BYTES = 56, MODULE_BYTES = 0x600;
const MOST_MODULES = 1000, MOST_SYMBOLS = 50_000, MOST_NAME_BYTES = 2 ** 21, SYMBOL_BYTES = 24;

/** Bytes that are read at all, whatever the guest says. */
const MOST_READ = 2 ** 26;

const isKernel = (va: bigint | undefined): va is bigint => va !== undefined && va >> 48n === 0xffffn;
const decoder = new TextDecoder("latin1");

/** Those that are loaded. What is in memory is the guest's own: what isn't a list of modules gives none. */
export function kernelModules(kernel: SymbolTable, readAll: ReadVirtual): KernelModule[] {
  let left = MOST_READ;
  const read: ReadVirtual = (va, size) => (left -= size) < 0 ? new Uint8Array() : readAll(va, size);
  for (const { at, name } of kernel.symbols) {
    if (!LIST_USERS.includes(name)) continue;
    for (const head of addressesIn(at, read)) {
      const modules = listed(head, read);
      if (modules.length > 0) return modules.map((module) => ({ name: nameAt(module, read)!, table: symbolsOf(module, read) }));
    }
  }
  return [];
}

/** The addresses that a function makes: ADRP, and ADD or LDR behind it. Arm ARM DDI 0487, "ADRP", "ADD (immediate)", "LDR (immediate)". */
function addressesIn(start: bigint, read: ReadVirtual): bigint[] {
  const code = view(read(start, CODE_BYTES));
  const pages = new Map<number, bigint>();
  const found: bigint[] = [];
  for (let at = 0; at + 4 <= code.byteLength; at += 4) {
    const word = code.getUint32(at, true);
    const register = word & 31, base = pages.get(word >>> 5 & 31), offset = BigInt(word >>> 10 & 0xfff);
    if ((word & 0x9f00_0000) >>> 0 === 0x9000_0000) {
      const distance = BigInt.asIntN(21, BigInt((word >>> 5 & 0x7_ffff) << 2 | word >>> 29 & 3));
      pages.set(register, BigInt.asUintN(64, ((start + BigInt(at)) >> 12n) + distance << 12n));
    } else if (base !== undefined && (word & 0xffc0_0000) >>> 0 === 0x9100_0000) found.push(base + offset);
    else if (base !== undefined && (word & 0xffc0_0000) >>> 0 === 0xf940_0000) found.push(base + offset * 8n);
  }
  return found;
}

/** The modules of a list, if it is one of modules. */
function listed(head: bigint, read: ReadVirtual): bigint[] {
  const modules: bigint[] = [];
  const word = (va: bigint) => wordsAt(va, 1, read)?.[0];
  for (let before = head, at = word(head); at !== head; before = at, at = word(at)) {
    if (!isKernel(at) || word(at + 8n) !== before || modules.length >= MOST_MODULES) return [];
    const module = at - BigInt(LIST);
    if (nameAt(module, read) === undefined) return [];
    modules.push(module);
  }
  return modules;
}

function nameAt(module: bigint, read: ReadVirtual): string | undefined {
  return /^[\w-]+(?=\0)/.exec(decoder.decode(read(module + BigInt(NAME), NAME_BYTES)))?.[0];
}

/** Wherever in it something says symbols, their number, names. */
function symbolsOf(module: bigint, read: ReadVirtual): SymbolTable {
  const words = wordsAt(module, MODULE_BYTES / 8, read) ?? [];
  for (let n = (NAME + NAME_BYTES) / 8; n + 2 < words.length; n++) {
    const [symbols, count, names] = [words[n], Number(words[n + 1] & 0xffff_ffffn), words[n + 2]];
    if (!isKernel(symbols) || !isKernel(names) || count < 2 || count > MOST_SYMBOLS) continue;
    const found = symbolsAt(symbols, count, names, read);
    if (found.length > 0) return new SymbolTable(found);
  }
  return new SymbolTable([]);
}

/** Of an ELF symbol table, whose first entry is empty. */
function symbolsAt(at: bigint, count: number, namesAt: bigint, read: ReadVirtual): NamedAddress[] {
  const table = view(read(at, count * SYMBOL_BYTES));
  if (table.byteLength < count * SYMBOL_BYTES || table.getBigUint64(0) !== 0n || table.getBigUint64(8) !== 0n) return [];
  const places = Array.from({ length: count }, (_, n) => table.getUint32(n * SYMBOL_BYTES, true));
  const size = places.reduce((most, place) => Math.max(most, place), 0) + 256;
  if (size > MOST_NAME_BYTES) return [];
  const names = decoder.decode(read(namesAt, size));
  if (names[0] !== "\0") return [];
  return places.flatMap((place, n) => {
    const value = table.getBigUint64(n * SYMBOL_BYTES + 8, true);
    const end = names.indexOf("\0", place);
    return isKernel(value) && end > place ? [{ at: value, name: names.slice(place, end) }] : [];
  });
}

function wordsAt(va: bigint, count: number, read: ReadVirtual): bigint[] | undefined {
  const bytes = view(read(va, 8 * count));
  if (bytes.byteLength < 8) return undefined;
  return Array.from({ length: bytes.byteLength >>> 3 }, (_, n) => bytes.getBigUint64(8 * n, true));
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
