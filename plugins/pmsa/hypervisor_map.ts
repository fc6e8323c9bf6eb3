/** `HypervisorMap` on an MPU: the address is the physical one, and a mapping is a reference to a region, or a region more. */
import { FIXMAP_SLOTS, hex, MapRefusedError, PAGE_SIZE } from "../../core/mod.ts";
import type { HypervisorMap, HypervisorMapping, Mapping, MapRefusal, MemoryType } from "../../core/mod.ts";
import { attributesOf, attributesText, mappingOf } from "./attributes.ts";
import type { El2Mpu } from "./el2_mpu.ts";
import { checkRegion, GRANULE, overlapping, regionText } from "./regions.ts";
import type { Region } from "./regions.ts";

/** References that a region's count of 8 bits holds. */
export const MAX_REFERENCES = 255;

interface Made {
  readonly region: Region;
  readonly slot?: number;
}

/** The hypervisor's own map. */
export class PmsaHypervisorMap implements HypervisorMap {
  readonly #made = new Map<HypervisorMapping, Made>();

  constructor(readonly mpu: El2Mpu) {}

  fixmap(slot: number, pa: number, type: MemoryType): HypervisorMapping {
    const { fixmap } = this.mpu.state;
    if (!Number.isInteger(slot) || slot < 0 || slot >= FIXMAP_SLOTS) {
      throw new RangeError(`fixmap slot ${slot}: want 0 to ${FIXMAP_SLOTS - 1}`);
    }
    if (fixmap.has(slot)) throw new RangeError(`fixmap slot ${slot} is in use`);
    if (pa % PAGE_SIZE !== 0) throw new RangeError(`fixmap: ${hex(pa)} isn't aligned to 4 KiB`);
    const made = this.#map(pa, PAGE_SIZE, { read: true, write: true, execute: false, type }, slot);
    fixmap.add(slot);
    return made;
  }

  ioremap(pa: number, sizeBytes: number, type: MemoryType): HypervisorMapping {
    return this.#map(pa, sizeBytes, { read: true, write: true, execute: false, type });
  }

  vmap(frames: readonly number[], mapping: Mapping): HypervisorMapping {
    if (frames.length === 0) throw new RangeError("vmap of no frames");
    for (const pa of frames) if (pa % PAGE_SIZE !== 0) throw new RangeError(`vmap: ${hex(pa)} isn't aligned to 4 KiB`);
    if (mapping.execute) throw new RangeError("vmap maps data: nothing executable");
    const scattered = frames.findIndex((pa, index) => pa !== frames[0] + index * PAGE_SIZE);
    if (scattered >= 0) {
      throw new MapRefusedError(
        "translation",
        `vmap: ${hex(frames[scattered])} doesn't follow ${hex(frames[scattered - 1])}, and an MPU can't make it`,
      );
    }
    return this.#map(frames[0], frames.length * PAGE_SIZE, mapping);
  }

  unmap(mapping: HypervisorMapping): void {
    const made = this.#made.get(mapping);
    if (made === undefined) throw new RangeError(`the mapping of ${hex(mapping.va)} isn't here: it was given back, or is another map's`);
    this.#made.delete(mapping);
    const { mpu } = this;
    if (made.slot !== undefined) mpu.state.fixmap.delete(made.slot);
    const { mapped } = mpu.state;
    const index = mapped.findIndex((range) => equal(range, made.region));
    if (--mapped[index].references > 0) return;
    mapped.splice(index, 1);
    mpu.changed();
  }

  #map(pa: number, sizeBytes: number, mapping: Mapping, slot?: number): HypervisorMapping {
    if (!Number.isSafeInteger(pa) || !Number.isSafeInteger(sizeBytes) || pa < 0 || sizeBytes <= 0) {
      throw new RangeError(`${sizeBytes} bytes at ${pa}: not a range`);
    }
    const at = pa - pa % GRANULE;
    const size = Math.ceil((pa + sizeBytes) / GRANULE) * GRANULE - at;
    checkRegion(at, size);
    const region = { at, size, attributes: attributesOf(mapping, "hypervisor") };
    this.#check(region);
    const { mpu } = this;
    const same = mpu.state.mapped.find((range) => equal(range, region));
    if (same) same.references++;
    else {
      this.#checkRoom(region);
      mpu.state.mapped.push({ ...region, references: 1 });
      mpu.changed();
    }
    const made: HypervisorMapping = new PmsaMapping(mpu, pa, sizeBytes, mapping, () => this.#made.has(made));
    this.#made.set(made, { region, slot });
    return made;
  }

