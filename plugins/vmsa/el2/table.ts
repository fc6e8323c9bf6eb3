/**
 * EL2's stage 1 table: four levels of 512 entries in physical memory, nothing beside it.
 *
 * The rules of an update, each a `RangeError` that changes nothing: no mapping is writable and executable; a valid entry is never
 * replaced (so an insertion needs no TLB invalidation); what is there changes its permissions only, never its type; entries with the
 * contiguous hint stay; a block is split or merged by asking for it, never by the way. Tables that become empty stay: the layout bounds
 * them, and the identity map's have to.
 */
import { hex, PAGE_SIZE } from "../../../core/mod.ts";
import type { Mapping, PhysicalMemory } from "../../../core/mod.ts";
import { addressOf, isTable, isValid, piece, table } from "../descriptors.ts";
import { ENTRIES, entrySize } from "../geometry.ts";
import { el2Leaf, el2MappingOf, isContiguous } from "./descriptors.ts";

const VA_LIMIT = 2 ** 48;
/** Entries that the contiguous hint joins. */
const GROUP = 16;

/** What a walk ends at. */
export interface El2Leaf {
  /** First VA of the entry. */
  readonly va: number;
  readonly pa: number;
  readonly level: number;
  readonly mapping: Mapping;
  readonly contiguous: boolean;
}

/** What a table works on. */
export interface El2TableParts {
  readonly memory: PhysicalMemory;
  /** Owner of the frames. */
  readonly owner: string;
  /** Drops what TLBs hold of EL2's translations. */
  readonly invalidate: () => void;
}

interface Found {
  readonly at: number;
  readonly level: number;
  readonly descriptor: bigint;
}

/** One table: TTBR0_EL2 holds {@linkcode root}. */
export class El2Table {
  /** PA of the level 0 table. */
  readonly root: number;

  /** `root`: of a table that exists. Throws an `OutOfFramesError`. */
  constructor(readonly parts: El2TableParts, root?: number) {
    this.root = root ?? parts.memory.allocate(parts.owner, 0);
  }

