/** What the code of a region's instructions may refer to. */
import type { Callable, I32, I64 } from "../../wasm/mod.ts";
import type { Place } from "../place.ts";

/** Where a region's code sits. */
export interface RegionPlace extends Place {
  /** (size, flags) → host address of RAM for an access at ADDRESS, 0: the interpreter must look. Flags: 1 unprivileged, 2 times the access kind. */
  readonly fill: Callable;
  /** VA of the page. */
  readonly pageVa: I64;
  /** TLB bank. */
  readonly bank: I32;
  /** Leaves before the present instruction. */
  bail(): void;
}

/** Access kinds of {@linkcode RegionPlace.fill}: what goes into bits 1 and 2 of its second argument. */
export const READ_ACCESS = 0, WRITE_ACCESS = 1, UPDATE_ACCESS = 2;

/** How an instruction goes on, when not at the next one. */
export type Ending = { readonly kind: "branch" } | { readonly kind: "conditional"; readonly condition: I32 } | {
  readonly kind: "indirect";
  readonly target: I64;
} | { readonly kind: "left" };
