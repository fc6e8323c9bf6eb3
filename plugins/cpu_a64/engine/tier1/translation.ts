/** A region apart from where its pages are: what was compiled, and what it was compiled from. */
import type { Block } from "../block.ts";
import type { CodeCache } from "../code_cache.ts";
import { RECORDS_PER_PAGE } from "../layout.ts";
import { type RegionAddresses, type RegionCode, RegionModule } from "./region_module.ts";

/** Some instructions without a branch between them. `first`: its number as in `discover.ts`. */
export interface Span {
  readonly first: number;
  readonly count: number;
}

/** A list. */
type Numbers = readonly number[] | Int32Array;

/** Compiled code, good for these instructions wherever they are. */
export interface Translation {
  /** Instruction of its page that it begins with. */
  readonly head: number;
  /** Pages by their distance from the head's, as the code numbers them. */
  readonly pages: readonly number[];
  readonly spans: readonly Span[];
  /** The instructions of all spans. */
  readonly words: Uint32Array;
  /** Where it leaves to by direct branches, as numbers of instructions. */
  readonly exits: Numbers;
  readonly code: RegionCode;
}

/** A module of some translations, with their code at its end. */
export function moduleOf(
  entries: readonly { readonly translation: Translation; readonly number: number }[],
  limits: { readonly minimum: number; readonly maximum: number },
  addresses: RegionAddresses,
): Uint8Array<ArrayBuffer> {
  const module = new RegionModule(limits, addresses);
  for (const { number, translation: { code } } of entries) module.add(number, code);
  return module.finish();
}

/** Slots of pages by their distance from the head's; -1: not known. */
export type SlotOf = (page: number) => number;

/** An instruction's number among those of all slots, by where it is in a region; -1: on none of its pages. */
export function numberOf(index: number, slotOf: SlotOf): number {
  const page = Math.floor(index / RECORDS_PER_PAGE);
  const slot = slotOf(page);
  return slot < 0 ? -1 : (slot - page) * RECORDS_PER_PAGE + index;
}

/** Those of some instructions, without what is on none of its pages. */
export function numbersOf(indices: Iterable<number>, slotOf: SlotOf): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (const index of indices) {
    const number = numberOf(index, slotOf);
    if (number >= 0) numbers.add(number);
  }
  return numbers;
}

/** Whether an instruction, by its number among all, is in one of the spans. */
export function contains(spans: Iterable<Span>, slotOf: SlotOf, index: number): boolean {
  for (const { first, count } of spans) {
    const start = numberOf(first, slotOf);
    if (index >= start && index < start + count) return true;
  }
  return false;
}

/** For each slot from the first instruction in it to the last. */
export function partsOf(spans: Iterable<Span>, slotOf: SlotOf): Map<number, { first: number; last: number }> {
  const parts = new Map<number, { first: number; last: number }>();
  for (const { first, count } of spans) {
    const page = Math.floor(first / RECORDS_PER_PAGE);
    const start = first - page * RECORDS_PER_PAGE;
    const part = parts.get(slotOf(page));
    if (part === undefined) parts.set(slotOf(page), { first: start, last: start + count - 1 });
    else {
      part.first = Math.min(part.first, start);
      part.last = Math.max(part.last, start + count - 1);
    }
  }
  return parts;
}

/** Whether the instructions there are those that it was compiled from, and none of them is somebody's trap. */
export function isThere({ spans, words }: Translation, slotOf: SlotOf, code: CodeCache, block: Block): boolean {
  let at = 0;
  for (const { first, count } of spans) {
    const page = Math.floor(first / RECORDS_PER_PAGE);
    const within = first - page * RECORDS_PER_PAGE;
    const frame = code.frameOf(slotOf(page));
    const start = (frame << 10) + within;
    for (let i = 0; i < count; i++) if (block.words[start + i] !== words[at++]) return false;
    const traps = code.traps?.get(frame);
    for (const index of traps ?? []) if (index >= within && index < within + count) return false;
  }
  return true;
}
