/**
 * Where the guest sees a bank: as read-only memory while it reads its array, so that code runs from it at full speed, and
 * as a device that is asked for each access while a command is under way. Stores trap in either case.
 *
 * Frames are copies of what the bank's state holds: sectors that aren't blank have their own, all blank ones
 * share 2 MiB. Where frames can't be had, the sector stays a device that answers one access at a time.
 */
import { OutOfFramesError } from "../../core/mod.ts";
import type { AddressSpace, CpuEngine, Mapping, PhysicalMemory } from "../../core/mod.ts";
import type { Bank } from "./chip.ts";
import { SECTOR_BYTES } from "./commands.ts";

const PAGE = 4096;
const SECTOR_ORDER = Math.log2(SECTOR_BYTES / PAGE);
/** A block of stage 2 at level 2: blank flash costs one descriptor for each. */
const BLOCK_BYTES = 0x20_0000;
const BLOCK_ORDER = Math.log2(BLOCK_BYTES / PAGE);
const SECTORS_PER_BLOCK = BLOCK_BYTES / SECTOR_BYTES;

const READ_ONLY: Mapping = { read: true, write: false, execute: true, type: "normal-wb" };

/** What a window works on. */
export interface WindowParts {
  readonly space: AddressSpace;
  readonly memory: PhysicalMemory;
  readonly engine: CpuEngine;
  readonly owner: string;
  /** 2 MiB of 0xff, naturally aligned; absent when there was no room for it. */
  readonly blank: number | undefined;
  /** Told when frames run out. */
  readonly short: (error: OutOfFramesError) => void;
}

/** The mapping of one bank. */
export class BankWindow {
  readonly #frames = new Map<number, number>();
  readonly #stale = new Set<number>();
  #mapped = false;

  constructor(readonly at: number, readonly bank: Bank, readonly parts: WindowParts) {
    for (const sector of bank.state.contents.keys()) this.#stale.add(sector);
  }

  /** The content of a sector changed. */
  changed(sector: number): void {
    this.#stale.add(sector);
  }

  /** Follows the bank's mode. False when a part of the array could not be mapped. */
  update(): boolean {
    const { bank, parts, at } = this;
    if (!bank.isArray) {
      if (this.#mapped) parts.space.unmap(at, bank.sizeBytes);
      this.#mapped = false;
      return true;
    }
    if (this.#mapped && this.#stale.size === 0) return true;
    if (this.#mapped) parts.space.unmap(at, bank.sizeBytes);
    this.#mapped = true;
    for (const sector of this.#stale) this.#copy(sector);
    this.#stale.clear();
    let complete = true;
    for (let sector = 0; sector < bank.sizeBytes / SECTOR_BYTES;) {
      const size = this.#isBlankBlock(sector) ? BLOCK_BYTES : SECTOR_BYTES;
      if (!this.#map(sector, size)) complete = false;
      sector += size / SECTOR_BYTES;
    }
    return complete;
  }

  /** Unmaps the bank and gives its frames back. */
  close(): void {
    const { parts, at, bank } = this;
    parts.space.unmap(at, bank.sizeBytes);
    for (const frame of this.#frames.values()) this.#release(frame);
    this.#frames.clear();
    this.#mapped = false;
  }

  #isBlankBlock(sector: number): boolean {
    if (sector % SECTORS_PER_BLOCK !== 0 || (sector + SECTORS_PER_BLOCK) * SECTOR_BYTES > this.bank.sizeBytes) return false;
    for (let index = 0; index < SECTORS_PER_BLOCK; index++) if (this.bank.state.contents.has(sector + index)) return false;
    return true;
  }

  #map(sector: number, size: number): boolean {
    const { blank, space } = this.parts;
    const offset = sector * SECTOR_BYTES;
    const filled = this.bank.state.contents.has(sector);
    const frame = filled ? this.#frames.get(sector) : blank === undefined ? undefined : blank + offset % BLOCK_BYTES;
    if (frame === undefined) return false;
    return this.#ifFramesLast(() => (space.map(this.at + offset, frame, size, READ_ONLY), true)) ?? false;
  }

  /** Brings a sector's frame up to date. */
  #copy(sector: number): void {
    const { memory, engine, owner } = this.parts;
    const bytes = this.bank.state.contents.get(sector);
    let frame = this.#frames.get(sector);
    if (bytes === undefined) {
      if (frame !== undefined) this.#release(frame);
      this.#frames.delete(sector);
      return;
    }
    frame ??= this.#ifFramesLast(() => memory.allocate(owner, SECTOR_ORDER));
    if (frame === undefined) return;
    this.#frames.set(sector, frame);
    memory.view(frame, SECTOR_BYTES).set(bytes);
    engine.memoryWritten(frame, SECTOR_BYTES);
  }

  /** Code that was decoded from the frame isn't the next owner's. */
  #release(frame: number): void {
    const { memory, engine, owner } = this.parts;
    memory.release(owner, frame, SECTOR_BYTES);
    engine.memoryWritten(frame, SECTOR_BYTES);
  }

  #ifFramesLast<T>(step: () => T): T | undefined {
    try {
      return step();
    } catch (error) {
      if (!(error instanceof OutOfFramesError)) throw error;
      this.parts.short(error);
      return undefined;
    }
  }
}

/** Frames that look like 2 MiB of blank flash. `undefined`: there is no room. */
export function blankBlock(memory: PhysicalMemory, owner: string): number | undefined {
  try {
    const frame = memory.allocate(owner, BLOCK_ORDER);
    memory.view(frame, BLOCK_BYTES).fill(0xff);
    return frame;
  } catch (error) {
    if (error instanceof OutOfFramesError) return undefined;
    throw error;
  }
}

/** Gives {@linkcode blankBlock}'s frames back. */
export function releaseBlank(memory: PhysicalMemory, owner: string, frame: number | undefined): void {
  if (frame !== undefined) memory.release(owner, frame, BLOCK_BYTES);
}
