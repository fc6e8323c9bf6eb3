/**
 * The hypervisor's end of a Worker: serves what its device asks for, collects what it posts, and knows when it has failed.
 *
 * What can a hostile Worker do here? Write anything into the shared memory, at any time, also while it is read; ring without end; never
 * answer; eat memory. So every number is read once and checked, what is posted is copied before it is looked at, a request has a deadline,
 * a number of calls and a number of bytes, and growth of the process's memory while a device works counts against it.
 */
import { type Area, CALL_BYTES, CallKind, Double, EventKind, MIRROR_BYTES, PAGES_LIMIT, Phase, Turn, Word } from "./area.ts";
import { launch } from "./launch.ts";
import type { Permissions } from "./launch.ts";
import { PostReader } from "./posts.ts";
import type { Post } from "./posts.ts";
import { Spinner } from "./spin.ts";
import type { Refusal, WorkerStart } from "./start.ts";

const PAGE = 4096;
/** Longest sleep: after it, deadline and memory are looked at. */
const SLEEP_MS = 20;
/** Calls of one request. */
const CALL_LIMIT = 65_536;
/** Bytes that one request may post. */
const POST_LIMIT = 64 * 2 ** 20;
/** Growth of the process during one request. */
const GROWTH_LIMIT = 512 * 2 ** 20;

/** The Worker is of no use any more. */
export class LinkFailure extends Error {
  override readonly name = "LinkFailure";
}

/** The device said no when it started. */
export class StartRefused extends Error {
  override readonly name = "StartRefused";
  constructor(readonly option: string | undefined, message: string) {
    super(message);
  }
}

/** What a device may ask for and wait. */
export interface LinkServices {
  /** Guest memory; undefined when not all of it is there now. Throws a `LinkFailure` for what the device wasn't given: it knows what it was. */
  read(ipa: number, size: number): Uint8Array | undefined;
  random(bytes: number): Uint8Array;
  /** False: the host can't. Throws a `LinkFailure` for a disk that there isn't. */
  diskRead(disk: number, offset: number, into: Uint8Array): boolean;
  diskWrite(disk: number, offset: number, bytes: Uint8Array): boolean;
  diskFlush(disk: number): boolean;
}

/** An event for the device. */
export interface LinkEvent {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly bytes?: Uint8Array;
}

/** What a request has done when it is answered. */
export interface Effects {
  readonly posts: readonly Post[];
  /** The state after it. */
  readonly mirror: Uint8Array;
}

/** One Worker. */
export class WorkerLink {
  readonly area: Area;
  readonly #worker: Worker;
  readonly #reader: PostReader;
  readonly #spinner = new Spinner();
  #posts: Post[] = [];
  #postBytes = 0;
  #calls = 0;
  /** Of the program, when the request began. */
  #rss = 0;
  #beganMs = 0;
  #diesAt: number | undefined;
  #error: string | undefined;

