/**
 * What a tested instruction finds in memory, the same for every engine: one
 * executable page full of BRK with the instruction in it, and a data window. All
 * else around them is unmapped, so that a stray access faults.
 */

/** Address of the executable page, 4 KiB, filled with `BRK #0` around the tested words. */
export const CODE_PAGE = 0x1200_0000;
/** Address of the first tested word: away from the page's ends, so that short branches land on BRK. */
export const CODE = CODE_PAGE + 0x800;
/** Most words that one case executes. */
export const CODE_WORDS = 15;
/** `BRK #0`: ends a case. */
export const BRK = 0xd4200000;
/** Data window, two pages; within reach of load (literal) from {@linkcode CODE}. */
export const WINDOW = 0x1208_0000;
export const WINDOW_SIZE = 0x2000;
