/**
 * Decoded code: a page of records for each physical page that was executed. The
 * records are made one straight run at a time. Writes to such a page come through
 * the slow path, which resets the records that they touch. Where an MPU divides a page, the part that may execute has records of
 * its own, a view: whatever leaves the part finds nothing decoded, and fetches anew.
 */
import type { Decoded, Decoder } from "../isa/decoder.ts";
import type { Block } from "./block.ts";
import type { DecodedWords } from "./decoded_words.ts";
import type { Interpreter } from "./interpreter.ts";
import { PAGE_END } from "./interpreter.ts";
import type { Neighbours } from "./neighbours.ts";
import { RECORD_PAGE_STRIDE, RECORD_SIZE, RECORDS_PER_PAGE } from "./layout.ts";
import type { Tlb } from "./tlb.ts";

/** Most instructions decoded at once. */
const RUN = 32;
/** Words whose records are remembered: 2^15 of them. The same words come again and again. */
const MEMORY_BITS = 15;
/** Writes into a page of code after which its records are dropped as a whole. */
const WRITES_BEFORE_DROP = 64;
/** Views of one frame; more come only when regions keep moving. */
const VIEWS_PER_FRAME = 8;

/** Who wants to know what becomes of records. Slots number the pages of records; indices are of instructions in a page. */
export interface CodeListener {
  /** Records from `first` to `end` (exclusive) are new. */
  decoded(slot: number, first: number, end: number): void;
  /** Instructions `first` to `last` are about to change. */
  changed(slot: number, first: number, last: number): void;
  /** The page is about to go. */
  released(slot: number): void;
}

/** Pages of records. */
export class CodeCache {
  listener: CodeListener | undefined;
  /** Instructions that no record is made of, by number within their frame, by frame: whatever arrives there comes by. */
  traps: ReadonlyMap<number, ReadonlySet<number>> | undefined;
  /** Words that were decoded before, in this run or another. */
  remembered: DecodedWords | undefined;
  /** The one of them that is decoded all the same. */
  passed = -1;
  /** Slot of a frame of the shared memory (byte offset >> 12), or -1. */
  readonly #slotOf: Int16Array;
  readonly #frameOf: Int32Array;
  readonly #writes: Uint16Array;
  /** Records that a slot may decode: all, but those of a view. */
  readonly #first: Uint16Array;
  readonly #end: Uint16Array;
  /** Slots of views, by frame. */
  readonly #views = new Map<number, number[]>();
  readonly #free: number[] = [];
  #usedPages = 0;
  /** Words decoded lately, and their records, four words each; a record's first half word is never 0. */
  readonly #words = new Uint32Array(1 << MEMORY_BITS);
  readonly #records = new Uint32Array(4 << MEMORY_BITS);
  /** Pages decoded and instructions decoded so far. */
  readonly stats = { pages: 0, instructions: 0, drops: 0 };

  constructor(
    readonly block: Block,
    readonly address: number,
    readonly slots: number,
    readonly tlb: Tlb,
    readonly decoder: Decoder,
    readonly interpreter: () => Interpreter,
    /** Where the slots of frames are in the shared memory, two bytes each: generated code asks too. */
    slotsAt: number,
    readonly neighbours?: Pick<Neighbours, "holdsCode">,
  ) {
    this.#slotOf = new Int16Array(block.bytes.buffer, slotsAt, block.bytes.length >>> 12).fill(-1);
    this.#frameOf = new Int32Array(slots).fill(-1);
    this.#writes = new Uint16Array(slots);
    this.#first = new Uint16Array(slots);
    this.#end = new Uint16Array(slots);
    for (let i = slots - 1; i >= 0; i--) this.#free.push(i);
  }

  /** Pages of records, from the first on, that were ever used: nobody wrote beyond. */
  get usedPages(): number {
    return this.#usedPages;
  }

  /** True when the frame at this offset of the shared memory holds decoded code. */
  holds(host: number): boolean {
    return this.#slotOf[host >>> 12] >= 0 || (this.#views.size > 0 && this.#views.has(host >>> 12));
  }

