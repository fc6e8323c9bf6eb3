/** Paces virtual time against the wall clock (`time: host`): never ahead of it, and not chasing it after the host was busy. */

/** Virtual time that may be ahead of the wall clock without sleeping. */
const AHEAD_NS = 2_000_000;
/** Further behind than this when idle: the lost time is given up. */
const BEHIND_NS = 50_000_000;

/** Relates virtual time to the host's. */
export class Pacer {
  /** Wall time, in nanoseconds, at which virtual time was zero. */
  #originNs: number | undefined;
  #idling = false;

  constructor(readonly wallMs: () => number) {}

  /** Milliseconds by which `nowNs` is too early; zero or less: go on. */
  earlyMs(nowNs: number): number {
    const aheadNs = nowNs - this.#wallNs(nowNs);
    return aheadNs > AHEAD_NS ? aheadNs / 1e6 : 0;
  }

  /** Somebody ran. */
  busy(): void {
    this.#idling = false;
  }

  /** Nobody runs: how far virtual time may go by now. */
  idle(nowNs: number): number {
    const behindNs = this.#wallNs(nowNs) - nowNs;
    // What the host lost while guests ran is lost; what passed while nobody ran is what an idle machine waits for.
    if (!this.#idling && behindNs > BEHIND_NS) this.#originNs! += behindNs;
    this.#idling = true;
    return Math.max(nowNs, this.#wallNs(nowNs));
  }

  #wallNs(nowNs: number): number {
    const wall = this.wallMs() * 1e6;
    this.#originNs ??= wall - nowNs;
    return Math.floor(wall - this.#originNs);
  }
}
