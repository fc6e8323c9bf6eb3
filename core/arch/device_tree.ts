/**
 * Device tree nodes as plain data. Plugins declare them; the plugin that builds
 * the blob resolves references and phandles.
 */

/** A cell: 32 bits, or a reference by label (`"&gic"`) that becomes a phandle. */
export type Cell = number | string;

/** A property value. */
export type DeviceTreeValue =
  /** Empty property. */
  | true
  /** One string, or a list of strings. */
  | { readonly text: string | readonly string[] }
  /** 32-bit cells and phandle references. */
  | { readonly cells: readonly Cell[] }
  /** Address and size pairs, in the parent's #address-cells and #size-cells. */
  | { readonly reg: readonly (readonly [address: number, size: number])[] }
  /** Interrupts, encoded for the domain's interrupt controller. INTID 16-31 are PPIs, 32 up SPIs. */
  | { readonly interrupts: readonly { readonly intid: number; readonly trigger: "level" | "edge" }[] }
  /** Raw bytes. */
  | { readonly bytes: Uint8Array };

/** A node. */
export interface DeviceTreeNode {
  /** With unit address: `pl011@9000000`. */
  readonly name: string;
  /** For references: label `gic` is what `"&gic"` means. */
  readonly label?: string;
  /** By name, in the order of the blob. */
  readonly properties: Readonly<Record<string, DeviceTreeValue>>;
  /** Nodes below it. */
  readonly children?: readonly DeviceTreeNode[];
}

/** A contribution: nodes under a path (default `/`), or properties for an existing node. */
export interface DeviceTreeFragment {
  /** Path of the parent: `/`, `/chosen`, `/cpus`. */
  readonly under: string;
  /** Nodes to add. */
  readonly nodes?: readonly DeviceTreeNode[];
  /** Properties to add to the node itself. */
  readonly properties?: Readonly<Record<string, DeviceTreeValue>>;
}
