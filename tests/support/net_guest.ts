/** A guest at the end of a cable, for tests: it speaks ARP, IPv4, UDP and a little TCP, written apart from the network under test. */
import type { CableEnd, Frame } from "../../plugins/network/contract.ts";
import { plainFrames } from "../../plugins/network/contract.ts";

export const GUEST_MAC = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
export const BROADCAST = new Uint8Array(6).fill(0xff);

export const ip = (text: string): number[] => text.split(".").map(Number);
const be16 = (value: number) => [value >>> 8 & 0xff, value & 0xff];
const be32 = (value: number) => [value >>> 24, value >>> 16 & 0xff, value >>> 8 & 0xff, value & 0xff];
const read16 = (bytes: Uint8Array, at: number) => bytes[at] * 256 + bytes[at + 1];
const read32 = (bytes: Uint8Array, at: number) => read16(bytes, at) * 65536 + read16(bytes, at + 2);

/** RFC 1071, the slow way. */
export function checksum(bytes: readonly number[] | Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += bytes[at] * 256 + (bytes[at + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}

/** An IPv4 packet as it came. */
export interface Seen {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly payload: Uint8Array;
}

/** A TCP segment as it came. */
export interface SeenSegment {
  readonly sourcePort: number;
  readonly port: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: string;
  readonly window: number;
  readonly data: Uint8Array;
}

const LETTERS = "FSRPA";

/** The guest. */
export class TestGuest {
  /** Frames that came and weren't looked at. */
  readonly frames: Frame[] = [];
  /** Takes no more when false. */
  room = true;

  constructor(readonly cable: CableEnd, readonly gatewayMac: Uint8Array, public address = "10.0.2.15", readonly mac = GUEST_MAC) {
    cable.attach({
      receive: (frame) => {
        if (this.room) this.frames.push(frame);
        return this.room;
      },
    });
  }

  send(bytes: readonly number[] | Uint8Array, more: Omit<Frame, "bytes"> = {}): void {
    this.cable.send({ bytes: Uint8Array.from(bytes), ...more });
  }

  arp(request: boolean, target: string): void {
    this.send([
      ...BROADCAST,
      ...this.mac,
      8,
      6,
      0,
      1,
      8,
      0,
      6,
      4,
      0,
      request ? 1 : 2,
      ...this.mac,
      ...ip(this.address),
      0,
      0,
      0,
      0,
      0,
      0,
      ...ip(target),
    ]);
  }

  packet(to: string, protocol: number, payload: readonly number[], { from = this.address, ttl = 64, id = 1, fragment = 0 } = {}): number[] {
    const head = [0x45, 0, ...be16(20 + payload.length), ...be16(id), ...be16(fragment), ttl, protocol, 0, 0, ...ip(from), ...ip(to)];
    const sum = checksum(head);
    head.splice(10, 2, ...be16(sum));
    return [...this.gatewayMac, ...this.mac, 8, 0, ...head, ...payload];
  }

  /** With a checksum; `from`: another source address. */
  udpBytes(to: string, fromPort: number, port: number, data: readonly number[] | Uint8Array, from = this.address): number[] {
    const length = 8 + data.length;
    const body = [...be16(fromPort), ...be16(port), ...be16(length), 0, 0, ...data];
    body.splice(6, 2, ...be16(checksum([...ip(from), ...ip(to), 0, 17, ...be16(length), ...body])));
    return body;
  }

  udp(to: string, fromPort: number, port: number, data: readonly number[] | Uint8Array, from = this.address): void {
    this.send(this.packet(to, 17, this.udpBytes(to, fromPort, port, data, from), { from }));
  }

  ping(to: string, data: readonly number[] = [1, 2, 3, 4], ttl = 64): void {
    const message = [8, 0, 0, 0, 0, 7, 0, 1, ...data];
    message.splice(2, 2, ...be16(checksum(message)));
    this.send(this.packet(to, 1, message, { ttl }));
  }

  segmentBytes(
    to: string,
    ports: readonly [number, number],
    flags: string,
    sequence: number,
    acknowledgement: number,
    { data = new Uint8Array(0) as Uint8Array | readonly number[], window = 0xffff, options = [] as readonly number[] } = {},
  ): number[] {
    const bits = [...flags].reduce((all, letter) => all | 1 << LETTERS.indexOf(letter), 0);
    const body = [
      ...be16(ports[0]),
      ...be16(ports[1]),
      ...be32(sequence),
      ...be32(acknowledgement),
      (20 + options.length) / 4 << 4,
      bits,
      ...be16(window),
      0,
      0,
      0,
      0,
      ...options,
      ...data,
    ];
    body.splice(16, 2, ...be16(checksum([...ip(this.address), ...ip(to), 0, 6, ...be16(body.length), ...body])));
    return body;
  }

  segment(...[to, ...rest]: Parameters<TestGuest["segmentBytes"]>): void {
    this.send(this.packet(to, 6, this.segmentBytes(to, ...rest)));
  }

  /** IPv4 packets that came, each with its checksums looked at. */
  take(): Seen[] {
    const seen: Seen[] = [];
    for (const { bytes } of this.frames.splice(0).flatMap(plainFrames)) {
      if (read16(bytes, 12) !== 0x0800) continue;
      const header = bytes.subarray(14, 34);
      if (checksum(header) !== 0) throw new Error("the checksum of an IPv4 header is wrong");
      const payload = bytes.subarray(34, 14 + read16(bytes, 16));
      const whole = (read16(bytes, 20) & 0x3fff) === 0;
      const protocol = bytes[23];
      if (whole && (protocol === 6 || protocol === 17)) {
        const sum = checksum([...bytes.subarray(26, 34), 0, protocol, ...be16(payload.length), ...payload]);
        if (sum !== 0) throw new Error(`the checksum of protocol ${protocol} is wrong`);
      }
      if (protocol === 1 && checksum(payload) !== 0) throw new Error("the checksum of an ICMP message is wrong");
      seen.push({
        source: bytes.subarray(26, 30).join("."),
        destination: bytes.subarray(30, 34).join("."),
        protocol,
        payload,
      });
    }
    return seen;
  }

  /** TCP segments that came. */
  segments(): SeenSegment[] {
    return this.take().filter(({ protocol }) => protocol === 6).map(({ payload }) => ({
      sourcePort: read16(payload, 0),
      port: read16(payload, 2),
      sequence: read32(payload, 4),
      acknowledgement: read32(payload, 8),
      flags: [...LETTERS].filter((_, bit) => (payload[13] >>> bit & 1) !== 0).join(""),
      window: read16(payload, 14),
      data: payload.slice(4 * (payload[12] >>> 4)),
    }));
  }
}
