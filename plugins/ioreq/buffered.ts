/**
 * The ring of buffered writes: a read and a write pointer, then 511 slots of 8 bytes (Xen, public/hvm/ioreq.h, `struct buffered_iopage`).
 *
 * What can a hostile back-end do here? It can write both pointers and every slot. The hypervisor keeps its own write pointer, never follows
 * an index that it didn't compute, and gives up a compare-and-exchange after a few tries.
 */

/** Slots of the ring. */
export const RING_SLOTS = 511;
/** Addresses that fit. */
export const RING_ADDRESSES = 2 ** 20;
/** How `handle_bufioreq` is answered. */
export const Buffering = { OFF: 0, LEGACY: 1, ATOMIC: 2 } as const;

/** Tries to bring both pointers down while the other side moves one of them. */
const EXCHANGES = 8;
const HEADER_BYTES = 8;

/** A write that nobody waits for. */
export interface BufferedWrite {
  readonly type: number;
  readonly addr: number;
  /** Bytes: 1, 2, 4 or 8. */
  readonly size: number;
  readonly data: bigint;
}

/** What became of a write. `lie`: the pointers are none that the other side may have written. */
export type Pushed = "sent" | "full" | "lie";

/** The hypervisor's side. */
export class RingProducer {
  readonly #pointers: BigUint64Array;
  readonly #halves: Uint32Array;
  readonly #slots: DataView;
  #write = 0;

  constructor(buffer: ArrayBufferLike, offset: number, readonly atomic: boolean) {
    this.#pointers = new BigUint64Array(buffer, offset, 1);
    this.#halves = new Uint32Array(buffer, offset, 2);
    this.#slots = new DataView(buffer, offset + HEADER_BYTES, RING_SLOTS * 8);
    Atomics.store(this.#pointers, 0, 0n);
  }

  /** True when a write has a place in the public layout. */
  static fits({ addr, size }: { readonly addr: number; readonly size: number }): boolean {
    return addr < RING_ADDRESSES && (size === 1 || size === 2 || size === 4 || size === 8);
  }

  /** Puts a write in. */
  push({ type, addr, size, data }: BufferedWrite): Pushed {
    if (Atomics.load(this.#halves, 1) !== this.#write) return "lie";
    const used = (this.#write - Atomics.load(this.#halves, 0)) >>> 0;
    if (used > RING_SLOTS) return "lie";
    const taken = size === 8 ? 2 : 1;
    if (used + taken > RING_SLOTS) return "full";
    const head = (type & 0xff | Math.log2(size) << 10 | addr << 12) >>> 0;
    for (let n = 0; n < taken; n++) {
      const at = (this.#write + n) % RING_SLOTS * 8;
      this.#slots.setUint32(at, head, true);
      this.#slots.setUint32(at + 4, Number(data >> BigInt(32 * n) & 0xffff_ffffn), true);
    }
    const before = this.#write;
    this.#write = (this.#write + taken) >>> 0;
    // By exchange: were it stored, a scribble in between would go unseen.
    if (Atomics.compareExchange(this.#halves, 1, before, this.#write) !== before) return "lie";
    if (this.atomic) this.#canonicalise();
    return "sent";
  }

  /** Brings both pointers below the ring's length, so that they never wrap at 2^32, where 511 doesn't divide. */
  #canonicalise(): void {
    for (let tries = 0; tries < EXCHANGES; tries++) {
      const both = Atomics.load(this.#pointers, 0);
      const read = Number(both & 0xffff_ffffn);
      const rounds = Math.floor(read / RING_SLOTS) * RING_SLOTS;
      if (rounds === 0 || Number(both >> 32n) !== this.#write) return;
      const write = this.#write - rounds;
      if (write < 0) return;
      if (Atomics.compareExchange(this.#pointers, 0, both, BigInt(write) << 32n | BigInt(read - rounds)) !== both) continue;
      this.#write = write;
      return;
    }
  }
}

/** The back-end's side. */
export class RingConsumer {
  readonly #halves: Uint32Array;
  readonly #slots: DataView;

  constructor(buffer: ArrayBufferLike, offset: number) {
    this.#halves = new Uint32Array(buffer, offset, 2);
    this.#slots = new DataView(buffer, offset + HEADER_BYTES, RING_SLOTS * 8);
  }

  /** Takes the oldest write out; `undefined` when there is none. */
  pop(): BufferedWrite | undefined {
    const read = Atomics.load(this.#halves, 0);
    if (read === Atomics.load(this.#halves, 1)) return undefined;
    const slot = (n: number) => (read + n) % RING_SLOTS * 8;
    const head = this.#slots.getUint32(slot(0), true);
    const size = 1 << (head >>> 10 & 3);
    let data = BigInt(this.#slots.getUint32(slot(0) + 4, true));
    if (size === 8) data |= BigInt(this.#slots.getUint32(slot(1) + 4, true)) << 32n;
    // Added, not stored: the other side may have brought both pointers down meanwhile.
    Atomics.add(this.#halves, 0, size === 8 ? 2 : 1);
    return { type: head & 0xff, addr: head >>> 12, size, data };
  }
}
