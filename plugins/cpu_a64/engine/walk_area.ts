/** Where generated walks keep what they share with TypeScript: a part of the shared memory for each CPU. */
import { PLAIN_BYTES } from "./mmu/plain.ts";
import { STAGE2_CACHE_BYTES } from "./mmu/stage2_cache.ts";
import { SLOW_PAGES_BYTES } from "./slow_pages.ts";

/** Byte offsets. 1: all goes to TypeScript, 32 bits; … */
export const WALK_CLOSED = 0;
/** … 1: what isn't remembered of stage 2 does, because the content of pages may be elsewhere. */
export const WALK_LAZY = 4;
/** What the latest walk found: where in the shared memory the byte is. */
export const WALK_HOST = 8;
/** 1: the latest entry of the TLB took another translation away, or some of its rights. */
export const WALK_LOST = 12;
/** 1: the latest walk was none of the plain case. Whoever walks clears it before, if he wants to know. */
export const WALK_UNUSUAL = 16;
/** Status code (DFSC) of a fault of stage 1 that the latest walk found; NO_FAULT: none, or TypeScript must say. Whoever walks clears it. */
export const WALK_FAULT = 20;
export const NO_FAULT = -1;
/** 1: a slow path took an exception to EL1, and the run goes on there. */
export const WALK_TAKEN = 24;
/** See `mmu/plain.ts`, `slow_pages.ts`, `mmu/stage2_cache.ts`. */
export const WALK_PLAIN = 32;
export const WALK_SLOW: number = WALK_PLAIN + PLAIN_BYTES;
export const WALK_STAGE2: number = WALK_SLOW + SLOW_PAGES_BYTES;
/** For each frame of the shared memory the number of its page of records, 16 bits; -1: it holds no decoded code. */
export const WALK_CODE: number = WALK_STAGE2 + STAGE2_CACHE_BYTES;

/** In the answer of a walk, beside the rights in bits 2:0: the translation holds for every ASID; log2 of stage 1's leaf. */
export const WALK_GLOBAL = 8, WALK_SIZE_SHIFT = 8;

/** Bytes of the area, for so many frames. */
export function walkAreaSize(frames: number): number {
  return WALK_CODE + 2 * frames;
}
