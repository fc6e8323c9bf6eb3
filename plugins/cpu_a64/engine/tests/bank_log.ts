/** What a bank of the TLB knows about itself, compared with what it has. */
import type { Block } from "../block.ts";
import {
  BANK_LOG,
  DTLB_ENTRY_SHIFT,
  DTLB_READ,
  DTLB_SECOND,
  DTLB_SIZE,
  DTLB_WRITE,
  ITLB_ENTRY_SHIFT,
  ITLB_SIZE,
  ITLB_TAG,
  LOG_EMPTY,
  LOG_SHIFT,
  LOG_UNKNOWN,
} from "../layout.ts";

/** Offsets of valid entries in a bank. */
export function validEntries({ words }: Block, bank: number): number[] {
  const isValid = (offset: number) => (words[(bank + offset) >>> 2] & 0xfff) === 0;
  const valid: number[] = [];
  for (let offset = 0; offset < DTLB_SIZE; offset += 1 << DTLB_ENTRY_SHIFT) {
    if (isValid(offset + DTLB_READ) || isValid(offset + DTLB_WRITE)) valid.push(offset);
  }
  for (let offset = DTLB_SIZE; offset < DTLB_SIZE + ITLB_SIZE; offset += 1 << ITLB_ENTRY_SHIFT) {
    if (isValid(offset + ITLB_TAG)) valid.push(offset);
  }
  return valid;
}

/** How many places a bank knows that had entries since it was emptied; `undefined`: it doesn't know. */
export function loggedPlaces({ words }: Block, bank: number): number | undefined {
  const count = words[(bank + BANK_LOG) >>> 2];
  return count === LOG_UNKNOWN ? undefined : count - LOG_EMPTY;
}

/** As if it had been emptied, and had got what it has since. */
export function logValid(block: Block, bank: number): void {
  const { words, halves } = block;
  const places = new Set(validEntries(block, bank).map(placeOf));
  words[(bank + BANK_LOG) >>> 2] = places.size + LOG_EMPTY;
  halves.set([...places].map((offset) => offset >>> LOG_SHIFT), (bank + BANK_LOG + 4) >>> 1);
}

/** Of a data entry in the second place, the first one stands for both. */
function placeOf(offset: number): number {
  return offset < DTLB_SIZE ? offset % DTLB_SECOND : offset;
}

/** Offsets of valid entries that a bank doesn't know of, though it knows which it has: emptying it would leave them. */
export function unlogged(block: Block, bank: number): number[] {
  const count = loggedPlaces(block, bank);
  if (count === undefined) return [];
  const first = (bank + BANK_LOG + 4) >>> 1;
  const known = new Set(Array.from(block.halves.subarray(first, first + count), (half) => half << LOG_SHIFT));
  return validEntries(block, bank).filter((offset) => !known.has(placeOf(offset)));
}
