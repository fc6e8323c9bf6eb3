/** Virtio 1.2, "Block Device": features, requests, configuration. */

/** Bytes of a sector, whatever the logical block size. */
export const SECTOR = 512;
/** Bytes of a request's header. */
export const HEADER = 16;
/** Bytes of a segment of a discard or write-zeroes request. */
export const RANGE = 16;
/** What GET_ID returns. */
export const ID_BYTES = 20;

/** Feature bits. */
export const Blk = {
  SIZE_MAX: 1,
  SEG_MAX: 2,
  RO: 5,
  BLK_SIZE: 6,
  FLUSH: 9,
  TOPOLOGY: 10,
  CONFIG_WCE: 11,
  MQ: 12,
  DISCARD: 13,
  WRITE_ZEROES: 14,
} as const;

/** Request types. */
export const Request = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const;

/** Statuses. */
export const Result = { OK: 0, IOERR: 1, UNSUPP: 2 } as const;

/** Flag of a range: may be unmapped. */
export const UNMAP = 1;

/** What a driver must keep to; a request of `SEG_MAX` pieces of `SIZE_MAX` bytes is the longest that is served. */
export const Limit = {
  SIZE_MAX: 256 * 1024,
  SEG_MAX: 126,
  /** 128 MiB: cluster by cluster where the disk has any. */
  DISCARD_SECTORS: 2 ** 18,
  /** 4 MiB: zeroes are written one by one where the disk has no shorter way. */
  ZERO_SECTORS: 2 ** 13,
} as const;

/** Longest data of a request in bytes. */
export const LONGEST = Limit.SIZE_MAX * Limit.SEG_MAX;

/** Offset of `writeback` in the configuration. */
export const WRITEBACK = 32;

/** The configuration; `sectors` of 512 bytes, `blockSize` in bytes. */
export function configuration({ sectors, blockSize, queues, writeback }: {
  readonly sectors: number;
  readonly blockSize: number;
  readonly queues: number;
  readonly writeback: boolean;
}): Uint8Array {
  const bytes = new Uint8Array(60);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(sectors), true);
  view.setUint32(8, Limit.SIZE_MAX, true);
  view.setUint32(12, Limit.SEG_MAX, true);
  view.setUint32(20, blockSize, true);
  // Physical blocks of 4 KiB, if the logical ones are smaller.
  view.setUint8(24, Math.max(0, Math.log2(4096 / blockSize)));
  view.setUint16(26, Math.max(1, 4096 / blockSize), true);
  view.setUint8(WRITEBACK, writeback ? 1 : 0);
  view.setUint16(34, queues, true);
  view.setUint32(36, Limit.DISCARD_SECTORS, true);
  view.setUint32(40, 1, true);
  view.setUint32(44, 4096 / SECTOR, true);
  view.setUint32(48, Limit.ZERO_SECTORS, true);
  view.setUint32(52, 1, true);
  view.setUint8(56, 1);
  return bytes;
}
