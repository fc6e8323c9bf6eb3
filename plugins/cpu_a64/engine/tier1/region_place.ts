/** What the code of a region's instructions may refer to. */
import type { Callable, I32, I64 } from "../../wasm/mod.ts";
import type { Place } from "../place.ts";

/** Where a region's code sits. */
export interface RegionPlace extends Place {
  /** (VA, size - 1) → host address minus VA of RAM for an access, odd: the interpreter must look. */
  look(access: number, unprivileged: boolean): Callable;
  /** (VA, size - 1, address of a window) → 0, and the window has the page; 1: the interpreter must look. */
  refill(access: number, unprivileged: boolean): Callable;
  /** Address of the first window of those that loops have in memory. */
  readonly windows: number;
  /** (kind, a, b) → NZCV as a number. */
  pack(): Callable;
  readonly counterFrequencyHz: number;
  /** What the budget has left after the present instruction. */
  left(): I32;
  /** VA of the page. */
  readonly pageVa: I64;
  /** Leaves before the present instruction; if something is so that hardly ever is. */
  bail(unlikely?: I32): void;
}

/** Access kinds of {@linkcode RegionPlace.look}. In the flags of `fill` they are bits 1 and 2; bit 0 is unprivileged. */
export const READ_ACCESS = 0, WRITE_ACCESS = 1, UPDATE_ACCESS = 2;

/**
 * Windows that loops have in memory, and their size in bytes: VA of a page, and host address minus VA. As locals they would
 * be carried around every loop, though hardly any iteration changes them. `empty_window.ts` has one more.
 */
export const WINDOWS = 132, WINDOW_SIZE = 16, WINDOW_ADDEND = 8;

/** How an instruction goes on, when not at the next one. */
export type Ending = { readonly kind: "branch" } | { readonly kind: "conditional"; readonly condition: I32 } | {
  readonly kind: "indirect";
  readonly target: I64;
} | { readonly kind: "left" };
