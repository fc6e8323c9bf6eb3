/**
 * The page of synchronous requests: a slot of 32 bytes for each vCPU (Xen, public/hvm/ioreq.h, `struct ioreq`), little-endian.
 *
 * What can a hostile back-end do here? It can write anything at any time. So nothing that the hypervisor relies on is read back from the
 * page but the state, the answer's data and the port; each is read once, checked, and the copy is used.
 */

/** Bytes of a page. */
export const PAGE_BYTES = 4096;
/** Bytes of a slot. */
export const SLOT_BYTES = 32;
/** Slots of a page: the most vCPUs of a domain. */
export const SLOTS = PAGE_BYTES / SLOT_BYTES;

/** States of a slot, in the only order in which they may follow each other. */
export const State = { NONE: 0, READY: 1, INPROCESS: 2, RESP_READY: 3 } as const;
/** Types of requests. */
export const RequestType = { PIO: 0, COPY: 1, PCI_CONFIG: 2, TIMEOFFSET: 7, INVALIDATE: 8 } as const;

/** Byte offsets within a slot. */
const At = { addr: 0, data: 8, count: 16, size: 20, port: 24, bits: 30, type: 31 } as const;
const STATE_MASK = 15;
const DIR_READ = 1 << 5;

/** A request, without its state. */
export interface Request {
  /** IPA. */
  readonly addr: bigint;
  /** What is written; 0 for a read. */
  readonly data: bigint;
  /** Bytes: 1, 2, 4 or 8. */
  readonly size: number;
  /** Its direction. */
  readonly write: boolean;
  /** One of {@linkcode RequestType}. */
  readonly type: number;
}

/** The page, as either side sees it. */
export class IoreqPage {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** 4 KiB of shared memory at an offset. */
  constructor(buffer: ArrayBufferLike, offset: number) {
    this.#bytes = new Uint8Array(buffer, offset, PAGE_BYTES);
    this.#view = new DataView(buffer, offset, PAGE_BYTES);
  }

  /** 0 to 15: what a hostile back-end wrote may be none of {@linkcode State}. */
  state(slot: number): number {
    return Atomics.load(this.#bytes, slot * SLOT_BYTES + At.bits) & STATE_MASK;
  }

  /** Moves a slot from one state to another. False, and nothing changed, when it is in neither. */
  move(slot: number, from: number, to: number): boolean {
    const at = slot * SLOT_BYTES + At.bits;
    const bits = Atomics.load(this.#bytes, at);
    if ((bits & STATE_MASK) !== from) return false;
    return Atomics.compareExchange(this.#bytes, at, bits, bits & ~STATE_MASK | to) === bits;
  }

  /** Whose event channel the slot says. */
  port(slot: number): number {
    return this.#view.getUint32(slot * SLOT_BYTES + At.port, true);
  }

  /** Tells the back-end the event channel of a vCPU. */
  setPort(slot: number, port: number): void {
    this.#view.setUint32(slot * SLOT_BYTES + At.port, port, true);
  }

  /** Fills a slot and makes it READY: the state comes last. */
  publish(slot: number, { addr, data, size, write, type }: Request): void {
    const at = slot * SLOT_BYTES;
    const view = this.#view;
    view.setBigUint64(at + At.addr, addr, true);
    view.setBigUint64(at + At.data, data, true);
    view.setUint32(at + At.count, 1, true);
    view.setUint32(at + At.size, size, true);
    view.setUint16(at + At.port + 4, 0, true);
    this.#bytes[at + At.type] = type;
    Atomics.store(this.#bytes, at + At.bits, State.READY | (write ? 0 : DIR_READ));
  }

  /** The request in a slot, copied. */
  request(slot: number): Request {
    const at = slot * SLOT_BYTES;
    const view = this.#view;
    return {
      addr: view.getBigUint64(at + At.addr, true),
      data: view.getBigUint64(at + At.data, true),
      size: view.getUint32(at + At.size, true),
      write: (view.getUint8(at + At.bits) & DIR_READ) === 0,
      type: view.getUint8(at + At.type),
    };
  }

  /** The data of the answer to a read. */
  data(slot: number): bigint {
    return this.#view.getBigUint64(slot * SLOT_BYTES + At.data, true);
  }

  /** The back-end's answer. */
  setData(slot: number, data: bigint): void {
    this.#view.setBigUint64(slot * SLOT_BYTES + At.data, data, true);
  }

  /** A slot without a request, whatever is in it. */
  clear(slot: number): void {
    Atomics.store(this.#bytes, slot * SLOT_BYTES + At.bits, State.NONE);
  }
}
