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
