/** Contract of physical memory. All RAM lies in one shared `WebAssembly.Memory`. */
import type { Pa } from "./address.ts";
import type { CacheColours } from "./cache_colours.ts";
import type { MmioHandler } from "../arch/exceptions.ts";

/** RAM as the CPU engine sees it: a PA range at an offset of the shared memory. */
export interface RamBank {
  /** First address. */
  readonly base: Pa;
  /** Bytes. */
  readonly size: number;
  /** Byte offset in {@linkcode PhysicalMemory.wasm}. */
  readonly hostOffset: number;
}

/** Pages of the shared memory whose content is elsewhere. */
export interface LazyPages {
  /** One byte for each page: 1 while it is elsewhere. */
  readonly absent: Uint8Array;
  /** Brings a page that is {@linkcode absent}. */
  bring(page: number): void;
}

/** RAM, its frames and who owns them. */
export interface PhysicalMemory {
  /** What all RAM lies in. */
  readonly wasm: WebAssembly.Memory;
  /**
   * One byte for each 4 KiB of it, 1 where something else than zeroes may be. Views and {@linkcode write64} set it; whoever writes otherwise
   * says so here, before or with the first write to a page. It lies in the memory itself, where no RAM is.
   */
  readonly touched: Uint8Array;
  /** Content that comes when it is wanted, after a fork: whoever reads or writes past views and words brings a page first. */
  readonly lazy?: LazyPages;
  /** By the board's order. */
  readonly banks: readonly RamBank[];
  /**
   * Bytes outside guest RAM for the engine: register files, TLBs, decoded code. 4 KiB aligned, zero. Board set-up only. `used`: asked when the
   * machine is gone; which of them may be other than zero, from where to where, so that another machine can have the memory. Absent: none can.
   */
  reserve(bytes: number, used?: () => readonly (readonly [from: number, to: number])[]): number;
  /** A bounds-checked view of RAM. Throws a `RangeError` when any byte isn't RAM. */
  view(pa: Pa, size: number): Uint8Array;
  /** True when all of it is RAM. */
  isRam(pa: Pa, size: number): boolean;
  /** 64-bit little-endian, 8-byte aligned (page tables). */
  read64(pa: Pa): bigint;
  /** The counterpart of {@linkcode read64}. */
  write64(pa: Pa, value: bigint): void;
  /** Called after each {@linkcode write64}, with its address: who checks translation tables looks there. */
  onWrite64?: (pa: Pa) => void;
  /**
   * Allocates `2^order` contiguous, naturally aligned, zeroed 4 KiB frames for an owner.
   * Throws an `OutOfFramesError` that names the owner and what was asked.
   */
  allocate(owner: string, order: number): Pa;
  /**
   * Takes frames of some cache colours only, from an address on: neighbours, as many as there are, at most `frames`. Throws an
   * `OutOfFramesError` when there is none.
   */
  allocateColoured(owner: string, frames: number, colours: CacheColours, from: Pa): { readonly pa: Pa; readonly size: number };
  /** Takes a given range for an owner. Throws when any frame is taken. */
  allocateAt(owner: string, pa: Pa, size: number): void;
  /** Takes one more reference to frames of an owner (a foreign mapping). Throws when they are somebody else's. */
  reference(owner: string, pa: Pa, size?: number): void;
  /**
   * Drops a reference to each frame of a range (default: one frame); a frame is free when its
   * last reference goes, and scrubbed before it has an owner again. Throws, and drops nothing, when a frame is free or somebody else's.
   */
  release(owner: string, pa: Pa, size?: number): void;
  /** Who holds a frame, and how many references there are. */
  ownerOf(pa: Pa): { readonly owner: string; readonly references: number } | undefined;
  /** Who holds the frames from an address on, and how far that goes, to `limit` bytes at most; `undefined` where there is no RAM. */
  ownedRun(pa: Pa, limit: number): { readonly owner: string | undefined; readonly size: number } | undefined;
  /** Frames held, by owner. */
  usage(): ReadonlyMap<string, number>;
  /** Frames that nobody holds. */
  readonly freeFrames: number;
}

/** The physical address map beside RAM: board devices claim windows (pass-through reaches them with no exit). */
export interface PhysicalBus {
  /** Takes a window. Throws an `OverlapError` that names both owners; RAM counts. */
  claim(at: Pa, size: number, name: string, handler: MmioHandler): void;
  /** Whose window an address is in. */
  find(pa: Pa): { readonly at: Pa; readonly name: string; readonly handler: MmioHandler } | undefined;
}
