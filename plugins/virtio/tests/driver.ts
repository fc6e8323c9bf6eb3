/**
 * A driver of the tests' own: both ring layouts, written from the standard's driver side, in the memory of a bench. It can build good
 * chains at random; hostile ones are written by hand with its `poke` methods.
 */
import type { Bench } from "../../../core/testing.ts";

/** A piece of a chain. */
export interface Piece {
  readonly at: number;
  readonly size: number;
  readonly write: boolean;
}

/** A used buffer. */
export interface Used {
  readonly id: number;
  readonly written: number;
}

/** Little-endian memory. */
export class GuestRam {
  constructor(readonly kit: Bench) {}

  bytes(at: number, size: number): Uint8Array {
    return this.kit.domain.readMemory(at, size);
  }

  put(at: number, bytes: Uint8Array): void {
    this.kit.domain.writeMemory(at, bytes);
  }

  get16(at: number): number {
    const [low, high] = this.bytes(at, 2);
    return low | high << 8;
  }

  get32(at: number): number {
    return new DataView(this.bytes(at, 4).buffer).getUint32(0, true);
  }

  put16(at: number, value: number): void {
    this.put(at, Uint8Array.of(value & 0xff, value >> 8 & 0xff));
  }

  put32(at: number, value: number): void {
    this.put(at, new Uint8Array(new Uint32Array([value]).buffer));
  }

  put64(at: number, value: bigint): void {
    this.put(at, new Uint8Array(new BigUint64Array([value]).buffer));
  }
}

/** Where a queue's areas lie. */
export interface Areas {
  readonly descriptors: number;
  readonly driver: number;
  readonly device: number;
}

/** What both layouts offer. */
export interface DriverQueue {
  readonly free: number;
  /** Makes a chain available; with `table`, through an indirect table there. Returns its id. */
  add(pieces: readonly Piece[], table?: number): number;
  /** Shows what was added. */
  publish(): void;
  /** Takes the next used buffer. */
  take(): Used | undefined;
  /** Interrupt for the used buffer that is `ahead` from the next one (event index). */
  event(ahead: number): void;
}

const [NEXT, WRITE, INDIRECT] = [1, 2, 4];
const [AVAIL, USED] = [1 << 7, 1 << 15];

/** Split layout. */
export class SplitDriver implements DriverQueue {
  readonly #free: number[];
  readonly #chains = new Map<number, number[]>();
  #available = 0;
  #used = 0;

