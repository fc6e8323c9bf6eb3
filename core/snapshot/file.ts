/**
 * Snapshots in files. A header that says what it is, in JSON; then sections, each compressed by itself, so that a file of any size is written and
 * read in pieces: the state, then pages of memory, then an end that says how many there were.
 *
 * A file may be anybody's: every length in it has a limit, and what it says is checked before it is believed.
 */
import { createHash } from "node:crypto";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { PAGE_SIZE } from "../memory/address.ts";
import type { Pages, Piece } from "./pages.ts";
import { Snapshot } from "./snapshot.ts";
import { SnapshotError } from "./snapshot_error.ts";
import type { SnapshotAbout } from "./snapshot.ts";

/** The format of the file, and of what is in it: grows with every change that older programs can't read, or newer ones can't any more. */
export const SNAPSHOT_VERSION = 2;

const MAGIC = "PLUGBOARD SNAP\r\n";
const MAX_HEADER = 1 << 20;
const SECTION = { end: 0, state: 1, pages: 2 } as const;
/** Kind, size, size on file. */
const SECTION_HEADER = 12;
const MAX_SECTION = 1 << 21;
const MAX_STATE = 1 << 30;
const STATE_PIECE = 1 << 20;

/** What the file says beside the snapshot's own words. */
interface Header extends SnapshotAbout {
  readonly version: number;
}

/** Writes a snapshot to a file of that name, which appears when it is complete. Throws what the host throws. */
export function writeSnapshot(path: string, snapshot: Snapshot): void {
  const temporary = `${path}.part`;
  using file = Deno.openSync(temporary, { write: true, create: true, truncate: true, mode: 0o600 });
  const write = (bytes: Uint8Array) => {
    for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
  };
  const section = (kind: number, bytes: Uint8Array) => {
    const packed = zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_checksumFlag]: 1 } });
    write(numbers(kind, bytes.length, packed.length));
    write(packed);
  };
  const header: Header = { version: SNAPSHOT_VERSION, ...snapshot.about, images: imageHashes(snapshot.images) };
  const text = new TextEncoder().encode(JSON.stringify(header));
  write(new TextEncoder().encode(MAGIC));
  write(numbers(text.length));
  write(text);
  const { state } = snapshot;
  for (let at = 0; at < state.length; at += STATE_PIECE) section(SECTION.state, state.subarray(at, at + STATE_PIECE));
  let count = 0;
  for (const { numbers: pages, bytes } of snapshot.pages.pieces()) {
    const piece = new Uint8Array(4 + pages.byteLength + bytes.length);
    piece.set(numbers(pages.length));
    piece.set(new Uint8Array(pages.buffer, pages.byteOffset, pages.byteLength), 4);
    piece.set(bytes, 4 + pages.byteLength);
    section(SECTION.pages, piece);
    count += pages.length;
  }
  section(SECTION.end, numbers(count));
  file.syncDataSync();
  Deno.renameSync(temporary, path);
}

/** SHA-256 of each image. */
export function imageHashes(images: ReadonlyMap<string, Uint8Array>): Record<string, string> {
  return Object.fromEntries([...images].map(([reference, bytes]) => [reference, createHash("sha256").update(bytes).digest("hex")]));
}

/**
 * Reads a snapshot. Pages stay in the file until they are wanted, so it must stay as it is, and {@linkcode Snapshot.close} closes it. Throws a
 * {@linkcode SnapshotError} for anything but a snapshot of this version, and for a file that can't be read.
 */
export function readSnapshot(path: string): Snapshot {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path, { read: true });
  } catch (error) {
    throw new SnapshotError(`can't open ${path}: ${(error as Error).message}`);
  }
  try {
    const reader = new SectionReader(file, path);
    const about = reader.header();
    const state = reader.state();
    const pages: Pages = { pieces: () => reader.pages() };
    return new Snapshot(about, state, pages, { close: () => file.close() });
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Reads a file from its beginning to its end, once; the pages again and again. */
class SectionReader {
  /** Where the sections of pages begin. */
  #pagesAt = 0;

  constructor(readonly file: Deno.FsFile, readonly path: string) {}

  header(): SnapshotAbout {
    if (new TextDecoder().decode(this.#take(MAGIC.length)) !== MAGIC) throw this.#error("it is no snapshot");
    const size = this.#number();
    if (size > MAX_HEADER) throw this.#error("its header is too long");
    let header: Partial<Header>;
    try {
      header = JSON.parse(new TextDecoder().decode(this.#take(size)));
    } catch (error) {
      if (error instanceof SnapshotError) throw error;
      throw this.#error("its header is no JSON");
    }
    const { version, board, boardHash, layout, nowNs, instructions, images, disks } = Object(header) as Partial<Header>;
    if (version !== SNAPSHOT_VERSION) {
      throw this.#error(`it is of version ${JSON.stringify(version)}; this program reads ${SNAPSHOT_VERSION}`);
    }
    const texts = [board, boardHash, layout], counts = [nowNs, instructions];
    const isHeader = texts.every((text) => typeof text === "string") && counts.every((count) => Number.isSafeInteger(count) && count! >= 0);
    if (!isHeader || typeof images !== "object" || images === null || !Array.isArray(disks)) throw this.#error("its header isn't complete");
    return { board: board!, boardHash: boardHash!, layout: layout!, nowNs: nowNs!, instructions: instructions!, images, disks };
  }

  state(): Uint8Array {
    const parts: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      this.#pagesAt = this.file.seekSync(0, Deno.SeekMode.Current);
      const next = this.#section();
      if (next.kind !== SECTION.state) break;
      size += next.bytes.length;
      if (size > MAX_STATE) throw this.#error("its state is too long");
      parts.push(next.bytes);
    }
    const state = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      state.set(part, at);
      at += part.length;
    }
    return state;
  }

  *pages(): Iterable<Piece> {
    this.file.seekSync(this.#pagesAt, Deno.SeekMode.Start);
    for (let count = 0;;) {
      const { kind, bytes } = this.#section();
      const given = bytes.length >= 4 ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) : -1;
      if (kind === SECTION.end) {
        if (given !== count) throw this.#error("pages are missing");
        return;
      }
      if (kind !== SECTION.pages || bytes.length !== 4 + given * (4 + PAGE_SIZE)) throw this.#error("a section isn't what it should be");
      yield { numbers: new Uint32Array(bytes.slice(4, 4 + 4 * given).buffer), bytes: bytes.subarray(4 + 4 * given) };
      count += given;
    }
  }

  #section(): { readonly kind: number; readonly bytes: Uint8Array } {
    const header = new DataView(this.#take(SECTION_HEADER).buffer);
    const [kind, size, packed] = [0, 4, 8].map((at) => header.getUint32(at, true));
    if (size > MAX_SECTION || packed > MAX_SECTION) throw this.#error("a section is too long");
    const taken = this.#take(packed);
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(zstdDecompressSync(taken, { maxOutputLength: Math.max(size, 1) }));
    } catch {
      throw this.#error("a section can't be unpacked");
    }
    if (bytes.length !== size) throw this.#error("a section has another size than it says");
    return { kind, bytes };
  }

  #number(): number {
    return new DataView(this.#take(4).buffer).getUint32(0, true);
  }

  #take(size: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(size);
    for (let done = 0; done < size;) {
      const count = this.file.readSync(bytes.subarray(done));
      if (!count) throw this.#error("it ends too early");
      done += count;
    }
    return bytes;
  }

  #error(what: string): SnapshotError {
    return new SnapshotError(`${this.path}: ${what}`);
  }
}

function numbers(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}