  /** Starts it. Throws when Workers can't be started as they should. */
  constructor(start: WorkerStart, area: Area, permissions: Permissions, private readonly services: LinkServices) {
    this.area = area;
    this.#reader = new PostReader(area);
    this.#worker = launch(start, permissions);
    // Seen when the program's own loop runs again; what has to be known at once is in the shared memory.
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#error ??= event.message;
      Atomics.notify(area.words, Word.PHASE);
    });
    this.begin(0);
  }

  /** Waits until the device is there, asynchronously. Throws a `LinkFailure` or a `StartRefused`. */
  async ready(deadlineMs: number): Promise<Effects> {
    const { words } = this.area;
    const endMs = performance.now() + deadlineMs;
    while (!this.#isReady()) {
      if (this.#error !== undefined) throw new LinkFailure(this.#error);
      if (performance.now() > endMs) throw new LinkFailure(`it didn't start in ${deadlineMs} ms`);
      const bell = Atomics.load(words, Word.BELL);
      if (this.step()) continue;
      const waiting = Atomics.waitAsync(words, Word.BELL, bell, SLEEP_MS);
      if (waiting.async) await waiting.value;
    }
    return this.effects();
  }

  /** The same while the program's loop stands still. */
  readyNow(deadlineMs: number): Effects {
    this.wait(() => this.#isReady(), deadlineMs);
    return this.effects();
  }

  #isReady(): boolean {
    this.#alive();
    return Atomics.load(this.area.words, Word.PHASE) === Phase.RUNNING;
  }

  /** A request begins, at a virtual time. */
  begin(nowNs: number): void {
    this.area.doubles[Double.NOW] = nowNs;
    this.#calls = 0;
    this.#rss = 0;
    this.#beganMs = performance.now();
  }

  /** There is a request in a slot. */
  ring(slot: number): void {
    this.area.words[Word.SLOT] = slot;
    this.area.ring(Word.DOORBELL);
  }

  /** Tells the device. It is done when {@linkcode eventDone}. */
  send({ kind, a, b, bytes }: LinkEvent): void {
    const { words } = this.area;
    if (bytes) this.area.call.set(bytes);
    words[Word.EVENT_KIND] = kind;
    words[Word.EVENT_A] = a;
    words[Word.EVENT_B] = b;
    words[Word.SLOT] = -1;
    Atomics.store(words, Word.EVENT, Turn.ASKED);
    this.area.ring(Word.DOORBELL);
  }

  get eventDone(): boolean {
    return Atomics.load(this.area.words, Word.EVENT) !== Turn.ASKED;
  }

  /** Waits until it is done, and serves the device meanwhile. Throws a `LinkFailure`. */
  wait(done: () => boolean, deadlineMs: number): void {
    const { words } = this.area;
    for (let calls = 0;; calls++) {
      const bell = Atomics.load(words, Word.BELL);
      if (this.step()) {
        if (calls % 64 === 63) this.#inTime(deadlineMs);
        continue;
      }
      if (done()) return this.#point();
      if (this.#spinner.spin(words, Word.BELL, bell)) {
        if (calls % 64 === 63) this.#inTime(deadlineMs);
        continue;
      }
      this.#alive();
      if (Atomics.wait(words, Word.BELL, bell, SLEEP_MS) === "timed-out") this.#inTime(deadlineMs);
    }
  }

  /** One look, of so many milliseconds. Throws a `LinkFailure`. */
  glance(done: () => boolean, ms: number): boolean {
    const { words } = this.area;
    for (;;) {
      const bell = Atomics.load(words, Word.BELL);
      if (this.step()) continue;
      if (done()) {
        this.#point();
        return true;
      }
      if (Atomics.wait(words, Word.BELL, bell, ms) === "timed-out") return false;
    }
  }

  /** Serves a call if there is one. Throws a `LinkFailure`. */
  step(): boolean {
    const { words } = this.area;
    if (Atomics.load(words, Word.CALL) !== Turn.ASKED) return false;
    this.#point();
    if (++this.#calls > CALL_LIMIT) throw new LinkFailure(`more than ${CALL_LIMIT} calls in one request`);
    words[Word.CALL_RESULT] = this.#call() ? 1 : 0;
    Atomics.store(words, Word.CALL, Turn.ANSWERED);
    Atomics.notify(words, Word.CALL);
    return true;
  }

  /** For who waits in other ways than by {@linkcode wait}. Throws a `LinkFailure` when it is dead or late. */
  check(deadlineMs: number): void {
    this.#alive();
    this.#inTime(deadlineMs);
  }

  /** What the request has done, copied. Throws a `LinkFailure` when it can't be read. */
  effects(): Effects {
    this.#take();
    const { words, mirrors } = this.area;
    const mirror = mirrors[words[Word.MIRROR]];
    const size = words[Word.MIRROR_SIZE];
    if (mirror === undefined || size < 0 || size > MIRROR_BYTES) throw new LinkFailure(`its state is said to have ${size} bytes`);
    const posts = this.#posts;
    this.#posts = [];
    this.#postBytes = 0;
    return { posts, mirror: mirror.slice(0, size) };
  }

  /**
   * Ends the Worker. One that is in its own hands ends at once; one that hangs ends some seconds after the program's loop runs again, and
   * nobody looks at what it writes until then.
   */
  close(): void {
    const { words } = this.area;
    Atomics.store(words, Word.QUIT, 1);
    this.area.ring(Word.DOORBELL);
    Atomics.notify(words, Word.CALL);
    this.#worker.terminate();
  }

  /** For tests: it dies at the n-th point from here at which it talks to the hypervisor. */
  dieAt(point: number): void {
    this.#diesAt = point;
  }

  #point(): void {
    if (this.#diesAt === undefined || --this.#diesAt > 0) return;
    throw new LinkFailure("it was killed");
  }

  #call(): boolean {
    const { words, doubles, call } = this.area;
    const [kind, size, disk, at] = [words[Word.CALL_KIND], words[Word.CALL_SIZE], words[Word.CALL_DISK], doubles[Double.CALL_AT]];
    if (kind === CallKind.DRAIN) {
      this.#take();
      return true;
    }
    if (size < 0 || size > CALL_BYTES || !Number.isSafeInteger(at) || at < 0) throw new LinkFailure(`a call for ${size} bytes at ${at}`);
    switch (kind) {
      case CallKind.READ: {
        const bytes = this.services.read(at, size);
        if (bytes === undefined) return false;
        call.set(bytes);
        return true;
      }
      case CallKind.PAGES:
        this.#pages(size);
        return true;
      case CallKind.RANDOM:
        call.set(this.services.random(size));
        return true;
      case CallKind.DISK_READ: {
        const bytes = new Uint8Array(size);
        const done = this.services.diskRead(disk, at, bytes);
        call.set(bytes);
        return done;
      }
      case CallKind.DISK_WRITE:
        return this.services.diskWrite(disk, at, call.slice(0, size));
      case CallKind.DISK_FLUSH:
        return this.services.diskFlush(disk);
      default:
        throw new LinkFailure(`a call of kind ${kind}`);
    }
  }

  /** Several pages at once: those that a device looks at in every request. */
  #pages(count: number): void {
    const { call } = this.area;
    if (count > PAGES_LIMIT) throw new LinkFailure(`a call for ${count} pages`);
    const numbers = new Float64Array(call.slice(0, 8 * count).buffer);
    if (!numbers.every((number) => Number.isInteger(number) && number >= 0 && number < 2 ** 36)) {
      throw new LinkFailure("a call for pages that there aren't");
    }
    for (const [n, number] of numbers.entries()) {
      const bytes = this.services.read(number * PAGE, PAGE);
      call[count * PAGE + n] = bytes === undefined ? 0 : 1;
      if (bytes) call.set(bytes, n * PAGE);
    }
  }

  #take(): void {
    try {
      for (const post of this.#reader.take()) {
        this.#posts.push(post);
        this.#postBytes += 64 + post.bytes.length;
      }
    } catch (error) {
      if (error instanceof RangeError) throw new LinkFailure(error.message);
      throw error;
    }
    if (this.#postBytes > POST_LIMIT) throw new LinkFailure(`more than ${POST_LIMIT} bytes posted in one request`);
  }

  #alive(): void {
    const { words } = this.area;
    const phase = Atomics.load(words, Word.PHASE);
    if (phase === Phase.STARTING || phase === Phase.RUNNING) return;
    if (phase !== Phase.REFUSED && phase !== Phase.CRASHED) throw new LinkFailure(`it is in phase ${phase}, which there isn't`);
    const { option, message } = refusalOf(this.area);
    if (phase === Phase.REFUSED) throw new StartRefused(option, message);
    throw new LinkFailure(message);
  }

  #inTime(deadlineMs: number): void {
    if (performance.now() - this.#beganMs > deadlineMs) throw new LinkFailure(`it didn't answer in ${deadlineMs} ms`);
    const { rss } = Deno.memoryUsage();
    if (this.#rss === 0) this.#rss = rss;
    else if (rss - this.#rss > GROWTH_LIMIT) throw new LinkFailure(`it takes more than ${GROWTH_LIMIT} bytes of memory`);
  }
}

function refusalOf({ words, call }: Area): Refusal {
  const size = Math.max(0, Math.min(words[Word.FAILURE_SIZE], 4096));
  const text = new TextDecoder().decode(call.slice(0, size));
  try {
    const { option, message } = JSON.parse(text) as Partial<Refusal>;
    return { option: option === undefined ? undefined : String(option), message: String(message) };
  } catch {
    return { message: text };
  }
}

/** There are writes in the ring. */
export const RING: LinkEvent = { kind: EventKind.RING, a: 0, b: 0 };
/** The domain goes. */
export const STOPPED: LinkEvent = { kind: EventKind.STOPPED, a: 0, b: 0 };