  /** Maps what isn't. `blocks`: with the largest blocks that fit, and the contiguous hint; what is mapped so stays for good. */
  map(va: number, pa: number, size: number, mapping: Mapping, blocks = false): void {
    checkRange("VA", va, size);
    checkRange("PA", pa, size);
    checkMapping(mapping);
    for (let at = va; at < va + size;) {
      const { level, descriptor } = this.#find(at);
      if (isValid(descriptor)) throw new RangeError(`EL2 VA ${rangeText(va, size)}: ${hex(at)} is mapped already`);
      at = Math.floor(at / entrySize(level) + 1) * entrySize(level);
    }
    const { memory } = this.parts;
    const undo: Undo = { leaves: [], tables: [] };
    let last: { readonly at: number; readonly level: number } | undefined;
    try {
      for (let done = 0; done < size;) {
        const left = size - done;
        const fits = (bytes: number) => (va + done) % bytes === 0 && (pa + done) % bytes === 0 && left >= bytes;
        const level = blocks ? [1, 2, 3].find((candidate) => fits(entrySize(candidate)) && this.#isFree(va + done, candidate, 1))! : 3;
        const step = entrySize(level);
        const count = blocks && fits(GROUP * step) && this.#isFree(va + done, level, GROUP) ? GROUP : 1;
        for (let n = 0; n < count; n++, done += step) {
          // Mostly the entry behind the one before.
          const isNext = last !== undefined && last.level === level && (last.at + 8) % PAGE_SIZE !== 0;
          const at = isNext ? last!.at + 8 : this.#entry(va + done, level, undo);
          last = { at, level };
          undo.leaves.push(at);
          memory.write64(at, el2Leaf(pa + done, level, mapping, count === GROUP));
        }
      }
    } catch (error) {
      this.#takeBack(undo);
      throw error;
    }
  }

  /** Changes permissions of a range that is mapped throughout. */
  modify(va: number, size: number, mapping: Mapping): void {
    checkRange("VA", va, size);
    checkMapping(mapping);
    const changes: { at: number; value: bigint }[] = [];
    for (const { at, level, descriptor, from } of this.#leaves(va, size, "modify")) {
      if (!isValid(descriptor)) throw new RangeError(`EL2 VA ${rangeText(va, size)}: ${hex(from)} isn't mapped`);
      const { type } = el2MappingOf(descriptor);
      if (type !== mapping.type) throw new RangeError(`EL2 VA ${hex(from)} is ${type}; a live mapping doesn't become ${mapping.type}`);
      changes.push({ at, value: el2Leaf(addressOf(descriptor), level, mapping, false) });
    }
    // Only permissions change, and those may without a break. Arm ARM DDI 0487, "Using break-before-make".
    for (const { at, value } of changes) this.parts.memory.write64(at, value);
    this.parts.invalidate();
  }

  /** Removes a range; holes in it are fine. The TLBs are invalidated. */
  unmap(va: number, size: number): void {
    checkRange("VA", va, size);
    const entries = [...this.#leaves(va, size, "unmap")];
    for (const { at } of entries) this.parts.memory.write64(at, 0n);
    this.parts.invalidate();
  }

  /** Makes a block a table of 512 entries that mean the same. Break-before-make: nobody may use the block meanwhile. */
  split(va: number): void {
    const { at, level, descriptor } = this.#findChecked(va);
    if (!isValid(descriptor) || level === 3) throw new RangeError(`EL2 VA ${hex(va)}: there is no block to split`);
    if (isContiguous(descriptor)) throw new RangeError(`EL2 VA ${hex(va)}: the block is one of ${GROUP} with the contiguous hint`);
    const { memory, owner, invalidate } = this.parts;
    const next = memory.allocate(owner, 0);
    const size = entrySize(level + 1);
    for (let n = 0; n < ENTRIES; n++) memory.write64(next + n * 8, piece(descriptor, level, n, size));
    memory.write64(at, 0n);
    invalidate();
    memory.write64(at, table(next));
  }

  /** The counterpart of {@linkcode split}: joins 512 entries that are one range with one meaning. */
  merge(va: number): void {
    const { at, level, descriptor } = this.#findChecked(va);
    const up = level - 1;
    if (!isValid(descriptor) || up < 1) throw new RangeError(`EL2 VA ${hex(va)}: there is no table of leaves to merge`);
    const { memory, owner, invalidate } = this.parts;
    const tablePa = at - at % PAGE_SIZE;
    const first = memory.read64(tablePa);
    const size = entrySize(level);
    const block = level === 3 ? first & ~2n : first;
    const isOne = isValid(first) && !isTable(first, level) && !isContiguous(first) && addressOf(first) % entrySize(up) === 0;
    for (let n = 0; n < ENTRIES; n++) {
      if (isOne && memory.read64(tablePa + n * 8) === piece(block, up, n, size)) continue;
      throw new RangeError(`EL2 VA ${hex(va)}: entry ${n} of its table doesn't continue the first`);
    }
    const parent = this.#find(va, up).at;
    memory.write64(parent, 0n);
    invalidate();
    memory.write64(parent, block);
    memory.release(owner, tablePa);
  }

  /** Makes the tables down to level 3 for an address, so that a leaf can come and go with no more frames. */
  prepare(va: number): void {
    checkRange("VA", va, PAGE_SIZE);
    const undo: Undo = { leaves: [], tables: [] };
    try {
      this.#entry(va, 3, undo);
    } catch (error) {
      this.#takeBack(undo);
      throw error;
    }
  }

  /** What the table says of an address. */
  lookup(va: number): El2Leaf | undefined {
    if (!Number.isSafeInteger(va) || va < 0 || va >= VA_LIMIT) return undefined;
    const { level, descriptor } = this.#find(va);
    if (!isValid(descriptor)) return undefined;
    const within = va % entrySize(level);
    return leafOf(va - within, level, descriptor, within);
  }

  /** Every leaf, by address. */
  *leaves(tablePa: number = this.root, level = 0, base = 0): IterableIterator<El2Leaf> {
    for (let n = 0; n < ENTRIES; n++) {
      const descriptor = this.parts.memory.read64(tablePa + n * 8);
      const va = base + n * entrySize(level);
      if (isTable(descriptor, level)) yield* this.leaves(addressOf(descriptor), level + 1, va);
      else if (isValid(descriptor)) yield leafOf(va, level, descriptor, 0);
    }
  }

  /** Frames of the table, the root included. */
  *frames(tablePa: number = this.root, level = 0): IterableIterator<number> {
    yield tablePa;
    for (let n = 0; n < ENTRIES && level < 3; n++) {
      const descriptor = this.parts.memory.read64(tablePa + n * 8);
      if (isTable(descriptor, level)) yield* this.frames(addressOf(descriptor), level + 1);
    }
  }

  /** Gives every frame back. No CPU uses the table any more. */
  destroy(): void {
    for (const frame of [...this.frames()]) this.parts.memory.release(this.parts.owner, frame);
  }

  /** Where the walk of an address ends, or its entry at level `deepest`. */
  #find(va: number, deepest = 3): Found {
    let tablePa = this.root;
    for (let level = 0;; level++) {
      const at = tablePa + Math.floor(va / entrySize(level)) % ENTRIES * 8;
      const descriptor = this.parts.memory.read64(at);
      if (level === deepest || !isTable(descriptor, level)) return { at, level, descriptor };
      tablePa = addressOf(descriptor);
    }
  }

  #findChecked(va: number): Found {
    checkRange("VA", va, PAGE_SIZE);
    return this.#find(va);
  }

