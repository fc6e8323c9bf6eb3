/** A number for each instruction of the code cache. Most of its pages never hold code: theirs take no room. */
import { RECORDS_PER_PAGE } from "../layout.ts";

/** Small counts by number of an instruction, as tier 1 numbers them; 0 at first. */
export class RecordCounts {
  readonly #pages: (Uint16Array | undefined)[] = [];

  /** The count of one. */
  get(index: number): number {
    return this.#pages[Math.floor(index / RECORDS_PER_PAGE)]?.[index % RECORDS_PER_PAGE] ?? 0;
  }

  /** Changes the count of one. */
  add(index: number, by: number): void {
    this.#page(index)[index % RECORDS_PER_PAGE] += by;
  }

  /** Makes the count of one 1. */
  mark(index: number): void {
    this.#page(index)[index % RECORDS_PER_PAGE] = 1;
  }

  /** Makes the counts of instructions of a page 0 again, from `first` to `last`, numbered within it. */
  clear(page: number, first: number, last: number): void {
    this.#pages[page]?.fill(0, first, last + 1);
  }

  #page(index: number): Uint16Array {
    return this.#pages[Math.floor(index / RECORDS_PER_PAGE)] ??= new Uint16Array(RECORDS_PER_PAGE);
  }
}
