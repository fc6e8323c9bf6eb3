/**
 * The window that loops copy for a base register that pointed to no page yet. A window can't say that it is empty: whatever VA it has, a
 * guest may access that. So this one has a VA that no guest can know, another one in each machine, and leads to a page where nothing is.
 */
import { type FunctionBuilder, i32, v128 } from "../../wasm/mod.ts";
import { WINDOW_ADDEND } from "./region_place.ts";
import { emptyWindowAt, nothingAt } from "./side_table.ts";

/**
 * Bits 55 to 48 of its VA, of which some are set: an access there faults, since bit 55 chooses the table and those below it would have to be the
 * same. The others but those within a page are random.
 */
const NON_CANONICAL = 0x00b7_0000_0000_0000n, RANDOM = 0xff00_ffff_ffff_f000n;

/** Writes it, once. @param windows address of the first window */
export function writeEmptyWindow(words: Uint32Array, windows: number): void {
  const [random] = crypto.getRandomValues(new BigUint64Array(1));
  const va = (random & RANDOM) | NON_CANONICAL;
  const at = emptyWindowAt(windows) >>> 2;
  words[at] = Number(va & 0xffff_ffffn);
  words[at + 1] = Number(va >> 32n);
  words[at + (WINDOW_ADDEND >>> 2)] = nothingAt(windows) - words[at];
}

/** VA of the page that it stands for. */
export function emptyWindowVa(words: Uint32Array, windows: number): bigint {
  const at = emptyWindowAt(windows) >>> 2;
  return BigInt(words[at + 1]) << 32n | BigInt(words[at]);
}

/** Makes a window one that has no page. */
export function copyEmptyWindow(f: FunctionBuilder, window: number, windows: number): void {
  f.store("v128", i32.const(0), v128.load(i32.const(0), emptyWindowAt(windows)), window);
}