  /** What is mapped keeps its attributes, and no region overlaps another. */
  #check(region: Region): void {
    const { mpu } = this;
    const own = mpu.maps.map((map) => overlapping(map, region.at, region.size));
    for (const held of own) {
      if (held === undefined) continue;
      if (held.attributes !== region.attributes) throw differs(region, held, "the hypervisor's region");
      if (held.at > region.at || held.at + held.size < region.at + region.size) {
        throw refused("overlap", region, `it reaches beyond the hypervisor's region ${regionText(held)}`);
      }
    }
    const [first] = own;
    if (own.some((held) => (held === undefined) !== (first === undefined))) {
      throw refused("overlap", region, "part of the hypervisor's image changes here when booting is over");
    }
    for (const other of mpu.state.mapped) {
      if (touches(other, region) && other.attributes !== region.attributes) throw differs(region, other, "the mapping");
    }
    for (const [name, { regions }] of mpu.state.spaces) {
      const guest = overlapping(regions, region.at, region.size);
      // Permissions differ by nature; what a location is, Device or cacheable, mustn't.
      if (guest && mappingOf(guest.attributes).type !== mappingOf(region.attributes).type) {
        throw differs(region, guest, `domain ${name}'s region`);
      }
    }
    const whole = first ?? mpu.transient([...mpu.state.mapped, region]).find((candidate) => touches(candidate, region))!;
    const references = mpu.state.mapped.reduce((sum, range) => sum + (touches(range, whole) ? range.references : 0), 0);
    if (references >= MAX_REFERENCES) {
      throw refused("references", region, `the region ${regionText(whole)} has ${references} references, which is the most`);
    }
  }

  #checkRoom(region: Region): void {
    const { mpu } = this;
    const excess = mpu.excess([...mpu.state.mapped, region]);
    if (excess > 0) throw refused("exhausted", region, `${mpu.count + excess} MPU regions would be needed, and MPUIR_EL2 has ${mpu.count}`);
  }
}

/** An identity mapping: its accesses are EL2's, which the MPU checks. */
class PmsaMapping implements HypervisorMapping {
  readonly va: bigint;

  constructor(
    readonly mpu: El2Mpu,
    readonly pa: number,
    readonly sizeBytes: number,
    readonly mapping: Mapping,
    readonly alive: () => boolean,
  ) {
    this.va = BigInt(pa);
  }

  read(offset: number, size: 1 | 2 | 4 | 8): bigint {
    return this.#access(offset, size);
  }

  write(offset: number, size: 1 | 2 | 4 | 8, value: bigint): void {
    if (!this.mapping.write) throw new RangeError(`the mapping of ${regionText({ at: this.pa, size: this.sizeBytes })} is read-only`);
    this.#access(offset, size, BigInt.asUintN(8 * size, value));
  }

  #access(offset: number, size: number, value?: bigint): bigint {
    const where = `${size} bytes at offset ${offset} of the mapping of ${regionText({ at: this.pa, size: this.sizeBytes })}`;
    if (!this.alive()) throw new RangeError(`${where}: it was given back`);
    if (![1, 2, 4, 8].includes(size)) throw new RangeError(`${where}: want 1, 2, 4 or 8`);
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + size > this.sizeBytes) throw new RangeError(`${where}: outside`);
    const { engine, cpu } = this.mpu;
    return engine.accessAtEl2!(cpu, this.va + BigInt(offset), size, value);
  }
}

function touches(a: Region, b: Region): boolean {
  return a.at < b.at + b.size && b.at < a.at + a.size;
}

function equal(a: Region, b: Region): boolean {
  return a.at === b.at && a.size === b.size && a.attributes === b.attributes;
}

function refused(reason: MapRefusal, region: Region, why: string): MapRefusedError {
  return new MapRefusedError(reason, `${regionText(region)} as ${attributesText(region.attributes)}: ${why}`);
}

function differs(region: Region, other: Region, whose: string): MapRefusedError {
  return refused("attributes", region, `${whose} ${regionText(other)} is ${attributesText(other.attributes)}`);
}
