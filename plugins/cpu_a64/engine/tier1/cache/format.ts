/** Translations as bytes. What isn't of this format, of this engine and whole is refused: it lies in a file that anything may have happened to. */
import { RECORDS_PER_PAGE } from "../../layout.ts";
import { MAX_PAGES } from "../region.ts";
import type { Span, Translation } from "../translation.ts";

/** A translation with the number of runs in a row that had no use for it. */
export interface Kept {
  readonly translation: Translation;
  readonly age: number;
}

/** "PBT1". */
const MAGIC = 0x3154_4250;
/** Words of the header: magic, hash of the key, number of translations, hash of what follows. */
const HEADER = 6;
/** Words before the lists of a translation: head, age, and the lengths of its lists. */
const LENGTHS = 7;
/** Most of anything in a translation. */
const MOST = 1 << 20;

/** Writes them. `key` names what the code depends on beside the instructions. */
export function encodeTranslations(key: string, all: readonly Kept[]): Uint8Array {
  const size = ({ pages, spans, words, exits, code }: Translation) =>
    LENGTHS + pages.length + 2 * spans.length + words.length + exits.length + code.hints.length + (code.body.length + 3 >>> 2);
  const out = new Uint32Array(all.reduce((sum, { translation }) => sum + size(translation), HEADER));
  let at = HEADER;
  for (const { translation, age } of all) {
    const { head, pages, spans, words, exits, code: { hints, body } } = translation;
    out.set([head, age, pages.length, spans.length, exits.length, hints.length, body.length], at);
    at += LENGTHS;
    for (const list of [pages, spans.flatMap(({ first, count }) => [first, count]), words, exits, hints]) {
      out.set(list, at);
      at += list.length;
    }
    new Uint8Array(out.buffer).set(body, at * 4);
    at += body.length + 3 >>> 2;
  }
  out.set([MAGIC, ...hashOf(key), all.length, ...hash(out.subarray(HEADER))]);
  return new Uint8Array(out.buffer);
}

/** Reads them; `undefined`: they are damaged, or another key's. */
export function decodeTranslations(key: string, bytes: Uint8Array): Kept[] | undefined {
  if (bytes.length % 4 !== 0 || bytes.length < HEADER * 4) return undefined;
  const all = new Uint32Array(bytes.slice().buffer);
  const expected = [MAGIC, ...hashOf(key), all[3], ...hash(all.subarray(HEADER))];
  if (expected.some((word, i) => all[i] !== word)) return undefined;
  const reader = new Reader(all);
  const kept: Kept[] = [];
  for (let i = 0; i < all[3]; i++) {
    const found = reader.translation();
    if (found === undefined) return undefined;
    kept.push(found);
  }
  return reader.at === all.length ? kept : undefined;
}

class Reader {
  at = HEADER;

  constructor(readonly words: Uint32Array) {}

  translation(): Kept | undefined {
    const { words } = this;
    if (this.at + LENGTHS > words.length) return undefined;
    const [head, age, pageCount, spanCount, exitCount, hintCount, bodySize] = words.subarray(this.at, this.at += LENGTHS);
    if (pageCount > MAX_PAGES || [spanCount, exitCount, hintCount, bodySize].some((count) => count > MOST)) return undefined;
    const pages = this.#list(pageCount, true);
    const flat = this.#list(2 * spanCount, true);
    if (!pages || !flat || head >= RECORDS_PER_PAGE || pages[0] !== 0) return undefined;
    const spans: Span[] = [];
    for (let i = 0; i < flat.length; i += 2) {
      const first = flat[i], count = flat[i + 1];
      const page = Math.floor(first / RECORDS_PER_PAGE);
      const isInPage = count > 0 && first - page * RECORDS_PER_PAGE + count <= RECORDS_PER_PAGE;
      if (!isInPage || !pages.includes(page)) return undefined;
      spans.push({ first, count });
    }
    const total = spans.reduce((sum, { count }) => sum + count, 0);
    if (spans[0]?.first !== head || total > MOST) return undefined;
    const instructions = this.#list(total, false), exits = this.#list(exitCount, true), hints = this.#list(hintCount, false);
    if (!instructions || !exits || !hints || this.at + (bodySize + 3 >>> 2) > words.length) return undefined;
    const body = new Uint8Array(words.buffer, this.at * 4, bodySize);
    this.at += bodySize + 3 >>> 2;
    return { translation: { head, pages, spans, words: Uint32Array.from(instructions), exits, code: { body, hints } }, age };
  }

  #list(length: number, isSigned: boolean): number[] | undefined {
    if (this.at + length > this.words.length) return undefined;
    return Array.from(this.words.subarray(this.at, this.at += length), (word) => isSigned ? word | 0 : word);
  }
}

/** Two words that differ for contents that differ, but on purpose. */
export function hash(words: Uint32Array): readonly [number, number] {
  let a = 0x811c_9dc5, b = words.length;
  for (const word of words) {
    a = Math.imul(a ^ word, 0x0100_0193);
    b = Math.imul(b ^ word ^ (b >>> 15), 0x85eb_ca6b);
  }
  return [a >>> 0, b >>> 0];
}

function hashOf(key: string): readonly [number, number] {
  return hash(Uint32Array.from(key, (character) => character.charCodeAt(0)));
}
