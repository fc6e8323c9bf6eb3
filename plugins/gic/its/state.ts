/** State of an ITS, plain data: its registers. What is mapped lies in guest memory. */

/** Tables that GITS_BASER<n> describes: devices, collections. */
export const TABLES = 2;
/** Index of each. */
export const DEVICES = 0;
export const COLLECTIONS = 1;

/** Registers; 64-bit ones as two words, or as a low and a high one. */
export interface ItsState {
  /** GITS_CTLR.Enabled. */
  enabled: boolean;
  /** GITS_CBASER. */
  queueLow: number;
  queueHigh: number;
  /** GITS_CREADR and GITS_CWRITER: offsets in bytes. */
  readOffset: number;
  writeOffset: number;
  /** GITS_BASER<n>, their fixed fields left out. */
  baserLow: Uint32Array;
  baserHigh: Uint32Array;
  /** Work that may be done at once, and when that was reckoned. */
  credit: number;
  creditAtNs: number;
}

/** Credit is in units of work of 100 ns; so much of it can be saved up. */
export const MOST_CREDIT = 10_000;
/** Virtual time for which a unit is given back. */
export const NS_PER_UNIT = 100;

/** Page_Size of GITS_BASER<n>, for 64 KiB. */
export const PAGE_64K = 2;
/** Its place. */
export const PAGE_SHIFT = 8;

/** Reset state. */
export function resetState(): ItsState {
  return {
    enabled: false,
    queueLow: 0,
    queueHigh: 0,
    readOffset: 0,
    writeOffset: 0,
    baserLow: new Uint32Array(TABLES).fill(PAGE_64K << PAGE_SHIFT),
    baserHigh: new Uint32Array(TABLES),
    credit: MOST_CREDIT,
    creditAtNs: 0,
  };
}
