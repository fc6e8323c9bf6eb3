/** The content of memory, page by page: what nobody touched, or nobody owns, is left out. */
import { PAGE_SIZE } from "../memory/address.ts";
import type { Ram } from "../memory/ram.ts";

/** Pages that are copied, or written, together: 1 MiB. */
const PAGES_PER_PIECE = 256;

/** Some pages in a row. */
export interface Piece {
  /** Where each of them lies in the shared memory, in pages from its beginning, ascending. */
  readonly numbers: Uint32Array;
  /** One after the other. */
  readonly bytes: Uint8Array;
}

/** Where pages come from: a copy, a file, or another machine. */
export interface Pages {
  /** Once. */
  pieces(): Iterable<Piece>;
}

/** The pages of a machine, as they are when they are asked for. */
export function livePages(memory: Ram): Pages {
  const numbers = memory.heldPages();
  const all = new Uint8Array(memory.wasm.buffer);
  return {
    *pieces() {
      for (let at = 0; at < numbers.length;) {
        // Neighbours are one view and need no copy.
        let end = at + 1;
        while (end < numbers.length && end - at < PAGES_PER_PIECE && numbers[end] === numbers[end - 1] + 1) end++;
        const from = numbers[at] * PAGE_SIZE;
        yield { numbers: numbers.subarray(at, end), bytes: all.subarray(from, from + (end - at) * PAGE_SIZE) };
        at = end;
      }
    },
  };
}

/** A copy, for later and for many. */
export function savePages(memory: Ram): Pages {
  const numbers = memory.heldPages();
  const all = new Uint8Array(memory.wasm.buffer);
  const pieces: Piece[] = [];
  for (let at = 0; at < numbers.length; at += PAGES_PER_PIECE) {
    const some = numbers.slice(at, at + PAGES_PER_PIECE);
    const bytes = new Uint8Array(some.length * PAGE_SIZE);
    some.forEach((page, index) => bytes.set(all.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE), index * PAGE_SIZE));
    pieces.push({ numbers: some, bytes });
  }
  return { pieces: () => pieces };
}

/**
 * Makes memory what the pages say, and zero where they say nothing. Returns the ranges that changed. Throws a `RangeError` for pages that
 * aren't RAM, or not in order.
 */
export function loadPages(memory: Ram, pages: Pages): readonly { readonly pa: number; readonly size: number }[] {
  const all = new Uint8Array(memory.wasm.buffer);
  const { touched } = memory;
  const changed: { pa: number; size: number }[] = [];
  let next = 0;
  const clear = (to: number) => {
    for (let page = touched.indexOf(1, next); page >= 0 && page < to; page = touched.indexOf(1, page + 1)) {
      const pa = memory.addressOf(page);
      if (pa === undefined) continue;
      all.fill(0, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
      changed.push({ pa, size: PAGE_SIZE });
    }
  };
  for (const { numbers, bytes } of pages.pieces()) {
    if (bytes.length !== numbers.length * PAGE_SIZE) throw new RangeError(`${numbers.length} pages with ${bytes.length} bytes`);
    numbers.forEach((page, index) => {
      const pa = memory.addressOf(page);
      if (page < next || pa === undefined) throw new RangeError(`page ${page} of the snapshot isn't RAM, or not in order`);
      if (page > next) clear(page);
      all.set(bytes.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE), page * PAGE_SIZE);
      touched[page] = 1;
      changed.push({ pa, size: PAGE_SIZE });
      next = page + 1;
    });
  }
  clear(touched.length);
  return changed;
}
