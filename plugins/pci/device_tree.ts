/** What the device tree says of the host bridge: Linux's "host-generic-pci" and "pci-msi" bindings, and IEEE 1275's PCI bus binding. */
import { Interrupts } from "../../core/mod.ts";
import type { Cell, DeviceTreeFragment, DeviceTreeNode, ResourceContext } from "../../core/mod.ts";
import { MessageInterrupts } from "../gic/contract.ts";
import { INTX_LINES } from "./host.ts";
import type { PciOptions } from "./options.ts";
import { ECAM_BUS_SIZE } from "./registers.ts";

/** First cell of a PCI address: the space. */
const Space = { IO: 0x0100_0000, MEMORY32: 0x0200_0000, MEMORY64: 0x0300_0000 } as const;
/** Level-sensitive, active high, for the GIC binding. */
const LEVEL_HIGH = 4;

const pair = (value: number): [number, number] => [Math.floor(value / 2 ** 32), value % 2 ** 32];

/** The bridge's node. */
export function deviceTree(options: PciOptions, context: ResourceContext): DeviceTreeFragment[] {
  const { ecam, io, memory, memory_size, memory64, memory64_size } = options;
  const window = (space: number, pci: number, cpu: number, size: number): Cell[] => [space, ...pair(pci), ...pair(cpu), ...pair(size)];
  const ranges = [
    ...window(Space.IO, 0, io, options.io_size),
    ...window(Space.MEMORY32, memory, memory, memory_size),
    ...memory64 === undefined ? [] : window(Space.MEMORY64, memory64, memory64, memory64_size),
  ];
  return [{
    under: "/",
    nodes: [{
      name: `pcie@${ecam.toString(16)}`,
      properties: {
        compatible: { text: "pci-host-ecam-generic" },
        device_type: { text: "pci" },
        "#address-cells": { cells: [3] },
        "#size-cells": { cells: [2] },
        "#interrupt-cells": { cells: [1] },
        "bus-range": { cells: [0, 0] },
        reg: { reg: [[ecam, ECAM_BUS_SIZE]] },
        ranges: { cells: ranges },
        "dma-coherent": true,
        "interrupt-map-mask": { cells: [INTX_LINES - 1 << 11, 0, 0, 7] },
        "interrupt-map": { cells: interruptMap(options.interrupts, controllerCells(context)) },
        ...hasMessages(context) ? { "msi-map": { cells: [0, "&msi", 0, 0x1_0000] } } : {},
      },
    }],
  }];
}

/** Device n's pin p (INTA# is 1) drives input (n + p - 1) modulo 4. */
function interruptMap(first: number, controllerCells: number): Cell[] {
  const cells: Cell[] = [];
  for (let device = 0; device < INTX_LINES; device++) {
    for (let pin = 0; pin < INTX_LINES; pin++) {
      const spi = first - 32 + (device + pin) % INTX_LINES;
      cells.push(device << 11, 0, 0, pin + 1, "&gic", ...new Array<number>(controllerCells).fill(0), 0, spi, LEVEL_HIGH);
    }
  }
  return cells;
}

const uses = ({ board, domain }: ResourceContext) => [...board.plugins, ...domain?.plugins ?? []];

function hasMessages(context: ResourceContext): boolean {
  return uses(context).some(({ plugin }) => plugin.provides?.some(({ name }) => name === MessageInterrupts.name));
}

/** #address-cells of the interrupt controller's node: an entry of the interrupt-map has so many zeros before the interrupt. */
function controllerCells(context: ResourceContext): number {
  const controllers = uses(context).filter(({ plugin }) =>
    plugin.provides?.some(({ name }) => name === Interrupts.name || name === MessageInterrupts.name)
  );
  const fragments = controllers.flatMap(({ plugin, options }) => plugin.resources?.(options, context).deviceTree ?? []);
  const nodes = fragments.flatMap(({ under, nodes = [], properties = {} }): DeviceTreeNode[] => [
    { name: under.replace(/.*\//, ""), properties },
    ...nodes,
  ]);
  const name = nodes.find(({ label }) => label === "gic")?.name;
  const values = nodes.filter((node) => node.name === name).map(({ properties }) => properties["#address-cells"]);
  const counts = values.flatMap((value) => value !== undefined && value !== true && "cells" in value ? [Number(value.cells[0])] : []);
  return Math.max(0, ...counts);
}
