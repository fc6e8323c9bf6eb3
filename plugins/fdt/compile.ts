/**
 * Turns declared fragments into a tree of bytes: merges them under their paths,
 * gives labels phandles, and encodes cells by the #address-cells, #size-cells
 * and #interrupt-cells that hold at each node.
 */
import type { DeviceTreeFragment, DeviceTreeNode, DeviceTreeValue } from "../../core/mod.ts";
import { DeviceTreeError, findChild } from "./node.ts";
import type { FdtNode } from "./node.ts";

/** A node under construction: values aren't encoded yet. */
interface Draft {
  readonly name: string;
  readonly path: string;
  readonly labels: string[];
  readonly properties: Map<string, DeviceTreeValue>;
  readonly children: Draft[];
}

const draft = (name: string, path: string): Draft => ({ name, path, labels: [], properties: new Map(), children: [] });

/** Node name: 1 to 31 characters and a unit address (Devicetree Specification, "Node Names"). */
const NODE_NAME = /^[A-Za-z0-9,._+-]{1,31}(@[A-Za-z0-9,._+-]+)?$/;

function same(a: DeviceTreeValue, b: DeviceTreeValue): boolean {
  return a === b || JSON.stringify(a, bytesAsList) === JSON.stringify(b, bytesAsList);
}
const bytesAsList = (_key: string, value: unknown) => value instanceof Uint8Array ? [...value] : value;

function setProperties(target: Draft, properties: DeviceTreeFragment["properties"]): void {
  for (const [name, value] of Object.entries(properties ?? {})) {
    const before = target.properties.get(name);
    if (before !== undefined && !same(before, value)) {
      throw new DeviceTreeError(`${target.path}: two plugins give the property ${name} different values`);
    }
    target.properties.set(name, value);
  }
}

function addNode(parent: Draft, node: DeviceTreeNode): void {
  const path = parent.path === "/" ? `/${node.name}` : `${parent.path}/${node.name}`;
  if (!NODE_NAME.test(node.name)) throw new DeviceTreeError(`${path}: not a node name`);
  let target = parent.children.find((child) => child.name === node.name);
  if (!target) parent.children.push(target = draft(node.name, path));
  if (node.label && !target.labels.includes(node.label)) target.labels.push(node.label);
  setProperties(target, node.properties);
  for (const child of node.children ?? []) addNode(target, child);
}

/** Merges fragments in order; nodes of the same path become one. */
function merge(fragments: readonly DeviceTreeFragment[]): Draft {
  const root = draft("", "/");
  for (const fragment of fragments) {
    let target = root;
    for (const part of fragment.under.split("/").filter((part) => part !== "")) {
      const path = target.path === "/" ? `/${part}` : `${target.path}/${part}`;
      let next = target.children.find((child) => child.name === part);
      if (!next) target.children.push(next = draft(part, path));
      target = next;
    }
    setProperties(target, fragment.properties);
    for (const node of fragment.nodes ?? []) addNode(target, node);
  }
  return root;
}

function* drafts(node: Draft): Generator<Draft> {
  yield node;
  for (const child of node.children) yield* drafts(child);
}

/** Cells that a value will have, where it is a plain number. */
function plainCell(node: Draft, property: string): number | undefined {
  const value = node.properties.get(property);
  const cell = value && value !== true && "cells" in value && value.cells.length === 1 ? value.cells[0] : undefined;
  return typeof cell === "number" ? cell : undefined;
}

class Encoder {
  private readonly byLabel = new Map<string, Draft>();
  private readonly phandles = new Map<Draft, number>();
  private readonly controller: Draft | undefined;

  constructor(private readonly root: Draft) {
    for (const node of drafts(root)) {
      for (const label of node.labels) {
        const other = this.byLabel.get(label);
        if (other) throw new DeviceTreeError(`the label ${label} is on ${other.path} and on ${node.path}`);
        this.byLabel.set(label, node);
      }
      if (node.properties.has("interrupt-controller")) this.controller ??= node;
    }
    const usesInterrupts = [...drafts(root)].some((node) => node.properties.has("interrupts"));
    if (this.controller && usesInterrupts && !root.properties.has("interrupt-parent")) {
      const phandle = this.phandle(this.controller);
      root.properties.set("interrupt-parent", { cells: [phandle] });
    }
    // Encoding an early node may refer to a later one: hand the phandles out first.
    for (const node of drafts(root)) {
      for (const value of node.properties.values()) {
        if (value === true || !("cells" in value)) continue;
        for (const cell of value.cells) if (typeof cell === "string") this.phandle(this.resolve(cell, node.path));
      }
    }
  }

  private resolve(reference: string, from: string): Draft {
    const node = reference.startsWith("&") ? this.byLabel.get(reference.slice(1)) : undefined;
    if (!node) throw new DeviceTreeError(`${from}: no node has the label that ${JSON.stringify(reference)} refers to`);
    return node;
  }

  private phandle(node: Draft): number {
    let phandle = this.phandles.get(node);
    if (phandle === undefined) {
      phandle = plainCell(node, "phandle") ?? this.phandles.size + 1;
      this.phandles.set(node, phandle);
    }
    return phandle;
  }

