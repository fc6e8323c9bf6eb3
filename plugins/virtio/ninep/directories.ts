/** Listing directories in portions: what a driver reads on with is a place in a list that must not move meanwhile. */
import { FolderError } from "../../../core/mod.ts";
import type { Folder, FolderPath } from "../../../core/mod.ts";
import type { Qids } from "./attributes.ts";
import { textBytes, Writer } from "./wire.ts";

/** Lists that are kept. One that got lost is made anew. */
const MOST_LISTS = 4;
/** Bytes of an entry without its name: qid, offset, type and the name's length. */
const ENTRY = 13 + 8 + 1 + 2;

/** A directory entry's type: the type bits of a mode, shifted. */
const entryType = (mode: number) => mode >>> 12 & 0xf;

/** The lists of one device. */
export class Directories {
  /** By fid, the latest used last. */
  readonly #lists = new Map<number, readonly string[]>();

  constructor(private readonly folder: Folder, private readonly qids: Qids) {}

  /** A fid is gone, or starts over. */
  forget(fid: number): void {
    this.#lists.delete(fid);
  }

  clear(): void {
    this.#lists.clear();
  }

  /** Entries from a place on, as many as fit into `size` bytes. */
  read(fid: number, path: FolderPath, from: number, size: number): Uint8Array {
    if (from === 0) this.forget(fid);
    const names = this.#list(fid, path);
    const entries = new Writer(size);
    for (let place = from; place < names.length; place++) {
      const name = names[place];
      if (entries.length + ENTRY + textBytes(name) > size) {
        if (entries.length === 0) throw new FolderError("EINVAL");
        break;
      }
      this.#entry(entries, name === "." ? path : name === ".." ? path.slice(0, -1) : [...path, name], place + 1, name);
    }
    return entries.body;
  }

  #entry(entries: Writer, path: FolderPath, next: number, name: string): void {
    try {
      const stat = this.folder.stat(path);
      entries.qid(this.qids.of(stat)).u64(next).u8(entryType(stat.mode)).text(name);
    } catch (error) {
      // It has gone since the list was made.
      if (!(error instanceof FolderError)) throw error;
    }
  }

  #list(fid: number, path: FolderPath): readonly string[] {
    const names = this.#lists.get(fid) ?? [".", "..", ...this.folder.list(path)];
    this.#lists.delete(fid);
    this.#lists.set(fid, names);
    if (this.#lists.size > MOST_LISTS) this.#lists.delete(this.#lists.keys().next().value!);
    return names;
  }
}
