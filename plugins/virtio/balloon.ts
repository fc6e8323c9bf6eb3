/**
 * Memory balloon: Virtio 1.2, "Traditional Memory Balloon Device". What the guest gives goes back to the board, unmapped and free for other
 * domains, when its driver has agreed to tell before it uses a page again (MUST_TELL_HOST), and where the memory backend can map single
 * pages; else the device only keeps account.
 *
 * A hostile driver may give any page numbers, as often as it likes: what isn't guest RAM is passed over, and what it still used itself is
 * its own loss: an access faults, a queue in there breaks. It gets frames back only for pages that it gave.
 */
import type { Timer } from "../../core/mod.ts";
import type { Served, VirtioBehaviour, VirtioBuffer, VirtioContext, VirtioModel } from "./model.ts";

/** Feature bits. */
const Balloon = { MUST_TELL_HOST: 0, STATS_VQ: 1, DEFLATE_ON_OOM: 2 } as const;
const Queue = { INFLATE: 0, DEFLATE: 1, STATISTICS: 2 } as const;
/** Bytes of a page, whatever the guest's granule. */
const PAGE = 4096;
/** Bytes of one statistic: a 16-bit tag and 64 bits of value. */
const STATISTIC = 10;
/** Statistics have 16 tags at most; more is not looked at. */
const STATISTICS = 32;
/** Page numbers of one buffer that are looked at. */
const PAGES = 2 ** 16;
/** How soon frames are asked for again when there were none. */
const RETRY_NS = 10e6;

/** Options: bytes and nanoseconds. */
export interface BalloonOptions {
  readonly size: number;
  readonly statistics?: number;
}

/** State: bytes 4 to 7 of the configuration, and the latest statistics by tag. */
export interface BalloonState {
  actual: number;
  /** Page numbers in inflate buffers, less those in deflate buffers. */
  pages: number;
  statistics: Map<number, bigint>;
  /** Numbers of the pages that the board has. */
  readonly given: Set<number>;
  /** The driver is gone: all of them are to be the guest's again. */
  restoring: boolean;
  /** The driver may hand in its statistics. */
  asked: boolean;
}

class BalloonDevice implements VirtioBehaviour {
  readonly #timer: Timer;
  readonly #retry: Timer;

  constructor(private readonly context: VirtioContext<BalloonOptions, BalloonState>) {
    this.#timer = context.clock.timer("statistics", () => this.#ask());
    this.#retry = context.clock.timer("frames", () => {
      if (context.state.restoring) this.#restore();
      context.poke(Queue.DEFLATE);
    });
  }

  config(): Uint8Array {
    const view = new DataView(new ArrayBuffer(8));
    view.setUint32(0, this.context.options.size / PAGE, true);
    view.setUint32(4, this.context.state.actual, true);
    return new Uint8Array(view.buffer);
  }

  writeConfig(offset: number, bytes: Uint8Array): void {
    const config = this.config();
    config.set(bytes, offset);
    this.context.state.actual = new DataView(config.buffer).getUint32(4, true);
  }

  started(): void {
    this.#arm();
  }

  reset(): void {
    this.#timer.disarm();
    Object.assign(this.context.state, { actual: 0, pages: 0, asked: false });
    // Whoever drives the device next knows of no balloon.
    this.#restore();
  }

  serve(queue: number, buffer: VirtioBuffer): Served {
    if (queue === Queue.STATISTICS) return this.#statistics(buffer);
    const numbers = new Uint32Array(buffer.read(0, 4 * Math.min(Math.floor(buffer.readable / 4), PAGES)).buffer);
    if (queue === Queue.INFLATE) this.#give(numbers);
    else if (!this.#take(numbers)) return "later";
    const { state } = this.context;
    state.pages = Math.max(0, state.pages + (queue === Queue.INFLATE ? numbers.length : -numbers.length));
    return 0;
  }

  #give(numbers: Uint32Array): void {
    const { state: { given }, pages, has } = this.context;
    if (pages === undefined || !has(Balloon.MUST_TELL_HOST)) return;
    for (const { at, size } of pages.ram) {
      const [first, end] = [at / PAGE, (at + size) / PAGE];
      const fresh = numbers.filter((number) => number >= first && number < end && !given.has(number)).sort();
      for (let from = 0, to = 1; from < fresh.length; from = to, to++) {
        // Neighbours go together; the same number twice goes once.
        while (to < fresh.length && fresh[to] - fresh[to - 1] <= 1) to++;
        const last = fresh[to - 1];
        if (!pages.giveBack(fresh[from] * PAGE, (last + 1 - fresh[from]) * PAGE)) continue;
        for (let page = fresh[from]; page <= last; page++) given.add(page);
      }
    }
  }

  /** False: there aren't enough frames now. */
  #take(numbers: Iterable<number>): boolean {
    const { state: { given }, pages, clock } = this.context;
    for (const number of numbers) {
      if (!given.has(number)) continue;
      if (!pages!.takeBack(number * PAGE, PAGE)) {
        this.#retry.arm(clock.nowNs + RETRY_NS);
        return false;
      }
      given.delete(number);
    }
    return true;
  }

  #restore(): void {
    const { state } = this.context;
    state.restoring = !this.#take([...state.given]);
  }

  /** The driver hands its buffer in at once, and again with new numbers whenever it gets it back. */
  #statistics(buffer: VirtioBuffer): Served {
    const { state } = this.context;
    const view = new DataView(buffer.read(0, STATISTICS * STATISTIC).buffer);
    state.statistics = new Map();
    for (let at = 0; at + STATISTIC <= view.byteLength; at += STATISTIC) {
      state.statistics.set(view.getUint16(at, true), view.getBigUint64(at + 2, true));
    }
    if (!state.asked) return "later";
    state.asked = false;
    return 0;
  }

  #ask(): void {
    this.context.state.asked = true;
    this.context.poke(Queue.STATISTICS);
    this.#arm();
  }

  #arm(): void {
    const { statistics } = this.context.options;
    if (statistics !== undefined) this.#timer.arm(this.context.clock.nowNs + statistics);
  }
}

/** The device. */
export const balloon: VirtioModel<BalloonOptions, BalloonState> = {
  name: "virtio_balloon",
  doc: "Virtio memory balloon: the guest gives up so much of its memory.",
  options: {
    size: { kind: "size", default: 0, align: PAGE, max: 2 ** 40, doc: "What the guest is asked to give up." },
    statistics: {
      kind: "duration",
      optional: true,
      min: 1e6,
      doc: "How often the guest is asked for its memory statistics; never when absent.",
    },
  },
  shape: ({ statistics }) => ({
    deviceId: 5,
    features: [Balloon.MUST_TELL_HOST, Balloon.DEFLATE_ON_OOM, ...statistics === undefined ? [] : [Balloon.STATS_VQ]],
    queues: statistics === undefined ? [128, 128] : [128, 128, 128],
  }),
  pages: true,
  state: () => ({ actual: 0, pages: 0, statistics: new Map(), asked: false, given: new Set(), restoring: false }),
  create: (context) => new BalloonDevice(context),
};
