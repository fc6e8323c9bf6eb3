/** Calls and layout of Arm DEN 0057, "Paravirtualized Time for Arm-based Systems": "Stolen time". */

/** SMC64 function identifiers. */
export const PvTime = {
  /** X1: a function identifier; returns SUCCESS when it is there. */
  FEATURES: 0xc500_0020,
  /** Returns the IPA of the calling vCPU's structure. */
  ST: 0xc500_0021,
} as const;

/** Return values: signed 64 bits in X0. */
export const Status = { SUCCESS: 0n, NOT_SUPPORTED: BigInt.asUintN(64, -1n) } as const;

/** Bytes of the structure of a vCPU. Structures lie at multiples of it. */
export const STRUCTURE_SIZE = 64;

/** Its parts, in bytes from its start. Revision and attributes are 32 bits of zero. */
export const Structure = {
  /** Nanoseconds, 64 bits. */
  STOLEN_TIME: 8,
} as const;
