/**
 * Memory balloon: Virtio 1.2, "Traditional Memory Balloon Device". A domain's frames are its own for life here, so nothing is taken
 * away: the device keeps account of what the guest gave, and the guest has that much less to use.
 *
 * A hostile driver may give any page numbers, as often as it likes: they are looked at only to be counted.
 */
import type { Timer } from "../../core/mod.ts";
import type { Served, VirtioBehaviour, VirtioBuffer, VirtioContext, VirtioModel } from "./model.ts";

/** Feature bits. */
const Balloon = { STATS_VQ: 1, DEFLATE_ON_OOM: 2 } as const;
const Queue = { INFLATE: 0, DEFLATE: 1, STATISTICS: 2 } as const;
/** Bytes of a page, whatever the guest's granule. */
const PAGE = 4096;
/** Bytes of one statistic: a 16-bit tag and 64 bits of value. */
const STATISTIC = 10;
/** Statistics have 16 tags at most; more is not looked at. */
const STATISTICS = 32;
/** Page numbers of one buffer that are counted. */
const PAGES = 2 ** 16;

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
  /** The driver may hand in its statistics. */
  asked: boolean;
}

class BalloonDevice implements VirtioBehaviour {
  readonly #timer: Timer;

  constructor(private readonly context: VirtioContext<BalloonOptions, BalloonState>) {
    this.#timer = context.clock.timer("statistics", () => this.#ask());
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
  }

  serve(queue: number, buffer: VirtioBuffer): Served {
    if (queue === Queue.STATISTICS) return this.#statistics(buffer);
    const pages = Math.min(Math.floor(buffer.readable / 4), PAGES);
    const { state } = this.context;
    state.pages = Math.max(0, state.pages + (queue === Queue.INFLATE ? pages : -pages));
    return 0;
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
    features: [Balloon.DEFLATE_ON_OOM, ...statistics === undefined ? [] : [Balloon.STATS_VQ]],
    queues: statistics === undefined ? [128, 128] : [128, 128, 128],
  }),
  state: () => ({ actual: 0, pages: 0, statistics: new Map(), asked: false }),
  create: (context) => new BalloonDevice(context),
};
