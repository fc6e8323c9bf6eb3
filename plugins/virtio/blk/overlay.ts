/** Writes that go to memory and vanish: a disk over another one. */
import type { Disk } from "../../../core/mod.ts";

/** Bytes that are copied together. */
const BLOCK = 0x1_0000;
/** Bytes of memory that a block takes: about so many where it has no contents. */
const room = ({ length }: Uint8Array) => length || 64;

/** Written blocks, by number; one of no length reads as zeroes. */
export type OverlayBlocks = Map<number, Uint8Array>;

/** What was written comes from memory, the rest from below. */
export class OverlayDisk implements Disk {
  readonly writable = true;
  /** Bytes of memory that are taken. */
  #taken = 0;

  /** `limit`: bytes of memory that may be taken; a write beyond it fails. */
  constructor(private readonly below: Disk, private readonly blocks: OverlayBlocks, private readonly limit: number) {
    for (const block of blocks.values()) this.#taken += room(block);
  }

  get sizeBytes(): number {
    return this.below.sizeBytes;
  }

  read(offset: number, into: Uint8Array): void {
    this.#each(offset, into.length, (block, within, size, done) => {
      const copy = this.blocks.get(block);
      const part = into.subarray(done, done + size);
      if (copy === undefined) this.below.read(block * BLOCK + within, part);
      else if (copy.length === 0) part.fill(0);
      else part.set(copy.subarray(within, within + size));
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#each(offset, bytes.length, (block, within, size, done) => this.#own(block).set(bytes.subarray(done, done + size), within));
  }

  zero(offset: number, count: number): void {
    this.#each(offset, count, (block, within, size) => {
      if (size === BLOCK) this.#put(block, new Uint8Array(0));
      else this.#own(block).fill(0, within, within + size);
    });
  }

  /** Whole blocks give their memory back. */
  discard(offset: number, count: number): void {
    this.#each(offset, count, (block, _, size) => {
      if (size === BLOCK) this.#put(block, new Uint8Array(0));
    });
  }

  flush(): void {}

  close(): void {
    this.below.close();
  }

  #own(block: number): Uint8Array {
    const there = this.blocks.get(block);
    if (there !== undefined && there.length > 0) return there;
    const copy = new Uint8Array(BLOCK);
    if (there === undefined) this.below.read(block * BLOCK, copy);
    this.#put(block, copy);
    return copy;
  }

  #put(block: number, bytes: Uint8Array): void {
    const there = this.blocks.get(block);
    const taken = this.#taken + room(bytes) - (there === undefined ? 0 : room(there));
    if (taken > this.#taken && taken > this.limit) throw new Error(`the snapshot has its ${this.limit} bytes of memory`);
    this.#taken = taken;
    this.blocks.set(block, bytes);
  }

  #each(offset: number, count: number, visit: (block: number, within: number, size: number, done: number) => void): void {
    for (let done = 0; done < count;) {
      const within = (offset + done) % BLOCK;
      const size = Math.min(count - done, BLOCK - within);
      visit((offset + done - within) / BLOCK, within, size, done);
      done += size;
    }
  }
}
