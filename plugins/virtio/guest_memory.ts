/** Guest memory as queues reach it: every access is checked, nothing throws but {@linkcode QueueError}. */
import type { DeviceDma } from "../device/contract.ts";

/** The driver broke the rules of its queue: the device needs a reset. Never leaves the device. */
export class QueueError extends Error {
  override readonly name = "QueueError";
}

const BORROWED = 0x1_0000;

/** Little-endian reads and writes that either work or throw a {@linkcode QueueError}. */
export class GuestMemory {
  /** What reads of a word or two go through. */
  readonly #word = new Uint8Array(4);
  readonly #half = this.#word.subarray(0, 2);
  #borrowed: Uint8Array | undefined;

  constructor(private readonly dma: DeviceDma) {}

  /** True when all of it is RAM. Exact for every number: no sum of it wraps. */
  holds(ipa: number, size: number): boolean {
    for (const { at, size: length } of this.dma.ram) if (ipa >= at && ipa - at <= length - size) return true;
    return false;
  }

  /** Reads into bytes that are there. */
  readInto(ipa: number, into: Uint8Array): void {
    if (this.dma.readInto === undefined) return into.set(this.read(ipa, into.length));
    if (!this.holds(ipa, into.length) || !this.dma.readInto(ipa, into)) throw unreadable(ipa, into.length);
  }

  /** {@linkcode read} into bytes of its own, which hold until the next call: for what is looked at once. At most 64 KiB stay allocated. */
  borrow(ipa: number, size: number): Uint8Array {
    if (size > BORROWED) return this.read(ipa, size);
    const bytes = (this.#borrowed ??= new Uint8Array(BORROWED)).subarray(0, size);
    this.readInto(ipa, bytes);
    return bytes;
  }

  read(ipa: number, size: number): Uint8Array {
    // Asked first, so that a length of 4 GiB allocates nothing.
    const bytes = this.holds(ipa, size) ? this.dma.read(ipa, size) : undefined;
    if (bytes === undefined) throw unreadable(ipa, size);
    return bytes;
  }

  write(ipa: number, bytes: Uint8Array): void {
    if (this.dma.write(ipa, bytes)) return;
    throw new QueueError(`${bytes.length} bytes at IPA 0x${ipa.toString(16)} can't be written: not all of it is guest RAM`);
  }

  read16(ipa: number): number {
    const bytes = this.#half;
    this.readInto(ipa, bytes);
    return bytes[0] | bytes[1] << 8;
  }

  read32(ipa: number): number {
    const bytes = this.#word;
    this.readInto(ipa, bytes);
    return (bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24) >>> 0;
  }

  write16(ipa: number, value: number): void {
    this.write(ipa, Uint8Array.of(value & 0xff, value >>> 8 & 0xff));
  }
}

function unreadable(ipa: number, size: number): QueueError {
  return new QueueError(`${size} bytes at IPA 0x${ipa.toString(16)} can't be read: not all of it is guest RAM`);
}
