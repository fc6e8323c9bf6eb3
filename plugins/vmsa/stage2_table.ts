/**
 * The stage 2 table of one address space, in the architecture's descriptors, in physical memory.
 * Nothing is kept beside it: a saved memory is a saved table. Every operation is all or nothing: when it throws, nothing has changed.
 *
 * Break-before-make: an entry goes from valid to another valid value only by way of zero and a TLB
 * invalidation, and no frame of a table is released, and no reference to a frame dropped, before one.
 * Arm ARM DDI 0487, "Using break-before-make when updating translation table entries".
 */
import { hex, PAGE_SIZE } from "../../core/mod.ts";
import type { CacheColours, Mapping } from "../../core/mod.ts";
import { addressOf, blockOf, isTable, isValid, piece, table } from "./descriptors.ts";
import type { Stage2Format } from "./descriptors.ts";
import { allocateTable, referenceFrames, releaseFrames } from "./frames.ts";
import { ENTRIES, entrySize } from "./geometry.ts";
import { below, ends, entriesOf, find, outermost, overlapping, top } from "./stage2_walk.ts";
import type { Entry, Place, Root } from "./stage2_walk.ts";

/** Bytes of the physical address space that descriptors reach. */
const PA_LIMIT = 2 ** 48;

/** What the table works on. */
export interface TableParts extends Root {
  readonly format: Stage2Format;
  /** Owner of the frames. */
  readonly owner: string;
  /** Cache colours that the frames are to have; absent: any. */
  readonly colours?: CacheColours;
  /** Most frames that the tables may take, the root's included. */
  readonly frameLimit: number;
  /** Drops what TLBs hold of this space. */
  readonly invalidate: () => void;
}

/** Maps, changes and unmaps. */
export class Stage2Table {
  readonly #parts: TableParts;

  constructor(parts: TableParts) {
    this.#parts = parts;
  }

