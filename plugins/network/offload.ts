/**
 * What a sender may leave to others: a checksum to compute, a TCP segment to cut. Whoever can't take such a frame gets plain ones here.
 *
 * What a frame says of itself is a guest's word: {@linkcode offloadProblem} tells whether it holds before anybody relies on it.
 */
import { addWords, complement, concat, get16, get32, put16, put32 } from "./bytes.ts";
import type { Frame } from "./link.ts";

/** Bytes of a frame with the longest IP packet in it, with one VLAN tag. */
export const MOST_FRAME_BYTES: number = 18 + 0xffff;

const ETHERNET = 14;
const [IPV4, IPV6, VLAN] = [0x0800, 0x86dd, 0x8100];
const TCP = 6;
/** Less data in a segment is nobody's wish: a frame of 64 KiB would become tens of thousands. */
const LEAST_SEGMENT = 64;
const [FIN, PSH, CWR] = [0x01, 0x08, 0x80];

/** Offset of the network header, and the type of what is there. */
function network(bytes: Uint8Array): { readonly at: number; readonly type: number } {
  const type = get16(bytes, 12);
  return type === VLAN && bytes.length >= ETHERNET + 4 ? { at: ETHERNET + 4, type: get16(bytes, 16) } : { at: ETHERNET, type };
}

/** What is wrong with a frame's word on itself; undefined when it holds. */
export function offloadProblem({ bytes, checksum, segmentation }: Frame): string | undefined {
  if (bytes.length < ETHERNET) return `a frame of ${bytes.length} bytes`;
  if (bytes.length > MOST_FRAME_BYTES) return `a frame of ${bytes.length} bytes`;
  if (checksum !== undefined && (checksum.start < ETHERNET || checksum.start + checksum.offset + 2 > bytes.length)) {
    return `a checksum at ${checksum.start} + ${checksum.offset} of ${bytes.length} bytes`;
  }
  if (segmentation === undefined) return undefined;
  if (checksum === undefined) return "segmentation without a checksum";
  if (segmentation.size < LEAST_SEGMENT) return `segments of ${segmentation.size} bytes`;
  return headers(bytes, segmentation.kind, checksum.start) === undefined ? `segmentation of what isn't ${segmentation.kind}` : undefined;
}

/** Where the headers of a TCP segment lie; undefined when it isn't one, or its TCP header isn't at `tcp`. */
function headers(bytes: Uint8Array, kind: "tcp4" | "tcp6", tcp: number): { readonly ip: number; readonly data: number } | undefined {
  const { at: ip, type } = network(bytes);
  if (type !== (kind === "tcp4" ? IPV4 : IPV6) || tcp + 20 > bytes.length) return undefined;
  if (kind === "tcp4") {
    if (ip + 20 > bytes.length || bytes[ip] >>> 4 !== 4 || bytes[ip + 9] !== TCP || ip + 4 * (bytes[ip] & 15) !== tcp) return undefined;
    if ((bytes[ip] & 15) < 5) return undefined;
  } else if (ip + 40 > bytes.length || bytes[ip] >>> 4 !== 6 || bytes[ip + 6] !== TCP || ip + 40 !== tcp) {
    return undefined; // extension headers aren't cut
  }
  const data = tcp + 4 * (bytes[tcp + 12] >>> 4);
  return data < tcp + 20 || data > bytes.length ? undefined : { ip, data };
}

/** The same as frames that ask nothing of who receives them. The frame's word was found to hold. */
export function plainFrames(frame: Frame): Frame[] {
  const { bytes, checksum, segmentation } = frame;
  if (checksum === undefined) return [frame];
  const places = segmentation && headers(bytes, segmentation.kind, checksum.start);
  if (segmentation === undefined || places === undefined) return [{ bytes: finished(bytes.slice(), checksum.start, checksum.offset) }];
  const { ip, data } = places;
  const tcp = checksum.start;
  const cut: Frame[] = [];
  let part = 0;
  for (let at = data; at < bytes.length || part === 0; at += segmentation.size, part++) {
    const piece = concat(bytes.subarray(0, data), bytes.subarray(at, at + segmentation.size));
    const last = at + segmentation.size >= bytes.length;
    if (segmentation.kind === "tcp4") {
      put16(piece, ip + 2, piece.length - ip);
      put16(piece, ip + 4, get16(bytes, ip + 4) + part);
      put16(piece, ip + 10, 0);
      put16(piece, ip + 10, complement(addWords(0, piece, ip, tcp)));
    } else {
      put16(piece, ip + 4, piece.length - ip - 40);
    }
    put32(piece, tcp + 4, get32(bytes, tcp + 4) + at - data >>> 0);
    piece[tcp + 13] = bytes[tcp + 13] & ~((last ? 0 : FIN | PSH) | (part === 0 ? 0 : CWR));
    // The pseudo-header of this piece: addresses, protocol, and its own length.
    const addresses = segmentation.kind === "tcp4" ? addWords(0, piece, ip + 12, ip + 20) : addWords(0, piece, ip + 8, ip + 40);
    put16(piece, tcp + 16, 0);
    put16(piece, tcp + 16, complement(addWords(addresses + TCP + piece.length - tcp, piece, tcp, piece.length)));
    cut.push({ bytes: piece });
  }
  return cut;
}

function finished(bytes: Uint8Array, start: number, offset: number): Uint8Array {
  const value = complement(addWords(0, bytes, start, bytes.length));
  // A UDP checksum of 0 would say that there is none.
  put16(bytes, start + offset, value === 0 ? 0xffff : value);
  return bytes;
}
