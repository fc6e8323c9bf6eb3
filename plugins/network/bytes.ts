/** Big-endian numbers in bytes, and the Internet checksum (RFC 1071). Offsets are the caller's to check. */

export function get16(bytes: Uint8Array, at: number): number {
  return bytes[at] << 8 | bytes[at + 1];
}

export function get32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]) >>> 0;
}

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function put32(bytes: Uint8Array, at: number, value: number): void {
  put16(bytes, at, value >>> 16);
  put16(bytes, at + 2, value);
}

/** One after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Adds bytes `from` to `to` to a one's complement sum, as 16-bit words; an odd one at the end counts as the high half. */
export function addWords(sum: number, bytes: Uint8Array, from: number, to: number): number {
  let total = sum;
  let at = from;
  // At most 2^16 words of 2^16 each between two folds: 32 bits hold that.
  for (; at + 1 < to; at += 2) total += bytes[at] << 8 | bytes[at + 1];
  if (at < to) total += bytes[at] << 8;
  return fold(total);
}

/** To 16 bits, with the carries added. */
export function fold(sum: number): number {
  let total = sum;
  while (total > 0xffff) total = (total % 0x1_0000) + Math.floor(total / 0x1_0000);
  return total;
}

/** The checksum that goes with a sum. */
export function complement(sum: number): number {
  return ~fold(sum) & 0xffff;
}

/** The pseudo-header of UDP and TCP over IPv4, summed. */
export function pseudoHeader(source: number, destination: number, protocol: number, length: number): number {
  return fold((source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length);
}
