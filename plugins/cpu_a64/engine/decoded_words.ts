/**
 * Records by the words that they are made of. What is kept of a run before has no handlers yet: for each there is a word that it executes,
 * and whoever needs the first record of it makes it.
 */

/** Most words. */
const MOST = 1 << 17;
/** Places to look for them. */
const PLACES = 2 * MOST;
/** Words of a record. */
const RECORD = 4;
/** The handler's number, in a record's first word. */
const HANDLER = 0xffff;

/** What is kept. */
export interface KeptWords {
  /** For each handler a word that it executes. */
  readonly handlers: Uint32Array;
  readonly words: Uint32Array;
  /** Four words for each word, with numbers of `handlers` for handlers. */
  readonly records: Uint32Array;
}

/** Words of one physical CPU. */
export class DecodedWords {
  readonly #index = new Int32Array(PLACES).fill(-1);
  readonly #words = new Uint32Array(MOST);
  readonly #records = new Uint32Array(RECORD * MOST);
  /** Of those from a run before: not needed so far. */
  readonly #isAsleep = new Uint8Array(MOST);
  readonly #handlers: (number | undefined)[] = [];
  #count = 0;
  /** Some are new, or would be lost. */
  isNew = false;

  /** @param handlerOf makes the handler of a word, and returns its number */
  constructor(readonly kept: KeptWords | undefined, readonly handlerOf: (word: number) => number) {
    if (kept === undefined || kept.words.length > MOST) return;
    this.#words.set(kept.words);
    this.#records.set(kept.records);
    this.#count = kept.words.length;
    this.#isAsleep.fill(1, 0, this.#count);
    for (let entry = 0; entry < this.#count; entry++) this.#index[this.#placeOf(this.#words[entry])] = entry;
  }

  /** Writes the record of a word; false: there is none. */
  write(word: number, to: Uint32Array, at: number): boolean {
    const entry = this.#index[this.#placeOf(word)];
    if (entry < 0) return false;
    const from = RECORD * entry;
    if (this.#isAsleep[entry]) {
      this.#isAsleep[entry] = 0;
      const kept = this.#records[from] & HANDLER;
      const handler = this.#handlers[kept] ??= this.handlerOf(this.kept!.handlers[kept]);
      this.#records[from] = (this.#records[from] & ~HANDLER) | handler;
    }
    for (let i = 0; i < RECORD; i++) to[at + i] = this.#records[from + i];
    return true;
  }

  /** A word's record was made, and lies there. */
  remember(word: number, from: Uint32Array, at: number): void {
    const place = this.#placeOf(word);
    if (this.#count >= MOST || this.#index[place] >= 0) return;
    this.isNew = true;
    const entry = this.#count++;
    this.#index[place] = entry;
    this.#words[entry] = word;
    for (let i = 0; i < RECORD; i++) this.#records[RECORD * entry + i] = from[at + i];
  }

  /** Where its number is, or would be. */
  #placeOf(word: number): number {
    let place = Math.imul(word, 0x9e37_79b1) >>> 14;
    for (; this.#index[place] >= 0; place = (place + 1) % PLACES) if (this.#words[this.#index[place]] === word) break;
    return place;
  }

  /** For the next run. */
  get all(): KeptWords {
    const records = this.#records.slice(0, RECORD * this.#count);
    const handlers: number[] = [];
    const numbers = new Map<number, number>();
    for (let entry = 0; entry < this.#count; entry++) {
      const isAsleep = this.#isAsleep[entry] === 1;
      const own = records[RECORD * entry] & HANDLER;
      // Numbers of handlers, and those of a run before: the same handler may have both.
      const key = isAsleep ? ~own : own;
      let number = numbers.get(key);
      if (number === undefined) numbers.set(key, number = handlers.push(isAsleep ? this.kept!.handlers[own] : this.#words[entry]) - 1);
      records[RECORD * entry] = (records[RECORD * entry] & ~HANDLER) | number;
    }
    return { handlers: Uint32Array.from(handlers), words: this.#words.slice(0, this.#count), records };
  }
}
