/** Ranges of one type that a server has asked for: sorted, apart, neighbours joined. Ends are inclusive, up to 2^64 - 1. */
import { OperationError } from "./errors.ts";

/** Ranges of one type that a server may have. */
export const RANGE_LIMIT = 256;
const TOP = 2n ** 64n - 1n;

interface Range {
  readonly start: bigint;
  readonly end: bigint;
  /** The same as numbers, for accesses: exact below 2^53, and no IPA lies above. */
  readonly from: number;
  readonly to: number;
  /** Writes may go through the ring. */
  readonly buffered: boolean;
}

const range = (start: bigint, end: bigint, buffered: boolean): Range => ({ start, end, from: Number(start), to: Number(end), buffered });

function check(start: bigint, end: bigint): void {
  if (start < 0n || end > TOP || start > end) throw new OperationError("EINVAL", `the range ${start} to ${end}`);
}

/** The set. */
export class RangeSet {
  #ranges: Range[] = [];

  /** Takes a range. Throws an `OperationError`: EINVAL, EEXIST where it overlaps, ENOMEM for the 257th. */
  add(start: bigint, end: bigint, buffered: boolean): void {
    check(start, end);
    if (this.#ranges.some((other) => start <= other.end && other.start <= end)) {
      throw new OperationError("EEXIST", "the server has a range there already");
    }
    const before = this.#ranges.find((other) => other.end + 1n === start && other.buffered === buffered);
    const after = this.#ranges.find((other) => end + 1n === other.start && other.buffered === buffered);
    const rest = this.#ranges.filter((other) => other !== before && other !== after);
    if (rest.length >= RANGE_LIMIT) throw new OperationError("ENOMEM", `more than ${RANGE_LIMIT} ranges`);
    this.#set([...rest, range(before?.start ?? start, after?.end ?? end, buffered)]);
  }

  /** Gives a part back. Throws an `OperationError`: EINVAL, ENOENT when not all of it is one range's, ENOMEM when what is left are too many. */
  remove(start: bigint, end: bigint): void {
    check(start, end);
    const whole = this.#ranges.find((other) => other.start <= start && end <= other.end);
    if (whole === undefined) throw new OperationError("ENOENT", "no range of the server holds all of it");
    const rest = this.#ranges.filter((other) => other !== whole);
    if (whole.start < start) rest.push(range(whole.start, start - 1n, whole.buffered));
    if (end < whole.end) rest.push(range(end + 1n, whole.end, whole.buffered));
    if (rest.length > RANGE_LIMIT) throw new OperationError("ENOMEM", `more than ${RANGE_LIMIT} ranges`);
    this.#set(rest);
  }

  /** The range that holds all of an access. */
  find(at: number, size: number): { readonly buffered: boolean } | undefined {
    for (const candidate of this.#ranges) if (at >= candidate.from && at + size - 1 <= candidate.to) return candidate;
  }

  /** Ranges there are. */
  get count(): number {
    return this.#ranges.length;
  }

  #set(ranges: Range[]): void {
    this.#ranges = ranges.sort((a, b) => a.start < b.start ? -1 : 1);
  }
}
