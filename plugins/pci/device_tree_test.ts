import { assertEquals } from "@std/assert";
import { Interrupts } from "../../core/mod.ts";
import type { Board, DeviceTreeFragment, PluginDeclaration } from "../../core/mod.ts";
import { bench } from "../../core/testing.ts";
import { MessageInterrupts } from "../gic/contract.ts";
import { pci } from "./mod.ts";
import type { PciOptions } from "./mod.ts";

const GIC = "interrupt-controller@8000000";

function controller(provides: PluginDeclaration["provides"], deviceTree: DeviceTreeFragment[]): Board["plugins"][number] {
  return { plugin: { name: "gic", doc: "", options: {}, provides, resources: () => ({ deviceTree }) }, options: {}, path: [] };
}

function properties(plugins: Board["plugins"], options: Record<string, number> = {}) {
  const defaults = Object.fromEntries(Object.entries(pci.options).map(([name, spec]) => [name, spec.default]));
  const board = { ...bench().board, plugins };
  const { deviceTree } = pci.resources!({ ...defaults, ...options } as unknown as PciOptions, {
    board,
    domain: board.domains[0],
  });
  return deviceTree![0].nodes![0].properties;
}

const gic = (cells: number) =>
  controller([Interrupts], [{ under: "/", nodes: [{ name: GIC, label: "gic", properties: { "#address-cells": { cells: [cells] } } }] }]);

Deno.test("pci node: INTx goes round the four inputs, by device and pin", () => {
  const map = properties([gic(0)])["interrupt-map"] as { cells: (number | string)[] };
  assertEquals(map.cells.length, 16 * 8);
  const rows = Array.from({ length: 16 }, (_, n) => map.cells.slice(8 * n, 8 * n + 8));
  assertEquals(rows[0], [0, 0, 0, 1, "&gic", 0, 3, 4]);
  assertEquals(rows[5], [0x800, 0, 0, 2, "&gic", 0, 5, 4]);
  assertEquals(rows[15], [0x1800, 0, 0, 4, "&gic", 0, 5, 4]);
});

Deno.test("pci node: a controller with addresses (it has an ITS below it) gets zeros for them, whoever declares that", () => {
  const its = controller([MessageInterrupts], [{ under: `/${GIC}`, properties: { "#address-cells": { cells: [2] } } }]);
  const plain = controller([Interrupts], [{ under: "/", nodes: [{ name: GIC, label: "gic", properties: {} }] }]);
  for (const plugins of [[gic(2)], [plain, its]]) {
    const map = properties(plugins)["interrupt-map"] as { cells: (number | string)[] };
    assertEquals(map.cells.slice(0, 10), [0, 0, 0, 1, "&gic", 0, 0, 0, 3, 4]);
  }
});

Deno.test("pci node: messages are mapped when something takes them", () => {
  assertEquals(properties([gic(0)])["msi-map"], undefined);
  assertEquals(properties([gic(0), controller([MessageInterrupts], [])])["msi-map"], { cells: [0, "&msi", 0, 0x1_0000] });
});

Deno.test("pci node: windows, with a 64-bit one when the board has it", () => {
  const io = [0x0100_0000, 0, 0, 0, 0x3eff_0000, 0, 0x1_0000];
  const memory = [0x0200_0000, 0, 0x1000_0000, 0, 0x1000_0000, 0, 0x2eff_0000];
  assertEquals(properties([gic(0)]).ranges, { cells: [...io, ...memory] });
  const memory64 = [0x0300_0000, 0x80, 0, 0x80, 0, 0, 0x4000_0000];
  assertEquals(properties([gic(0)], { memory64: 0x80_0000_0000 }).ranges, { cells: [...io, ...memory, ...memory64] });
});
