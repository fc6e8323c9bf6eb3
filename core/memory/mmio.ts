/** Windows of an address space: who owns which range. Used for IPA windows, the physical bus, and anything else with ranges. */
import { hex } from "./address.ts";

/** An owned range. */
export interface Window<T> {
  readonly at: number;
  readonly size: number;
  readonly name: string;
  readonly value: T;
}

/** Two claims collide. Carries both names, so that a checker can point at both. */
export class OverlapError extends Error {
  /** For whoever compares names. */
  override readonly name = "OverlapError";
  /** Made by core. */
  constructor(
    message: string,
    /** Who came later, and who was there. */
    readonly owners: readonly [string, string],
  ) {
    super(message);
  }
}

const LIMIT = 2 ** 48;

/** Prints a range with an inclusive end, as manuals do. */
export function rangeText(at: number, size: number): string {
  return `${hex(at)}..${hex(at + size - 1)}`;
}

/** Checks that a range is whole, not empty and below 2^48. Throws a `RangeError`. */
export function checkRange(at: number, size: number, what: string): void {
  if (!Number.isSafeInteger(at) || !Number.isSafeInteger(size) || at < 0 || size <= 0 || at + size > LIMIT) {
    throw new RangeError(`${what}: address ${at} with size ${size} is not a range below 2^48`);
  }
}

/** A sorted table of ranges that don't overlap. */
export class WindowTable<T> {
  #windows: Window<T>[] = [];
  /** `space` names the address space in errors: "IPA", "PA". */
  constructor(readonly space: string) {}

  /** Takes a range. Throws an {@linkcode OverlapError} that names both owners. */
  add(at: number, size: number, name: string, value: T): void {
    checkRange(at, size, `${this.space} window of ${name}`);
    const other = this.overlapping(at, size);
    if (other) {
      throw new OverlapError(
        `${this.space} window ${rangeText(at, size)} of ${name} overlaps ${rangeText(other.at, other.size)} of ${other.name}`,
        [name, other.name],
      );
    }
    this.#windows.splice(this.#below(at) + 1, 0, { at, size, name, value });
  }

  /** Gives a range back. */
  remove(at: number): void {
    const index = this.#below(at);
    if (index >= 0 && this.#windows[index].at === at) this.#windows.splice(index, 1);
  }

  /** The window that holds all of an access. */
  find(address: number, size = 1): Window<T> | undefined {
    const window = this.#windows[this.#below(address)];
    return window !== undefined && address + size <= window.at + window.size ? window : undefined;
  }

  /** The first window that touches a range. */
  overlapping(at: number, size: number): Window<T> | undefined {
    const index = this.#below(at + size - 1);
    const window = this.#windows[index];
    return window !== undefined && window.at + window.size > at ? window : undefined;
  }

  /** All windows, by address. */
  get all(): readonly Window<T>[] {
    return this.#windows;
  }

  /** Index of the last window that starts at or below an address; -1 when there is none. */
  #below(address: number): number {
    let low = 0;
    let high = this.#windows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#windows[middle].at <= address) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
