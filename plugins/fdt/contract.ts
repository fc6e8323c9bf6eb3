/** What other plugins may ask of the device tree compiler. */
import { capability } from "../../core/mod.ts";
import type { Capability, DeviceTreeFragment } from "../../core/mod.ts";

/** Builds the device tree of one domain. */
export interface DeviceTree {
  /**
   * The flattened blob of everything that the domain's plugins declare, plus
   * `extra`. Throws a `DeviceTreeError` when declarations contradict one another.
   */
  build(extra: readonly DeviceTreeFragment[]): Uint8Array;
  /** Sets properties of existing or new nodes in a blob that someone else made. Throws a `DeviceTreeError` when it isn't a blob. */
  patch(blob: Uint8Array, extra: readonly DeviceTreeFragment[]): Uint8Array;
}

/** The device tree compiler of a domain. */
export const DeviceTree: Capability<DeviceTree> = capability("DeviceTree", "domain");