  /** Address of the records of a frame; made when there are none. */
  records(host: number): number {
    const frame = host >>> 12;
    let slot = this.#slotOf[frame];
    if (slot < 0) {
      slot = this.#allocate(frame, 0, RECORDS_PER_PAGE);
      this.#slotOf[frame] = slot;
    }
    return this.#at(slot);
  }

  /** The same for bytes `from` to `to` (exclusive) of the frame alone. */
  view(host: number, from: number, to: number): number {
    const frame = host >>> 12;
    const first = from >>> 2, end = to >>> 2;
    const found = this.#views.get(frame)?.find((slot) => this.#first[slot] === first && this.#end[slot] === end);
    if (found !== undefined) return this.#at(found);
    if ((this.#views.get(frame)?.length ?? 0) >= VIEWS_PER_FRAME) this.drop(host);
    const slot = this.#allocate(frame, first, end);
    const views = this.#views.get(frame);
    if (views) views.push(slot);
    else this.#views.set(frame, [slot]);
    return this.#at(slot);
  }

  #allocate(frame: number, first: number, end: number): number {
    if (this.#free.length === 0) this.dropAll();
    const slot = this.#free.pop()!;
    this.#usedPages = Math.max(this.#usedPages, slot + 1);
    this.#frameOf[slot] = frame;
    this.#writes[slot] = 0;
    this.#first[slot] = first;
    this.#end[slot] = end;
    this.block.halves[(this.#at(slot) + RECORDS_PER_PAGE * RECORD_SIZE) >>> 1] = PAGE_END;
    this.tlb.protectFrame(frame);
    this.neighbours?.holdsCode(frame, true);
    this.stats.pages++;
    return slot;
  }

  #at(slot: number): number {
    return this.address + slot * RECORD_PAGE_STRIDE;
  }

  /** Address of a slot's records. */
  addressOf(slot: number): number {
    return this.#at(slot);
  }

  /** Frame whose code a slot holds. */
  frameOf(slot: number): number {
    return this.#frameOf[slot];
  }

  /** The slot of a record. */
  slotOf(record: number): number {
    return Math.floor((record - this.address) / RECORD_PAGE_STRIDE);
  }

  /** False for a view of a part of a page. */
  isWhole(slot: number): boolean {
    return this.#first[slot] === 0 && this.#end[slot] === RECORDS_PER_PAGE;
  }

  /** Decodes a run from a record on. False: the page is gone, or the record is outside of the view: fetch anew. */
  decode(record: number): boolean {
    const slot = Math.floor((record - this.address) / RECORD_PAGE_STRIDE);
    const frame = this.#frameOf[slot];
    if (frame < 0) return false;
    const start = this.#at(slot);
    const { block } = this;
    let index = (record - start) / RECORD_SIZE;
    const first = index;
    if (index < this.#first[slot]) return false;
    const end = Math.min(index + RUN, this.#end[slot]);
    if (index >= end) return false;
    const code = frame << 10;
    const traps = this.traps?.get(frame);
    for (; index < end; index++) {
      const at = start + index * RECORD_SIZE;
      if (block.halves[at >>> 1] !== 0 || (traps?.has(index) && at !== this.passed)) break;
      const word = block.words[code + index];
      const known = Math.imul(word, 0x9e37_79b1) >>> (32 - MEMORY_BITS);
      const from = known << 2;
      if (this.#words[known] === word && this.#records[from] !== 0) {
        for (let i = 0; i < 4; i++) block.words[(at >>> 2) + i] = this.#records[from + i];
      } else {
        if (!this.remembered?.write(word, block.words, at >>> 2)) {
          this.#write(at, word);
          this.remembered?.remember(word, block.words, at >>> 2);
        }
        this.#words[known] = word;
        for (let i = 0; i < 4; i++) this.#records[from + i] = block.words[(at >>> 2) + i];
      }
      this.stats.instructions++;
      // B and RET end a run; what follows may never execute.
      if ((word & 0xfc00_0000) === 0x1400_0000 || (word & 0xffff_fc1f) >>> 0 === 0xd65f_0000) break;
    }
    this.listener?.decoded(slot, first, index);
    return true;
  }

  /** Makes the record of a word. It depends on nothing else: what is relative to the PC stays relative. */
  #write(at: number, word: number): void {
    const { block } = this;
    const decoded = this.#decoded(word);
    const { id, slots } = this.interpreter().variant(decoded);
    for (const { offset, bytes, compute } of slots) {
      const value = compute(decoded.fields);
      if (bytes === 8) block.view.setBigInt64(at + offset, BigInt.asIntN(64, value as bigint), true);
      else if (bytes === 4) block.view.setInt32(at + offset, value as number, true);
      else if (bytes === 2) block.view.setUint16(at + offset, value as number, true);
      else block.bytes[at + offset] = value as number;
    }
    block.halves[at >>> 1] = id;
  }

  /** Where in the shared memory the instruction of a record lies; -1 when its page is gone. */
  hostOf(record: number): number {
    const slot = Math.floor((record - this.address) / RECORD_PAGE_STRIDE);
    const frame = slot >= 0 && slot < this.slots ? this.#frameOf[slot] : -1;
    return frame < 0 ? -1 : frame * 4096 + (record - this.#at(slot)) / RECORD_SIZE * 4;
  }

  #decoded(word: number): Decoded {
    const found = this.decoder.decode(word);
    if (found) return found;
    const udf = this.decoder.decode(0)!;
    return { ...udf, fields: { ...udf.fields, word } };
  }

  /** Number of the handler that executes a word. */
  handlerOf(word: number): number {
    return this.interpreter().handlerOf(this.#decoded(word));
  }

  /** Guest or host wrote to a frame with code. `host`: offset in the shared memory; the range stays in one page. */
  written(host: number, size: number): void {
    this.block.touched[host >>> 12] = 1;
    const slot = this.#slotOf[host >>> 12];
    if (slot >= 0 && this.#reset(slot, host, size)) return this.drop(host);
    if (this.#views.size === 0) return;
    for (const view of this.#views.get(host >>> 12) ?? []) if (this.#reset(view, host, size)) return this.drop(host);
  }

  /** Resets the records of a range; true when that happened so often that the whole page should go. */
  #reset(slot: number, host: number, size: number): boolean {
    if (++this.#writes[slot] > WRITES_BEFORE_DROP) return true;
    const first = (host & 0xfff) >>> 2;
    const last = ((host & 0xfff) + size - 1) >>> 2;
    const start = this.#at(slot);
    this.listener?.changed(slot, first, last);
    for (let index = first; index <= last && index < RECORDS_PER_PAGE; index++) this.block.halves[(start + index * RECORD_SIZE) >>> 1] = 0;
    return false;
  }

  /** True for a record of one of the {@linkcode traps}. */
  isTrap(record: number): boolean {
    if (!this.traps?.size) return false;
    const host = this.hostOf(record);
    return host >= 0 && this.traps.get(host >>> 12)?.has((host & 0xfff) >>> 2) === true;
  }

  /** Forgets one instruction's record. */
  reset(host: number): void {
    const frame = host >>> 12, index = (host & 0xfff) >>> 2;
    for (const slot of [this.#slotOf[frame], ...this.#views.get(frame) ?? []]) {
      if (slot < 0) continue;
      this.listener?.changed(slot, index, index);
      this.block.halves[(this.#at(slot) + index * RECORD_SIZE) >>> 1] = 0;
    }
  }

  /** Forgets the records of a frame. Whoever executes in them finds nothing decoded, and fetches anew. */
  drop(host: number): void {
    const frame = host >>> 12;
    const slot = this.#slotOf[frame];
    if (slot >= 0) this.#release(slot);
    this.#slotOf[frame] = -1;
    for (const view of this.#views.get(frame) ?? []) this.#release(view);
    this.#views.delete(frame);
    this.neighbours?.holdsCode(frame, false);
  }

  #release(slot: number): void {
    const start = this.#at(slot);
    this.listener?.released(slot);
    this.block.bytes.fill(0, start, start + (RECORDS_PER_PAGE + 1) * RECORD_SIZE);
    this.#frameOf[slot] = -1;
    this.#free.unshift(slot);
    this.tlb.dropRecords(start);
    this.stats.drops++;
  }

  /** Forgets everything. */
  dropAll(): void {
    for (const frame of this.#frameOf) if (frame >= 0) this.drop(frame << 12 >>> 0);
  }
}
