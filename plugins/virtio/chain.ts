/**
 * Descriptors to chains (Virtio 1.2, "The Virtqueue Descriptor Table", "Indirect Descriptors"), for both layouts.
 *
 * A hostile driver may write anything: a chain is copied once, checked, and what was checked is what is used. Lengths of zero, addresses
 * outside RAM, readable parts behind writable ones, tables in tables and chains without end are refused.
 */
import { QueueError } from "./guest_memory.ts";
import type { GuestMemory } from "./guest_memory.ts";
import type { Chain, Segment } from "./ring.ts";

/** Bytes of a descriptor, in both layouts. */
export const DESCRIPTOR_BYTES = 16;
/** Descriptors that a chain may have, those of an indirect table included; more only where the queue itself is longer. */
export const CHAIN_LIMIT = 1024;

/** Descriptor flags. AVAIL and USED: packed only. */
export const Flag = { NEXT: 1, WRITE: 2, INDIRECT: 4, AVAIL: 1 << 7, USED: 1 << 15 } as const;

/** A descriptor. `last16` is `next` or `flags`, by layout; see the readers below. */
export interface Descriptor {
  readonly at: number;
  readonly size: number;
  readonly flags: number;
  /** Split: `next`. Packed: `id`. */
  readonly link: number;
}

/** Address: beyond 2^53 it isn't exact, but no less out of range. */
const wide = (view: DataView, at: number) => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;

/** Split layout: address, length, flags, next. Packed: address, length, id, flags. */
export function parseDescriptor(bytes: Uint8Array, index: number, packed: boolean): Descriptor {
  const view = new DataView(bytes.buffer, bytes.byteOffset + index * DESCRIPTOR_BYTES, DESCRIPTOR_BYTES);
  const [first, second] = [view.getUint16(12, true), view.getUint16(14, true)];
  return { at: wide(view, 0), size: view.getUint32(8, true), flags: packed ? second : first, link: packed ? first : second };
}

/** Collects the pieces of one chain. */
export class ChainBuilder {
  readonly #readable: Segment[] = [];
  readonly #writable: Segment[] = [];
  #count = 0;

  constructor(private readonly memory: GuestMemory, private readonly limit: number) {}

  /** One piece. */
  add({ at, size, flags }: Descriptor): void {
    if (++this.#count > this.limit) throw new QueueError(`a chain of more than ${this.limit} descriptors`);
    if (size === 0) throw new QueueError("a descriptor of length 0");
    if (!this.memory.holds(at, size)) {
      throw new QueueError(`a descriptor of ${size} bytes at IPA 0x${at.toString(16)}: not all of it is guest RAM`);
    }
    if ((flags & Flag.WRITE) !== 0) this.#writable.push({ at, size });
    else if (this.#writable.length > 0) throw new QueueError("a device-readable descriptor behind a device-writable one");
    else this.#readable.push({ at, size });
  }

  /** The table that an indirect descriptor names, copied; it holds until the next one is asked for. */
  table({ at, size, flags }: Descriptor, allowed: boolean): { readonly bytes: Uint8Array; readonly length: number } {
    if (!allowed) throw new QueueError("an indirect descriptor that wasn't negotiated");
    if ((flags & Flag.NEXT) !== 0) throw new QueueError("an indirect descriptor with a next one");
    if (size === 0 || size % DESCRIPTOR_BYTES !== 0) throw new QueueError(`an indirect table of ${size} bytes`);
    const length = size / DESCRIPTOR_BYTES;
    if (length > this.limit) throw new QueueError(`an indirect table of ${length} descriptors`);
    return { bytes: this.memory.borrow(at, size), length };
  }

  /** The whole. */
  finish(id: number, entries: number): Chain {
    return { id, entries, readable: this.#readable, writable: this.#writable };
  }
}
