/** ARP (RFC 826): answers for the addresses that the network itself has. */
import { get16, get32, put16, put32 } from "../bytes.ts";
import { ETHERNET_BYTES, EtherType } from "./ipv4.ts";

const BYTES = 28;
const [REQUEST, REPLY] = [1, 2];

/** Who says that an address is its own. */
export interface ArpMessage {
  readonly request: boolean;
  readonly senderMac: Uint8Array;
  readonly sender: number;
  readonly target: number;
}

/** Undefined for what isn't ARP for IPv4 on Ethernet. */
export function parseArp(frame: Uint8Array): ArpMessage | undefined {
  const at = ETHERNET_BYTES;
  if (frame.length < at + BYTES) return undefined;
  if (get16(frame, at) !== 1 || get16(frame, at + 2) !== EtherType.IPV4 || frame[at + 4] !== 6 || frame[at + 5] !== 4) return undefined;
  const operation = get16(frame, at + 6);
  if (operation !== REQUEST && operation !== REPLY) return undefined;
  return {
    request: operation === REQUEST,
    senderMac: frame.slice(at + 8, at + 14),
    sender: get32(frame, at + 14),
    target: get32(frame, at + 24),
  };
}

/** A frame that asks who has `target`, or tells `target` that `sender` is here. */
export function buildArp(
  request: boolean,
  mac: Uint8Array,
  sender: number,
  targetMac: Uint8Array | undefined,
  target: number,
): Uint8Array {
  const frame = new Uint8Array(ETHERNET_BYTES + BYTES);
  const at = ETHERNET_BYTES;
  if (targetMac === undefined) frame.fill(0xff, 0, 6);
  else frame.set(targetMac, 0);
  frame.set(mac, 6);
  put16(frame, 12, EtherType.ARP);
  put16(frame, at, 1);
  put16(frame, at + 2, EtherType.IPV4);
  frame[at + 4] = 6;
  frame[at + 5] = 4;
  put16(frame, at + 6, request ? REQUEST : REPLY);
  frame.set(mac, at + 8);
  put32(frame, at + 14, sender);
  if (targetMac !== undefined) frame.set(targetMac, at + 18);
  put32(frame, at + 24, target);
  return frame;
}
