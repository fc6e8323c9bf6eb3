/**
 * Translations that no code of the guest is bound to, or may be bound to again: from earlier runs, and of this one. They are found by the
 * first instruction's place in its page and by its word; whether the rest is the same, whoever binds them looks.
 */
import type { Translation } from "../translation.ts";

/** A translation in the library. */
export interface Entry {
  readonly translation: Translation;
  /** Number of its function; -1: it isn't in the table. */
  number: number;
  isBound: boolean;
  /** It was bound in this run. */
  isUsed: boolean;
  /** Runs in which it wasn't. */
  readonly age: number;
}

/** Pages that somebody waits for. */
const MOST_PAGES = 16384;
/** Bits of the filter's index. */
const FILTER_BITS = 16;

/** Translations of one physical CPU. */
export class Library {
  readonly #entries = new Set<Entry>();
  readonly #byKey = new Map<number, Entry[]>();
  /** Of a key: how many there may be. Most instructions begin none. */
  readonly #filter = new Uint8Array(1 << FILTER_BITS);
  /** By the page (VA >> 12) that was missing when they were to be bound, with the slot of the head's page. */
  readonly #waiting = new Map<number, Map<Entry, number>>();

  get size(): number {
    return this.#entries.size;
  }

  get entries(): Iterable<Entry> {
    return this.#entries;
  }

  add(entry: Entry): void {
    const key = keyOf(entry.translation.head, entry.translation.words[0]);
    this.#entries.add(entry);
    const found = this.#byKey.get(key);
    if (found) found.push(entry);
    else this.#byKey.set(key, [entry]);
    this.#filter[key >>> (32 - FILTER_BITS)] = 1;
  }

  delete(entry: Entry): void {
    const key = keyOf(entry.translation.head, entry.translation.words[0]);
    if (!this.#entries.delete(entry)) return;
    const left = this.#byKey.get(key)!.filter((other) => other !== entry);
    if (left.length > 0) this.#byKey.set(key, left);
    else this.#byKey.delete(key);
  }

  /** Those that begin with an instruction at a place of its page. */
  at(head: number, word: number): readonly Entry[] | undefined {
    const key = keyOf(head, word);
    return this.#filter[key >>> (32 - FILTER_BITS)] === 0 ? undefined : this.#byKey.get(key);
  }

  /** Has {@linkcode arrived} tell of an entry when there is a page. */
  wait(entry: Entry, page: number, slot: number): void {
    // A guest may have any number of pages missing. Who isn't told tries again when the head is decoded again.
    if (this.#waiting.size >= MOST_PAGES) this.#waiting.clear();
    const waiting = this.#waiting.get(page);
    if (waiting) waiting.set(entry, slot);
    else this.#waiting.set(page, new Map([[entry, slot]]));
  }

  /** How many pages somebody waits for. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Those that waited for a page, with the slots of their heads. */
  arrived(page: number): Iterable<readonly [Entry, number]> {
    const waiting = this.#waiting.get(page);
    if (waiting === undefined) return [];
    this.#waiting.delete(page);
    return waiting;
  }
}

function keyOf(head: number, word: number): number {
  return Math.imul(word ^ Math.imul(head, 0x9e37_79b1), 0x85eb_ca6b) >>> 0;
}
