/**
 * Decoded code: a page of records for each physical page that was executed. The
 * records are made one straight run at a time. Writes to such a page come through
 * the slow path, which resets the records that they touch.
 */
import type { Decoder } from "../isa/decoder.ts";
import type { Block } from "./block.ts";
import type { Interpreter } from "./interpreter.ts";
import { PAGE_END } from "./interpreter.ts";
import { RECORD_PAGE_STRIDE, RECORD_SIZE, RECORDS_PER_PAGE } from "./layout.ts";
import type { Tlb } from "./tlb.ts";

/** Most instructions decoded at once. */
const RUN = 32;
/** Words whose records are remembered: 2^15 of them. The same words come again and again. */
const MEMORY_BITS = 15;
/** Writes into a page of code after which its records are dropped as a whole. */
const WRITES_BEFORE_DROP = 64;

/** Pages of records. */
export class CodeCache {
  /** Slot of a frame of the shared memory (byte offset >> 12), or -1. */
  readonly #slotOf: Int32Array;
  readonly #frameOf: Int32Array;
  readonly #writes: Uint16Array;
  readonly #free: number[] = [];
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
  ) {
    this.#slotOf = new Int32Array(block.bytes.length >>> 12).fill(-1);
    this.#frameOf = new Int32Array(slots).fill(-1);
    this.#writes = new Uint16Array(slots);
    for (let i = slots - 1; i >= 0; i--) this.#free.push(i);
  }

  /** True when the frame at this offset of the shared memory holds decoded code. */
  holds(host: number): boolean {
    return this.#slotOf[host >>> 12] >= 0;
  }

  /** Address of the records of a frame; made when there are none. */
  records(host: number): number {
    const frame = host >>> 12;
    let slot = this.#slotOf[frame];
    if (slot < 0) {
      if (this.#free.length === 0) this.dropAll();
      slot = this.#free.pop()!;
      this.#slotOf[frame] = slot;
      this.#frameOf[slot] = frame;
      this.#writes[slot] = 0;
      const start = this.#at(slot);
      this.block.halves[(start + RECORDS_PER_PAGE * RECORD_SIZE) >>> 1] = PAGE_END;
      this.tlb.protectFrame(frame);
      this.stats.pages++;
    }
    return this.#at(slot);
  }

  #at(slot: number): number {
    return this.address + slot * RECORD_PAGE_STRIDE;
  }

  /** Decodes a run from a record on. False: the page is gone, fetch anew. */
  decode(record: number): boolean {
    const slot = Math.floor((record - this.address) / RECORD_PAGE_STRIDE);
    const frame = this.#frameOf[slot];
    if (frame < 0) return false;
    const start = this.#at(slot);
    const { block } = this;
    let index = (record - start) / RECORD_SIZE;
    const end = Math.min(index + RUN, RECORDS_PER_PAGE);
    const code = frame << 10;
    for (; index < end; index++) {
      const at = start + index * RECORD_SIZE;
      if (block.halves[at >>> 1] !== 0) break;
      const word = block.words[code + index];
      const known = Math.imul(word, 0x9e37_79b1) >>> (32 - MEMORY_BITS);
      const from = known << 2;
      if (this.#words[known] === word && this.#records[from] !== 0) {
        for (let i = 0; i < 4; i++) block.words[(at >>> 2) + i] = this.#records[from + i];
      } else {
        this.#write(at, word);
        this.#words[known] = word;
        for (let i = 0; i < 4; i++) this.#records[from + i] = block.words[(at >>> 2) + i];
      }
      this.stats.instructions++;
      // B and RET end a run; what follows may never execute.
      if ((word & 0xfc00_0000) === 0x1400_0000 || (word & 0xffff_fc1f) >>> 0 === 0xd65f_0000) break;
    }
    return true;
  }

  /** Makes the record of a word. It depends on nothing else: what is relative to the PC stays relative. */
  #write(at: number, word: number): void {
    const { block } = this;
    const decoded = this.decoder.decode(word) ?? this.#undefined(word);
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

  #undefined(word: number) {
    const udf = this.decoder.decode(0)!;
    return { ...udf, fields: { ...udf.fields, word } };
  }

  /** Guest or host wrote to a frame with code. `host`: offset in the shared memory; the range stays in one page. */
  written(host: number, size: number): void {
    const slot = this.#slotOf[host >>> 12];
    if (slot < 0) return;
    if (++this.#writes[slot] > WRITES_BEFORE_DROP) return this.drop(host);
    const first = (host & 0xfff) >>> 2;
    const last = ((host & 0xfff) + size - 1) >>> 2;
    const start = this.#at(slot);
    for (let index = first; index <= last && index < RECORDS_PER_PAGE; index++) this.block.halves[(start + index * RECORD_SIZE) >>> 1] = 0;
  }

  /** Forgets the records of a frame. Whoever executes in them finds nothing decoded, and fetches anew. */
  drop(host: number): void {
    const frame = host >>> 12;
    const slot = this.#slotOf[frame];
    if (slot < 0) return;
    const start = this.#at(slot);
    this.block.bytes.fill(0, start, start + (RECORDS_PER_PAGE + 1) * RECORD_SIZE);
    this.#slotOf[frame] = -1;
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
