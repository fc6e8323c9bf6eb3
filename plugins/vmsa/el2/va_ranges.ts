/** Virtual pages in use in EL2's vmap area: first fit, and a page that stays unmapped behind each range. Plain data. */

/** A range of pages, guard page not included. */
export interface PageRange {
  readonly first: number;
  readonly count: number;
}

/** Takes pages of `total`; the list stays sorted. `undefined`: there is no gap that large. */
export function takePages(ranges: PageRange[], count: number, total: number): number | undefined {
  let first = 0;
  for (let index = 0; index <= ranges.length; index++) {
    const end = index < ranges.length ? ranges[index].first : total;
    if (first + count + 1 <= end) {
      ranges.splice(index, 0, { first, count });
      return first;
    }
    if (index < ranges.length) first = end + ranges[index].count + 1;
  }
  return undefined;
}

/** Gives a range back, by its first page. */
export function givePages(ranges: PageRange[], first: number): void {
  const index = ranges.findIndex((range) => range.first === first);
  if (index < 0) throw new RangeError(`page ${first} of vmap begins no range`);
  ranges.splice(index, 1);
}
