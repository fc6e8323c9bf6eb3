/**
 * Pages of which no access comes from the TLB: devices, what stage 2 refuses as that of virtual devices, memory that is Device. Compiled
 * code that is about to touch one may leave at once: the interpreter translates again in any case. A page that is here by mistake costs
 * time and nothing else.
 */

/** A power of two. */
export const SLOW_PAGES = 16;
/** Bytes of the set: for each slot the VA of a page. */
export const SLOW_PAGES_BYTES: number = 8 * SLOW_PAGES;

/** A direct-mapped set of pages by virtual address, whatever the address space. Generated code looks into it as well. */
export class SlowPages {
  readonly #pages: Int32Array;

  /** @param address of its bytes, a multiple of 4 */
  constructor(buffer: ArrayBufferLike = new ArrayBuffer(SLOW_PAGES_BYTES), address: number = 0) {
    this.#pages = new Int32Array(buffer, address, 2 * SLOW_PAGES).fill(-1);
  }

  /** Whether a page is one of them. */
  has(hi: number, lo: number): boolean {
    const slot = slotOf(lo);
    return this.#pages[slot] === (lo & ~0xfff) && this.#pages[slot + 1] === (hi | 0);
  }

  /** It is one. */
  note(hi: number, lo: number): void {
    const slot = slotOf(lo);
    this.#pages[slot] = lo & ~0xfff;
    this.#pages[slot + 1] = hi;
  }

  /** It is none, or no longer. */
  forget(hi: number, lo: number): void {
    if (this.has(hi, lo)) this.#pages[slotOf(lo)] = -1;
  }
}

/** Index of a page's low half. */
function slotOf(lo: number): number {
  return 2 * (lo >>> 12 & (SLOW_PAGES - 1));
}
