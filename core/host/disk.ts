/** A disk image on the host, as plugins use it: synchronous, because a device answers within one exit. */

/** An open disk image. */
export interface Disk {
  /** Bytes. Grows when something is written behind the end. */
  readonly sizeBytes: number;
  /** The file of the host that it is, when it is one: absolute. */
  readonly path?: string;
  /** False: {@linkcode write} throws. */
  readonly writable: boolean;
  /** Fills `into` from an offset; what is behind the end reads as zero. Throws when the host can't. */
  read(offset: number, into: Uint8Array): void;
  /** The bytes are the caller's again when it comes back: who needs them longer copies them. Throws when the host can't. */
  write(offset: number, bytes: Uint8Array): void;
  /** Comes back when what was written is on the medium: it survives the end of this program, and of the host. */
  flush(): void;
  /**
   * These bytes read as zeroes afterwards. `unmap`: they need no room then, where the format can do without. A multiple of 512 each.
   * Absent: they have to be written.
   */
  zero?(offset: number, count: number, unmap: boolean): void;
  /** Nobody needs these bytes: they may read as anything until they are written. Absent: there is no way to give room back. */
  discard?(offset: number, count: number): void;
  /** Gives the file back. */
  close(): void;
}

/** How to open one. */
export interface DiskMode {
  /** Nobody else, of this program or another, may have it open then. */
  readonly write: boolean;
  /** The caller holds the lock already: another thread of this program opened it. */
  readonly locked?: boolean;
}

/** Opens a disk image. Throws an error that says why it can't be had. */
export type DiskOpener = (path: string, mode: DiskMode) => Disk;

/**
 * Opens a file of the host. A disk that somebody writes to is his alone: the file is locked, against other domains as well as
 * other programs of the same manners. Throws an error that says why it can't be had.
 */
export function openDiskFile(path: string, { write, locked = false }: DiskMode): Disk {
  const file = open(path, write);
  const sizeBytes = file.statSync().size;
  if (!file.statSync().isFile) {
    file.close();
    throw new Error(`${path} is not a plain file`);
  }
  if (!locked && !file.tryLockSync(write)) {
    file.close();
    throw new Error(`${path} is in use: somebody ${write ? "has it open" : "writes to it"}`);
  }
  return new FileDisk(file, locked ? path : Deno.realPathSync(path), sizeBytes, write);
}

function open(path: string, write: boolean): Deno.FsFile {
  try {
    return Deno.openSync(path, { read: true, write });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new Error(`there is no file ${path}`);
    throw new Error(`can't open ${path} for ${write ? "writing" : "reading"}: ${(error as Error).message}`);
  }
}

/** Bytes that are looked at, or written, together. */
const PIECE = 0x1_0000;

class FileDisk implements Disk {
  #closed = false;
  /** Where the file stands: a request that goes on there needs no seek. NaN when an error left that open. */
  #position = NaN;

  constructor(private readonly file: Deno.FsFile, readonly path: string, public sizeBytes: number, readonly writable: boolean) {}

  read(offset: number, into: Uint8Array): void {
    this.#seek(offset);
    let done = 0;
    while (done < into.length) {
      const count = this.file.readSync(done === 0 ? into : into.subarray(done));
      if (!count) break;
      done += count;
    }
    this.#position = offset + done;
    if (done < into.length) into.fill(0, done);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#seek(offset);
    for (let done = 0; done < bytes.length;) done += this.file.writeSync(done === 0 ? bytes : bytes.subarray(done));
    this.#position = offset + bytes.length;
    this.sizeBytes = Math.max(this.sizeBytes, this.#position);
  }

  #seek(offset: number): void {
    if (this.#position !== offset) this.file.seekSync(offset, Deno.SeekMode.Start);
    this.#position = NaN;
  }

  /** Deno knows no way to make a hole in a file. So that the holes that are there stay, what is zero already isn't written. */
  zero(offset: number, count: number): void {
    const words = new Int32Array(Math.min(PIECE, count) / 4);
    const bytes = new Uint8Array(words.buffer);
    for (let done = 0; done < count; done += PIECE) {
      const size = Math.min(PIECE, count - done);
      this.read(offset + done, bytes.subarray(0, size));
      if (words.subarray(0, size / 4).every((word) => word === 0)) continue;
      words.fill(0);
      this.write(offset + done, bytes.subarray(0, size));
    }
  }

  flush(): void {
    if (this.writable) this.file.syncDataSync();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.file.close();
  }
}
