/** What tier 1 has in the memory: a table beside the records, and behind it of each region the pages, and the windows of loops. */
import { RECORD_PAGE_STRIDE } from "../layout.ts";
import { PAGE_TABLE_SHIFT } from "./region_module.ts";
import { WINDOW_SIZE, WINDOWS } from "./region_place.ts";

/** Regions that one machine keeps. */
export const MAX_REGIONS = 8192;

/** Bytes of the table beside the records, and behind it of the regions' pages and the windows of loops. */
export function sideTableSize(pages: number): number {
  return windowsAt(pages) + WINDOWS * WINDOW_SIZE;
}

/** Where the windows begin. */
export function windowsAt(pages: number): number {
  return (pageTableAt(pages) + (MAX_REGIONS << PAGE_TABLE_SHIFT) + 15) & ~15;
}

/** Which parts of it may be other than zero when so many pages of records were ever used. */
export function sideTableUsed(pages: number, of: number): readonly (readonly [from: number, to: number])[] {
  return [[0, pageTableAt(pages)], [pageTableAt(of), sideTableSize(of)]];
}

/** Where the pages of regions begin. */
export function pageTableAt(pages: number): number {
  return (pages * RECORD_PAGE_STRIDE) >>> 2;
}
