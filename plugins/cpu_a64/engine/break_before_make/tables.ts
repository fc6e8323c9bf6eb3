/**
 * Frames that walks have found translation tables in: a copy of each shows what a store changed. A frame is watched
 * while a table that is in force leads to it; afterwards it may be anything.
 */
import type { RegimeNumber, Writer } from "./remembered.ts";

/** What a table frame maps, as one walk has reached it. */
export interface Use {
  readonly frame: TableFrame;
  readonly regime: RegimeNumber;
  readonly vmid: number;
  /** ASID of the latest walk. */
  asid: number;
  readonly level: number;
  /** VA or IPA >> 12 of the frame's first entry. */
  readonly vpn: number;
  /** log2 of what an entry maps. */
  readonly bits: number;
  /** log2 of a table's size. */
  readonly granule: number;
  /** Where the table begins, as the descriptor or base register says it (IPA or PA). */
  readonly table: number;
  /** The table above, and the entry in it; `undefined` for a root. */
  readonly parent: Use | undefined;
  readonly parentIndex: number;
  /** The upper VA range, TTBR1_EL1's. */
  readonly isUpper: boolean;
}

/** One frame. */
export interface TableFrame {
  /** PA. */
  readonly pa: number;
  /** Byte offset in the shared memory. */
  readonly host: number;
  readonly copy: Uint32Array;
  readonly uses: Map<string, Use>;
  /** Who wrote which entry last, while it was watched. */
  readonly writers: Map<number, Writer>;
  /** Writes that changed it while nothing in force led to it. */
  idleWrites: number;
}

const FRAME = 4096;
/** Most ways to a frame that are kept: a guest may have the same table in any number of places. */
export const MOST_USES = 256;

/** The frames. */
export class TableFrames {
  /** By frame number of the shared memory: 1 when it is watched. */
  readonly #watched: Uint8Array;
  readonly #frames = new Map<number, TableFrame>();
  /** Uses that were kept since they were counted last. */
  #uses = 0;

  /**
   * @param protect makes every write to a frame of the shared memory come past `written` from now on
   * @param limit most uses that are kept, about
   */
  constructor(readonly words: () => Uint32Array, readonly protect: (frame: number) => void, readonly limit: number) {
    this.#watched = new Uint8Array(Math.ceil(words().length / 1024));
  }

  /** True when stores to this byte of the shared memory must be seen. */
  watches(host: number): boolean {
    return this.#watched[host >>> 12] === 1;
  }

  /** The frame at a byte of the shared memory, when it is watched. */
  find(host: number): TableFrame | undefined {
    return this.#frames.get(host >>> 12);
  }

  /** The frame; watched from now on. */
  watch(pa: number, host: number): TableFrame {
    const number = host >>> 12;
    const found = this.#frames.get(number);
    if (found) return found;
    const first = number << 10;
    const frame: TableFrame = {
      pa: pa - pa % FRAME,
      host: number * FRAME,
      copy: new Uint32Array(this.words().subarray(first, first + 1024)),
      uses: new Map(),
      writers: new Map(),
      idleWrites: 0,
    };
    this.#frames.set(number, frame);
    this.#watched[number] = 1;
    this.protect(number);
    return frame;
  }

  /** Keeps a use of a frame, by whatever tells it from others. Of too many the oldest goes; of too many in all frames, all others do. */
  keep(key: string, use: Use): void {
    const { uses } = use.frame;
    if (!uses.has(key) && uses.size >= MOST_USES) uses.delete(uses.keys().next().value!);
    uses.set(key, use);
    if (++this.#uses < this.limit) return;
    const frames = [...this.#frames.values()];
    this.#uses = frames.reduce((sum, { uses }) => sum + uses.size, 0);
    if (this.#uses < this.limit / 2) return;
    for (const frame of frames) if (frame !== use.frame) this.release(frame);
    this.#uses = uses.size;
  }

  /** Writes go unseen from now on. */
  release(frame: TableFrame): void {
    this.#frames.delete(frame.host >>> 12);
    this.#watched[frame.host >>> 12] = 0;
  }

  get count(): number {
    return this.#frames.size;
  }
}
