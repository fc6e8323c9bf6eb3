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
  /** What it is. */
  readonly kind: FolderKind;
  /** With the type bits of POSIX. */
  readonly mode: number;
  /** The host's user who owns it. */
  readonly uid: number;
  /** The host's group that owns it. */
  readonly gid: number;
  /** Names that it has. */
  readonly links: number;
  /** Of its content; of a link, that of its target's text. */
  readonly sizeBytes: number;
  /** Blocks of 512 bytes that it takes. */
  readonly blocks: number;
  /** The host's file system that it is in. */
  readonly device: number;
  /** Its number there. */
  readonly inode: number;
  /** Last read. */
  readonly accessedMs: number;
  /** Content last changed. */
  readonly modifiedMs: number;
  /** Attributes last changed. */
  readonly changedMs: number;
}

/** Changes of attributes; what is absent stays. Times are Unix time in milliseconds, `now` is the host's. */
export interface FolderChanges {
  /** Read, write and execute bits: no others reach the host. */
  readonly mode?: number;
  /** Owner. EPERM where the host's user may not give files away. */
  readonly uid?: number;
  /** Group, likewise. */
  readonly gid?: number;
  /** What is new reads as zero. */
  readonly sizeBytes?: number;
  /** Last read. */
  readonly accessedMs?: number | "now";
  /** Content last changed. */
  readonly modifiedMs?: number | "now";
}

/** How to open a file. */
export interface FolderOpen {
  /** For reading. */
  readonly read: boolean;
  /** For writing. */
  readonly write: boolean;
  /** What was in it goes. */
  readonly truncate?: boolean;
  /** Makes it, with these permissions, when it isn't there; `exclusive`: only then. */
  readonly create?: { readonly mode: number; readonly exclusive: boolean };
}

/** How much room the host has; sizes in blocks of `blockBytes`. */
export interface FolderSpace {
  /** Bytes of a block. */
  readonly blockBytes: number;
  /** All of them. */
  readonly blocks: number;
  /** Those that are free. */
  readonly free: number;
  /** Those that the host's user may have. */
  readonly available: number;
  /** Files that there may be. */
  readonly files: number;
  /** How many more. */
  readonly freeFiles: number;
}

/** An open file. All methods throw a {@linkcode FolderError}. It stays the same file when its name goes. */
export interface FolderFile {
  /** What it is like now. */
  stat(): FolderStat;
  /** Fills `into` from an offset, returns the bytes that there were. */
  read(offset: number, into: Uint8Array): number;
  /** Writes all of it. */
  write(offset: number, bytes: Uint8Array): void;
  /** Changes attributes. */
  change(changes: FolderChanges): void;
  /** Comes back when all is on the medium. */
  sync(): void;
  /** Gives it back. */
  close(): void;
}

/** An open folder. All methods throw a {@linkcode FolderError}. */
export interface Folder {
  /** False: everything that would change something throws EROFS. */
  readonly writable: boolean;
  /** The host's user who acts here. */
  readonly user: { readonly uid: number; readonly gid: number };
  /** What is there, a link itself if it is one. */
  stat(path: FolderPath): FolderStat;
  /** Names in a directory, sorted; those that aren't Unicode are left out. */
  list(path: FolderPath): string[];
  /** Where a symbolic link leads: text, of no meaning here. */
  readLink(path: FolderPath): string;
  /** Opens a plain file: ELOOP, EISDIR or EACCES when it is something else. */
  open(path: FolderPath, how: FolderOpen): FolderFile;
  /** Makes a directory with these permissions. */
  makeDirectory(path: FolderPath, mode: number): void;
  /** Makes a symbolic link with any text. */
  makeLink(path: FolderPath, target: string): void;
  /** One more name for a file. */
  addName(path: FolderPath, file: FolderPath): void;
  /** Gives something another name, in place of what has it. */
  rename(from: FolderPath, to: FolderPath): void;
  /** Removes a name: that of an empty directory, or of anything else. */
  remove(path: FolderPath, what: "directory" | "other"): void;
  /** Changes attributes; of links only owners and times. */
  change(path: FolderPath, changes: FolderChanges): void;
  /** What is left of the host's disk. */
  space(): FolderSpace;
  /** Gives the folder back; open files stay open. */
  close(): void;
}

/** What the host refused: POSIX's name of it, and nothing that tells of the host. */
export class FolderError extends Error {
  /** Its kind. */
  override readonly name: string = "FolderError";
  /** `code`: for instance `ENOENT`. */
  constructor(readonly code: string) {
    super(code);
  }
}

/** How to open a folder. */
export interface FolderMode {
  /** False: everything that would change something is refused. */
  readonly write: boolean;
}

/** Opens a folder. Throws an error that says why it can't be had. */
export type FolderOpener = (path: string, mode: FolderMode) => Folder;