  /** True when no entry of these is a table: one that became empty stays, and takes its pages. */
  #isFree(va: number, target: number, count: number): boolean {
    for (let n = 0; n < count && target < 3; n++) {
      const { level, descriptor } = this.#find(va + n * entrySize(target), target);
      if (level === target && isTable(descriptor, level)) return false;
    }
    return true;
  }

  /** The entry for an address at a level; tables are made on the way. */
  #entry(va: number, target: number, undo: Undo): number {
    const { memory, owner } = this.parts;
    for (;;) {
      const { at, level, descriptor } = this.#find(va, target);
      if (level === target) return at;
      if (isValid(descriptor)) throw new RangeError(`EL2 VA ${hex(va)} is in a block`);
      const next = memory.allocate(owner, 0);
      undo.tables.push({ at, next });
      memory.write64(at, table(next));
    }
  }

  /** Entries that end the walks of a range; leaves must lie wholly inside and be free to change. */
  *#leaves(va: number, size: number, verb: string): IterableIterator<Found & { from: number }> {
    for (let at = va; at < va + size;) {
      const found = this.#find(at);
      const bytes = entrySize(found.level);
      const from = at - at % bytes;
      if (isValid(found.descriptor)) {
        if (from < va || from + bytes > va + size) {
          throw new RangeError(`EL2 VA ${rangeText(va, size)}: ${verb} would have to split a block`);
        }
        if (isContiguous(found.descriptor)) throw new RangeError(`EL2 VA ${hex(from)}: ${verb} of an entry with the contiguous hint`);
        yield { ...found, from };
      } else if (verb === "modify") yield { ...found, from: at };
      at = from + bytes;
    }
  }

  #takeBack(undo: Undo): void {
    const { memory, owner, invalidate } = this.parts;
    for (const at of undo.leaves) memory.write64(at, 0n);
    for (const { at } of undo.tables) memory.write64(at, 0n);
    invalidate();
    for (const { next } of undo.tables) memory.release(owner, next);
  }
}

interface Undo {
  readonly leaves: number[];
  readonly tables: { readonly at: number; readonly next: number }[];
}

function leafOf(va: number, level: number, descriptor: bigint, within: number): El2Leaf {
  return { va, pa: addressOf(descriptor) + within, level, mapping: el2MappingOf(descriptor), contiguous: isContiguous(descriptor) };
}

function checkMapping({ read, write, execute, type }: Mapping): void {
  if (!read) throw new RangeError("EL2's mappings are readable");
  if (write && execute) throw new RangeError("EL2 maps nothing that is both writable and executable");
  if (execute && type.startsWith("device")) throw new RangeError("EL2 executes no Device memory");
}

function checkRange(kind: string, at: number, size: number): void {
  if (!Number.isSafeInteger(at) || at < 0) throw new RangeError(`EL2: ${at} is no ${kind}`);
  if (!Number.isSafeInteger(size) || size <= 0) throw new RangeError(`EL2 ${kind} ${hex(at)}: a range of ${size} bytes`);
  if (at % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0) throw new RangeError(`EL2 ${kind} ${rangeText(at, size)} isn't aligned to 4 KiB`);
  if (at + size > VA_LIMIT) throw new RangeError(`EL2 ${kind} ${rangeText(at, size)} doesn't fit in 48 bits`);
}

function rangeText(at: number, size: number): string {
  return `${hex(at)} to ${hex(at + size - 1)}`;
}
