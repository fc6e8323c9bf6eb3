/**
 * A folder of the host on Linux. What keeps a guest in it: every directory on the way is opened by its name in the one before, with
 * O_NOFOLLOW, and reached from then on as `/proc/self/fd/N`, which is that directory, whatever its name is by now. A file is pinned (O_PATH),
 * looked at, and then opened through its pin. So nothing lies between the check and the use that anybody could exchange: not the guest,
 * not another guest with the same folder, not a program of the host.
 */
import * as fs from "node:fs";
import { Buffer } from "node:buffer";
import { FolderError } from "./folder.ts";
import type { Folder, FolderChanges, FolderFile, FolderMode, FolderOpen, FolderPath, FolderSpace, FolderStat } from "./folder.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = fs.constants;
/** A place in the file system, not opened for anything. Not in Node's list. */
const O_PATH = 0o10000000;
/** The set-ID bits of a guest's file mean nothing good on the host. */
const PERMISSIONS = 0o777;

const pinned = (fd: number) => `/proc/self/fd/${fd}`;

/** Opens a folder of the host. Throws an error that says why it can't be had. */
export function openHostFolder(path: string, { write }: FolderMode): Folder {
  if (!followsNothing()) throw new Error(`can't share ${path}: only Linux with /proc can keep a guest inside a folder`);
  let root: number;
  try {
    // The manifest may name it through a link.
    root = fs.openSync(path, O_PATH | O_DIRECTORY);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") throw new Error(`there is no folder ${path}`);
    if (code === "ENOTDIR") throw new Error(`${path} is not a folder`);
    throw new Error(`can't open the folder ${path}: ${(error as Error).message}`);
  }
  try {
    Deno.readDirSync(pinned(root))[Symbol.iterator]().next();
  } catch (error) {
    fs.closeSync(root);
    throw new Error(`can't read the folder ${path}: ${(error as Error).message}`);
  }
  return new HostFolder(root, write);
}

/** Flags differ between systems: this one is believed when it has shown what it does with a link to a directory. */
function followsNothing(): boolean {
  try {
    fs.closeSync(fs.openSync("/proc/self/cwd", O_PATH | O_DIRECTORY | O_NOFOLLOW));
    return false;
  } catch (error) {
    return codeOf(error) === "ENOTDIR";
  }
}

function codeOf(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : "EIO";
}

/** Runs it; what the host throws becomes a {@linkcode FolderError}. */
function attempt<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof FolderError ? error : new FolderError(codeOf(error));
  }
}

function checked(name: string): string {
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) throw new FolderError("EINVAL");
  return name;
}

function statOf(info: Deno.FileInfo): FolderStat {
  const { isFile, isDirectory, isSymlink } = info;
  return {
    kind: isFile ? "file" : isDirectory ? "directory" : isSymlink ? "symlink" : "other",
    mode: info.mode ?? 0,
    uid: info.uid ?? 0,
    gid: info.gid ?? 0,
    links: info.nlink ?? 1,
    sizeBytes: info.size,
    blocks: info.blocks ?? 0,
    device: info.dev,
    inode: info.ino ?? 0,
    accessedMs: info.atime?.getTime() || 0,
    modifiedMs: info.mtime?.getTime() || 0,
    changedMs: info.ctime?.getTime() || 0,
  };
}

/** Opens something without opening it, and closes it afterwards. */
function withPin<T>(place: string, action: (at: string) => T): T {
  const fd = fs.openSync(place, O_PATH | O_NOFOLLOW);
  try {
    return action(pinned(fd));
  } finally {
    fs.closeSync(fd);
  }
}

const seconds = (time: number | "now" | undefined, kept: number) => (time === "now" ? Date.now() : time ?? kept) / 1000;

/** `at` is what is to change, through its pin, or an open file's. */
function change(at: string, { mode, uid, gid, sizeBytes, accessedMs, modifiedMs }: FolderChanges): void {
  const now = statOf(Deno.statSync(at));
  if (now.kind === "other") throw new FolderError("EPERM");
  if (sizeBytes !== undefined) {
    if (now.kind === "directory") throw new FolderError("EISDIR");
    fs.truncateSync(at, sizeBytes);
  }
  if (uid !== undefined || gid !== undefined) fs.chownSync(at, uid ?? now.uid, gid ?? now.gid);
  if (mode !== undefined) fs.chmodSync(at, mode & PERMISSIONS);
  if (accessedMs !== undefined || modifiedMs !== undefined) {
    fs.utimesSync(at, seconds(accessedMs, now.accessedMs), seconds(modifiedMs, now.modifiedMs));
  }
}

class HostFolder implements Folder {
  readonly user: { readonly uid: number; readonly gid: number } = { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 };
  #closed = false;

  constructor(private readonly root: number, readonly writable: boolean) {}

  stat(path: FolderPath): FolderStat {
    return this.#at(path, (place, itself) => statOf(itself ? Deno.statSync(place) : Deno.lstatSync(place)));
  }

