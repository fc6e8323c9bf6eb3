/**
 * Linux's own symbol table, as it lies in a kernel's memory: CONFIG_KALLSYMS. Names are compressed by a table of 256 tokens; addresses are
 * 32-bit offsets from a base. Layout: Linux's scripts/kallsyms.c; the order of the parts changed in 6.4, both are known.
 */
import { Buffer } from "node:buffer";
import type { NamedAddress } from "./symbol_table.ts";

/** The tokens of the digits stand for themselves in every kernel, one after the other. */
const DIGITS = Buffer.from([..."0123456789"].flatMap((digit) => [digit.charCodeAt(0), 0]));
const TOKENS = 256;
/** Symbols to a marker. */
const GROUP = 256;
/** Places that look like one: fonts and keyboards have digits too. */
const MOST_LOOKS = 200;
const MOST_SYMBOLS = 2_000_000;
const MOST_NAME_BYTES = 512;

/** Finds the table in a piece of memory that has all of it; `undefined`: there is none. What it says is the guest's own: all of it is checked. */
export function kallsyms(memory: Uint8Array): NamedAddress[] | undefined {
  const buffer = Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength);
  let at = buffer.indexOf(DIGITS);
  for (let looks = 0; at >= 0 && looks < MOST_LOOKS; looks++) {
    try {
      const found = new Kallsyms(buffer).read(at);
      if (found) return found;
    } catch (error) {
      // It points outside of the memory: it is none.
      if (!(error instanceof RangeError)) throw error;
    }
    at = buffer.indexOf(DIGITS, at + 1);
  }
  return undefined;
}

/** An image's header. */
const IMAGE_MAGIC = 0x644d5241, IMAGE_ALIGN = 0x20_0000, MOST_IMAGE = 0x800_0000;
/** R_AARCH64_RELATIVE. */
const RELATIVE = 1027n;
/** What of an image comes before its first symbol, at most. */
const BEFORE_FIRST = 0x10_0000n;

const align = (value: number, to = 8) => Math.ceil(value / to) * to;

class Kallsyms {
  constructor(readonly memory: Buffer) {}

  /** `zero`: where the token of the digit 0 may be. */
  read(zero: number): NamedAddress[] | undefined {
    const table = this.#tokens(zero);
    const markers = table && this.#markers(table.start);
    const names = markers && this.#names(markers.start, markers.values);
    if (!names) return undefined;
    const addresses = this.#addresses(names, table.end);
    return addresses && this.#symbols(names.start, addresses, table.tokens);
  }

