/** UDP (RFC 768). */
import { addWords, complement, get16, pseudoHeader, put16 } from "../bytes.ts";
import { PAYLOAD_AT, Protocol, startPacket } from "./ipv4.ts";
import type { Packet, Route } from "./ipv4.ts";

const HEADER = 8;
/** Of an IPv4 header. */
const IP_HEADER = 20;

/** A datagram as it came. */
export interface Datagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly data: Uint8Array;
}

/** Undefined for what isn't sound. */
export function parseUdp({ payload, source, destination, trusted }: Packet): Datagram | undefined {
  if (payload.length < HEADER) return undefined;
  const length = get16(payload, 4);
  if (length < HEADER || length > payload.length) return undefined;
  const checksum = get16(payload, 6);
  if (!trusted && checksum !== 0) {
    if (addWords(pseudoHeader(source, destination, Protocol.UDP, length), payload, 0, length) !== 0xffff) return undefined;
  }
  return { sourcePort: get16(payload, 0), destinationPort: get16(payload, 2), data: payload.subarray(HEADER, length) };
}

/** The frames of a datagram: more than one when it doesn't fit into a packet of `mtu` bytes. */
export function udpFrames(route: Route, toPort: number, fromPort: number, data: Uint8Array, mtu: number, id: number): Uint8Array[] {
  const whole = new Uint8Array(HEADER + data.length);
  put16(whole, 0, fromPort);
  put16(whole, 2, toPort);
  put16(whole, 4, whole.length);
  whole.set(data, HEADER);
  const checksum = complement(addWords(pseudoHeader(route.source, route.destination, Protocol.UDP, whole.length), whole, 0, whole.length));
  put16(whole, 6, checksum === 0 ? 0xffff : checksum);
  const room = Math.floor((mtu - IP_HEADER) / 8) * 8;
  const frames: Uint8Array[] = [];
  for (let offset = 0; offset < whole.length; offset += room) {
    const piece = whole.subarray(offset, offset + room);
    const fragment = whole.length <= mtu - IP_HEADER ? undefined : { offset, more: offset + room < whole.length };
    const part = fragment === undefined ? whole : piece;
    const frame = startPacket(route, Protocol.UDP, part.length, id, fragment);
    frame.set(part, PAYLOAD_AT);
    frames.push(frame);
    if (fragment === undefined) break;
  }
  return frames;
}