  encode(node: Draft, parent: Draft | undefined): FdtNode {
    const properties = new Map<string, Uint8Array>();
    for (const [name, value] of node.properties) properties.set(name, this.value(node, parent, name, value));
    const phandle = this.phandles.get(node);
    if (phandle !== undefined) properties.set("phandle", words([phandle]));
    return { name: node.name, properties, children: node.children.map((child) => this.encode(child, node)) };
  }

  private value(node: Draft, parent: Draft | undefined, name: string, value: DeviceTreeValue): Uint8Array {
    const where = `${node.path}: ${name}`;
    if (value === true) return new Uint8Array(0);
    if ("bytes" in value) return value.bytes;
    if ("text" in value) {
      const list = typeof value.text === "string" ? [value.text] : value.text;
      const paths = list.map((text) => /^&[A-Za-z0-9_]+$/.test(text) ? this.resolve(text, node.path).path : text);
      return new TextEncoder().encode(paths.map((text) => `${text}\0`).join(""));
    }
    if ("cells" in value) {
      return words(value.cells.map((cell) => typeof cell === "string" ? this.phandle(this.resolve(cell, node.path)) : cell), where);
    }
    if ("reg" in value) {
      // Missing counts mean 2 and 1: Devicetree Specification, "#address-cells and #size-cells".
      const addressCells = parent ? plainCell(parent, "#address-cells") ?? 2 : 2;
      const sizeCells = parent ? plainCell(parent, "#size-cells") ?? 1 : 1;
      return words(value.reg.flatMap(([at, size]) => [...wide(at, addressCells, where), ...wide(size, sizeCells, where)]));
    }
    return this.interrupts(where, value.interrupts);
  }

  /** Arm GIC binding: type (0 SPI, 1 PPI), number within the type, flags (1 rising edge, 4 level high; 15:8 for GICv2's PPIs: whose). */
  private interrupts(where: string, list: readonly { readonly intid: number; readonly trigger: "level" | "edge" }[]): Uint8Array {
    if (!this.controller) throw new DeviceTreeError(`${where}: no plugin declares an interrupt controller`);
    const cells = plainCell(this.controller, "#interrupt-cells") ?? 3;
    if (cells < 3) throw new DeviceTreeError(`${where}: ${this.controller.path} has ${cells} interrupt cells, want at least 3`);
    const cpus = this.cpuMask(this.controller);
    return words(list.flatMap(({ intid, trigger }) => {
      if (!Number.isInteger(intid) || intid < 16 || intid > 1019) throw new DeviceTreeError(`${where}: INTID ${intid} is no PPI or SPI`);
      const flags = (trigger === "edge" ? 1 : 4) | (intid < 32 ? cpus << 8 : 0);
      const encoded = [intid < 32 ? 1 : 0, intid < 32 ? intid - 16 : intid - 32, flags];
      return [...encoded, ...new Array<number>(cells - 3).fill(0)];
    }));
  }

  /** One bit for each CPU of a GICv2; 0 for others, whose binding has no such mask. */
  private cpuMask(controller: Draft): number {
    if (!JSON.stringify(controller.properties.get("compatible") ?? "").includes('"arm,cortex-a15-gic"')) return 0;
    const cpus = this.root.children.find(({ name }) => name === "cpus")?.children.filter(({ name }) => /^cpu@/.test(name)) ?? [];
    return (1 << Math.min(cpus.length, 8)) - 1;
  }
}

function wide(value: number, cells: number, where: string): number[] {
  if (cells === 0) {
    if (value !== 0) throw new DeviceTreeError(`${where}: the parent leaves no cells for ${value}`);
    return [];
  }
  if (!Number.isSafeInteger(value) || value < 0) throw new DeviceTreeError(`${where}: ${value} is no address or size`);
  if (cells === 1 && value > 0xffff_ffff) throw new DeviceTreeError(`${where}: 0x${value.toString(16)} doesn't fit one cell`);
  const pair = [Math.floor(value / 2 ** 32), value % 2 ** 32];
  return [...new Array<number>(Math.max(0, cells - 2)).fill(0), ...pair.slice(cells === 1 ? 1 : 0)];
}

function words(cells: readonly number[], where = ""): Uint8Array {
  const bytes = new Uint8Array(cells.length * 4);
  const view = new DataView(bytes.buffer);
  cells.forEach((cell, index) => {
    if (!Number.isInteger(cell) || cell < -0x8000_0000 || cell > 0xffff_ffff) {
      throw new DeviceTreeError(`${where}: ${cell} is no 32-bit cell`);
    }
    view.setUint32(index * 4, cell);
  });
  return bytes;
}

/** Compiles fragments to a tree of encoded properties. Throws a {@linkcode DeviceTreeError} naming node and property. */
export function compile(fragments: readonly DeviceTreeFragment[]): FdtNode {
  const root = merge(fragments);
  return new Encoder(root).encode(root, undefined);
}

/**
 * Sets what fragments declare in a tree that is already encoded, replacing
 * properties of the same name. References by label can't be resolved there.
 */
export function overlay(root: FdtNode, fragments: readonly DeviceTreeFragment[]): void {
  const apply = (target: FdtNode, source: FdtNode): void => {
    for (const [name, value] of source.properties) target.properties.set(name, value);
    for (const child of source.children) {
      let next = findChild(target, child.name);
      if (!next) target.children.push(next = { name: child.name, properties: new Map(), children: [] });
      apply(next, child);
    }
  };
  apply(root, compile(fragments));
}
