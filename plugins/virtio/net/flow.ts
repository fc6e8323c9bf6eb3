/** Which queue a frame belongs to: the same for all frames of a conversation, in both directions. */

const ETHERNET = 14;

/** A number from the addresses and, of TCP and UDP over IPv4, the ports. */
export function flowOf(frame: Uint8Array): number {
  let sum = 0;
  const add = (from: number, to: number) => {
    for (let at = from; at < to && at < frame.length; at++) sum = Math.imul(sum, 31) + frame[at] | 0;
    return sum;
  };
  const both = (a: number, b: number, size: number) => {
    sum = 0;
    const first = add(a, a + size);
    sum = 0;
    return first ^ add(b, b + size);
  };
  if ((frame[12] << 8 | frame[13]) !== 0x0800) return both(0, 6, 6) >>> 0;
  const addresses = both(ETHERNET + 12, ETHERNET + 16, 4);
  const transport = ETHERNET + 4 * (frame[ETHERNET] & 15);
  const ported = frame[ETHERNET + 9] === 6 || frame[ETHERNET + 9] === 17;
  const mixed = ported ? addresses ^ both(transport, transport + 2, 2) : addresses;
  return (mixed ^ mixed >>> 16 ^ mixed >>> 8) >>> 0;
}
