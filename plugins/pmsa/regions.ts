/**
 * Regions of an MPU: ranges of 64-byte granules with attributes, sorted, without overlap, and as few as they can be:
 * neighbours that touch and have the same attributes are one. Plain data, changed in place, all or nothing.
 */
import { hex } from "../../core/mod.ts";
import type { Attributes } from "./attributes.ts";

/** Bytes of a granule: PRBAR and PRLAR have no lower address bits. */
export const GRANULE = 64;
/** Addresses are below it. */
export const ADDRESS_LIMIT = 2 ** 48;

/** A range with attributes. */
export interface Region {
  readonly at: number;
  /** Bytes. */
  readonly size: number;
  readonly attributes: Attributes;
}

/** `0x4000_0000..0x4007_ffff`: the limit is inclusive, as in PRLAR. */
export function regionText({ at, size }: { readonly at: number; readonly size: number }): string {
  return `${hex(at)}..${hex(at + size - 1)}`;
}

/** Throws a `RangeError` for a range that is empty, not whole granules, or not below 2^48. */
export function checkRegion(at: number, size: number): void {
  if (!Number.isSafeInteger(at) || !Number.isSafeInteger(size) || at < 0) throw new RangeError(`${size} bytes at ${at}: not a range`);
  if (size <= 0) throw new RangeError(`${size} bytes at ${hex(at)}: an MPU region has at least ${GRANULE} bytes`);
  if (at % GRANULE !== 0 || size % GRANULE !== 0) {
    throw new RangeError(`${hex(size)} bytes at ${hex(at)}: an MPU region begins and ends at a multiple of ${GRANULE}`);
  }
  if (at + size > ADDRESS_LIMIT) throw new RangeError(`${hex(size)} bytes at ${hex(at)}: the end is above 48 bits`);
}

/** Index of the first region that ends above an address. */
export function firstAbove(regions: readonly Region[], address: number): number {
  let low = 0, high = regions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (regions[middle].at + regions[middle].size > address) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The region that an address is in. */
export function regionAt(regions: readonly Region[], address: number): Region | undefined {
  const region = regions[firstAbove(regions, address)];
  return region !== undefined && region.at <= address ? region : undefined;
}

/** The first region that touches a range. */
export function overlapping<T extends Region>(regions: readonly T[], at: number, size: number): T | undefined {
  const region = regions[firstAbove(regions, at)];
  return region !== undefined && region.at < at + size ? region : undefined;
}

/** How many regions there would be is above how many there may be. */
export type Room = (regions: number) => void;

/** Adds a range, joined with neighbours of the same attributes. `room` throws when there would be too many. Throws a `RangeError` on overlap. */
export function addRegion(regions: Region[], added: Region, room: Room): void {
  const { at, size, attributes } = added;
  checkRegion(at, size);
  const index = firstAbove(regions, at);
  const next = regions[index];
  if (next !== undefined && next.at < at + size) {
    throw new RangeError(`${regionText(added)}: ${hex(Math.max(at, next.at))} is mapped already, by the region ${regionText(next)}`);
  }
  const before = regions[index - 1];
  const joinsBefore = before !== undefined && before.at + before.size === at && before.attributes === attributes;
  const joinsNext = next !== undefined && next.at === at + size && next.attributes === attributes;
  const joined = Number(joinsBefore) + Number(joinsNext);
  room(regions.length + 1 - joined);
  const start = joinsBefore ? before.at : at;
  const end = joinsNext ? next.at + next.size : at + size;
  regions.splice(joinsBefore ? index - 1 : index, joined, { at: start, size: end - start, attributes });
}

/** Removes a range; holes in it are fine. What a region has on either side stays: up to two regions. `room` throws when there would be too many. */
export function removeRange(regions: Region[], at: number, size: number, room: Room): boolean {
  checkRegion(at, size);
  const first = firstAbove(regions, at);
  let end = first;
  while (end < regions.length && regions[end].at < at + size) end++;
  if (end === first) return false;
  const left = regions[first], right = regions[end - 1];
  const rest: Region[] = [];
  if (left.at < at) rest.push({ ...left, size: at - left.at });
  const rightEnd = right.at + right.size;
  if (rightEnd > at + size) rest.push({ at: at + size, size: rightEnd - at - size, attributes: right.attributes });
  if (rest.length > end - first) room(regions.length + 1);
  regions.splice(first, end - first, ...rest);
  return true;
}

/**
 * As few regions as say the same as these ranges, which may overlap where their attributes are equal. By address.
 * Throws a `RangeError` when two overlap and differ.
 */
export function merge(ranges: readonly Region[]): Region[] {
  const merged: Region[] = [];
  for (const range of ranges.toSorted((a, b) => a.at - b.at)) {
    const last = merged.at(-1);
    if (last !== undefined && range.at < last.at + last.size && range.attributes !== last.attributes) {
      throw new RangeError(`${regionText(range)} overlaps ${regionText(last)}, which has other attributes`);
    }
    if (last === undefined || range.at > last.at + last.size || range.attributes !== last.attributes) {
      merged.push({ at: range.at, size: range.size, attributes: range.attributes });
      continue;
    }
    const end = Math.max(last.at + last.size, range.at + range.size);
    merged[merged.length - 1] = { ...last, size: end - last.at };
  }
  return merged;
}
