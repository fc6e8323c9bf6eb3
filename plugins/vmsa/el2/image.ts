/** The hypervisor's image: code, constants and data in frames of RAM, and where its sections lie. */
import { hex, PAGE_SIZE } from "../../../core/mod.ts";
import type { Mapping, PhysicalMemory } from "../../../core/mod.ts";
import { identityCode, linkedCode } from "./code.ts";
import type { Routine } from "./code.ts";
import { layout } from "./layout.ts";

/** A section: a page. */
export interface Section {
  readonly name: string;
  readonly offset: number;
  readonly mapping: Mapping;
}

const text: Mapping = { read: true, write: false, execute: true, type: "normal-wb" };
const constants: Mapping = { read: true, write: false, execute: false, type: "normal-wb" };
const data: Mapping = { read: true, write: true, execute: false, type: "normal-wb" };

/** In their order, a page each. */
export const sections: readonly Section[] = [
  { name: ".text.idmap", offset: 0, mapping: text },
  { name: ".text", offset: PAGE_SIZE, mapping: text },
  { name: ".rodata", offset: 2 * PAGE_SIZE, mapping: constants },
  { name: ".data", offset: 3 * PAGE_SIZE, mapping: data },
];
/** Bytes of the image. */
export const IMAGE_SIZE = sections.length * PAGE_SIZE;
/** log2 of its pages, for an allocation. */
export const IMAGE_ORDER = 2;
/** Owner of its frames. */
export const IMAGE_OWNER = "hypervisor (image)";

const TEXT = PAGE_SIZE, RODATA = 2 * PAGE_SIZE;
/** `.text` begins with the vectors, 2 KiB aligned. */
const VECTORS_SIZE = 0x800;
const BRANCH_TO_SELF = 0x1400_0000;
const BANNER = "Plugboard EL2";

/** Offsets of routines in the image. */
export const symbols: ReadonlyMap<string, number> = new Map([
  ...offsets(identityCode, 0),
  ["vectors", TEXT],
  ...offsets(linkedCode, TEXT + VECTORS_SIZE),
]);

function offsets(routines: readonly Routine[], from: number): [string, number][] {
  let at = from;
  return routines.map(([name, rows]) => {
    const offset = at;
    at += rows.length * 4;
    return [name, offset];
  });
}

/** Where a routine is linked. */
export function linkedAt(symbol: string): bigint {
  return BigInt(layout.image.at + offsetOf(symbol));
}

/** Where a routine is in physical memory. */
export function loadedAt(imagePa: number, symbol: string): bigint {
  return BigInt(imagePa + offsetOf(symbol));
}

/** The stack's top, at its linked address. */
export const STACK_TOP = BigInt(layout.image.at + IMAGE_SIZE);

function offsetOf(symbol: string): number {
  const offset = symbols.get(symbol);
  if (offset === undefined) throw new Error(`the image has no ${symbol}`);
  return offset;
}

/** Why an image can't lie there, whatever the RAM is; or nothing. */
export function imageProblem(at: number): string | undefined {
  const limit = layout.identity.at + layout.identity.size;
  if (at + IMAGE_SIZE <= limit) return undefined;
  return `the hypervisor's image at PA ${hex(at)} is above ${hex(limit)}, where its identity map ends`;
}

/**
 * Takes frames and writes the image. Throws a `RangeError` when it would lie where the identity map doesn't reach, or what the memory
 * throws when `at` can't be had.
 */
export function loadImage(memory: PhysicalMemory, at: number | undefined): number {
  if (at === undefined) at = memory.allocate(IMAGE_OWNER, IMAGE_ORDER);
  else memory.allocateAt(IMAGE_OWNER, at, IMAGE_SIZE);
  const problem = imageProblem(at);
  if (problem !== undefined) {
    memory.release(IMAGE_OWNER, at, IMAGE_SIZE);
    throw new RangeError(problem);
  }
  const bytes = memory.view(at, IMAGE_SIZE);
  const view = new DataView(bytes.buffer, bytes.byteOffset, IMAGE_SIZE);
  const write = (routines: readonly Routine[]) => {
    for (const [name, rows] of routines) rows.forEach(([word], n) => view.setUint32(offsetOf(name) + n * 4, word, true));
  };
  for (let offset = TEXT; offset < TEXT + VECTORS_SIZE; offset += 0x80) view.setUint32(offset, BRANCH_TO_SELF, true);
  write(identityCode);
  write(linkedCode);
  bytes.set(new TextEncoder().encode(BANNER), RODATA);
  return at;
}
