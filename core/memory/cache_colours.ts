/**
 * Cache colours: frames whose lines fall into the same sets of the last-level cache have one colour. Domains with colours of their own can't
 * push one another's lines out.
 */
import { PAGE_SIZE } from "./address.ts";

/** Colours that a domain's RAM may have, and of how many. */
export interface CacheColours {
  /** So many there are. */
  readonly of: number;
  /** These may be taken. */
  readonly own: ReadonlySet<number>;
}

/** Most colours: a cache with ways of 4 MiB. */
export const MAX_COLOURS = 1024;

/** The colour of the frame at an address. */
export function colourOf(pa: number, colours: number): number {
  return Math.floor(pa / PAGE_SIZE) % colours;
}

/** `0-3,8` or a number: ascending, no colour twice, below 1024. `undefined`: it is none. */
export function parseColours(value: unknown): number[] | undefined {
  const found: number[] = [];
  for (const item of String(value).split(",")) {
    const range = /^\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?$/.exec(item);
    if (range === null) return undefined;
    const from = Number(range[1]), to = range[2] === undefined ? from : Number(range[2]);
    if (from > to || to >= MAX_COLOURS || found.length > 0 && from <= found[found.length - 1]) return undefined;
    for (let colour = from; colour <= to; colour++) found.push(colour);
  }
  return found;
}