  constructor(readonly ram: GuestRam, readonly areas: Areas, readonly size: number) {
    this.#free = Array.from({ length: size }, (_, n) => (n * 7 + 3) % size).filter((n, at, all) => all.indexOf(n) === at);
    for (let n = 0; n < size; n++) if (!this.#free.includes(n)) this.#free.push(n);
  }

  get free(): number {
    return this.#free.length;
  }

  descriptor(table: number, index: number, at: number | bigint, size: number, flags: number, next: number): void {
    const entry = table + 16 * index;
    this.ram.put64(entry, BigInt(at));
    this.ram.put32(entry + 8, size);
    this.ram.put16(entry + 12, flags);
    this.ram.put16(entry + 14, next);
  }

  add(pieces: readonly Piece[], table?: number): number {
    const indexes = this.#free.splice(0, table === undefined ? pieces.length : 1);
    const places = table === undefined ? indexes : pieces.map((_, n) => n);
    for (const [n, { at, size, write }] of pieces.entries()) {
      const more = n + 1 < pieces.length;
      this.descriptor(
        table ?? this.areas.descriptors,
        places[n],
        at,
        size,
        (more ? NEXT : 0) | (write ? WRITE : 0),
        more ? places[n + 1] : 0,
      );
    }
    if (table !== undefined) this.descriptor(this.areas.descriptors, indexes[0], table, 16 * pieces.length, INDIRECT, 0);
    this.#chains.set(indexes[0], indexes);
    this.offer(indexes[0]);
    return indexes[0];
  }

  /** Any head into the available ring. */
  offer(head: number): void {
    this.ram.put16(this.areas.driver + 4 + 2 * (this.#available % this.size), head);
    this.#available = this.#available + 1 & 0xffff;
  }

  publish(index: number = this.#available): void {
    this.ram.put16(this.areas.driver + 2, index);
  }

  take(): Used | undefined {
    if (this.ram.get16(this.areas.device + 2) === this.#used) return undefined;
    const entry = this.areas.device + 4 + 8 * (this.#used % this.size);
    this.#used = this.#used + 1 & 0xffff;
    const id = this.ram.get32(entry);
    this.#free.push(...this.#chains.get(id)!);
    this.#chains.delete(id);
    return { id, written: this.ram.get32(entry + 4) };
  }

  event(ahead: number): void {
    this.ram.put16(this.areas.driver + 4 + 2 * this.size, this.#used + ahead & 0xffff);
  }
}

/** Packed layout. */
export class PackedDriver implements DriverQueue {
  readonly #entries = new Map<number, number>();
  readonly #heads: (() => void)[] = [];
  #next = 0;
  #wrap = true;
  #used = 0;
  #usedWrap = true;
  #ids = 0;
  free: number;

  constructor(readonly ram: GuestRam, readonly areas: Areas, readonly size: number) {
    this.free = size;
  }

  descriptor(table: number, index: number, at: number | bigint, size: number, id: number, flags: number): void {
    const entry = table + 16 * index;
    this.ram.put64(entry, BigInt(at));
    this.ram.put32(entry + 8, size);
    this.ram.put16(entry + 12, id);
    this.ram.put16(entry + 14, flags);
  }

  add(pieces: readonly Piece[], table?: number): number {
    const id = this.#ids = this.#ids + 1 & 0xffff;
    const own = table === undefined ? pieces : [{ at: table, size: 16 * pieces.length, write: false }];
    if (table !== undefined) pieces.forEach(({ at, size, write }, n) => this.descriptor(table, n, at, size, 0, write ? WRITE : 0));
    const [head, headFlags] = [this.#next, [0]];
    for (const [n, { at, size, write }] of own.entries()) {
      const flags = (n + 1 < own.length ? NEXT : 0) | (write ? WRITE : 0) | (table === undefined ? 0 : INDIRECT) |
        (this.#wrap ? AVAIL : USED);
      // The head's flags make it available: when it is published.
      if (n === 0) headFlags[0] = flags;
      const stale = this.#wrap ? USED : AVAIL;
      this.descriptor(this.areas.descriptors, this.#next, at, size, id, n === 0 ? stale : flags);
      if (++this.#next === this.size) [this.#next, this.#wrap] = [0, !this.#wrap];
    }
    this.#heads.push(() => this.ram.put16(this.areas.descriptors + 16 * head + 14, headFlags[0]));
    this.#entries.set(id, own.length);
    this.free -= own.length;
    return id;
  }

  publish(): void {
    for (const show of this.#heads.splice(0).reverse()) show();
  }

  take(): Used | undefined {
    const entry = this.areas.descriptors + 16 * this.#used;
    const flags = this.ram.get16(entry + 14);
    const [available, used] = [(flags & AVAIL) !== 0, (flags & USED) !== 0];
    if (available !== used || used !== this.#usedWrap) return undefined;
    const id = this.ram.get16(entry + 12);
    const count = this.#entries.get(id)!;
    this.#entries.delete(id);
    this.free += count;
    this.#used += count;
    if (this.#used >= this.size) [this.#used, this.#usedWrap] = [this.#used - this.size, !this.#usedWrap];
    return { id, written: this.ram.get32(entry + 8) };
  }

  event(ahead: number): void {
    const position = this.#used + ahead;
    const wrap = position >= this.size ? !this.#usedWrap : this.#usedWrap;
    this.ram.put16(this.areas.driver, position % this.size | (wrap ? 0x8000 : 0));
    this.ram.put16(this.areas.driver + 2, 2);
  }
}
