/**
 * A folder of the host, as plugins use it: synchronous, because a device answers within one exit. Everything is named from the folder
 * down, and nothing of it is outside: no symbolic link of the host is ever followed, whoever made it and whenever.
 */

/** Names from the folder down; the folder itself is `[]`. No name is empty, `.` or `..`, or holds a slash or a NUL. */
export type FolderPath = readonly string[];

/** What something in a folder is. `other`: pipes, sockets and devices, which are never opened. */
export type FolderKind = "file" | "directory" | "symlink" | "other";

/** What the host says of something in a folder. Times are Unix time in milliseconds. */
export interface FolderStat {
  readonly kind: FolderKind;
  /** With the type bits of POSIX. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly sizeBytes: number;
  /** Blocks of 512 bytes that it takes. */
  readonly blocks: number;
  readonly device: number;
  readonly inode: number;
  readonly accessedMs: number;
  readonly modifiedMs: number;
  readonly changedMs: number;
}

/** Changes of attributes; what is absent stays. Times are Unix time in milliseconds, `now` is the host's. */
export interface FolderChanges {
  /** Read, write and execute bits: no others reach the host. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly sizeBytes?: number;
  readonly accessedMs?: number | "now";
  readonly modifiedMs?: number | "now";
}

/** How to open a file. */
export interface FolderOpen {
  readonly read: boolean;
  readonly write: boolean;
  readonly truncate?: boolean;
  /** Makes it, with these permissions, when it isn't there; `exclusive`: only then. */
  readonly create?: { readonly mode: number; readonly exclusive: boolean };
}

/** How much room the host has; sizes in blocks of `blockBytes`. */
export interface FolderSpace {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly free: number;
  readonly available: number;
  readonly files: number;
  readonly freeFiles: number;
}

/** An open file. All methods throw a {@linkcode FolderError}. It stays the same file when its name goes. */
export interface FolderFile {
  stat(): FolderStat;
  /** Fills `into` from an offset, returns the bytes that there were. */
  read(offset: number, into: Uint8Array): number;
  /** Writes all of it. */
  write(offset: number, bytes: Uint8Array): void;
  change(changes: FolderChanges): void;
  /** Comes back when all is on the medium. */
  sync(): void;
  close(): void;
}

/** An open folder. All methods throw a {@linkcode FolderError}. */
export interface Folder {
  /** False: everything that would change something throws EROFS. */
  readonly writable: boolean;
  /** The host's user who acts here. */
  readonly user: { readonly uid: number; readonly gid: number };
  stat(path: FolderPath): FolderStat;
  /** Names in a directory, sorted; those that aren't Unicode are left out. */
  list(path: FolderPath): string[];
  /** Where a symbolic link leads: text, of no meaning here. */
  readLink(path: FolderPath): string;
  /** Opens a plain file: ELOOP, EISDIR or EACCES when it is something else. */
  open(path: FolderPath, how: FolderOpen): FolderFile;
  makeDirectory(path: FolderPath, mode: number): void;
  makeLink(path: FolderPath, target: string): void;
  /** One more name for a file. */
  addName(path: FolderPath, file: FolderPath): void;
  rename(from: FolderPath, to: FolderPath): void;
  /** Removes a name: that of an empty directory, or of anything else. */
  remove(path: FolderPath, what: "directory" | "other"): void;
  change(path: FolderPath, changes: FolderChanges): void;
  space(): FolderSpace;
  /** Gives the folder back; open files stay open. */
  close(): void;
}

/** What the host refused: POSIX's name of it, and nothing that tells of the host. */
export class FolderError extends Error {
  override readonly name = "FolderError";
  constructor(readonly code: string) {
    super(code);
  }
}

/** How to open a folder. */
export interface FolderMode {
  readonly write: boolean;
}

/** Opens a folder. Throws an error that says why it can't be had. */
export type FolderOpener = (path: string, mode: FolderMode) => Folder;
