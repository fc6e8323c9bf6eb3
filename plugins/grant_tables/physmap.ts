/**
 * What a guest itself put into its address space, or took out of it: shared pages, granted and foreign ones, and holes in its RAM.
 *
 * What can a hostile guest do here? Rearrange its own addresses. What the manifest and the machine put there stays; whatever leaves takes
 * its reference along, however it leaves: removed, replaced, or with the domain.
 */
import { PAGE_SIZE } from "../../core/mod.ts";
import type { Domain, Mapping, PhysicalMemory } from "../../core/mod.ts";
import { Errno } from "../event_channels/contract.ts";

/** Guest frames of 48-bit addresses. */
const GFN_LIMIT = 1n << 36n;

const RAM: Mapping = { read: true, write: true, execute: true, type: "normal-wb" };

interface Placed {
  readonly pa: number;
  readonly removed: () => void;
}

/** One domain's. */
export class Physmap {
  readonly #placed = new Map<number, Placed>();
  /** The domain's own frames that are out of its address space, by the guest frame where they belong. */
  readonly #out = new Map<number, number>();

  /** Nothing is placed. */
  constructor(
    readonly domain: Domain,
    readonly memory: PhysicalMemory,
    /** Addresses aren't translated: a frame can only be where it is. */
    readonly isDirect: boolean,
  ) {}

  /** How many frames are placed. */
  get count(): number {
    return this.#placed.size;
  }

  /**
   * Maps a frame at a guest frame: in a hole, over the domain's RAM, or over what was placed there. 0, and `removed` is called when it
   * leaves; or an error, and at most what had been placed there before is gone.
   */
  place(gfn: bigint, pa: number, mapping: Mapping, removed: () => void): number {
    if (gfn < 0n || gfn >= GFN_LIMIT) return Errno.EINVAL;
    const { space } = this.domain;
    const frame = Number(gfn), ipa = frame * PAGE_SIZE;
    if (this.isDirect && pa !== ipa) return Errno.EINVAL;
    if (space.lookup(ipa) !== undefined) {
      const gone = this.#takeOut(frame);
      if (gone < 0) return gone;
    }
    try {
      space.map(ipa, pa, PAGE_SIZE, mapping);
    } catch (error) {
      // Where addresses aren't translated, or tables ran out.
      if (error instanceof TypeError) throw error;
      this.#putBack(frame);
      return error instanceof RangeError ? Errno.EINVAL : Errno.ENOMEM;
    }
    this.#placed.set(frame, { pa, removed });
    return 0;
  }

  /** What was placed at a guest frame; `undefined` for RAM and holes. */
  placedAt(gfn: bigint): number | undefined {
    return gfn >= 0n && gfn < GFN_LIMIT ? this.#placed.get(Number(gfn))?.pa : undefined;
  }

  /** Takes a guest frame out: what was placed, or the domain's own RAM, which stays the domain's. */
  remove(gfn: bigint): number {
    if (gfn < 0n || gfn >= GFN_LIMIT) return Errno.EINVAL;
    const frame = Number(gfn);
    return this.domain.space.lookup(frame * PAGE_SIZE) === undefined ? Errno.EINVAL : this.#takeOut(frame);
  }

  /** Puts RAM back where {@linkcode remove} made a hole, zeroed. False when there is none. */
  populate(gfn: bigint): boolean {
    if (gfn < 0n || gfn >= GFN_LIMIT) return false;
    const pa = this.#out.get(Number(gfn));
    if (pa === undefined || this.#placed.has(Number(gfn))) return false;
    this.memory.view(pa, PAGE_SIZE).fill(0);
    return this.#putBack(Number(gfn));
  }

  /** The domain goes. */
  release(): void {
    for (const frame of [...this.#placed.keys()]) this.#takeOut(frame);
  }

  #putBack(frame: number): boolean {
    const pa = this.#out.get(frame);
    if (pa === undefined) return false;
    try {
      this.domain.space.map(frame * PAGE_SIZE, pa, PAGE_SIZE, RAM);
    } catch {
      return false; // no memory for tables: the hole stays
    }
    this.#out.delete(frame);
    return true;
  }

  #takeOut(frame: number): number {
    const { domain, memory } = this;
    const { space } = domain;
    const ipa = frame * PAGE_SIZE;
    const placed = this.#placed.get(frame);
    if (placed !== undefined) {
      // Its own entry: nothing has to be split for it.
      space.unmap(ipa, PAGE_SIZE);
      this.#placed.delete(frame);
      placed.removed();
      return 0;
    }
    const found = space.lookup(ipa);
    if (found === undefined) return Errno.EINVAL;
    if (!domain.ram.some(({ at, size }) => ipa >= at && ipa < at + size) || memory.ownerOf(found.pa)?.owner !== domain.name) {
      return Errno.EBUSY;
    }
    try {
      space.unmap(ipa, PAGE_SIZE);
    } catch (error) {
      if (error instanceof TypeError) throw error;
      return Errno.ENOMEM; // a block can't be split: no memory for tables, or no regions
    }
    this.#out.set(frame, found.pa);
    return 0;
  }
}
