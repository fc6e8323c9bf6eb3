/**
 * Addresses in a device tree: `reg` by the parent's cells, and up through `ranges` to what the CPU sees.
 * Devicetree Specification, "#address-cells and #size-cells", "reg", "ranges".
 *
 * The blob is anybody's: what doesn't fit is left out, and nothing here throws.
 */
import type { PlatformRange } from "../../core/mod.ts";
import { cellOf } from "../fdt/contract.ts";
import type { FdtNode } from "../fdt/contract.ts";

/** A node's ancestors, the root first. */
export type Ancestors = readonly FdtNode[];

/** Where physical addresses end here. */
const LIMIT = 2n ** 48n;
/** No device has more; a hostile blob may. */
const MAX_ENTRIES = 256;

/** What `reg` says, in CPU addresses. `unreachable`: entries that no bus translates, or that end above 2^48. */
export interface RegisterRanges {
  readonly ranges: readonly PlatformRange[];
  readonly unreachable: number;
}

function cellsOf(node: FdtNode | undefined, property: string, otherwise: number): number {
  const cells = node && cellOf(node, property);
  return cells === undefined || cells > 4 ? otherwise : cells;
}

function readCells(bytes: Uint8Array, at: number, cells: number): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let value = 0n;
  for (let cell = 0; cell < cells; cell++) value = value << 32n | BigInt(view.getUint32(at + cell * 4));
  return value;
}

/** Address and size pairs of a property, in the cells of the node that holds it. */
function* pairs(bytes: Uint8Array, addressCells: number, sizeCells: number): Generator<{ at: bigint; size: bigint }> {
  const stride = (addressCells + sizeCells) * 4;
  if (addressCells === 0 || stride === 0) return;
  for (let entry = 0; entry < MAX_ENTRIES && (entry + 1) * stride <= bytes.length; entry++) {
    yield {
      at: readCells(bytes, entry * stride, addressCells),
      size: readCells(bytes, entry * stride + addressCells * 4, sizeCells),
    };
  }
}

/** An address of a bus as its parent sees it. `ranges` absent: the bus is another world; empty: the same addresses. */
function translateUp(bus: FdtNode, parent: FdtNode | undefined, at: bigint, size: bigint): bigint | undefined {
  const ranges = bus.properties.get("ranges");
  if (ranges === undefined) return undefined;
  if (ranges.length === 0) return at;
  const childCells = cellsOf(bus, "#address-cells", 2);
  const parentCells = cellsOf(parent, "#address-cells", 2);
  const sizeCells = cellsOf(bus, "#size-cells", 1);
  const stride = (childCells + parentCells + sizeCells) * 4;
  if (stride === 0) return undefined;
  for (let entry = 0; entry < MAX_ENTRIES && (entry + 1) * stride <= ranges.length; entry++) {
    const from = readCells(ranges, entry * stride, childCells);
    const to = readCells(ranges, entry * stride + childCells * 4, parentCells);
    const length = readCells(ranges, entry * stride + (childCells + parentCells) * 4, sizeCells);
    if (at >= from && at + size <= from + length) return to + (at - from);
  }
  return undefined;
}

/** The `reg` of a node in CPU addresses. */
export function registerRanges(node: FdtNode, ancestors: Ancestors): RegisterRanges {
  const parent = ancestors.at(-1);
  const bytes = node.properties.get("reg");
  const ranges: PlatformRange[] = [];
  let unreachable = 0;
  if (parent === undefined || bytes === undefined) return { ranges, unreachable };
  for (const { at, size } of pairs(bytes, cellsOf(parent, "#address-cells", 2), cellsOf(parent, "#size-cells", 1))) {
    let address: bigint | undefined = at;
    for (let depth = ancestors.length - 1; depth > 0 && address !== undefined; depth--) {
      address = translateUp(ancestors[depth], ancestors[depth - 1], address, size);
    }
    if (address === undefined || address + size > LIMIT) unreachable++;
    else ranges.push({ at: Number(address), size: Number(size) });
  }
  return { ranges, unreachable };
}

/** What is left of `banks` in whole pages when `holes` are taken out. Ascending; what touches is joined. */
export function subtract(banks: readonly PlatformRange[], holes: readonly PlatformRange[], page: number): PlatformRange[] {
  const up = (value: number) => Math.ceil(value / page) * page;
  const down = (value: number) => Math.floor(value / page) * page;
  const left: { at: number; size: number }[] = [];
  const taken = holes.filter(({ size }) => size > 0).toSorted((a, b) => a.at - b.at);
  for (const bank of banks.toSorted((a, b) => a.at - b.at)) {
    let at = up(bank.at);
    // Banks of a wrong blob may overlap: what was taken already doesn't count again.
    const before = left.at(-1);
    if (before !== undefined) at = Math.max(at, before.at + before.size);
    const end = down(bank.at + bank.size);
    const add = (to: number) => {
      if (to <= at) return;
      const last = left.at(-1);
      if (last !== undefined && last.at + last.size === at) last.size += to - at;
      else left.push({ at, size: to - at });
    };
    for (const hole of taken) {
      if (hole.at >= end || hole.at + hole.size <= at) continue;
      add(Math.max(at, down(hole.at)));
      at = Math.max(at, up(hole.at + hole.size));
    }
    add(end);
  }
  return left;
}