  /** Maps a range that isn't, with a reference to each frame of RAM in it. */
  map(ipa: number, pa: number, size: number, mapping: Mapping): void {
    this.#checkRange(ipa, size);
    checkAligned("PA", pa, size);
    if (pa + size > PA_LIMIT) throw new RangeError(`PA ${rangeText(pa, size)} doesn't fit in 48 bits`);
    for (const { from, descriptor } of ends(this.#parts, ipa, ipa + size)) {
      if (isValid(descriptor)) throw new RangeError(`IPA ${rangeText(ipa, size)}: ${hex(Math.max(from, ipa))} is mapped already`);
    }
    const { memory } = this.#parts;
    referenceFrames(memory, pa, size);
    try {
      this.#map(top(this.#parts), ipa, ipa + size, pa - ipa, mapping);
    } catch (error) {
      this.#remove(ipa, size, () => {});
      releaseFrames(memory, pa, size);
      throw error;
    }
  }

  /** Blocks that lie partly inside are split first. Holes are fine. */
  unmap(ipa: number, size: number): void {
    this.#checkRange(ipa, size);
    this.#isolate(ipa, size);
    const { memory } = this.#parts;
    this.#remove(ipa, size, (pa, bytes) => releaseFrames(memory, pa, bytes));
  }

  /** Changes rights or type of a range that is mapped throughout; blocks that lie partly inside are split first. */
  change(ipa: number, size: number, to: Partial<Mapping>): void {
    this.#checkRange(ipa, size);
    const { memory, format, invalidate } = this.#parts;
    for (const { from, descriptor } of ends(this.#parts, ipa, ipa + size)) {
      if (!isValid(descriptor)) throw new RangeError(`IPA ${rangeText(ipa, size)}: ${hex(Math.max(from, ipa))} isn't mapped`);
    }
    this.#isolate(ipa, size);
    const changes: { at: number; value: bigint }[] = [];
    for (const { at, level, descriptor } of ends(this.#parts, ipa, ipa + size)) {
      const value = format.leaf(addressOf(descriptor), level, { ...format.mappingOf(descriptor), ...to });
      if (value !== descriptor) changes.push({ at, value });
    }
    if (changes.length === 0) return;
    for (const { at } of changes) memory.write64(at, 0n);
    invalidate();
    for (const { at, value } of changes) memory.write64(at, value);
  }

  /** Joins what lies in a range to blocks where 512 entries are one; returns how many tables went. */
  merge(ipa: number, size: number): number {
    this.#checkRange(ipa, size);
    let merged = 0;
    for (const level of [2, 1]) {
      const bytes = entrySize(level);
      for (let at = Math.ceil(ipa / bytes) * bytes; at + bytes <= ipa + size;) {
        const entry = find(this.#parts, at, level);
        if (entry.level === level && this.#join(entry)) merged++;
        at = Math.max(entry.to, at + bytes);
      }
    }
    return merged;
  }

  /** First and last byte that are mapped. */
  bounds(): { readonly lowest: number; readonly highest: number } | undefined {
    const lowest = outermost(this.#parts, false), highest = outermost(this.#parts, true);
    return lowest && highest && { lowest: lowest.from, highest: highest.to - 1 };
  }

  /** What the table says of an address. */
  lookup(ipa: number): { readonly pa: number; readonly mapping: Mapping } | undefined {
    if (!Number.isSafeInteger(ipa) || ipa < 0 || ipa >= 2 ** this.#parts.geometry.ipaBits) return undefined;
    const { from, descriptor } = find(this.#parts, ipa);
    if (!isValid(descriptor)) return undefined;
    return { pa: addressOf(descriptor) + ipa - from, mapping: this.#parts.format.mappingOf(descriptor) };
  }

  /** Gives every frame back, the root too, and every reference. The caller has invalidated the TLBs. */
  destroy(): void {
    const { memory, owner, root, geometry } = this.#parts;
    this.#releaseBelow(top(this.#parts));
    memory.release(owner, root, PAGE_SIZE * 2 ** geometry.rootOrder);
  }

  /** `delta` is PA minus IPA. Only invalid entries become valid, so no TLB holds anything of them. */
  #map(place: Place, start: number, end: number, delta: number, mapping: Mapping): void {
    const { memory, format } = this.#parts;
    for (const entry of overlapping(this.#parts, place, start, end)) {
      const { at, level, from, to, descriptor } = entry;
      const isWhole = from >= start && to <= end && (from + delta) % (to - from) === 0;
      if (isWhole && level > 0 && !isValid(descriptor)) {
        memory.write64(at, format.leaf(from + delta, level, mapping));
        continue;
      }
      let next = below(entry);
      if (!isValid(descriptor)) {
        next = { ...next, pa: this.#allocate() };
        memory.write64(at, table(next.pa));
      }
      this.#map(next, start, end, delta, mapping);
    }
  }

  /** Makes both ends of a range ends of entries. */
  #isolate(ipa: number, size: number): void {
    const split: Entry[] = [];
    try {
      this.#split(ipa, split);
      this.#split(ipa + size, split);
    } catch (error) {
      for (const entry of split.reverse()) this.#join(find(this.#parts, entry.from, entry.level));
      throw error;
    }
  }

  /** Splits blocks until none straddles this address. */
  #split(ipa: number, done: Entry[]): void {
    const { memory, geometry, invalidate } = this.#parts;
    if (ipa >= 2 ** geometry.ipaBits) return;
    for (;;) {
      const entry = find(this.#parts, ipa);
      const { at, level, from, descriptor } = entry;
      if (!isValid(descriptor) || ipa === from) return;
      // The new table is complete before it becomes visible.
      const next = this.#allocate();
      const size = entrySize(level + 1);
      for (let index = 0; index < ENTRIES; index++) memory.write64(next + index * 8, piece(descriptor, level, index, size));
      memory.write64(at, 0n);
      invalidate();
      memory.write64(at, table(next));
      done.push(entry);
    }
  }

  /** Makes a table a block, if its entries are one. */
  #join({ at, level, descriptor }: Entry): boolean {
    if (!isTable(descriptor, level)) return false;
    const { memory, owner, invalidate } = this.#parts;
    const tablePa = addressOf(descriptor);
    const first = memory.read64(tablePa);
    if (!isValid(first) || isTable(first, level + 1) || addressOf(first) % entrySize(level) !== 0) return false;
    const block = blockOf(first, level + 1);
    const size = entrySize(level + 1);
    for (let n = 0; n < ENTRIES; n++) if (memory.read64(tablePa + n * 8) !== piece(block, level, n, size)) return false;
    memory.write64(at, 0n);
    invalidate();
    memory.write64(at, block);
    memory.release(owner, tablePa);
    return true;
  }

  /** Clears whole leaves and cuts off tables that become empty; `gone` hears of the memory when no TLB has it any more. */
  #remove(ipa: number, size: number, gone: (pa: number, bytes: number) => void): void {
    const { memory, owner, invalidate } = this.#parts;
    const leaves: Entry[] = [], tables: number[] = [];
    if (!this.#clear(top(this.#parts), ipa, ipa + size, leaves, tables)) return;
    invalidate();
    for (const { from, to, descriptor } of leaves) gone(addressOf(descriptor), to - from);
    for (const frame of tables) memory.release(owner, frame);
  }

  #clear(place: Place, start: number, end: number, leaves: Entry[], tables: number[]): boolean {
    const { memory } = this.#parts;
    let isChanged = false;
    for (const entry of overlapping(this.#parts, place, start, end)) {
      const { at, level, descriptor } = entry;
      if (!isValid(descriptor)) continue;
      if (!isTable(descriptor, level)) {
        memory.write64(at, 0n);
        leaves.push(entry);
        isChanged = true;
        continue;
      }
      const next = below(entry);
      if (this.#clear(next, start, end, leaves, tables)) isChanged = true;
      if (!this.#isEmpty(next.pa)) continue;
      memory.write64(at, 0n);
      tables.push(next.pa);
      isChanged = true;
    }
    return isChanged;
  }

  #isEmpty(tablePa: number): boolean {
    const { memory } = this.#parts;
    for (let index = 0; index < ENTRIES; index++) if (memory.read64(tablePa + index * 8) !== 0n) return false;
    return true;
  }

  /** A frame for a table. A guest that has its memory mapped sparsely would make EL2 run out otherwise. */
  #allocate(): number {
    const { memory, owner, frameLimit, colours } = this.#parts;
    if ((memory.usage().get(owner) ?? 0) >= frameLimit) throw new RangeError(`${owner} have ${frameLimit} frames, the most that they may`);
    return allocateTable(memory, owner, 0, colours);
  }

  #releaseBelow(place: Place): void {
    const { memory, owner } = this.#parts;
    for (let index = 0; index < entriesOf(this.#parts, place.level); index++) {
      const descriptor = memory.read64(place.pa + index * 8);
      if (!isValid(descriptor)) continue;
      const next = addressOf(descriptor);
      if (!isTable(descriptor, place.level)) {
        releaseFrames(memory, next, entrySize(place.level));
        continue;
      }
      this.#releaseBelow({ pa: next, level: place.level + 1, base: 0 });
      memory.release(owner, next);
    }
  }

  #checkRange(ipa: number, size: number): void {
    checkAligned("IPA", ipa, size);
    const { ipaBits } = this.#parts.geometry;
    if (ipa + size > 2 ** ipaBits) throw new RangeError(`IPA ${rangeText(ipa, size)} doesn't fit in ${ipaBits} bits`);
  }
}

function checkAligned(kind: string, at: number, size: number): void {
  if (!Number.isSafeInteger(at) || at < 0) throw new RangeError(`${at} is no ${kind}`);
  if (!Number.isSafeInteger(size) || size <= 0) throw new RangeError(`${kind} ${hex(at)}: a range of ${size} bytes`);
  if (at % PAGE_SIZE !== 0 || size % PAGE_SIZE !== 0) throw new RangeError(`${kind} ${rangeText(at, size)} isn't aligned to 4 KiB`);
}

function rangeText(at: number, size: number): string {
  return `${hex(at)} to ${hex(at + size - 1)}`;
}
