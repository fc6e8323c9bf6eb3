/**
 * Looking before sleeping. An answer that comes from another core is there sooner than a sleeper wakes; but where both threads share a core,
 * whoever looks keeps the other from answering. So what paid off last time is done again, and now and then it is tried.
 */

/** Looks of one attempt: some microseconds. */
const LOOKS = 2000;
/** Of so many waits one tries again, when looking hasn't paid off. */
const TRY_EVERY = 32;

/** One thread's habit. */
export class Spinner {
  #paysOff = true;
  #waits = 0;

  /** True when the word has another value now; false: sleep. */
  spin(words: Int32Array, word: number, value: number): boolean {
    if (!this.#paysOff && ++this.#waits % TRY_EVERY !== 0) return Atomics.load(words, word) !== value;
    for (let n = 0; n < LOOKS; n++) {
      if (Atomics.load(words, word) !== value) return this.#paysOff = true;
    }
    return this.#paysOff = false;
  }
}
