/**
 * The stage 2 table of one address space, in the architecture's descriptors, in physical memory.
 * Nothing is kept beside it: a saved memory is a saved table.
 *
 * Break-before-make: an entry goes from valid to another valid value only by way of zero and a TLB
 * invalidation, and no frame of a table is released before one.
 * Arm ARM DDI 0487, "Using break-before-make when updating translation table entries".
 */
import { hex, PAGE_SIZE } from "../../core/mod.ts";
import type { Mapping, PhysicalMemory } from "../../core/mod.ts";
import { addressOf, isTable, isValid, leaf, mappingOf, piece, table } from "./descriptors.ts";
import { ENTRIES, entrySize } from "./geometry.ts";
import type { Geometry } from "./geometry.ts";

/** Bytes of the physical address space that descriptors reach. */
const PA_LIMIT = 2 ** 48;

/** What the table works on. */
export interface TableParts {
  readonly memory: PhysicalMemory;
  readonly geometry: Geometry;
  /** Owner of the frames. */
  readonly owner: string;
  /** PA of the root. */
  readonly root: number;
  /** Drops what TLBs hold of this space. */
  readonly invalidate: () => void;
}

/** Maps and unmaps. */
export class Stage2Table {
  readonly #parts: TableParts;

  constructor(parts: TableParts) {
    this.#parts = parts;
  }

  /** All or nothing: when it throws, nothing has changed. */
  map(ipa: number, pa: number, size: number, mapping: Mapping): void {
    this.#checkRange(ipa, size);
    checkAligned("PA", pa, size);
    if (pa + size > PA_LIMIT) throw new RangeError(`PA ${rangeText(pa, size)} doesn't fit in 48 bits`);
    const { root, geometry } = this.#parts;
    const taken = this.#firstMapped(root, geometry.startLevel, 0, ipa, ipa + size);
    if (taken !== undefined) throw new RangeError(`IPA ${rangeText(ipa, size)}: ${hex(taken)} is mapped already`);
    try {
      this.#map(root, geometry.startLevel, 0, ipa, ipa + size, pa - ipa, mapping);
    } catch (error) {
      this.unmap(ipa, size);
      throw error;
    }
  }

  /** Blocks that lie partly inside are split first. */
  unmap(ipa: number, size: number): void {
    this.#checkRange(ipa, size);
    const { memory, owner, root, geometry, invalidate } = this.#parts;
    this.#split(ipa);
    this.#split(ipa + size);
    const freed: number[] = [];
    if (!this.#clear(root, geometry.startLevel, 0, ipa, ipa + size, freed)) return;
    invalidate();
    for (const frame of freed) memory.release(owner, frame);
  }

  /** What the table says of an address. */
  lookup(ipa: number): { readonly pa: number; readonly mapping: Mapping } | undefined {
    if (!Number.isSafeInteger(ipa) || ipa < 0 || ipa >= 2 ** this.#parts.geometry.ipaBits) return undefined;
    const found = this.#find(ipa);
    if (!isValid(found.descriptor)) return undefined;
    const pa = addressOf(found.descriptor) + ipa % entrySize(found.level);
    return { pa, mapping: mappingOf(found.descriptor) };
  }

  /** Gives every frame back, the root too. The caller has invalidated the TLBs. */
  destroy(): void {
    const { memory, owner, root, geometry } = this.#parts;
    this.#releaseBelow(root, geometry.startLevel);
    memory.release(owner, root, PAGE_SIZE * 2 ** geometry.rootOrder);
  }

  #entries(level: number): number {
    const { geometry } = this.#parts;
    return level === geometry.startLevel ? Math.min(ENTRIES * 2 ** geometry.rootOrder, 2 ** geometry.ipaBits / entrySize(level)) : ENTRIES;
  }

  /** Entries of a table at `base` that meet the range, with what each covers. */
  *#overlapping(tablePa: number, level: number, base: number, start: number, end: number) {
    const { memory } = this.#parts;
    const size = entrySize(level);
    const first = Math.max(0, Math.floor((start - base) / size));
    const last = Math.min(this.#entries(level) - 1, Math.ceil((end - base) / size) - 1);
    for (let index = first; index <= last; index++) {
      const at = tablePa + index * 8;
      const from = base + index * size;
      yield { at, from, to: from + size, descriptor: memory.read64(at) };
    }
  }

  /** The leaf for an address, or the invalid entry where its walk ends. */
  #find(ipa: number): { at: number; level: number; descriptor: bigint } {
    const { memory, geometry } = this.#parts;
    let level = geometry.startLevel;
    let tablePa = this.#parts.root;
    let offset = ipa;
    for (;;) {
      const size = entrySize(level);
      const at = tablePa + Math.floor(offset / size) * 8;
      const descriptor = memory.read64(at);
      if (!isTable(descriptor, level)) return { at, level, descriptor };
      tablePa = addressOf(descriptor);
      offset %= size;
      level++;
    }
  }

