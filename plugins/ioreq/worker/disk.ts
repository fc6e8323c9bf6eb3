/** A disk in the Worker: a file that it may open, or calls to the hypervisor. The lock is the hypervisor's, so it outlives a Worker. */
import { openDiskFile } from "../../../core/mod.ts";
import type { Disk } from "../../../core/mod.ts";
import type { Channel } from "./channel.ts";
import type { RemoteDisk } from "./start.ts";

/** Opens it. Throws when the file can't be had. */
export function openRemoteDisk(channel: Channel, index: number, request: RemoteDisk): Disk {
  const { path, writable } = request;
  if (path === undefined) return new CalledDisk(channel, index, request);
  return new FencedDisk(openDiskFile(path, { write: writable, locked: true }), () => channel.check());
}

/** A Worker that is given up leaves the disk alone: another one has it. */
class FencedDisk implements Disk {
  readonly writable: boolean;
  readonly zero?: Disk["zero"];

  constructor(private readonly disk: Disk, private readonly check: () => void) {
    this.writable = disk.writable;
    if (disk.zero === undefined) return;
    this.zero = (offset, count, unmap) => {
      check();
      disk.zero!(offset, count, unmap);
    };
  }

  get sizeBytes(): number {
    return this.disk.sizeBytes;
  }

  read(offset: number, into: Uint8Array): void {
    this.check();
    this.disk.read(offset, into);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.check();
    this.disk.write(offset, bytes);
  }

  flush(): void {
    this.check();
    this.disk.flush();
  }

  close(): void {
    this.disk.close();
  }
}

class CalledDisk implements Disk {
  sizeBytes: number;
  readonly writable: boolean;

  constructor(private readonly channel: Channel, private readonly index: number, { sizeBytes, writable }: RemoteDisk) {
    this.sizeBytes = sizeBytes;
    this.writable = writable;
  }

  read(offset: number, into: Uint8Array): void {
    if (!this.channel.diskRead(this.index, offset, into)) throw new Error("the host can't read the disk");
  }

  write(offset: number, bytes: Uint8Array): void {
    if (!this.channel.diskWrite(this.index, offset, bytes)) throw new Error("the host can't write to the disk");
    this.sizeBytes = Math.max(this.sizeBytes, offset + bytes.length);
  }

  flush(): void {
    if (!this.channel.diskFlush(this.index)) throw new Error("the host can't flush the disk");
  }

  close(): void {}
}
