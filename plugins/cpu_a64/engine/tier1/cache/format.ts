/** Translations as bytes. What isn't of this format, of this engine and whole is refused: it lies in a file that anything may have happened to. */
import type { KeptWords } from "../../decoded_words.ts";
import type { KeptHandlers } from "../../generated_code.ts";
import { RECORDS_PER_PAGE } from "../../layout.ts";
import { MAX_PAGES } from "../region.ts";
import type { Span, Translation } from "../translation.ts";

/** A translation with the number of runs in a row that had no use for it. */
export interface Kept {
  readonly translation: Translation;
  readonly age: number;
}

/** Translations, and a module of them, at whose end their code is in the same order. */
export interface KeptModule {
  readonly kept: readonly Kept[];
  readonly module: Uint8Array<ArrayBuffer>;
}

/** "PBT2", "PBW2", and "PBH2". */
const MAGIC = 0x3254_4250, WORDS_MAGIC = 0x3257_4250, HANDLERS_MAGIC = 0x3248_4250;
/** Words of the header: magic, hash of the key, a count, hash of what follows. */
const HEADER = 6;
/** Words before the lists of a translation: head, age, and the lengths of its lists. */
const LENGTHS = 7;
/** Words of a handler: its variant, and the length of its body. */
const HANDLER = 3;
/** Most of anything in a translation. */
const MOST = 1 << 20;

/** Writes them. `key` names what the code depends on beside the instructions. */
export function encodeTranslations(key: string, { kept, module }: KeptModule): Uint8Array {
  const size = ({ pages, spans, words, exits, code }: Translation) =>
    LENGTHS + pages.length + 2 * spans.length + words.length + exits.length + code.hints.length;
  const lists = kept.reduce((sum, { translation }) => sum + size(translation), HEADER + 1);
  const out = new Uint32Array(lists + (module.length + 3 >>> 2));
  let at = HEADER;
  out[at++] = module.length;
  for (const { translation, age } of kept) {
    const { head, pages, spans, words, exits, code: { hints, body } } = translation;
    out.set([head, age, pages.length, spans.length, exits.length, hints.length, body.length], at);
    at += LENGTHS;
    for (const list of [pages, spans.flatMap(({ first, count }) => [first, count]), words, exits, hints]) {
      out.set(list, at);
      at += list.length;
    }
  }
  new Uint8Array(out.buffer).set(module, at * 4);
  return sealed(MAGIC, key, kept.length, out);
}

/** Reads them; `undefined`: they are damaged, or another key's. */
export function decodeTranslations(key: string, bytes: Uint8Array): KeptModule | undefined {
  const all = opened(MAGIC, key, bytes);
  if (all === undefined || all.length <= HEADER) return undefined;
  const reader = new Reader(all);
  const read: { readonly make: (body: Uint8Array) => Kept; readonly size: number }[] = [];
  for (let i = 0; i < all[3]; i++) {
    const found = reader.translation();
    if (found === undefined) return undefined;
    read.push(found);
  }
  const size = all[HEADER];
  if (reader.at + (size + 3 >>> 2) !== all.length) return undefined;
  const module = new Uint8Array(all.buffer, reader.at * 4, size);
  let from = size - read.reduce((sum, { size }) => sum + size, 0);
  if (from < 0) return undefined;
  return { module, kept: read.map(({ make, size }) => make(module.subarray(from, from += size))) };
}

class Reader {
  at = HEADER + 1;

  constructor(readonly words: Uint32Array) {}

  translation(): { make: (body: Uint8Array) => Kept; size: number } | undefined {
    const { words } = this;
    if (this.at + LENGTHS > words.length) return undefined;
    const [head, age, pageCount, spanCount, exitCount, hintCount, size] = words.subarray(this.at, this.at += LENGTHS);
    if (pageCount > MAX_PAGES || [spanCount, exitCount, hintCount, size].some((count) => count > MOST)) return undefined;
    const list = this.#list(pageCount), flat = this.#list(2 * spanCount);
    if (!list || !flat || head >= RECORDS_PER_PAGE || list[0] !== 0) return undefined;
    const pages = Array.from(list), spans: Span[] = [];
    let total = 0;
    for (let i = 0; i < flat.length; i += 2) {
      const first = flat[i], count = flat[i + 1];
      const page = Math.floor(first / RECORDS_PER_PAGE);
      const isInPage = count > 0 && first - page * RECORDS_PER_PAGE + count <= RECORDS_PER_PAGE;
      if (!isInPage || !pages.includes(page)) return undefined;
      spans.push({ first, count });
      total += count;
    }
    if (spans[0]?.first !== head) return undefined;
    const instructions = this.#list(total), exits = this.#list(exitCount), hints = this.#list(hintCount);
    if (!instructions || !exits || !hints) return undefined;
    const own = new Uint32Array(instructions.buffer, instructions.byteOffset, total);
    return { size, make: (body) => ({ translation: { head, pages, spans, words: own, exits, code: { body, hints } }, age }) };
  }

