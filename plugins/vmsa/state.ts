/** State of the plugin: plain data. Tables are in physical memory, which is saved as such. */
import type { PageRange } from "./el2/va_ranges.ts";

/** One per board. */
export interface VmsaState {
  /** VMIDs in use, one bit each. */
  readonly vmids: Uint32Array;
  /** EL2's vmap area: pages in use. */
  readonly vmap: PageRange[];
}
