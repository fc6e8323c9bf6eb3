/** What tier 1 has in the memory: a table beside the records, and behind it of each region the pages, and the windows of loops. */
import { type I32, i32 } from "../../wasm/mod.ts";
import { RECORD_PAGE_STRIDE } from "../layout.ts";
import { WINDOW_SIZE, WINDOWS } from "./region_place.ts";

const PAGE_SIZE = 4096;

/** Regions that one machine keeps: a power of two, of which `MAX_HANDLERS` is a multiple. */
export const MAX_REGIONS = 8192;

/** Pages of a region in the table of pages, as a power of two of bytes. */
export const PAGE_TABLE_SHIFT = 7;

/** Where records and the table beside them begin: addresses. */
export interface SidePlaces {
  readonly records: number;
  readonly sideTable: number;
}

/** Address of what the table has for a record. */
export function besideRecord(record: number, { records, sideTable }: SidePlaces): number {
  return sideTable + ((record - records) >>> 2);
}

/** The same in generated code. */
export function besideOf(record: I32, { records, sideTable }: SidePlaces): I32 {
  return i32.add(i32.shr_u(i32.sub(record, i32.const(records)), i32.const(2)), i32.const(sideTable));
}

/** Bytes of the table beside the records, and behind it of the regions' pages, the windows of loops and the page where nothing is. */
export function sideTableSize(pages: number): number {
  return nothingAt(windowsAt(pages)) + PAGE_SIZE;
}

/** Where the window is that loops begin with where they know no page. */
export function emptyWindowAt(windows: number): number {
  return windows + WINDOWS * WINDOW_SIZE;
}

/** Where the page is that it leads to. */
export function nothingAt(windows: number): number {
  return emptyWindowAt(windows) + WINDOW_SIZE;
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
