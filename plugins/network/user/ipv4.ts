/** IPv4 packets in Ethernet frames (RFC 791, RFC 894): taken apart with every length checked, and built. */
import { addWords, complement, get16, get32, put16, put32 } from "../bytes.ts";
import type { Frame } from "../link.ts";

/** EtherType. */
export const EtherType = { IPV4: 0x0800, ARP: 0x0806 } as const;
/** Protocol numbers. */
export const Protocol = { ICMP: 1, TCP: 6, UDP: 17 } as const;

export const ETHERNET_BYTES = 14;
const HEADER = 20;

/** A packet as it came. */
export interface Packet {
  /** Whose frame it was. */
  readonly mac: Uint8Array;
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly ttl: number;
  /** Header and data: what an ICMP error quotes. */
  readonly whole: Uint8Array;
  /** What it carries. */
  readonly payload: Uint8Array;
  /** The sender left the payload's checksum to others: nothing to verify. */
  readonly trusted: boolean;
  /** Of a fragment. */
  readonly fragment?: { readonly id: number; readonly offset: number; readonly more: boolean };
}

/** Undefined for what isn't a sound IPv4 packet. */
export function parsePacket({ bytes, checksum }: Frame): Packet | undefined {
  const ip = ETHERNET_BYTES;
  if (bytes.length < ip + HEADER || bytes[ip] >>> 4 !== 4) return undefined;
  const header = 4 * (bytes[ip] & 15);
  const length = get16(bytes, ip + 2);
  if (header < HEADER || length < header || ip + length > bytes.length) return undefined;
  if (addWords(0, bytes, ip, ip + header) !== 0xffff) return undefined;
  const flags = get16(bytes, ip + 6);
  const [offset, more] = [8 * (flags & 0x1fff), (flags & 0x2000) !== 0];
  if (offset + length - header > 0xffff) return undefined;
  return {
    mac: bytes.slice(6, 12),
    source: get32(bytes, ip + 12),
    destination: get32(bytes, ip + 16),
    protocol: bytes[ip + 9],
    ttl: bytes[ip + 8],
    whole: bytes.subarray(ip, ip + length),
    payload: bytes.subarray(ip + header, ip + length),
    trusted: checksum !== undefined,
    ...offset > 0 || more ? { fragment: { id: get16(bytes, ip + 4), offset, more } } : {},
  };
}

/** Where a packet goes and whence. */
export interface Route {
  readonly sourceMac: Uint8Array;
  readonly destinationMac: Uint8Array;
  readonly source: number;
  readonly destination: number;
}

/** Bytes before the payload of {@linkcode startPacket}. */
export const PAYLOAD_AT: number = ETHERNET_BYTES + HEADER;

/** A frame with room for a payload of `size` bytes, its headers filled in. `id` tells fragments of one datagram. */
export function startPacket(
  route: Route,
  protocol: number,
  size: number,
  id = 0,
  fragment: { readonly offset: number; readonly more: boolean } | undefined = undefined,
): Uint8Array {
  const bytes = new Uint8Array(PAYLOAD_AT + size);
  bytes.set(route.destinationMac, 0);
  bytes.set(route.sourceMac, 6);
  put16(bytes, 12, EtherType.IPV4);
  const ip = ETHERNET_BYTES;
  bytes[ip] = 0x45;
  put16(bytes, ip + 2, HEADER + size);
  put16(bytes, ip + 4, id);
  // Whole ones aren't to be cut.
  put16(bytes, ip + 6, fragment === undefined ? 0x4000 : fragment.offset / 8 | (fragment.more ? 0x2000 : 0));
  bytes[ip + 8] = 64;
  bytes[ip + 9] = protocol;
  put32(bytes, ip + 12, route.source);
  put32(bytes, ip + 16, route.destination);
  put16(bytes, ip + 10, complement(addWords(0, bytes, ip, PAYLOAD_AT)));
  return bytes;
}
