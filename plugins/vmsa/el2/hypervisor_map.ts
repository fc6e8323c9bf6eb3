/** Fixmap, ioremap and vmap on page tables: mappings at addresses of their own in EL2's runtime table. */
import { FIXMAP_SLOTS, hex, MapRefusedError, OutOfFramesError, PAGE_SIZE } from "../../../core/mod.ts";
import type { CpuEngine, HypervisorMap, HypervisorMapping, Mapping, MemoryType, PhysicalMemory } from "../../../core/mod.ts";
import type { El2 } from "./bring_up.ts";
import { layout } from "./layout.ts";
import { givePages, takePages } from "./va_ranges.ts";
import type { PageRange } from "./va_ranges.ts";

/** What it works on. */
export interface MapParts {
  readonly memory: PhysicalMemory;
  readonly engine: CpuEngine;
  readonly el2: El2;
  /** Ranges of vmap in use; kept with the plugin's state. */
  readonly ranges: PageRange[];
  /** Bits of the CPU's physical addresses. */
  readonly paBits: number;
}

interface Place {
  /** First VA of its pages. */
  readonly at: number;
  readonly pages: number;
  /** In vmap, and not the fixmap. */
  readonly isRange: boolean;
}

/** The map of one board. */
export class VmsaHypervisorMap implements HypervisorMap {
  readonly #parts: MapParts;
  readonly #live = new Map<HypervisorMapping, Place>();

  constructor(parts: MapParts) {
    this.#parts = parts;
  }

  fixmap(slot: number, pa: number, type: MemoryType): HypervisorMapping {
    if (!Number.isInteger(slot) || slot < 0 || slot >= FIXMAP_SLOTS) {
      throw new RangeError(`fixmap slot ${slot}: there are slots 0 to ${FIXMAP_SLOTS - 1}`);
    }
    this.#checkPa(pa, PAGE_SIZE);
    if (pa % PAGE_SIZE !== 0) throw new RangeError(`fixmap slot ${slot}: PA ${hex(pa)} isn't aligned to 4 KiB`);
    const at = layout.fixmap.at + slot * PAGE_SIZE;
    if (this.#parts.el2.runtime.lookup(at)) throw new RangeError(`fixmap slot ${slot} is in use`);
    return this.#make({ at, pages: 1, isRange: false }, [pa], 0, PAGE_SIZE, readWrite(type));
  }

  ioremap(pa: number, sizeBytes: number, type: MemoryType): HypervisorMapping {
    this.#checkPa(pa, sizeBytes);
    const offset = pa % PAGE_SIZE;
    const pages = Math.ceil((offset + sizeBytes) / PAGE_SIZE);
    // Before there is a list of as many.
    if (pages * PAGE_SIZE > layout.vmap.size) throw exhausted(pages);
    const frames = Array.from({ length: pages }, (_, n) => pa - offset + n * PAGE_SIZE);
    return this.#inRange(frames, offset, sizeBytes, readWrite(type));
  }

  vmap(frames: readonly number[], mapping: Mapping): HypervisorMapping {
    if (frames.length === 0) throw new RangeError("vmap of no frames");
    if (!mapping.read || mapping.execute) throw new RangeError("vmap is for data: readable, and not executable");
    for (const frame of frames) {
      this.#checkPa(frame, PAGE_SIZE);
      if (frame % PAGE_SIZE !== 0) throw new RangeError(`vmap: frame ${hex(frame)} isn't aligned to 4 KiB`);
    }
    return this.#inRange(frames, 0, frames.length * PAGE_SIZE, mapping);
  }

  unmap(mapping: HypervisorMapping): void {
    const place = this.#live.get(mapping);
    if (place === undefined) throw new RangeError(`EL2 VA ${hex(mapping.va)}: no mapping of this map, or given back already`);
    this.#live.delete(mapping);
    this.#parts.el2.runtime.unmap(place.at, place.pages * PAGE_SIZE);
    if (place.isRange) givePages(this.#parts.ranges, (place.at - layout.vmap.at) / PAGE_SIZE);
  }

  #inRange(frames: readonly number[], offset: number, sizeBytes: number, mapping: Mapping): HypervisorMapping {
    const { ranges } = this.#parts;
    const first = takePages(ranges, frames.length, layout.vmap.size / PAGE_SIZE);
    if (first === undefined) throw exhausted(frames.length);
    const place = { at: layout.vmap.at + first * PAGE_SIZE, pages: frames.length, isRange: true };
    try {
      return this.#make(place, frames, offset, sizeBytes, mapping);
    } catch (error) {
      givePages(ranges, first);
      throw error;
    }
  }

  #make(place: Place, frames: readonly number[], offset: number, sizeBytes: number, mapping: Mapping): HypervisorMapping {
    const { el2: { runtime } } = this.#parts;
    for (const frame of frames) this.#checkAlias(frame, mapping);
    try {
      frames.forEach((frame, n) => runtime.map(place.at + n * PAGE_SIZE, frame, PAGE_SIZE, mapping));
    } catch (error) {
      runtime.unmap(place.at, place.pages * PAGE_SIZE);
      if (error instanceof OutOfFramesError) throw new MapRefusedError("exhausted", `EL2's tables: ${error.message}`);
      throw error;
    }
    const made = this.#handle(BigInt(place.at + offset), sizeBytes, mapping);
    this.#live.set(made, place);
    return made;
  }

