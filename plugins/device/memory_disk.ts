/** A read-only disk in memory: an image that the board fetched. */
import type { Disk } from "../../core/mod.ts";

/** The bytes stay where they are. */
export class MemoryDisk implements Disk {
  readonly writable = false;
  constructor(private readonly image: Uint8Array) {}

  get sizeBytes(): number {
    return this.image.length;
  }

  read(offset: number, into: Uint8Array): void {
    const part = this.image.subarray(offset, offset + into.length);
    into.set(part);
    into.fill(0, part.length);
  }

  write(): never {
    throw new Error("the image is read-only");
  }

  flush(): void {}
  close(): void {}
}
