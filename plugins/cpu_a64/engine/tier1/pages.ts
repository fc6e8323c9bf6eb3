/** Which decoded pages were seen where: a guess, that regions check when they run. */
import { MAX_PAGES } from "./region.ts";
import type { SlotOf } from "./translation.ts";

/** Most places that are known, on average. */
const PLACES_PER_SLOT = 4;

/** Slots of decoded pages by the numbers of virtual pages (VA >> 12), and back. */
export class PageMap {
  readonly #slotAt = new Map<number, number>();
  readonly #pageOf: Float64Array;

  /** @param slots how many there are */
  constructor(slots: number) {
    this.#pageOf = new Float64Array(slots).fill(-1);
  }

  /** A page executes. Returns its number when that is news. */
  seen(slot: number, vaLo: number, vaHi: number): number | undefined {
    const page = vaHi * 2 ** 20 + (vaLo >>> 12);
    if (this.#pageOf[slot] === page && this.#slotAt.get(page) === slot) return undefined;
    this.#pageOf[slot] = page;
    this.#slotAt.set(page, slot);
    // A guest may execute the same page at any number of addresses.
    if (this.#slotAt.size > PLACES_PER_SLOT * this.#pageOf.length) this.#forgetOlder();
    return page;
  }

  /** Of each slot the place where it was seen last is left. */
  #forgetOlder(): void {
    this.#slotAt.clear();
    this.#pageOf.forEach((page, slot) => page >= 0 && this.#slotAt.set(page, slot));
  }

  /** How many places it knows. */
  get size(): number {
    return this.#slotAt.size;
  }

  /** Number of the page that was seen last in a slot; -1: none. */
  pageOf(slot: number): number {
    return this.#pageOf[slot];
  }

  /** The slot so many pages from another one; -1: not known. */
  neighbour(slot: number, distance: number): number {
    if (distance === 0) return slot;
    const page = this.#pageOf[slot];
    return page < 0 ? -1 : this.#slotAt.get(page + distance) ?? -1;
  }

  /** Slots of the pages around one, as many as a region may have. */
  around(slot: number, isUsable: (slot: number) => boolean): SlotOf {
    const slots = new Map<number, number>();
    return (page) => {
      let found = slots.get(page);
      if (found === undefined) {
        found = slots.size < MAX_PAGES ? this.neighbour(slot, page) : -1;
        if (found >= 0 && !isUsable(found)) found = -1;
        slots.set(page, found);
      }
      return found;
    };
  }

  /** The decoded page is gone. */
  forget(slot: number): void {
    const page = this.#pageOf[slot];
    if (this.#slotAt.get(page) === slot) this.#slotAt.delete(page);
    this.#pageOf[slot] = -1;
  }
}