  #handle(va: bigint, sizeBytes: number, mapping: Mapping): HypervisorMapping {
    const { engine, el2 } = this.#parts;
    const check = (offset: number, size: number) => {
      if (!this.#live.has(made)) throw new RangeError(`EL2 VA ${hex(va)} was unmapped`);
      if (![1, 2, 4, 8].includes(size)) throw new RangeError(`an access of ${size} bytes`);
      if (Number.isSafeInteger(offset) && offset >= 0 && offset + size <= sizeBytes) return va + BigInt(offset);
      throw new RangeError(`${size} bytes at offset ${offset} of a mapping of ${sizeBytes} bytes`);
    };
    const made: HypervisorMapping = {
      va,
      sizeBytes,
      mapping,
      read: (offset, size) => engine.accessAtEl2!(el2.cpu, check(offset, size), size),
      write: (offset, size, value) => void engine.accessAtEl2!(el2.cpu, check(offset, size), size, value),
    };
    return made;
  }

  /** RAM is in the direct map: a second mapping with another type, or one that may write where EL2's code is, would be its alias. */
  #checkAlias(frame: number, mapping: Mapping): void {
    const { el2 } = this.#parts;
    const direct = el2.runtime.lookup(el2.directVa(frame));
    if (direct === undefined) return;
    if (direct.mapping.type !== mapping.type) {
      throw new MapRefusedError("attributes", `PA ${hex(frame)} is RAM, which EL2 maps as ${direct.mapping.type}, not ${mapping.type}`);
    }
    if (mapping.write && !direct.mapping.write) {
      throw new MapRefusedError("attributes", `PA ${hex(frame)} is the hypervisor's code: EL2 has no writable mapping of it`);
    }
  }

  #checkPa(pa: number, sizeBytes: number): void {
    if (!Number.isSafeInteger(pa) || pa < 0) throw new RangeError(`${pa} is no PA`);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes <= 0) throw new RangeError(`PA ${hex(pa)}: a range of ${sizeBytes} bytes`);
    if (pa + sizeBytes <= 2 ** this.#parts.paBits) return;
    throw new RangeError(`PA ${hex(pa)} with ${sizeBytes} bytes doesn't fit in the CPU's ${this.#parts.paBits} bits`);
  }
}

function exhausted(pages: number): MapRefusedError {
  return new MapRefusedError("exhausted", `EL2's vmap area has no ${pages} pages in a row`);
}

function readWrite(type: MemoryType): Mapping {
  return { read: true, write: true, execute: false, type };
}
