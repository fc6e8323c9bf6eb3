/** State of the plugin: plain data. Tables are in physical memory, which is saved as such. */
import type { PageRange } from "./el2/va_ranges.ts";
import type { Vmids } from "./vmids.ts";

/** One per board. */
export interface VmsaState {
  /** Whose VMIDs are good; set up when the CPU is known. */
  vmids?: Vmids;
  /** EL2's vmap area: pages in use. */
  readonly vmap: PageRange[];
}
