/** A back-end that keeps no rule: it takes the shared memory for itself when its Worker starts, and never lets the house's code run. */
import { defineDevice, devicePlugin } from "../../device/contract.ts";
import type { DevicePlugin } from "../../device/contract.ts";
import { IoreqPage, State } from "../layout.ts";
import { Area, CALL_BYTES, CallKind, Double, Phase, POST_BYTES, Turn, Word } from "../worker/area.ts";
import { PostKind, PostWriter } from "../worker/posts.ts";
import type { WorkerStart } from "../worker/start.ts";

/** Ways to be hostile. */
export const styles = [
  "noise everywhere",
  "noise in the control words",
  "any answer",
  "any call",
  "any post",
  "any pointer of the ring of posts",
  "any mirror",
  "calls without end",
  "reads without end",
  "posts without end",
  "rings without end",
  "a write outside of its frames",
  "a read outside of its frames",
  "dies with any phase",
] as const;

/** One of {@linkcode styles}. */
export type Style = typeof styles[number];

/** Options. */
export interface HostileOptions {
  readonly style: Style;
  readonly seed: number;
}

/** The device: hostile where it matters, silent in the hypervisor's thread. */
export const hostile: DevicePlugin<HostileOptions, { value: number }> = devicePlugin(defineDevice<HostileOptions, { value: number }>({
  name: "hostile",
  doc: "A hostile device of tests.",
  module: import.meta.url,
  options: {
    style: { kind: "choice", choices: styles, default: styles[0], doc: "How." },
    seed: { kind: "integer", default: 1, doc: "Of its noise." },
  },
  windows: { registers: { size: 0x1000 } },
  interrupts: { interrupt: {} },
  state: () => ({ value: 0 }),
  create: () => ({ windows: { registers: { read: () => 0, write: () => {} } } }),
}));

class Villain {
  readonly #area: Area;
  readonly #page: IoreqPage;
  readonly #posts: PostWriter;
  #seed: number;

  constructor(start: WorkerStart) {
    this.#area = new Area(start.shared);
    this.#page = new IoreqPage(start.shared, 0);
    this.#posts = new PostWriter(this.#area, () => this.#call(CallKind.DRAIN, 0, 0));
    this.#seed = (start.options as HostileOptions).seed;
  }

  run(style: Style): never {
    const { words } = this.#area;
    Atomics.store(words, Word.PHASE, Phase.RUNNING);
    this.#area.ring(Word.BELL);
    for (;;) {
      switch (style) {
        case "noise everywhere": {
          const bytes = new Uint8Array(this.#area.shared);
          for (let n = 0; n < 1000; n++) bytes[this.#any(this.#any(2) ? 12_288 : bytes.length)] = this.#any(256);
          this.#area.ring(Word.BELL);
          break;
        }
        case "noise in the control words":
          for (let n = 0; n < 100; n++) words[this.#any(20)] = this.#any(2) ? this.#any(6) : this.#any(2 ** 32);
          this.#area.ring(Word.BELL);
          break;
        case "calls without end":
          this.#call(CallKind.DRAIN, 0, 0);
          break;
        case "reads without end":
          this.#call(CallKind.READ, 0x4000_1000, 4096);
          break;
        case "posts without end":
          this.#posts.post(PostKind.TRACE, 0, 0, new Uint8Array(60_000));
          break;
        case "rings without end":
          this.#area.ring(Word.BELL);
          break;
        default:
          this.#serve(style);
      }
    }
  }

  /** Waits for a request, misbehaves, and answers it. */
  #serve(style: Style): void {
    const { words, doubles, call } = this.#area;
    const seen = Atomics.load(words, Word.DOORBELL);
    if (Atomics.load(words, Word.EVENT) === Turn.ASKED) Atomics.store(words, Word.EVENT, Turn.ANSWERED);
    const slot = words[Word.SLOT];
    if (slot < 0 || this.#page.state(slot) !== State.READY) {
      Atomics.wait(words, Word.DOORBELL, seen, 5);
      return;
    }
    for (let n = this.#any(10); n > 0; n--) {
      switch (style) {
        case "any answer":
          new Uint8Array(this.#area.shared)[slot * 32 + [24, 25, 30, 30, 31][this.#any(5)]] = this.#any(256);
          break;
        case "any call":
          words[Word.CALL_KIND] = this.#any(9);
          words[Word.CALL_SIZE] = this.#any(2) ? this.#any(2 ** 32) : this.#any(CALL_BYTES);
          words[Word.CALL_DISK] = this.#any(4) - 1;
          doubles[Double.CALL_AT] = [NaN, -1, 0.5, Infinity, 2 ** 60, 0x4000_1000][this.#any(6)];
          Atomics.store(words, Word.CALL, Turn.ASKED);
          this.#area.ring(Word.BELL);
          Atomics.wait(words, Word.CALL, Turn.ASKED, 5);
          break;
        case "any post":
          this.#posts.post(
            this.#any(9),
            [NaN, -1, Infinity, 0, 1, 0x4000_1000, 1e300][this.#any(7)],
            this.#any(3),
            call.slice(0, this.#any(3000)),
          );
          break;
        case "any pointer of the ring of posts":
          this.#area.posts[this.#any(64)] = this.#any(256);
          words[Word.POSTED] = this.#any(2) ? this.#any(2 ** 32) : this.#any(POST_BYTES);
          break;
        case "any mirror":
          words[Word.MIRROR] = this.#any(4) - 1;
          words[Word.MIRROR_SIZE] = this.#any(2) ? this.#any(100) : this.#any(2 ** 32);
          for (let at = 0; at < 64; at++) this.#area.mirrors[at & 1][at] = this.#any(256);
          break;
        case "a write outside of its frames":
          this.#posts.post(PostKind.DMA_WRITE, 0x4000_1fff, 0, new Uint8Array(2));
          break;
        case "a read outside of its frames":
          this.#call(CallKind.READ, 0x4000_0fff, 1);
          break;
        case "dies with any phase":
          Atomics.store(words, Word.PHASE, this.#any(7));
          words[Word.FAILURE_SIZE] = this.#any(2 ** 32);
          this.#area.ring(Word.BELL);
      }
    }
    if (style !== "any answer") {
      this.#page.move(slot, State.READY, State.INPROCESS);
      this.#page.move(slot, State.INPROCESS, State.RESP_READY);
    }
    this.#area.ring(Word.BELL);
  }

  #call(kind: number, at: number, size: number): void {
    const { words, doubles } = this.#area;
    [words[Word.CALL_KIND], words[Word.CALL_SIZE], doubles[Double.CALL_AT]] = [kind, size, at];
    Atomics.store(words, Word.CALL, Turn.ASKED);
    this.#area.ring(Word.BELL);
    Atomics.wait(words, Word.CALL, Turn.ASKED, 5);
  }

  #any(below: number): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(this.#seed / 2 ** 32 * below);
  }
}

// Only in a Worker. This listener comes before the one that would start the device.
if ("postMessage" in globalThis) {
  addEventListener("message", (event) => {
    const start = (event as MessageEvent<WorkerStart>).data;
    if (start.name === "hostile") new Villain(start).run((start.options as HostileOptions).style);
  });
}
