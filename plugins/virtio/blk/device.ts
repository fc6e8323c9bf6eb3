/**
 * The block device's requests (Virtio 1.2, "Block Device: Device Operation").
 *
 * A hostile driver may ask for any sector, any length and any type: what isn't all on the disk is IOERR, what isn't known UNSUPP, and
 * a chain with no header or no room for a status needs a reset. An error of the host's is IOERR and a trace event.
 */
import type { Disk } from "../../../core/mod.ts";
import type { Served, VirtioBehaviour, VirtioBuffer } from "../model.ts";
import { Blk, configuration, HEADER, ID_BYTES, Limit, LONGEST, RANGE, Request, Result, SECTOR, UNMAP, WRITEBACK } from "./protocol.ts";

/** Bytes that are copied together. */
const PIECE = 0x10_0000;
const zeroes = new Uint8Array(0x1_0000);

/** What the device is made of. */
export interface BlkParts {
  readonly disk: Disk;
  readonly readOnly: boolean;
  readonly serial: string;
  readonly blockSize: number;
  readonly queues: number;
  /** Plain data, kept by the framework. */
  readonly state: { writeback: boolean };
  has(feature: number): boolean;
  trace(kind: string, detail: () => string): void;
}

/** The device. */
export class BlkDevice implements VirtioBehaviour {
  readonly #sectors: number;
  /** What is on its way from the disk, or to it. */
  readonly #piece = new Uint8Array(PIECE);

  constructor(private readonly parts: BlkParts) {
    this.#sectors = Math.floor(parts.disk.sizeBytes / parts.blockSize) * (parts.blockSize / SECTOR);
  }

  config(): Uint8Array {
    const { blockSize, queues, state } = this.parts;
    return configuration({ sectors: this.#sectors, blockSize, queues, writeback: state.writeback });
  }

  writeConfig(offset: number, bytes: Uint8Array): void {
    if (offset !== WRITEBACK || bytes.length !== 1 || bytes[0] > 1 || !this.parts.has(Blk.CONFIG_WCE)) return;
    this.parts.state.writeback = bytes[0] === 1;
    if (bytes[0] === 0) this.#try(() => this.parts.disk.flush());
  }

  reset(): void {
    this.parts.state.writeback = true;
  }

  stopped(): void {
    this.parts.disk.close();
  }

  serve(_queue: number, buffer: VirtioBuffer): Served {
    if (buffer.readable < HEADER) buffer.reject(`a block request of ${buffer.readable} bytes`);
    if (buffer.writable < 1) buffer.reject("a block request with no room for its status");
    const header = new DataView(buffer.read(0, HEADER).buffer);
    const sector = header.getUint32(8, true) + header.getUint32(12, true) * 2 ** 32;
    const room = buffer.writable - 1;
    let written = 0;
    let result: number = Result.IOERR;
    const type = header.getUint32(0, true);
    switch (type) {
      case Request.IN:
        if (this.#fits(sector, room)) result = this.#try(() => this.#read(sector, room, buffer));
        if (result === Result.OK) written = room;
        break;
      case Request.OUT:
        result = this.#write(sector, buffer);
        break;
      case Request.FLUSH:
        result = this.#try(() => this.parts.disk.flush());
        break;
      case Request.GET_ID:
        if (room >= ID_BYTES) {
          const id = new Uint8Array(ID_BYTES);
          new TextEncoder().encodeInto(this.parts.serial, id);
          buffer.write(0, id);
          [result, written] = [Result.OK, ID_BYTES];
        }
        break;
      case Request.DISCARD:
      case Request.WRITE_ZEROES:
        result = this.#ranges(type, buffer);
        break;
      default:
        result = Result.UNSUPP;
    }
    buffer.write(room, Uint8Array.of(result));
    // What lies before the status counts as written only when all of it is.
    return written === room ? room + 1 : written;
  }

  #fits(sector: number, bytes: number): boolean {
    return bytes % SECTOR === 0 && bytes <= LONGEST && sector <= this.#sectors - bytes / SECTOR;
  }

  #read(sector: number, bytes: number, buffer: VirtioBuffer): void {
    for (let done = 0; done < bytes; done += PIECE) {
      const part = this.#piece.subarray(0, Math.min(PIECE, bytes - done));
      this.parts.disk.read(sector * SECTOR + done, part);
      buffer.write(done, part);
    }
  }

  #write(sector: number, buffer: VirtioBuffer): number {
    const bytes = buffer.readable - HEADER;
    if (this.parts.readOnly || !this.#fits(sector, bytes)) return Result.IOERR;
    return this.#try(() => {
      for (let done = 0; done < bytes; done += PIECE) {
        const part = this.#piece.subarray(0, Math.min(PIECE, bytes - done));
        buffer.readInto(HEADER + done, part);
        this.parts.disk.write(sector * SECTOR + done, part);
      }
      this.#settle();
    });
  }

  #ranges(type: number, buffer: VirtioBuffer): number {
    const discard = type === Request.DISCARD;
    if (!this.parts.has(discard ? Blk.DISCARD : Blk.WRITE_ZEROES)) return Result.UNSUPP;
    if (this.parts.readOnly || buffer.readable !== HEADER + RANGE) return Result.IOERR;
    const range = new DataView(buffer.read(HEADER, RANGE).buffer);
    const sector = range.getUint32(0, true) + range.getUint32(4, true) * 2 ** 32;
    const count = range.getUint32(8, true);
    const flags = range.getUint32(12, true);
    if ((flags & ~UNMAP) !== 0 || discard && flags !== 0) return Result.UNSUPP;
    if (count > (discard ? Limit.DISCARD_SECTORS : Limit.ZERO_SECTORS) || sector > this.#sectors - count) return Result.IOERR;
    const { disk } = this.parts;
    return this.#try(() => {
      // What is discarded may read as anything: where the disk can't give room back it stays as it is.
      if (discard) disk.discard?.(sector * SECTOR, count * SECTOR);
      else if (disk.zero) disk.zero(sector * SECTOR, count * SECTOR, (flags & UNMAP) !== 0);
      else {
        for (let done = 0; done < count * SECTOR; done += zeroes.length) {
          disk.write(sector * SECTOR + done, zeroes.subarray(0, Math.min(zeroes.length, count * SECTOR - done)));
        }
      }
      this.#settle();
    });
  }

  /** A driver that can't flush, or doesn't want to, relies on each write. */
  #settle(): void {
    const writeback = this.parts.has(Blk.CONFIG_WCE) ? this.parts.state.writeback : this.parts.has(Blk.FLUSH);
    if (!writeback) this.parts.disk.flush();
  }

  #try(action: () => void): number {
    try {
      action();
      return Result.OK;
    } catch (error) {
      // Not ours: the queue broke its rules meanwhile.
      if (error instanceof Error && error.name === "QueueError") throw error;
      this.parts.trace("disk error", () => (error as Error).message);
      return Result.IOERR;
    }
  }
}
