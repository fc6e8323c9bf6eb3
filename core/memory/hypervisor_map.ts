/**
 * Contract of the hypervisor's own mappings: how EL2 software reaches a physical address. On a machine with page
 * tables these are real mappings at addresses of their own; on one with an MPU the address is the physical one, and
 * what would need another attribute, or a translation, is refused. Callers handle both: nobody assumes that
 * `va` differs from the physical address, or that it equals it.
 */
import type { Pa, Va } from "./address.ts";
import { capability } from "../plugin/capability.ts";
import type { Capability } from "../plugin/capability.ts";
import type { Mapping, MemoryType } from "./memory_backend.ts";

/** Well-known slots of the fixmap, one 4 KiB page each. Others, up to {@linkcode FIXMAP_SLOTS}, are for whoever agrees on them. */
export const fixmapSlot = { console: 0, misc: 1 } as const;

/** How many slots there are. */
export const FIXMAP_SLOTS = 64;

/** Why a mapping can't be had on this machine. Arguments that make no sense on any machine are a `RangeError` instead. */
export type MapRefusal =
  /** The range is mapped with other attributes or permissions, and they would have to change. */
  | "attributes"
  /** The range is partly inside a mapping and partly outside. */
  | "overlap"
  /** It takes translation, and the machine has none. */
  | "translation"
  /** The MPU's regions, the table's frames or the virtual addresses are used up. */
  | "exhausted"
  /** The mapping has as many references as it can count. */
  | "references";

/** A mapping that this machine can't make. Nothing has changed. */
export class MapRefusedError extends Error {
  /** For whoever compares names. */
  override readonly name = "MapRefusedError";
  /** Made by providers of {@linkcode HypervisorMap}. */
  constructor(
    /** Why. */
    readonly reason: MapRefusal,
    message: string,
  ) {
    super(message);
  }
}

/** A range that EL2 reaches, until {@linkcode HypervisorMap.unmap}. */
export interface HypervisorMapping {
  /** Where EL2 sees it. The offset within a page is the physical address's. */
  readonly va: Va;
  /** Bytes. */
  readonly sizeBytes: number;
  /** What it allows, and how the memory behaves. */
  readonly mapping: Mapping;
  /**
   * A load by EL2: 1, 2, 4 or 8 bytes at a byte offset. Throws a `RangeError` outside the mapping, when it isn't aligned
   * and the memory is Device, after `unmap`, and where the physical address has neither RAM nor a device.
   */
  read(offset: number, size: 1 | 2 | 4 | 8): bigint;
  /** A store by EL2; the low bytes of `value` count. Throws as {@linkcode read}, and when the mapping is read-only. */
  write(offset: number, size: 1 | 2 | 4 | 8, value: bigint): void;
}

/** Makes the hypervisor's mappings. All are for data: nothing maps executable memory here. */
export interface HypervisorMap {
  /**
   * One page, readable and writable, at a slot's fixed address: a console before anything else works. `pa` is aligned to 4 KiB.
   * Throws a `RangeError` for a slot that is in use or doesn't exist, and a {@linkcode MapRefusedError}.
   */
  fixmap(slot: number, pa: Pa, type: MemoryType): HypervisorMapping;
  /** A device or any physical range, readable and writable, whole bytes of any alignment. Throws a `RangeError` or a {@linkcode MapRefusedError}. */
  ioremap(pa: Pa, sizeBytes: number, type: MemoryType): HypervisorMapping;
  /** Frames of 4 KiB, one after the other in EL2's addresses in the given order. Throws a `RangeError` or a {@linkcode MapRefusedError}. */
  vmap(frames: readonly Pa[], mapping: Mapping): HypervisorMapping;
  /** Gives a mapping back, once. Throws a `RangeError` for one that was given back already or is another map's. */
  unmap(mapping: HypervisorMapping): void;
}

/** The hypervisor's own map. Provided by the memory backend's plugin. */
export const HypervisorMap: Capability<HypervisorMap> = capability("HypervisorMap");
