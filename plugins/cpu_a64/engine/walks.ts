/** TypeScript's side of generated walks: it says when they may be made, and what the registers mean to them. */
import type { PhysicalMemory } from "../../../core/mod.ts";
import type { Block } from "./block.ts";
import type { Mmu } from "./mmu/mod.ts";
import { SlowPages } from "./slow_pages.ts";
import type { CachePlace } from "./mmu/stage2_cache.ts";
import { WALK_CLOSED, WALK_CODE, WALK_LAZY, WALK_PLAIN, WALK_SLOW, WALK_STAGE2 } from "./walk_area.ts";

/** What the MMU shares with them, in the area at an address. */
export function sharedWalks(buffer: ArrayBufferLike, area: number): { readonly stage2Cache: CachePlace; readonly plain: CachePlace } {
  return { stage2Cache: { buffer, address: area + WALK_STAGE2 }, plain: { buffer, address: area + WALK_PLAIN } };
}

/** A physical CPU's. */
export class Walks {
  readonly slow: SlowPages;
  /** Address of the table of pages of records. */
  readonly codeAt: number;
  readonly #control: Int32Array;

  /** @param area address of the walk area, see `walk_area.ts` */
  constructor(readonly block: Block, readonly area: number, readonly mmu: Mmu, readonly memory: Pick<PhysicalMemory, "banks" | "lazy">) {
    const { buffer } = block.bytes;
    this.slow = new SlowPages(buffer, area + WALK_SLOW);
    this.codeAt = area + WALK_CODE;
    this.#control = new Int32Array(buffer, area, (WALK_LAZY + 4) / 4);
    this.#control[WALK_CLOSED / 4] = 1;
  }

  /** From here on they may be made, or not: then each miss comes to TypeScript. Owed before a run goes on. */
  open(isOpen: boolean): void {
    this.#control[WALK_CLOSED / 4] = isOpen ? 0 : 1;
    this.#control[WALK_LAZY / 4] = this.memory.lazy === undefined ? 0 : 1;
    this.update();
  }

  /** After a change of the registers. Nobody owes it: without it walks come to TypeScript, which says it. */
  update(): void {
    this.mmu.plain?.update(this.block.words);
  }
}
