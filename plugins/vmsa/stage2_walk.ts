/** Reading a stage 2 table. Nothing here writes. */
import type { PhysicalMemory } from "../../core/mod.ts";
import { addressOf, isTable, isValid } from "./descriptors.ts";
import { ENTRIES, entrySize } from "./geometry.ts";
import type { Geometry } from "./geometry.ts";

/** The table to read. */
export interface Root {
  readonly memory: PhysicalMemory;
  readonly geometry: Geometry;
  /** PA of the root. */
  readonly root: number;
}

/** An entry, and what it covers. */
export interface Entry {
  /** PA of the entry. */
  readonly at: number;
  readonly level: number;
  readonly from: number;
  readonly to: number;
  readonly descriptor: bigint;
}

/** Where in the tree: a table, its level, the first IPA that it covers. */
export interface Place {
  readonly pa: number;
  readonly level: number;
  readonly base: number;
}

/** The root as a place. */
export function top({ root, geometry }: Root): Place {
  return { pa: root, level: geometry.startLevel, base: 0 };
}

/** The table that an entry points to. */
export function below({ descriptor, level, from }: Entry): Place {
  return { pa: addressOf(descriptor), level: level + 1, base: from };
}

/** Entries of a table at a level. */
export function entriesOf({ geometry }: Root, level: number): number {
  return level === geometry.startLevel ? Math.min(ENTRIES * 2 ** geometry.rootOrder, 2 ** geometry.ipaBits / entrySize(level)) : ENTRIES;
}

/** Entries of one table that meet a range, by address. */
export function* overlapping(tree: Root, { pa, level, base }: Place, start: number, end: number): IterableIterator<Entry> {
  const size = entrySize(level);
  const first = Math.max(0, Math.floor((start - base) / size));
  const last = Math.min(entriesOf(tree, level) - 1, Math.ceil((end - base) / size) - 1);
  for (let index = first; index <= last; index++) {
    const from = base + index * size;
    yield { at: pa + index * 8, level, from, to: from + size, descriptor: tree.memory.read64(pa + index * 8) };
  }
}

/** Where the walk of an address ends: a leaf or an invalid entry; `deepest`: no further than this level. */
export function find(tree: Root, ipa: number, deepest = 3): Entry {
  let pa = tree.root;
  let base = 0;
  for (let level = tree.geometry.startLevel;; level++) {
    const size = entrySize(level);
    const index = Math.floor((ipa - base) / size);
    const from = base + index * size;
    const at = pa + index * 8;
    const descriptor = tree.memory.read64(at);
    if (level === deepest || !isTable(descriptor, level)) return { at, level, from, to: from + size, descriptor };
    pa = addressOf(descriptor);
    base = from;
  }
}

/** Entries of all levels that end the walks of a range: leaves, and the holes between as large as they are. */
export function* ends(tree: Root, start: number, end: number, place: Place = top(tree)): IterableIterator<Entry> {
  for (const entry of overlapping(tree, place, start, end)) {
    if (isTable(entry.descriptor, entry.level)) yield* ends(tree, start, end, below(entry));
    else yield entry;
  }
}

/** Lowest or highest leaf. */
export function outermost(tree: Root, highest: boolean, place: Place = top(tree)): Entry | undefined {
  const count = entriesOf(tree, place.level);
  const size = entrySize(place.level);
  for (let n = 0; n < count; n++) {
    const index = highest ? count - 1 - n : n;
    const descriptor = tree.memory.read64(place.pa + index * 8);
    if (!isValid(descriptor)) continue;
    const from = place.base + index * size;
    const entry = { at: place.pa + index * 8, level: place.level, from, to: from + size, descriptor };
    const found = isTable(descriptor, place.level) ? outermost(tree, highest, below(entry)) : entry;
    if (found) return found;
  }
  return undefined;
}
