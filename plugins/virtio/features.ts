/** Virtio 1.2, "Reserved Feature Bits", and status bits: "Device Status Field". */

/** Feature bits of rings and transports, by number. */
export const Feature = {
  /** Legacy only: a device takes any layout of descriptors. */
  ANY_LAYOUT: 27,
  INDIRECT_DESC: 28,
  EVENT_IDX: 29,
  VERSION_1: 32,
  ACCESS_PLATFORM: 33,
  RING_PACKED: 34,
  RING_RESET: 40,
} as const;

/** Status bits. */
export const Status = { ACKNOWLEDGE: 1, DRIVER: 2, DRIVER_OK: 4, FEATURES_OK: 8, NEEDS_RESET: 64, FAILED: 128 } as const;

/** A set of feature numbers as a mask. */
export function featureMask(bits: Iterable<number>): bigint {
  let mask = 0n;
  for (const bit of bits) mask |= 1n << BigInt(bit);
  return mask;
}
