/** Which attribute a region gets, page by page, and which of them don't go together. */
import { PAGE_SIZE } from "../../core/mod.ts";
import type { Mapping, MemoryType, PlatformDevice } from "../../core/mod.ts";
import type { NodeMapping } from "./contract.ts";
import type { SramRegion } from "./plan.ts";

/** Pages that are mapped alike; offsets from the region. */
export interface Segment {
  readonly at: number;
  readonly size: number;
  readonly mapping: Mapping;
}

/** Aliases of one class may coexist. Arm ARM DDI 0487, "Mismatched memory attributes"; subtypes of Device differ in less than caches. */
export function cacheability(type: MemoryType): string {
  return type.startsWith("device") ? "Device" : type;
}

/** The type when nobody else has a say: Linux's sram.yaml, "no-memory-wc". */
export function bindingType(region: SramRegion): MemoryType {
  return region.noMemoryWc ? "device-ngnre" : "normal-nc";
}

const READ_WRITE = { read: true, write: true, execute: false };

function decided(node: PlatformDevice, inherited: Mapping, hooks: ReadonlyMap<string, NodeMapping>): Mapping {
  for (const name of node.compatible) {
    const mapping = hooks.get(name)?.(node, inherited);
    if (mapping !== undefined) return mapping;
  }
  return inherited;
}

/**
 * The region's pages by their mapping: the binding's default, what hooks decide, what the manifest says; sections inherit from the region
 * unless a hook is theirs, and code may run from those that are for code. Throws a `RangeError` when a page would have two mappings.
 */
export function segmentsOf(region: SramRegion, hooks: ReadonlyMap<string, NodeMapping> = new Map()): Segment[] {
  const own = { ...region.type && { type: region.type }, ...region.permissions };
  const whole: Mapping = { ...decided(region.node, { ...READ_WRITE, type: bindingType(region) }, hooks), ...own };
  const pages: Mapping[] = Array.from({ length: region.size / PAGE_SIZE }, () => whole);
  for (const { name, at, size, isCode, node } of region.children) {
    const inherited = isCode ? { ...whole, execute: true } : whole;
    const mapping = decided(node, inherited, hooks);
    if (same(mapping, whole)) continue;
    if (at % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0) {
      throw new RangeError(`${region.name}: ${name} has a mapping of its own, and isn't made of whole pages`);
    }
    pages.fill(mapping, at / PAGE_SIZE, (at + size) / PAGE_SIZE);
  }
  const segments: { at: number; size: number; mapping: Mapping }[] = [];
  for (const [index, mapping] of pages.entries()) {
    const last = segments.at(-1);
    if (last && same(last.mapping, mapping)) last.size += PAGE_SIZE;
    else segments.push({ at: index * PAGE_SIZE, size: PAGE_SIZE, mapping });
  }
  return segments;
}

function same(a: Mapping, b: Mapping): boolean {
  return a.type === b.type && a.read === b.read && a.write === b.write && a.execute === b.execute;
}

/** `normal-nc rw-`. */
export function mappingText({ type, read, write, execute }: Mapping): string {
  return `${type} ${read ? "r" : "-"}${write ? "w" : "-"}${execute ? "x" : "-"}`;
}
