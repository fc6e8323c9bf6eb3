/** What other plugins may ask of the device tree compiler, and the nodes that several of them share. */
import { capability } from "../../core/mod.ts";
import type { Capability, DeviceTreeFragment, DeviceTreeNode } from "../../core/mod.ts";

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

/** Frequency of {@linkcode apbClock} in Hz. */
export const APB_CLOCK_HZ = 24_000_000;

/**
 * The clock of Arm's PrimeCell devices, as a node of the root that each of them declares: nodes of one path that say the same are one
 * node. Refer to it with `"&clk24mhz"`.
 */
export const apbClock: DeviceTreeNode & { readonly label: string } = {
  name: "apb-pclk",
  label: "clk24mhz",
  properties: {
    compatible: { text: "fixed-clock" },
    "#clock-cells": { cells: [0] },
    "clock-frequency": { cells: [APB_CLOCK_HZ] },
    "clock-output-names": { text: "clk24mhz" },
  },
};

// For those who read blobs that somebody else made.
export { decodeFdt } from "./blob.ts";
export { cellOf, DeviceTreeError, findNode, textOf } from "./node.ts";
export type { Fdt, FdtNode } from "./node.ts";
