/** 9P2000.L, the numbers: messages, flags and the guest's error numbers, as Linux's client of version 9p2000.L speaks them. */

/** Requests; the answer to one is its number plus 1. */
export const Message = {
  LERROR: 6,
  STATFS: 8,
  LOPEN: 12,
  LCREATE: 14,
  SYMLINK: 16,
  MKNOD: 18,
  RENAME: 20,
  READLINK: 22,
  GETATTR: 24,
  SETATTR: 26,
  XATTRWALK: 30,
  XATTRCREATE: 32,
  READDIR: 40,
  FSYNC: 50,
  LOCK: 52,
  GETLOCK: 54,
  LINK: 70,
  MKDIR: 72,
  RENAMEAT: 74,
  UNLINKAT: 76,
  VERSION: 100,
  AUTH: 102,
  ATTACH: 104,
  FLUSH: 108,
  WALK: 110,
  READ: 116,
  WRITE: 118,
  CLUNK: 120,
  REMOVE: 122,
} as const;

/** Bytes of size, type and tag. */
export const HEADER = 7;
/** Bytes of an Rlerror: there is always room for one. */
export const ERROR_BYTES = HEADER + 4;
/** Bytes of an answer to a read before its data. */
export const READ_HEADER = HEADER + 4;
/** Bytes of a message: the least a driver may ask for, and the most it gets. */
export const MSIZE = { least: 4096, most: 512 * 1024 } as const;
/** Names of one walk. */
export const MAX_WALK = 16;
/** Bytes of a name, and of all names on the way to a file. */
export const NAME_MAX = 255;
export const PATH_MAX = 4096;

/** Flags of an open, "generic" ones of Linux. */
export const Open = { ACCESS: 3, WRONLY: 1, RDWR: 2, CREAT: 0o100, EXCL: 0o200, TRUNC: 0o1000, DIRECTORY: 0o200000 } as const;
/** Flag of an unlink: the name is a directory's. */
export const AT_REMOVEDIR = 0x200;
/** Types of a qid. */
export const Qid = { DIRECTORY: 0x80, SYMLINK: 0x02, FILE: 0 } as const;
/** Type bits of a mode. */
export const Type = { MASK: 0o170000, DIRECTORY: 0o040000, REGULAR: 0o100000 } as const;
/** Which attributes a setattr sets. */
export const Set = {
  MODE: 1,
  UID: 2,
  GID: 4,
  SIZE: 8,
  ATIME: 0x10,
  MTIME: 0x20,
  ATIME_SET: 0x80,
  MTIME_SET: 0x100,
} as const;
/** What a getattr answers: mode, links, owner, group, device, times, inode, size and blocks. */
export const GETATTR_BASIC = 0x7ff;
/** What `statfs` calls this kind of file system. */
export const FILE_SYSTEM_MAGIC = 0x0102_1997;
/** A user or group that isn't given. */
export const NOBODY = 0xffff_ffff;
/** A lock that was granted, and one that nobody holds. */
export const LOCK_SUCCESS = 0;
export const LOCK_UNLOCKED = 2;

/** Linux's error numbers, by POSIX's names. */
export const errnos: Readonly<Record<string, number>> = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  EBADF: 9,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  ENAMETOOLONG: 36,
  ENOTEMPTY: 39,
  ELOOP: 40,
  EPROTO: 71,
  EILSEQ: 84,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EDQUOT: 122,
};