  #firstMapped(tablePa: number, level: number, base: number, start: number, end: number): number | undefined {
    for (const { from, descriptor } of this.#overlapping(tablePa, level, base, start, end)) {
      if (!isValid(descriptor)) continue;
      if (!isTable(descriptor, level)) return Math.max(from, start);
      const found = this.#firstMapped(addressOf(descriptor), level + 1, from, start, end);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** `delta` is PA minus IPA. Only invalid entries become valid, so no TLB holds anything of them. */
  #map(tablePa: number, level: number, base: number, start: number, end: number, delta: number, mapping: Mapping): void {
    const { memory, owner } = this.#parts;
    for (const { at, from, to, descriptor } of this.#overlapping(tablePa, level, base, start, end)) {
      const whole = from >= start && to <= end && (from + delta) % (to - from) === 0;
      if (whole && level > 0 && !isValid(descriptor)) {
        memory.write64(at, leaf(from + delta, level, mapping));
        continue;
      }
      let next: number;
      if (isValid(descriptor)) {
        next = addressOf(descriptor);
      } else {
        next = memory.allocate(owner, 0);
        memory.write64(at, table(next));
      }
      this.#map(next, level + 1, from, start, end, delta, mapping);
    }
  }

  /** Splits blocks until none straddles this address. */
  #split(ipa: number): void {
    const { memory, owner, geometry, invalidate } = this.#parts;
    if (ipa >= 2 ** geometry.ipaBits) return;
    for (;;) {
      const { at, level, descriptor } = this.#find(ipa);
      if (!isValid(descriptor) || ipa % entrySize(level) === 0) return;
      // The new table is complete before it becomes visible.
      const next = memory.allocate(owner, 0);
      const size = entrySize(level + 1);
      for (let index = 0; index < ENTRIES; index++) memory.write64(next + index * 8, piece(descriptor, level, index, size));
      memory.write64(at, 0n);
      invalidate();
      memory.write64(at, table(next));
    }
  }

  /** Clears leaves and cuts off tables that become empty. True when anything changed. */
  #clear(tablePa: number, level: number, base: number, start: number, end: number, freed: number[]): boolean {
    const { memory } = this.#parts;
    let changed = false;
    for (const { at, from, descriptor } of this.#overlapping(tablePa, level, base, start, end)) {
      if (!isValid(descriptor)) continue;
      if (!isTable(descriptor, level)) {
        memory.write64(at, 0n);
        changed = true;
        continue;
      }
      const next = addressOf(descriptor);
      if (this.#clear(next, level + 1, from, start, end, freed)) changed = true;
      if (this.#isEmpty(next)) {
        memory.write64(at, 0n);
        freed.push(next);
        changed = true;
      }
    }
    return changed;
  }

  #isEmpty(tablePa: number): boolean {
    const { memory } = this.#parts;
    for (let index = 0; index < ENTRIES; index++) if (memory.read64(tablePa + index * 8) !== 0n) return false;
    return true;
  }

  #releaseBelow(tablePa: number, level: number): void {
    const { memory, owner } = this.#parts;
    for (let index = 0; index < this.#entries(level); index++) {
      const descriptor = memory.read64(tablePa + index * 8);
      if (!isTable(descriptor, level)) continue;
      this.#releaseBelow(addressOf(descriptor), level + 1);
      memory.release(owner, addressOf(descriptor));
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
