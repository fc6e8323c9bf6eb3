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
  /** In order. */
  pieces(): Iterable<Piece>;
  /** Where a page is among all of them, from 1, by its number; absent: they come in order only. */
  readonly places?: Uint32Array;
}

/** The pages of a machine, as they are when they are asked for. */
export function livePages(memory: Ram): Pages {
  memory.bringAll();
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
  memory.bringAll();
  const numbers = memory.heldPages();
  const all = new Uint8Array(memory.wasm.buffer);
  const pieces: Piece[] = [];
  const places = new Uint32Array(memory.touched.length);
  for (let at = 0; at < numbers.length; at += PAGES_PER_PIECE) {
    const some = numbers.slice(at, at + PAGES_PER_PIECE);
    const bytes = new Uint8Array(some.length * PAGE_SIZE);
    some.forEach((page, index) => {
      bytes.set(all.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE), index * PAGE_SIZE);
      places[page] = at + index + 1;
    });
    pieces.push({ numbers: some, bytes });
  }
  return { pieces: () => pieces, places };
}

/** What of the machine's memory isn't what it was, for whoever keeps something of it. */
export type Changed = readonly { readonly pa: number; readonly size: number }[];

/**
 * Makes memory what the pages say, and zero where they say nothing. Throws a `RangeError` for pages that aren't RAM, or not in order.
 * `lazily`: pages that can be found come when they are wanted.
 */
export function loadPages(memory: Ram, pages: Pages, lazily: boolean): Changed {
  return lazily && pages.places ? lend(memory, pages, pages.places) : copy(memory, pages);
}

function copy(memory: Ram, pages: Pages): Changed {
  const all = new Uint8Array(memory.wasm.buffer);
  const { touched } = memory;
  const changed: { pa: number; size: number }[] = [];
  let next = 0;
  for (const { numbers, bytes } of pages.pieces()) {
    if (bytes.length !== numbers.length * PAGE_SIZE) throw new RangeError(`${numbers.length} pages with ${bytes.length} bytes`);
    numbers.forEach((page, index) => {
      const pa = memory.addressOf(page);
      if (page < next || pa === undefined) throw new RangeError(`page ${page} of the snapshot isn't RAM, or not in order`);
      clear(memory, next, page, changed);
      all.set(bytes.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE), page * PAGE_SIZE);
      touched[page] = 1;
      changed.push({ pa, size: PAGE_SIZE });
      next = page + 1;
    });
  }
  clear(memory, next, touched.length, changed);
  memory.lazy = undefined;
  return changed;
}

/** Nothing is copied but what is wanted. */
function lend(memory: Ram, pages: Pages, places: Uint32Array): Changed {
  const pieces = [...pages.pieces()];
  const all = new Uint8Array(memory.wasm.buffer);
  const { touched } = memory;
  const changed: { pa: number; size: number }[] = [];
  const absent = new Uint8Array(touched.length);
  const bring = (page: number) => {
    absent[page] = 0;
    const place = places[page] - 1;
    const from = (place % PAGES_PER_PIECE) * PAGE_SIZE;
    all.set(pieces[Math.floor(place / PAGES_PER_PIECE)].bytes.subarray(from, from + PAGE_SIZE), page * PAGE_SIZE);
  };
  for (const { numbers } of pieces) for (const page of numbers) absent[page] = 1;
  for (let page = touched.indexOf(1); page >= 0; page = touched.indexOf(1, page + 1)) {
    const pa = memory.addressOf(page);
    if (pa === undefined) continue;
    changed.push({ pa, size: PAGE_SIZE });
    // Somebody may have a view of it, and write without asking.
    if (places[page] === 0) all.fill(0, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
    else bring(page);
  }
  for (const { numbers } of pieces) for (const page of numbers) touched[page] = 1;
  memory.lazy = { absent, bring };
  return changed;
}

/** Zeroes what was touched of a range of RAM. */
function clear(memory: Ram, from: number, to: number, changed: { pa: number; size: number }[]): void {
  const { touched } = memory;
  if (from === to) return;
  const range = touched.subarray(0, to);
  for (let page = range.indexOf(1, from); page >= 0; page = range.indexOf(1, page + 1)) {
    const pa = memory.addressOf(page);
    if (pa === undefined) continue;
    new Uint8Array(memory.wasm.buffer, page * PAGE_SIZE, PAGE_SIZE).fill(0);
    changed.push({ pa, size: PAGE_SIZE });
  }
}
