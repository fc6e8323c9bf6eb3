/** A chain as a device sees it: offsets instead of addresses, copies instead of memory. */
import { QueueError } from "./guest_memory.ts";
import type { GuestMemory } from "./guest_memory.ts";
import type { VirtioBuffer } from "./model.ts";
import type { Chain, Segment } from "./ring.ts";

const total = (segments: readonly Segment[]) => segments.reduce((sum, { size }) => sum + size, 0);

/** Calls `visit` for each piece of guest memory under bytes `offset` to `offset + size`. */
function pieces(segments: readonly Segment[], offset: number, size: number, visit: (at: number, from: number, size: number) => void): void {
  let start = 0;
  for (const segment of segments) {
    const first = Math.max(offset, start);
    const last = Math.min(offset + size, start + segment.size);
    if (first < last) visit(segment.at + first - start, first - offset, last - first);
    start += segment.size;
    if (start >= offset + size) return;
  }
}

/** Made for one chain, valid while the device answers it. */
export class ChainBuffer implements VirtioBuffer {
  readonly readable: number;
  readonly writable: number;

  constructor(private readonly chain: Chain, private readonly memory: GuestMemory) {
    this.readable = total(chain.readable);
    this.writable = total(chain.writable);
  }

  read(offset: number = 0, size: number = this.readable - offset): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(size, this.readable - offset)));
    this.readInto(offset, bytes);
    return bytes;
  }

  readInto(offset: number, into: Uint8Array): void {
    pieces(this.chain.readable, offset, into.length, (at, from, count) => this.memory.readInto(at, into.subarray(from, from + count)));
  }

  write(offset: number, bytes: Uint8Array): void {
    pieces(this.chain.writable, offset, bytes.length, (at, from, count) => this.memory.write(at, bytes.subarray(from, from + count)));
  }

  reject(why: string): never {
    throw new QueueError(why);
  }
}
