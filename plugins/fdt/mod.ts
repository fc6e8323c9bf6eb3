/**
 * Device tree compiler: one blob per domain, from what all its plugins declare.
 *
 * A hostile guest reaches nothing here: the blob is built before its first
 * instruction, and what it does to its own copy concerns nobody else. A blob
 * that the user supplies is decoded with every offset checked.
 * @module
 */
import { definePlugin } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { DeviceTree } from "./contract.ts";
import { buildDeviceTree } from "./build.ts";
import type { FdtOptions } from "./build.ts";
import { decodeFdt, encodeFdt } from "./blob.ts";
import { overlay } from "./compile.ts";

export { buildDeviceTree } from "./build.ts";
export { decodeFdt, encodeFdt } from "./blob.ts";
export { cellOf, DeviceTreeError, findNode, textOf, walk } from "./node.ts";
export type { Fdt, FdtNode } from "./node.ts";
export { printDeviceTree } from "./print.ts";

/** The plugin. */
export const fdt: Plugin<FdtOptions, undefined> = definePlugin({
  name: "fdt",
  doc: "Compiles the device tree from what each plugin declares.",
  options: {
    model: { kind: "text", doc: "The machine's name in the tree.", default: "Plugboard" },
    kaslr_seed: {
      kind: "boolean",
      doc: "Gives the kernel a seed to randomise its addresses with; page-table isolation follows, and system calls get slower.",
      default: false,
    },
    rng_seed: { kind: "boolean", doc: "Gives the kernel 32 bytes of entropy, derived from the board's seed.", default: true },
  },
  provides: [DeviceTree],
  attach(context) {
    context.provide(DeviceTree, {
      build: (extra) => buildDeviceTree(context.board, context.domain.spec, extra, context.options),
      patch(blob, extra) {
        const tree = decodeFdt(blob);
        overlay(tree.root, extra);
        return encodeFdt(tree);
      },
    });
  },
});

export default fdt;
