/**
 * Pages of which no access comes from the TLB: devices, what stage 2 refuses as that of virtual devices, memory that is Device. Compiled
 * code that is about to touch one may leave at once: the interpreter translates again in any case. A page that is here by mistake costs
 * time and nothing else.
 */

/** A power of two. */
const SLOTS = 16;

/** A direct-mapped set of pages by virtual address, whatever the address space. */
export class SlowPages {
  readonly #lo = new Int32Array(SLOTS).fill(-1);
  readonly #hi = new Int32Array(SLOTS);

  /** Whether a page is one of them. */
  has(hi: number, lo: number): boolean {
    const slot = lo >>> 12 & (SLOTS - 1);
    return this.#lo[slot] === (lo & ~0xfff) && this.#hi[slot] === (hi | 0);
  }

  /** It is one. */
  note(hi: number, lo: number): void {
    const slot = lo >>> 12 & (SLOTS - 1);
    this.#lo[slot] = lo & ~0xfff;
    this.#hi[slot] = hi;
  }

  /** It is none, or no longer. */
  forget(hi: number, lo: number): void {
    if (this.has(hi, lo)) this.#lo[lo >>> 12 & (SLOTS - 1)] = -1;
  }
}
