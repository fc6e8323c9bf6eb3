/** Regions that code is entered by: the head's record has the region for its handler, and its own lies in a table beside the records. */
import type { Block } from "../block.ts";
import type { CodeCache } from "../code_cache.ts";
import { MAX_HANDLERS, PAGE_END } from "../interpreter.ts";
import { RECORD_SIZE, RECORDS_PER_PAGE } from "../layout.ts";
import type { Entry } from "./cache/library.ts";
import { RecordCounts } from "./record_counts.ts";
import type { RegionAddresses } from "./region_module.ts";
import { besideRecord, PAGE_TABLE_SHIFT } from "./side_table.ts";
import { numberOf, numbersOf, partsOf, type SlotOf } from "./translation.ts";

/** A translation that some pages' code is bound to. */
export interface Region {
  readonly entry: Entry;
  readonly slot: number;
  /** Number of the head's record among all. */
  readonly head: number;
  /** Pages that it was made from: between which indices. */
  readonly parts: ReadonlyMap<number, { first: number; last: number }>;
  readonly slotOf: SlotOf;
  /** Instructions that it leaves to, by their numbers among all. */
  readonly exits: ReadonlySet<number>;
}

/** Regions of one physical CPU. */
export class Regions {
  readonly #bySlot = new Map<number, Region[]>();
  readonly #byHead = new Map<number, Region>();
  /** For each record: how many regions contain it. */
  readonly #covered = new RecordCounts();

  constructor(readonly block: Block, readonly code: CodeCache, readonly addresses: RegionAddresses) {}

  /** The one that begins at a record, by its number among all. */
  at(head: number): Region | undefined {
    return this.#byHead.get(head);
  }

  /** Those with instructions of a page. */
  in(slot: number): readonly Region[] {
    return [...this.#bySlot.get(slot) ?? []];
  }

  /** Whether one begins at a record, by its address. */
  isHead(record: number): boolean {
    return this.block.halves[record >>> 1] >= MAX_HANDLERS;
  }

  isCovered(index: number): boolean {
    return this.#covered.get(index) > 0;
  }

  /** Whether an instruction can be entered by a region: it is decoded, and none begins there. */
  isFree(slot: number, head: number): boolean {
    const record = this.#recordOf(slot, head);
    return this.block.halves[record >>> 1] > PAGE_END && !this.isHead(record) && this.code.isWhole(slot);
  }

  /** A translation whose function is in the table is entered from now on where its head's page is in a slot. */
  bind(entry: Entry, slot: number, slotOf: SlotOf): void {
    const { block, code, addresses } = this;
    const { translation: { head, pages, spans, exits }, number } = entry;
    const record = this.#recordOf(slot, head);
    block.words[this.#besideOf(record)] = block.halves[record >>> 1];
    block.halves[record >>> 1] = MAX_HANDLERS + number;
    const table = (addresses.pageTable + (number << PAGE_TABLE_SHIFT)) >>> 2;
    for (const [i, page] of pages.entries()) block.words[table + i] = code.addressOf(slotOf(page));
    entry.isBound = entry.isUsed = true;
    const region: Region = {
      entry,
      slot,
      head: slot * RECORDS_PER_PAGE + head,
      slotOf,
      exits: numbersOf(exits, slotOf),
      parts: partsOf(spans, slotOf),
    };
    this.#cover(region, 1);
    this.#byHead.set(region.head, region);
    for (const part of region.parts.keys()) {
      const list = this.#bySlot.get(part);
      if (list) list.push(region);
      else this.#bySlot.set(part, [region]);
    }
  }

  /** It is entered no more. */
  unbind(region: Region): void {
    const { block } = this;
    const record = this.#recordOf(region.slot, region.head % RECORDS_PER_PAGE);
    if (this.isHead(record)) block.halves[record >>> 1] = block.words[this.#besideOf(record)];
    // From now on it counts detours.
    block.words[this.#besideOf(record)] = 0;
    region.entry.isBound = false;
    this.#cover(region, -1);
    this.#byHead.delete(region.head);
    for (const part of region.parts.keys()) {
      const kept = this.#bySlot.get(part)!.filter((other) => other !== region);
      if (kept.length > 0) this.#bySlot.set(part, kept);
      else this.#bySlot.delete(part);
    }
  }

  /** Pages that regions have instructions of. */
  get slots(): readonly number[] {
    return [...this.#bySlot.keys()];
  }

  #recordOf(slot: number, index: number): number {
    return this.code.addressOf(slot) + index * RECORD_SIZE;
  }

  /** Where the table beside the records has a record's, in words. */
  #besideOf(record: number): number {
    return besideRecord(record, this.addresses) >>> 2;
  }

  #cover({ slotOf, entry }: Region, by: number): void {
    for (const { first, count } of entry.translation.spans) {
      const start = numberOf(first, slotOf);
      for (let index = start; index < start + count; index++) this.#covered.add(index, by);
    }
  }
}
