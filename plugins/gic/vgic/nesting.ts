/**
 * How a vCPU's acknowledgements nest: INTIDs, the latest last. With EOImode 0 the guest ends them in the reverse order, and for one that
 * isn't active in a list register the hardware tells EL2 no more than that there was an end (ICH_HCR_EL2.EOIcount). Neither a changed priority
 * nor software that clears an active bit changes that order.
 */

/** Priorities nest 32 deep: older entries than this are left over from EOImode 1. */
const DEEPEST = 64;

/** An acknowledgement. */
export function begin(nesting: number[], intid: number): void {
  if (nesting.length === DEEPEST) nesting.shift();
  nesting.push(intid);
}

/** The end of the latest acknowledgement of an INTID, if there is one. */
export function end(nesting: number[], intid: number): void {
  const at = nesting.lastIndexOf(intid);
  if (at >= 0) nesting.splice(at, 1);
}

/** How many acknowledgements came after the latest of an INTID; those that software made active without one come last. */
export function depth(nesting: readonly number[], intid: number): number {
  const at = nesting.lastIndexOf(intid);
  return at < 0 ? DEEPEST : nesting.length - 1 - at;
}

/** With EOImode 1 deactivations come by name, from any vCPU. */
export function forgetInactive(nesting: number[], isActive: (intid: number) => boolean): void {
  for (let n = nesting.length - 1; n >= 0; n--) if (!isActive(nesting[n])) nesting.splice(n, 1);
}

/** Fills `ends` with what the hardware would only count, in the order in which it ends. `isListed`: is active in a list register. */
export function countedEnds(nesting: readonly number[], isListed: (intid: number) => boolean, ends: number[]): void {
  ends.length = 0;
  for (let n = nesting.length - 1; n >= 0; n--) {
    const intid = nesting[n];
    // A list register stands for the latest acknowledgement alone.
    if (nesting.lastIndexOf(intid) !== n || !isListed(intid)) ends.push(intid);
  }
}
