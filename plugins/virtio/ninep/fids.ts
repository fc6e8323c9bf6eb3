/**
 * What a driver has names for ("fids"), as plain data: the way to each from the shared folder down, and how it was opened. Open files of the
 * host stand beside it and are opened again when they are missing, so that a restored device goes on.
 *
 * A hostile driver may want any number of fids with ways of any length: both have a bound, and so have open files.
 */
import { FolderError } from "../../../core/mod.ts";
import type { Folder, FolderFile, FolderPath } from "../../../core/mod.ts";
import { PATH_MAX } from "./protocol.ts";
import { textBytes } from "./wire.ts";

/** Fids of one device, and bytes of all their ways. */
const MOST_FIDS = 2 ** 16;
const MOST_PATH_BYTES = 2 ** 24;
/** Files that one device holds open. */
const MOST_FILES = 512;

/** One of them. */
export interface Fid {
  path: FolderPath;
  /** The guest's user whom it was made for. */
  readonly uid: number;
  /** Opened, and for what. */
  opened?: { readonly read: boolean; readonly write: boolean; readonly directory: boolean };
}

/** By number. */
export type FidState = Map<number, Fid>;

const bytesOf = (path: FolderPath) => path.reduce((sum, name) => sum + 1 + textBytes(name), 0);

/** The fids at work. */
export class Fids {
  readonly #files = new Map<number, FolderFile>();
  #pathBytes: number;

  constructor(private readonly state: FidState, private readonly folder: Folder) {
    this.#pathBytes = [...state.values()].reduce((sum, { path }) => sum + bytesOf(path), 0);
  }

  /** EBADF when there is none. */
  get(fid: number): Fid {
    const found = this.state.get(fid);
    if (found === undefined) throw new FolderError("EBADF");
    return found;
  }

  /** A new one. EBADF when the number is taken. */
  add(fid: number, made: Fid): void {
    if (this.state.has(fid)) throw new FolderError("EBADF");
    this.#account(made.path);
    if (this.state.size >= MOST_FIDS) throw new FolderError("ENFILE");
    this.state.set(fid, made);
    this.#pathBytes += bytesOf(made.path);
  }

  /** It means something else now. */
  move(fid: number, path: FolderPath): void {
    const found = this.get(fid);
    this.#account(path);
    this.#pathBytes += bytesOf(path) - bytesOf(found.path);
    found.path = path;
  }

  /** It is gone, and its file closed. */
  drop(fid: number): void {
    this.#pathBytes -= bytesOf(this.get(fid).path);
    this.state.delete(fid);
    this.#files.get(fid)?.close();
    this.#files.delete(fid);
  }

  /** All are gone. */
  clear(): void {
    this.closeFiles();
    this.state.clear();
    this.#pathBytes = 0;
  }

  /** Files of the host are closed; fids stay. */
  closeFiles(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }

  /** Before a file is opened: there may be too many. */
  checkRoom(): void {
    if (this.#files.size >= MOST_FILES) throw new FolderError("EMFILE");
  }

  /** Its open file from now on. */
  hold(fid: number, file: FolderFile): void {
    this.#files.set(fid, file);
  }

  /** Its open file, opened again where it got lost; undefined when it isn't an open file's. */
  file(fid: number): FolderFile | undefined {
    const { opened, path } = this.get(fid);
    if (opened === undefined || opened.directory) return undefined;
    let file = this.#files.get(fid);
    if (file === undefined) {
      this.checkRoom();
      this.#files.set(fid, file = this.folder.open(path, opened));
    }
    return file;
  }

  /** Something has another name: so it has for every fid that is it, or is below it. What was there is no more. */
  renamed(from: FolderPath, to: FolderPath): void {
    for (const [fid, { path }] of this.state) {
      if (from.some((name, index) => path[index] !== name)) continue;
      try {
        this.move(fid, [...to, ...path.slice(from.length)]);
      } catch (error) {
        // Longer than allowed: the old way leads nowhere now.
        if (!(error instanceof FolderError)) throw error;
      }
    }
  }

  #account(path: FolderPath): void {
    const bytes = bytesOf(path);
    if (bytes > PATH_MAX) throw new FolderError("ENAMETOOLONG");
    if (this.#pathBytes + bytes > MOST_PATH_BYTES) throw new FolderError("ENFILE");
  }
}
