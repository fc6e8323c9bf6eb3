/**
 * Buddy allocator over frame indexes. A free block of order k holds 2^k frames and starts
 * at a multiple of 2^k. All bookkeeping lies in typed arrays: nothing is allocated per frame.
 */

/** Largest order: 2^18 frames of 4 KiB are 1 GiB. */
export const MAX_ORDER = 18;

const NONE = -1;

/** Free frames `first` to `first + count - 1`; indexes below `first` keep the alignment of addresses and don't exist. */
export class Buddy {
  /** Order of the free block that starts here, or {@linkcode NONE}. */
  readonly #order: Int8Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #heads = new Int32Array(MAX_ORDER + 1).fill(NONE);
  #free = 0;

  constructor(readonly first: number, readonly count: number) {
    const end = first + count;
    this.#order = new Int8Array(end).fill(NONE);
    this.#next = new Int32Array(end);
    this.#previous = new Int32Array(end);
    this.#insertRange(first, end);
  }

  /** For a snapshot: the lists of free blocks, order by order. */
  save(): Int32Array[] {
    return Array.from(this.#heads, (head) => {
      const blocks: number[] = [];
      for (let block = head; block !== NONE; block = this.#next[block]) blocks.push(block);
      return Int32Array.from(blocks);
    });
  }

  /** The counterpart of {@linkcode save}. Throws a `RangeError`, and is of no use then, when blocks overlap or lie outside. */
  load(lists: readonly Int32Array[]): void {
    this.#heads.fill(NONE);
    this.#order.fill(NONE);
    this.#free = 0;
    const end = this.first + this.count;
    const taken = new Uint8Array(end);
    lists.forEach((blocks, order) => {
      for (const block of blocks.toReversed()) {
        const size = 2 ** order;
        const fits = order <= MAX_ORDER && block >= this.first && block + size <= end && block % size === 0;
        if (!fits || taken.subarray(block, block + size).includes(1)) throw new RangeError(`free block ${block} of order ${order}`);
        taken.fill(1, block, block + size);
        this.#link(block, order);
      }
    });
  }

  /** Frames that are free. */
  get free(): number {
    return this.#free;
  }

  /** Takes `2^order` frames, aligned to their size. Returns the first, or `undefined` when no block is large enough. */
  allocate(order: number): number | undefined {
    if (!Number.isInteger(order) || order < 0 || order > MAX_ORDER) return undefined;
    let found = order;
    while (found <= MAX_ORDER && this.#heads[found] === NONE) found++;
    if (found > MAX_ORDER) return undefined;
    const frame = this.#heads[found];
    this.#unlink(frame);
    while (found > order) {
      found--;
      this.#link(frame + (1 << found), found);
    }
    return frame;
  }

  /** Takes a given range. Returns false, and takes nothing, when any of it is taken or outside. */
  allocateRange(first: number, count: number): boolean {
    const end = first + count;
    if (first < this.first || end > this.first + this.count) return false;
    for (let frame = first; frame < end;) {
      const block = this.#blockOf(frame);
      if (block === NONE) return false;
      frame = block + (1 << this.#order[block]);
    }
    for (let frame = first; frame < end;) {
      const block = this.#blockOf(frame);
      const blockEnd = block + (1 << this.#order[block]);
      this.#unlink(block);
      if (block < first) this.#insertRange(block, first);
      if (blockEnd > end) this.#insertRange(end, blockEnd);
      frame = blockEnd;
    }
    return true;
  }

  /** Gives `2^order` frames back and merges them with free neighbours. The caller knows that they were taken. */
  release(frame: number, order: number): void {
    let block = frame;
    let size = order;
    while (size < MAX_ORDER) {
      const buddy = block ^ (1 << size);
      if (buddy < this.first || buddy >= this.first + this.count || this.#order[buddy] !== size) break;
      this.#unlink(buddy);
      block = Math.min(block, buddy);
      size++;
    }
    this.#link(block, size);
  }

  /** Gives frames back that follow each other; the caller knows that they were taken. */
  releaseRange(first: number, count: number): void {
    for (let frame = first; frame < first + count;) {
      let order = 0;
      while (order < MAX_ORDER && frame % (2 << order) === 0 && frame + (2 << order) <= first + count) order++;
      this.release(frame, order);
      frame += 1 << order;
    }
  }

  /** True when a frame is free. */
  isFree(frame: number): boolean {
    return this.#blockOf(frame) !== NONE;
  }

  /** The free block that holds a frame. */
  #blockOf(frame: number): number {
    for (let order = 0; order <= MAX_ORDER; order++) {
      const block = frame - (frame & ((1 << order) - 1));
      if (block >= this.first && this.#order[block] === order) return block;
    }
    return NONE;
  }

  #insertRange(first: number, end: number): void {
    // From the top, so that the lowest addresses are at the heads of the lists and go first.
    for (let top = end; top > first;) {
      let order = 0;
      while (order < MAX_ORDER && (top & ((2 << order) - 1)) === 0 && top - (2 << order) >= first) order++;
      top -= 1 << order;
      this.#link(top, order);
    }
  }

  #link(frame: number, order: number): void {
    const head = this.#heads[order];
    this.#order[frame] = order;
    this.#previous[frame] = NONE;
    this.#next[frame] = head;
    if (head !== NONE) this.#previous[head] = frame;
    this.#heads[order] = frame;
    this.#free += 1 << order;
  }

  #unlink(frame: number): void {
    const order = this.#order[frame];
    const next = this.#next[frame];
    const previous = this.#previous[frame];
    if (previous === NONE) this.#heads[order] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
    this.#order[frame] = NONE;
    this.#free -= 1 << order;
  }
}
