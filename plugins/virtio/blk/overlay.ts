/** Writes that go to memory and vanish: a disk over another one. */
import type { Disk } from "../../../core/mod.ts";

/** Bytes that are copied together. */
const BLOCK = 0x1_0000;

/** Written blocks, by number. */
export type OverlayBlocks = Map<number, Uint8Array>;

/** What was written comes from memory, the rest from below. */
export class OverlayDisk implements Disk {
  readonly writable = true;

  /** `limit`: bytes of memory that may be taken; a write beyond it fails. */
  constructor(private readonly below: Disk, private readonly blocks: OverlayBlocks, private readonly limit: number) {}

  get sizeBytes(): number {
    return this.below.sizeBytes;
  }

  read(offset: number, into: Uint8Array): void {
    this.#each(offset, into, (block, within, part) => {
      const copy = this.blocks.get(block);
      if (copy === undefined) this.below.read(block * BLOCK + within, part);
      else part.set(copy.subarray(within, within + part.length));
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#each(offset, bytes, (block, within, part) => this.#own(block).set(part, within));
  }

  flush(): void {}

  close(): void {
    this.below.close();
  }

  #own(block: number): Uint8Array {
    let copy = this.blocks.get(block);
    if (copy !== undefined) return copy;
    if ((this.blocks.size + 1) * BLOCK > this.limit) throw new Error(`the snapshot has its ${this.limit} bytes of memory`);
    copy = new Uint8Array(BLOCK);
    this.below.read(block * BLOCK, copy);
    this.blocks.set(block, copy);
    return copy;
  }

  #each(offset: number, bytes: Uint8Array, visit: (block: number, within: number, part: Uint8Array) => void): void {
    for (let done = 0; done < bytes.length;) {
      const within = (offset + done) % BLOCK;
      const count = Math.min(bytes.length - done, BLOCK - within);
      visit((offset + done - within) / BLOCK, within, bytes.subarray(done, done + count));
      done += count;
    }
  }
}
