/** Names of addresses: tables of files and of kernels, also damaged ones. */
import { assert, assertEquals } from "@std/assert";
import { elfSymbols, isElf } from "./elf_symbols.ts";
import { parseSymbols, readSymbols } from "./guest_symbols.ts";
import { kallsyms } from "./kallsyms.ts";
import { SymbolTable } from "./symbol_table.ts";
import { randomBelow } from "../../tests/support/random.ts";

Deno.test("symbols: what nm says; marks, absent ones and other lines don't count", () => {
  const table = parseSymbols(
    ["ffff800008010040 t helper\t[module]", "ffff800008010000 T start", "ffff800008010044 t $x", "0000000000000000 A absent", "no symbol"]
      .join("\n"),
  );
  assertEquals(table.symbols.map(({ name }) => name), ["start", "helper"]);
  const names = [0xffff80000801003cn, 0xffff800008010048n, 0xffff800008020041n, 0x400000n].map((at) => table.nameOf(at));
  assertEquals(names, ["start+0x3c", "helper+0x8", undefined, undefined]);
});

/** A kernel's table of these symbols, in the order of Linux 6.1 or, `isNew`, of 6.4. `sequence`: with three bytes for each symbol. */
function kernelTable(names: readonly string[], isNew: boolean, sequence: boolean): Uint8Array {
  const bytes: number[] = Array(4096).fill(0);
  const align = () => {
    while (bytes.length % 8 !== 0) bytes.push(0);
  };
  const put = (value: bigint, size: number) => {
    for (let n = 0; n < size; n++) bytes.push(Number(value >> BigInt(8 * n) & 0xffn));
  };
  // Tokens stand for themselves, but one for a whole word.
  const tokens = Array.from({ length: 256 }, (_, n) => n === 200 ? "do_" : String.fromCharCode(n < 33 || n > 126 ? 63 : n));
  const addresses = () => {
    for (const n of names.keys()) put(BigInt(64 * n), 4);
    align();
    put(0xffff_8000_0800_0000n, 8);
  };
  if (!isNew) addresses();
  put(BigInt(names.length), 4);
  align();
  const begin = bytes.length;
  const markers: number[] = [];
  names.forEach((name, n) => {
    if (n % 256 === 0) markers.push(bytes.length - begin);
    const packed = [..."T" + name.replace("do_", "\xc8")].map((letter) => letter.charCodeAt(0));
    if (packed.length > 127) bytes.push(packed.length & 0x7f | 0x80, packed.length >> 7);
    else bytes.push(packed.length);
    bytes.push(...packed);
  });
  align();
  for (const marker of markers) put(BigInt(marker), 4);
  align();
  if (sequence) names.forEach((_, n) => put(BigInt(n * 7919 % names.length), 3));
  align();
  const offsets: number[] = [];
  const first = bytes.length;
  for (const token of tokens) {
    offsets.push(bytes.length - first);
    bytes.push(...[...token].map((letter) => letter.charCodeAt(0)), 0);
  }
  align();
  for (const offset of offsets) put(BigInt(offset), 2);
  if (isNew) addresses();
  return Uint8Array.from([...bytes, ...Array(4096).fill(0)]);
}

const names = Array.from({ length: 3000 }, (_, n) => n === 1500 ? "long_".repeat(40) : `do_thing_${n}`);
for (const [isNew, sequence] of [[false, false], [false, true], [true, false]]) {
  Deno.test(`symbols: a kernel's own table, as ${isNew ? "6.4 has it" : `6.1 has it${sequence ? ", with sequence numbers" : ""}`}`, () => {
    const found = kallsyms(kernelTable(names, isNew, sequence));
    assertEquals(found?.map(({ name }) => name), names);
    assertEquals(found?.[2].at, 0xffff_8000_0800_0080n);
  });
}

Deno.test("symbols: damaged tables of kernels are none, or say less; they never throw", () => {
  const good = kernelTable(names, false, false);
  const random = randomBelow("damaged tables");
  for (let round = 0; round < 60; round++) {
    const bad = good.slice(0, random(2) ? good.length : random(good.length));
    for (let n = 0; n < 20; n++) if (bad.length > 0) bad[random(bad.length)] = random(256);
    kallsyms(bad);
  }
  const digits = new TextEncoder().encode("0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00".repeat(200_000));
  const start = performance.now();
  assertEquals(kallsyms(digits), undefined);
  assert(performance.now() - start < 20_000, "a guest can't keep us busy");
});

/** An ELF file that is nothing but a table of symbols: name, type, section, address. */
function elf(symbols: readonly (readonly [name: string, type: number, section: number, at: bigint])[]): Uint8Array {
  const strings = new TextEncoder().encode(`\0${symbols.map(([name]) => `${name}\0`).join("")}`);
  const table = 64, text = table + 24 * symbols.length, sections = text + strings.length;
  const file = new Uint8Array(sections + 3 * 64);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  view.setBigUint64(40, BigInt(sections), true);
  view.setUint16(58, 64, true);
  view.setUint16(60, 3, true);
  let name = 1;
  symbols.forEach(([text, type, section, at], n) => {
    view.setUint32(table + 24 * n, name, true);
    view.setUint8(table + 24 * n + 4, type);
    view.setUint16(table + 24 * n + 6, section, true);
    view.setBigUint64(table + 24 * n + 8, at, true);
    name += text.length + 1;
  });
  file.set(strings, text);
  const section = (n: number, type: number, offset: number, size: number, link: number) => {
    view.setUint32(sections + 64 * n + 4, type, true);
    view.setBigUint64(sections + 64 * n + 24, BigInt(offset), true);
    view.setBigUint64(sections + 64 * n + 32, BigInt(size), true);
    view.setUint32(sections + 64 * n + 40, link, true);
  };
  section(1, 2, table, 24 * symbols.length, 2);
  section(2, 3, text, strings.length, 0);
  return file;
}

Deno.test("symbols: an ELF file's functions and labels; a damaged one has fewer and never throws", () => {
  const file = elf([["main", 2, 1, 0x4008_0100n], ["_start", 0, 1, 0x4008_0000n], ["data", 1, 1, 0x4009_0000n], ["elsewhere", 2, 0, 0n]]);
  assert(isElf(file));
  assertEquals(readSymbols(file).symbols.map(({ name }) => name), ["_start", "main"]);
  assertEquals(new SymbolTable(elfSymbols(file)).nameOf(0x4008_0104n), "main+0x4");
  const random = randomBelow("damaged files");
  for (let round = 0; round < 300; round++) {
    const bad = file.slice(0, random(2) ? file.length : random(file.length));
    for (let n = 0; n < 20; n++) if (bad.length > 4) bad[4 + random(Math.min(bad.length - 4, 128))] = random(256);
    elfSymbols(bad);
  }
});
