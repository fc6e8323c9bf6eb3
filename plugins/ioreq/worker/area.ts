/**
 * The memory that a Worker shares with the hypervisor: the two pages of its ioreq server, and beside them what a device needs beyond
 * answering accesses. All of it may be overwritten by the Worker at any time; `../link.ts` is where the hypervisor reads it.
 *
 * - control: words, see {@linkcode Word}
 * - posts: a byte ring of records from the device, see `posts.ts`
 * - call: arguments and results of what the device waits for
 * - mirrors: two copies of the device's state, written in turns
 */

const PAGE = 4096;
/** Bytes of the ring of posts. */
export const POST_BYTES = 2 ** 20;
/** Bytes that a call can carry. */
export const CALL_BYTES = 2 ** 20;
/** Bytes of state that a device may have. */
export const MIRROR_BYTES = 2 ** 20;

const CONTROL_AT = 2 * PAGE;
const POSTS_AT = 3 * PAGE;
const CALL_AT = POSTS_AT + POST_BYTES;
const MIRRORS_AT = CALL_AT + CALL_BYTES;
const AREA_BYTES = MIRRORS_AT + 2 * MIRROR_BYTES;

/** 32-bit words of the control page. */
export const Word = {
  /** Rises when the hypervisor has something for the Worker. */
  DOORBELL: 0,
  /** Rises when the Worker has something for the hypervisor. */
  BELL: 1,
  /** {@linkcode Phase}. */
  PHASE: 2,
  /** Bytes posted so far, modulo 2^32: the Worker's. */
  POSTED: 3,
  /** Bytes taken so far: the hypervisor's. */
  TAKEN: 4,
  /** {@linkcode Turn} of the call, and what it is. */
  CALL: 5,
  CALL_KIND: 6,
  CALL_SIZE: 7,
  CALL_DISK: 8,
  /** 1: done; 0: refused. */
  CALL_RESULT: 9,
  /** {@linkcode Turn} of the event, and what it is. */
  EVENT: 10,
  EVENT_KIND: 11,
  EVENT_A: 12,
  EVENT_B: 13,
  /** Which mirror holds the state, and how long it is. */
  MIRROR: 14,
  MIRROR_SIZE: 15,
  /** Length of the text in the call area when it failed. */
  FAILURE_SIZE: 16,
  /** The slot that the doorbell rang for; none: -1. */
  SLOT: 17,
  /** Not 0: whoever still runs here has nothing to do with the device any more, and ends. */
  QUIT: 18,
} as const;

/** 64-bit floating-point numbers of the control page. */
export const Double = {
  /** Virtual time of the request that is served. */
  NOW: 64,
  CALL_AT: 65,
} as const;

/** What a Worker is doing. */
export const Phase = { STARTING: 0, RUNNING: 1, REFUSED: 2, CRASHED: 3 } as const;
/** Whose turn it is with a call or an event. */
export const Turn = { IDLE: 0, ASKED: 1, ANSWERED: 2 } as const;

/** Pages that one call fetches. */
export const PAGES_LIMIT = 16;
/** What a device may wait for. */
export const CallKind = { READ: 1, RANDOM: 2, DISK_READ: 3, DISK_WRITE: 4, DISK_FLUSH: 5, DRAIN: 6, PAGES: 7 } as const;
/** What a device may be told. */
export const EventKind = { TIMER: 1, SERIAL: 2, INPUT: 3, STOPPED: 4, RING: 5 } as const;

/** Views of it, for either side. */
export class Area {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly posts: Uint8Array;
  readonly call: Uint8Array;
  readonly mirrors: readonly [Uint8Array, Uint8Array];
  /** Offsets of the server's pages. */
  readonly pages = { sync: 0, buffered: PAGE };

  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(AREA_BYTES)) {
    this.words = new Int32Array(shared, CONTROL_AT, PAGE / 4);
    this.doubles = new Float64Array(shared, CONTROL_AT, PAGE / 8);
    this.posts = new Uint8Array(shared, POSTS_AT, POST_BYTES);
    this.call = new Uint8Array(shared, CALL_AT, CALL_BYTES);
    this.mirrors = [new Uint8Array(shared, MIRRORS_AT, MIRROR_BYTES), new Uint8Array(shared, MIRRORS_AT + MIRROR_BYTES, MIRROR_BYTES)];
  }

  /** Rings: whoever waits for a word looks again. */
  ring(word: number): void {
    Atomics.add(this.words, word, 1);
    Atomics.notify(this.words, word);
  }
}
