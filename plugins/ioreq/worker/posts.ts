/**
 * Records that a device posts and doesn't wait for. All records of a request take effect together, when it is answered.
 *
 * A record: its length with this header (4 bytes), its kind (4 bytes), two numbers of 8 bytes each, then bytes, padded to 8.
 */
import { POST_BYTES, Word } from "./area.ts";
import type { Area } from "./area.ts";

/** Bytes before those of the record's own. */
const HEADER = 24;

/** Kinds of records. */
export const PostKind = { DMA_WRITE: 1, LINE: 2, TIMER: 3, SERIAL: 4, TRACE: 5, RESET: 6 } as const;

/** A record, copied. */
export interface Post {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly bytes: Uint8Array;
}

/** Bytes of one record at most: longer ones are divided. */
export const LONGEST_POST = POST_BYTES / 4 - HEADER;

/** The Worker's side. */
export class PostWriter {
  #posted = 0;
  readonly #header = new DataView(new ArrayBuffer(HEADER));

  /** `drain`: asks the hypervisor to take what is there; comes back when it did. */
  constructor(private readonly area: Area, private readonly drain: () => void) {}

  post(kind: number, a: number, b: number, bytes: Uint8Array = new Uint8Array(0)): void {
    const length = Math.ceil((HEADER + bytes.length) / 8) * 8;
    const used = () => (this.#posted - (Atomics.load(this.area.words, Word.TAKEN) >>> 0)) >>> 0;
    if (used() + length > POST_BYTES) this.drain();
    const header = this.#header;
    header.setUint32(0, HEADER + bytes.length, true);
    header.setUint32(4, kind, true);
    header.setFloat64(8, a, true);
    header.setFloat64(16, b, true);
    this.#copy(this.#posted, new Uint8Array(header.buffer));
    this.#copy(this.#posted + HEADER, bytes);
    this.#posted = (this.#posted + length) >>> 0;
    Atomics.store(this.area.words, Word.POSTED, this.#posted | 0);
  }

  #copy(position: number, bytes: Uint8Array): void {
    const at = position % POST_BYTES;
    const first = bytes.subarray(0, POST_BYTES - at);
    this.area.posts.set(first, at);
    if (first.length < bytes.length) this.area.posts.set(bytes.subarray(first.length), 0);
  }
}

/** The hypervisor's side. Every number in the ring is whatever the Worker wants it to be. */
export class PostReader {
  #taken = 0;

  constructor(private readonly area: Area) {}

  /** Takes all records that are there, copied. Throws a `RangeError` that says how the ring is broken. */
  take(): Post[] {
    const { words, posts } = this.area;
    const available = ((Atomics.load(words, Word.POSTED) >>> 0) - this.#taken) >>> 0;
    if (available === 0) return [];
    if (available > POST_BYTES) throw new RangeError(`the ring holds ${available} bytes, it has ${POST_BYTES}`);
    // One copy, which nobody changes while it is looked at.
    const copy = new Uint8Array(available);
    const at = this.#taken % POST_BYTES;
    const first = Math.min(available, POST_BYTES - at);
    copy.set(posts.subarray(at, at + first));
    copy.set(posts.subarray(0, available - first), first);
    const view = new DataView(copy.buffer);
    const taken: Post[] = [];
    for (let start = 0; start < available;) {
      const length = available - start >= HEADER ? view.getUint32(start, true) : 0;
      const padded = Math.ceil(length / 8) * 8;
      if (length < HEADER || padded > available - start) {
        throw new RangeError(`a record of ${length} bytes, ${available - start} are there`);
      }
      taken.push({
        kind: view.getUint32(start + 4, true),
        a: view.getFloat64(start + 8, true),
        b: view.getFloat64(start + 16, true),
        bytes: copy.subarray(start + HEADER, start + length),
      });
      start += padded;
    }
    this.#taken = (this.#taken + available) >>> 0;
    Atomics.store(words, Word.TAKEN, this.#taken | 0);
    return taken;
  }
}
