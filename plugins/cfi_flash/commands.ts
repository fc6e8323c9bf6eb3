/**
 * What a driver says to the chips and what they say of themselves: the Intel/Sharp extended command set
 * (CFI vendor command set 0x0001) and the query structure of JEDEC JESD68, "Common Flash Interface".
 */

/** Bus cycles that begin a command: the low byte of what is written. */
export const Command = {
  PROGRAM_ALTERNATE: 0x10,
  ERASE: 0x20,
  PROGRAM: 0x40,
  CLEAR_STATUS: 0x50,
  LOCK: 0x60,
  READ_STATUS: 0x70,
  READ_ID: 0x90,
  QUERY: 0x98,
  BUFFERED_PROGRAM: 0xe8,
  READ_ARRAY: 0xff,
  /** Second cycles. */
  LOCK_SET: 0x01,
  CONFIRM: 0xd0,
} as const;

/** Status register. */
export const Status = { READY: 1 << 7, ERASE_ERROR: 1 << 5, PROGRAM_ERROR: 1 << 4, LOCKED: 1 << 1 } as const;

/** Bytes of both chips on the 32-bit bus: each has 16 bits of it. */
export const BUS_BYTES = 4;
/** Bytes that one erase clears: 128 KiB of either chip. */
export const SECTOR_BYTES = 0x4_0000;
/** Write cycles that one buffered program takes at most. */
export const BUFFER_CYCLES = 1024;
/** Intel, and a StrataFlash of 256 Mbit, which is what virtual machines have. */
export const identification: readonly number[] = [0x89, 0x18];
/** Of a sector, in bus words: bit 0 says whether it is locked. */
export const LOCK_WORD = 2;

const BUFFER_LOG2 = 11; // 2 KiB of either chip
const PRIMARY_TABLE = 0x31;

const low = (value: number) => value & 0xff;
const high = (value: number) => value >> 8;

/** The query structure of one chip of a bank, by query address; what is past its end reads as zero. */
export function queryTable(bankBytes: number): readonly number[] {
  const chipBytes = bankBytes / 2;
  const sectors = bankBytes / SECTOR_BYTES;
  const sectorUnits = SECTOR_BYTES / 2 / 256;
  const table: number[] = new Array(0x40).fill(0);
  const put = (at: number, ...values: number[]) => values.forEach((value, index) => table[at + index] = value);
  put(0x10, 0x51, 0x52, 0x59); // QRY
  put(0x13, 0x01, 0x00, PRIMARY_TABLE, 0x00); // vendor command set and its table
  put(0x1b, 0x45, 0x55); // 4.5 V to 5.5 V; no programming voltage
  put(0x1f, 7, 7, 10, 0); // typical times: program 128 us, buffer 128 us, erase 1 s
  put(0x23, 4, 4, 4, 0); // at most 16 times that
  put(0x27, Math.log2(chipBytes));
  put(0x28, 2, 0); // x8 and x16
  put(0x2a, BUFFER_LOG2, 0);
  put(0x2c, 1, low(sectors - 1), high(sectors - 1), low(sectorUnits), high(sectorUnits)); // one region of equal sectors
  put(PRIMARY_TABLE, 0x50, 0x52, 0x49, 0x31, 0x30); // PRI 1.0; no optional feature: a driver that isn't told of locks leaves them alone
  return table;
}
