/** What a region's locals hold of the CPU's state, and where. */
import type { Local } from "../../wasm/mod.ts";

/**
 * Which locals hold what they stand for. Outside of loops a register is loaded before its first use, and stored when written; in a loop, and
 * the loops inside of it, it is loaded before and stored after.
 */
export interface Held {
  /** Registers whose locals are true, as a bit set. */
  registers: number;
  /** Windows that have been filled, or emptied, by their numbers. */
  windows: number;
}

/** An outermost loop: what is to be loaded before and stored after it is known when it is complete. */
export class Loop {
  used = 0;
  written = 0;
  usedVectors = 0;
  writtenVectors = 0;
  /** Floating-point instructions ask whether the host's arithmetic is right. */
  asksPlain = false;
  /** FPCR or FPSR are written in it. */
  writesFpcr = false;
  /** Addresses of windows in memory. */
  readonly windows = new Set<number>();
  constructor(readonly before: Held) {}
}

/** Nothing is held where a region begins. */
export const NOTHING: Held = { registers: 0, windows: 0 };

/** Outside of loops: a page that may be read, or written: its VA, and host address minus VA. */
export interface Window {
  /** Bit in {@linkcode Held}. */
  readonly bit: number;
  readonly tag: Local<"i64">;
  readonly addend: Local<"i32">;
}

/** Number of the bit for windows that have none of their own. */
export const LAST_WINDOW = 31;

/** Numbers of the bits that are set. */
export function members(set: number): number[] {
  const found: number[] = [];
  for (let n = 0; set !== 0; n++, set >>>= 1) if (set & 1) found.push(n);
  return found;
}
