/**
 * Where remembered results of stage 2 lie, so that generated walks share them. Arrays by slot, one after the other; a key is the number of a
 * 4 KiB page of IPA in bits [35:0] and the VMID in [55:40].
 */

/** A power of two. */
export const STAGE2_SLOTS = 2048;
/** High word of the key of an empty slot. */
export const NO_STAGE2 = -1;

/** Byte offsets of the arrays. Keys and PAs of leaves have 8 bytes, frames and leaves 4, levels and sizes 1. */
export const STAGE2_KEY = 0;
export const STAGE2_LEAF_ADDRESS: number = 8 * STAGE2_SLOTS;
export const STAGE2_FRAME_LO: number = 16 * STAGE2_SLOTS;
export const STAGE2_FRAME_HI: number = 20 * STAGE2_SLOTS;
export const STAGE2_HOST: number = 24 * STAGE2_SLOTS;
export const STAGE2_LEAF_LO: number = 28 * STAGE2_SLOTS;
export const STAGE2_LEAF_HI: number = 32 * STAGE2_SLOTS;
export const STAGE2_LEVEL: number = 36 * STAGE2_SLOTS;
export const STAGE2_SIZE: number = 37 * STAGE2_SLOTS;
/** Bytes of all of them. */
export const STAGE2_CACHE_BYTES: number = 38 * STAGE2_SLOTS;

/** Bytes in a buffer, a multiple of 8 from its start. */
export interface CachePlace {
  readonly buffer: ArrayBufferLike;
  readonly address: number;
}