  /** The tokens, verified by the index behind them. */
  #tokens(zero: number): { readonly start: number; readonly end: number; readonly tokens: readonly string[] } | undefined {
    const { memory } = this;
    let end = zero;
    for (let token = 48; token < TOKENS; token++) {
      const nul = memory.indexOf(0, end);
      if (nul < 0 || nul - end > 64) return undefined;
      end = nul + 1;
    }
    const index = align(end);
    if (index + 2 * TOKENS > memory.length) return undefined;
    const start = zero - memory.readUInt16LE(index + 2 * 48);
    const tokens: string[] = [];
    for (let token = 0, at = start; token < TOKENS; token++) {
      const nul = memory.indexOf(0, at);
      if (at < 0 || nul < 0 || memory.readUInt16LE(index + 2 * token) !== at - start) return undefined;
      tokens.push(memory.toString("latin1", at, nul));
      at = nul + 1;
    }
    return { start, end: index + 2 * TOKENS, tokens };
  }

  /**
   * Where every 256th name is: they rise, and the first is 0. They end before the tokens; some kernels have three bytes for each symbol in
   * between, its place by name.
   */
  #markers(tokens: number): { readonly start: number; readonly values: readonly number[] } | undefined {
    for (let end = tokens; end > 0 && end > tokens - 3 * MOST_SYMBOLS; end -= 8) {
      const found = this.#risingTo(end) ?? this.#risingTo(end - 4);
      const most = found === undefined ? 0 : found.values.length * GROUP;
      // The bytes in between tell how many symbols there are, but for the padding.
      if (found && (end === tokens || 3 * (most - GROUP) < tokens - end && tokens - end <= align(3 * most))) return found;
    }
    return undefined;
  }

  /** Numbers that rise from 0 to the one before `end`, each farther than the shortest names and nearer than the longest. */
  #risingTo(end: number): { readonly start: number; readonly values: readonly number[] } | undefined {
    const { memory } = this;
    const values: number[] = [];
    for (let at = end - 4, after = Infinity; at >= 0 && values.length <= MOST_SYMBOLS / GROUP; at -= 4) {
      const value = memory.readUInt32LE(at);
      const step = after - value;
      if (after !== Infinity && (step < GROUP || step > GROUP * MOST_NAME_BYTES)) return undefined;
      values.push(value);
      if (value === 0) return values.length < 2 ? undefined : { start: at, values: values.reverse() };
      after = value;
    }
    return undefined;
  }

  /** The names end before the markers, and their number stands before them. */
  #names(markers: number, values: readonly number[]): { readonly start: number; readonly count: number } | undefined {
    const { memory } = this;
    const last = values.at(-1)!;
    for (let start = align(markers - last - 7); start >= 8 && start > markers - last - GROUP * MOST_NAME_BYTES; start -= 8) {
      const count = memory.readUInt32LE(start - 8);
      if (Math.ceil(count / GROUP) !== values.length || memory.readUInt32LE(start - 4) !== 0) continue;
      let at = start + last;
      for (let n = (values.length - 1) * GROUP; n < count && at < markers; n++) at = this.#entry(at).end;
      if (align(at) === markers) return { start, count };
    }
    return undefined;
  }

  /** A name's bytes: a length of one byte or, with its high bit, two. */
  #entry(at: number): { readonly from: number; readonly end: number } {
    const length = this.memory[at];
    const from = length & 0x80 ? at + 2 : at + 1;
    return { from, end: from + (length & 0x80 ? (length & 0x7f) | this.memory[at + 1] << 7 : length) };
  }

  #addresses({ start, count }: { readonly start: number; readonly count: number }, tokensEnd: number): bigint[] | undefined {
    const { memory } = this;
    // Before 6.4: offsets, base, number, names. Since: … tokens, offsets, base.
    const places = [
      { offsets: start - 16 - align(4 * count), base: start - 16 },
      { offsets: tokensEnd, base: tokensEnd + align(4 * count) },
    ];
    for (const { offsets, base } of places) {
      if (offsets < 0 || base + 8 > memory.length) continue;
      const first = memory.readBigUInt64LE(base) || this.#relocated(base);
      if (first >> 48n !== 0xffffn) continue;
      const addresses: bigint[] = [];
      for (let n = 0, before = 0; n < count; n++) {
        const offset = memory.readUInt32LE(offsets + 4 * n);
        if (offset < before) break;
        addresses.push(first + BigInt(offset));
        before = offset;
      }
      if (addresses.length === count) return addresses;
    }
    return undefined;
  }

  /**
   * The base before the kernel has relocated itself, as the relocation of its place says it: not far behind the image's start. Arm's ABI (IHI
   * 0056), "R_<CLS>_RELATIVE"; Linux's Documentation/arm64/booting.rst: an image has a magic number, on a border of 2 MiB.
   */
  #relocated(place: number): bigint {
    const { memory } = this;
    let image = place - place % IMAGE_ALIGN;
    while (image >= 0 && memory.readUInt32LE(image + 56) !== IMAGE_MAGIC) image -= IMAGE_ALIGN;
    if (image < 0 || memory.byteOffset % 8 !== 0) return 0n;
    const words = new BigUint64Array(memory.buffer, memory.byteOffset, memory.length >>> 3);
    const within = BigInt(place - image);
    for (let at = (image >>> 3) + 1, end = Math.min(words.length - 1, (image + MOST_IMAGE) >>> 3); at < end; at++) {
      if (words[at] !== RELATIVE) continue;
      const start = words[at - 1] - within, base = words[at + 1];
      if (start % BigInt(IMAGE_ALIGN) === 0n && base >= start && base - start < BEFORE_FIRST) return base;
    }
    return 0n;
  }

  #symbols(start: number, addresses: readonly bigint[], tokens: readonly string[]): NamedAddress[] {
    const { memory } = this;
    let at = start;
    return addresses.map((address) => {
      const { from, end } = this.#entry(at);
      let name = "";
      for (let n = from; n < end; n++) name += tokens[memory[n]];
      at = end;
      // The first letter is the symbol's type, as nm has it.
      return { at: address, name: name.slice(1) };
    });
  }
}