  list(path: FolderPath): string[] {
    return this.#inDirectory(path, (at) => {
      const names = [...Deno.readDirSync(at)].map(({ name }) => name).filter((name) => !name.includes("\ufffd"));
      return names.sort();
    });
  }

  readLink(path: FolderPath): string {
    return this.#at(path, (place, itself) => {
      if (itself) throw new FolderError("EINVAL");
      return fs.readlinkSync(place);
    });
  }

  open(path: FolderPath, { read, write, truncate, create }: FolderOpen): FolderFile {
    const changes = write || truncate || create !== undefined;
    const access = write ? read ? O_RDWR : O_WRONLY : O_RDONLY;
    return this.#at(path, (place, itself) => {
      if (itself) throw new FolderError("EISDIR");
      if (changes && !this.writable) throw new FolderError("EROFS");
      if (create !== undefined) {
        const mode = create.mode & PERMISSIONS;
        try {
          const fd = fs.openSync(place, access | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
          // The guest has applied its own umask.
          fs.fchmodSync(fd, mode);
          return new HostFile(fd);
        } catch (error) {
          if (create.exclusive || codeOf(error) !== "EEXIST") throw error;
        }
      }
      return withPin(place, (at) => {
        const { isFile, isDirectory, isSymlink } = Deno.statSync(at);
        if (!isFile) throw new FolderError(isDirectory ? "EISDIR" : isSymlink ? "ELOOP" : "EACCES");
        return new HostFile(fs.openSync(at, access | (truncate ? O_TRUNC : 0)));
      });
    });
  }

  makeDirectory(path: FolderPath, mode: number): void {
    this.#change(path, (place) => {
      fs.mkdirSync(place, { mode: mode & PERMISSIONS });
      withPin(place, (at) => fs.chmodSync(at, mode & PERMISSIONS));
    });
  }

  makeLink(path: FolderPath, target: string): void {
    if (target === "" || target.includes("\0")) throw new FolderError("EINVAL");
    this.#change(path, (place) => fs.symlinkSync(target, place));
  }

  addName(path: FolderPath, file: FolderPath): void {
    this.#change(file, (from) => this.#change(path, (to) => fs.linkSync(from, to)));
  }

  rename(from: FolderPath, to: FolderPath): void {
    this.#change(from, (before) => this.#change(to, (after) => fs.renameSync(before, after)));
  }

  remove(path: FolderPath, what: "directory" | "other"): void {
    this.#change(path, (place) => {
      const { isDirectory } = Deno.lstatSync(place);
      if (isDirectory !== (what === "directory")) throw new FolderError(isDirectory ? "EISDIR" : "ENOTDIR");
      if (isDirectory) fs.rmdirSync(place);
      else fs.unlinkSync(place);
    });
  }

  change(path: FolderPath, changes: FolderChanges): void {
    if (!this.writable) throw new FolderError("EROFS");
    this.#at(path, (place, itself) => {
      if (itself) return change(place, changes);
      const { isSymlink, uid, gid, atime, mtime } = Deno.lstatSync(place);
      if (!isSymlink) return withPin(place, (at) => change(at, changes));
      if (changes.mode !== undefined || changes.sizeBytes !== undefined) throw new FolderError("EOPNOTSUPP");
      if (changes.uid !== undefined || changes.gid !== undefined) fs.lchownSync(place, changes.uid ?? uid!, changes.gid ?? gid!);
      const { accessedMs, modifiedMs } = changes;
      if (accessedMs === undefined && modifiedMs === undefined) return;
      fs.lutimesSync(place, seconds(accessedMs, atime!.getTime()), seconds(modifiedMs, mtime!.getTime()));
    });
  }

  space(): FolderSpace {
    const { bsize, blocks, bfree, bavail, files, ffree } = attempt(() => fs.statfsSync(pinned(this.root)));
    return { blockBytes: bsize, blocks, free: bfree, available: bavail, files, freeFiles: ffree };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    fs.closeSync(this.root);
  }

  /** Something that isn't the folder itself, in a folder that may be written to. */
  #change<T>(path: FolderPath, action: (place: string) => T): T {
    if (!this.writable) throw new FolderError("EROFS");
    return this.#at(path, (place, itself) => {
      if (itself) throw new FolderError("EBUSY");
      return action(place);
    });
  }

  /** Where something is: a name in a pinned directory, or the folder itself. */
  #at<T>(path: FolderPath, action: (place: string, itself: boolean) => T): T {
    const name = path.at(-1);
    if (name === undefined) return this.#inDirectory(path, (at) => action(at, true));
    return this.#inDirectory(path.slice(0, -1), (at) => action(`${at}/${checked(name)}`, false));
  }

  #inDirectory<T>(path: FolderPath, action: (at: string) => T): T {
    if (this.#closed) throw new FolderError("EIO");
    let fd = this.root;
    return attempt(() => {
      try {
        for (const name of path) {
          const next = fs.openSync(`${pinned(fd)}/${checked(name)}`, O_PATH | O_DIRECTORY | O_NOFOLLOW);
          if (fd !== this.root) fs.closeSync(fd);
          fd = next;
        }
        return action(pinned(fd));
      } finally {
        if (fd !== this.root) fs.closeSync(fd);
      }
    });
  }
}

class HostFile implements FolderFile {
  #closed = false;

  constructor(private readonly fd: number) {}

  stat(): FolderStat {
    return attempt(() => statOf(Deno.statSync(pinned(this.fd))));
  }

  read(offset: number, into: Uint8Array): number {
    return attempt(() => {
      let done = 0;
      while (done < into.length) {
        const count = fs.readSync(this.fd, into, done, into.length - done, offset + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    attempt(() => {
      for (let done = 0; done < bytes.length;) done += fs.writeSync(this.fd, buffer, done, bytes.length - done, offset + done);
    });
  }

  change(changes: FolderChanges): void {
    const { sizeBytes, ...rest } = changes;
    attempt(() => {
      if (sizeBytes !== undefined) fs.ftruncateSync(this.fd, sizeBytes);
      if (Object.values(rest).some((value) => value !== undefined)) change(pinned(this.fd), rest);
    });
  }

  sync(): void {
    attempt(() => fs.fsyncSync(this.fd));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    fs.closeSync(this.fd);
  }
}
