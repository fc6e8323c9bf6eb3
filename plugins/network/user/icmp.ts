/** ICMP (RFC 792): echo, and why something can't be reached. */
import { addWords, complement, put16 } from "../bytes.ts";
import { Protocol } from "./ipv4.ts";
import type { Packet } from "./ipv4.ts";

const [ECHO_REPLY, UNREACHABLE, ECHO, TIME_EXCEEDED] = [0, 3, 8, 11];
/** Of the packet that it is about: its header, with options, and 8 bytes; more doesn't hurt. */
const QUOTED = 68;

/** What an error says: type and code. */
export const IcmpError = {
  host: [UNREACHABLE, 1],
  protocol: [UNREACHABLE, 2],
  port: [UNREACHABLE, 3],
  prohibited: [UNREACHABLE, 13],
  ttl: [TIME_EXCEEDED, 0],
} as const;

/** The answer to an echo request; undefined when it isn't a sound one. */
export function echoReply({ payload, trusted }: Packet): Uint8Array | undefined {
  if (payload.length < 8 || payload[0] !== ECHO || payload[1] !== 0) return undefined;
  if (!trusted && addWords(0, payload, 0, payload.length) !== 0xffff) return undefined;
  const reply = payload.slice();
  reply[0] = ECHO_REPLY;
  return sealed(reply);
}

/** An error about a packet; undefined about what never gets one: errors, and fragments but the first. */
export function icmpError([type, code]: readonly [number, number], { protocol, payload, whole, fragment }: Packet): Uint8Array | undefined {
  if (fragment !== undefined && fragment.offset > 0) return undefined;
  if (protocol === Protocol.ICMP && payload[0] !== ECHO) return undefined;
  const quoted = whole.subarray(0, QUOTED);
  const message = new Uint8Array(8 + quoted.length);
  message[0] = type;
  message[1] = code;
  message.set(quoted, 8);
  return sealed(message);
}

function sealed(message: Uint8Array): Uint8Array {
  put16(message, 2, 0);
  put16(message, 2, complement(addWords(0, message, 0, message.length)));
  return message;
}
