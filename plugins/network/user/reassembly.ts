/** Puts fragments together (RFC 791). Few packets at a time, each for a while; whatever overlaps is thrown away, whole. */
import type { Clock } from "../../../core/mod.ts";
import type { Packet } from "./ipv4.ts";

/** Packets that may be incomplete at a time. */
const MOST = 16;
/** Fragments of one: the smallest that a link may demand, of the longest packet. */
const MOST_FRAGMENTS = 256;
const PATIENCE_NS = 30_000_000_000;

/** A packet that isn't complete. */
export interface Pieces {
  readonly key: string;
  readonly untilNs: number;
  readonly parts: { readonly offset: number; readonly bytes: Uint8Array }[];
  /** Known when the last one came. */
  length: number | undefined;
}

/** Collects. */
export class Reassembly {
  constructor(private readonly waiting: Pieces[], private readonly clock: Clock) {}

  /** The whole packet, when this was what was missing. */
  add(packet: Packet): Packet | undefined {
    const { fragment, payload, source, destination, protocol } = packet;
    const key = [source, destination, protocol, fragment!.id].join();
    const now = this.clock.nowNs;
    this.waiting.splice(0, this.waiting.length, ...this.waiting.filter(({ untilNs }) => untilNs > now));
    let pieces = this.waiting.find((candidate) => candidate.key === key);
    if (pieces === undefined) {
      if (this.waiting.length >= MOST) this.waiting.shift();
      pieces = { key, untilNs: now + PATIENCE_NS, parts: [], length: undefined };
      this.waiting.push(pieces);
    }
    const { offset, more } = fragment!;
    const end = offset + payload.length;
    const overlaps = pieces.parts.some((part) => offset < part.offset + part.bytes.length && part.offset < end);
    const ends = !more && pieces.length !== undefined || pieces.length !== undefined && end > pieces.length;
    const crooked = more && (payload.length === 0 || payload.length % 8 !== 0);
    if (overlaps || ends || crooked || pieces.parts.length >= MOST_FRAGMENTS) {
      this.#drop(pieces);
      return undefined;
    }
    pieces.parts.push({ offset, bytes: payload.slice() });
    if (!more) pieces.length = end;
    const have = pieces.parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (have !== pieces.length) return undefined;
    this.#drop(pieces);
    const whole = new Uint8Array(have);
    for (const { offset: at, bytes } of pieces.parts) {
      if (at + bytes.length > have) return undefined;
      whole.set(bytes, at);
    }
    return { ...packet, payload: whole, fragment: undefined };
  }

  #drop(pieces: Pieces): void {
    this.waiting.splice(this.waiting.indexOf(pieces), 1);
  }
}