  #list(length: number): Int32Array | undefined {
    if (this.at + length > this.words.length) return undefined;
    const list = new Int32Array(this.words.buffer, this.at * 4, length);
    this.at += length;
    return list;
  }
}

/** Writes decoded words. */
export function encodeWords(key: string, { handlers, words, records }: KeptWords): Uint8Array {
  const out = new Uint32Array(HEADER + 1 + handlers.length + words.length + records.length);
  out[HEADER] = words.length;
  out.set(handlers, HEADER + 1);
  out.set(words, HEADER + 1 + handlers.length);
  out.set(records, HEADER + 1 + handlers.length + words.length);
  return sealed(WORDS_MAGIC, key, handlers.length, out);
}

/** Reads them; `undefined`: they are damaged, or another key's. */
export function decodeWords(key: string, bytes: Uint8Array): KeptWords | undefined {
  const all = opened(WORDS_MAGIC, key, bytes);
  if (all === undefined || all.length <= HEADER) return undefined;
  const first = HEADER + 1 + all[3], second = first + all[HEADER];
  if (second + 4 * all[HEADER] !== all.length) return undefined;
  const handlers = all.subarray(HEADER + 1, first), words = all.subarray(first, second), records = all.subarray(second);
  for (let at = 0; at < records.length; at += 4) if ((records[at] & 0xffff) >= handlers.length) return undefined;
  return { handlers, words, records };
}

/** Writes handlers. */
export function encodeHandlers(key: string, { keys, module, bodies }: KeptHandlers): Uint8Array {
  const lists = HEADER + 1 + HANDLER * keys.length;
  const out = new Uint32Array(lists + (module.length + 3 >>> 2));
  out[HEADER] = module.length;
  keys.forEach((variant, i) => out.set([variant, variant / 2 ** 32, bodies[i].length], HEADER + 1 + HANDLER * i));
  new Uint8Array(out.buffer).set(module, lists * 4);
  return sealed(HANDLERS_MAGIC, key, keys.length, out);
}

/** Reads them; `undefined`: they are damaged, or another key's. */
export function decodeHandlers(key: string, bytes: Uint8Array): KeptHandlers | undefined {
  const all = opened(HANDLERS_MAGIC, key, bytes);
  if (all === undefined || all.length <= HEADER) return undefined;
  const lists = HEADER + 1 + HANDLER * all[3], size = all[HEADER];
  if (lists + (size + 3 >>> 2) !== all.length) return undefined;
  const module = new Uint8Array(all.buffer, lists * 4, size);
  const keys: number[] = [], sizes: number[] = [];
  for (let at = HEADER + 1; at < lists; at += HANDLER) {
    keys.push(all[at] + all[at + 1] * 2 ** 32);
    sizes.push(all[at + 2]);
  }
  let from = size - sizes.reduce((sum, size) => sum + size, 0);
  return from < 0 ? undefined : { keys, module, bodies: sizes.map((size) => module.subarray(from, from += size)) };
}

/** Puts the header before what is behind it. */
function sealed(magic: number, key: string, count: number, out: Uint32Array<ArrayBuffer>): Uint8Array {
  out.set([magic, ...hashOf(key), count, ...hash(out.subarray(HEADER))]);
  return new Uint8Array(out.buffer);
}

/** What begins with such a header, and is whole. */
function opened(magic: number, key: string, bytes: Uint8Array): Uint32Array<ArrayBuffer> | undefined {
  if (bytes.length % 4 !== 0 || bytes.length < HEADER * 4) return undefined;
  const all = new Uint32Array(bytes.slice().buffer);
  const expected = [magic, ...hashOf(key), all[3], ...hash(all.subarray(HEADER))];
  return expected.every((word, i) => all[i] === word) ? all : undefined;
}

/** Two words that differ for contents that differ, but on purpose. */
export function hash(words: Uint32Array): readonly [number, number] {
  let a = 0x811c_9dc5, b = words.length;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    a = Math.imul(a ^ word, 0x0100_0193);
    b = Math.imul(b ^ word ^ (b >>> 15), 0x85eb_ca6b);
  }
  return [a >>> 0, b >>> 0];
}

function hashOf(key: string): readonly [number, number] {
  return hash(Uint32Array.from(key, (character) => character.charCodeAt(0)));
}
