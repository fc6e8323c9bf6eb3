/** TCP segments (RFC 9293): taken apart, and built into frames. */
import { addWords, complement, get16, get32, pseudoHeader, put16, put32 } from "../bytes.ts";
import type { Frame } from "../link.ts";
import { Protocol } from "./ipv4.ts";
import type { Packet } from "./ipv4.ts";
import type { Output } from "./output.ts";

export const Flag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const;
const HEADER = 20;
/** Options. */
const [END, NOP, MSS, WINDOW_SCALE] = [0, 1, 2, 3];
/** "The maximum segment size": what holds when nobody says anything. */
const DEFAULT_MSS = 536;
/** Smaller ones would make a frame of each byte. */
const LEAST_MSS = 88;
const MOST_SCALE = 14;

/** A segment as it came. */
export interface Segment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  /** As it stands there, not scaled. */
  readonly window: number;
  readonly mss: number;
  /** Undefined: no window is ever scaled. */
  readonly scale: number | undefined;
  readonly data: Uint8Array;
}

/** Undefined for what isn't sound. */
export function parseSegment({ payload, source, destination, trusted }: Packet): Segment | undefined {
  if (payload.length < HEADER) return undefined;
  const header = 4 * (payload[12] >>> 4);
  if (header < HEADER || header > payload.length) return undefined;
  if (!trusted) {
    const sum = pseudoHeader(source, destination, Protocol.TCP, payload.length);
    if (addWords(sum, payload, 0, payload.length) !== 0xffff) return undefined;
  }
  return {
    sourcePort: get16(payload, 0),
    destinationPort: get16(payload, 2),
    sequence: get32(payload, 4),
    acknowledgement: get32(payload, 8),
    flags: payload[13],
    window: get16(payload, 14),
    ...options(payload.subarray(HEADER, header)),
    data: payload.subarray(header),
  };
}

function options(bytes: Uint8Array): { readonly mss: number; readonly scale: number | undefined } {
  let [mss, scale]: [number, number | undefined] = [DEFAULT_MSS, undefined];
  for (let at = 0; at < bytes.length && bytes[at] !== END;) {
    if (bytes[at] === NOP) {
      at++;
      continue;
    }
    const length = bytes[at + 1];
    if (length === undefined || length < 2 || at + length > bytes.length) break;
    if (bytes[at] === MSS && length === 4) mss = Math.max(LEAST_MSS, get16(bytes, at + 2));
    if (bytes[at] === WINDOW_SCALE && length === 3) scale = Math.min(MOST_SCALE, bytes[at + 2]);
    at += length;
  }
  return { mss, scale };
}

/** Both ends of a connection. */
export interface Ends {
  readonly guest: number;
  readonly guestPort: number;
  /** Whom the guest talks to. */
  readonly peer: number;
  readonly peerPort: number;
}

/** A segment to send. */
export interface Outgoing {
  readonly flags: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly window: number;
  /** Of a SYN. */
  readonly options?: { readonly mss: number; readonly scale: number | undefined };
  /** Bytes of data, and who fills them in. */
  readonly size?: number;
  fill?(into: Uint8Array): void;
  /** The longest segment that the guest takes: longer data is left to others to cut. */
  readonly mss?: number;
}

/** Sends it. False: it was lost. */
export function sendSegment(output: Output, ends: Ends, out: Outgoing): boolean {
  const { size = 0 } = out;
  const extra = out.options === undefined ? [] : optionBytes(out.options);
  const length = HEADER + extra.length + size;
  return output.packet(ends.guest, ends.peer, Protocol.TCP, length, (frame, at): Omit<Frame, "bytes"> | void => {
    put16(frame, at, ends.peerPort);
    put16(frame, at + 2, ends.guestPort);
    put32(frame, at + 4, out.sequence);
    put32(frame, at + 8, out.acknowledgement);
    frame[at + 12] = (HEADER + extra.length) / 4 << 4;
    frame[at + 13] = out.flags;
    put16(frame, at + 14, out.window);
    frame.set(extra, at + HEADER);
    out.fill?.(frame.subarray(at + HEADER + extra.length));
    const sum = pseudoHeader(ends.peer, ends.guest, Protocol.TCP, length);
    if (size === 0) {
      put16(frame, at + 16, complement(addWords(sum, frame, at, at + length)));
      return;
    }
    put16(frame, at + 16, sum);
    const checksum = { start: at, offset: 16 };
    return size > out.mss! ? { checksum, segmentation: { kind: "tcp4", size: out.mss! } } : { checksum };
  });
}

function optionBytes({ mss, scale }: { readonly mss: number; readonly scale: number | undefined }): number[] {
  return [MSS, 4, mss >>> 8, mss & 0xff, ...scale === undefined ? [] : [NOP, WINDOW_SCALE, 3, scale]];
}
