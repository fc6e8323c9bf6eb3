/** Where a plugin may keep what it derived, from one run to the next. Losing any of it costs time, and nothing that a guest sees may depend on it. */

/** Kept contents by their keys. */
export interface HostCache {
  /** What was kept under a key, by this version of the program. Whoever reads it checks it: anything may have happened to it. */
  read(key: string): Uint8Array | undefined;
  /** Keeps something under a key, in place of what was there. It may be gone at any time. Never throws. */
  write(key: string, bytes: Uint8Array): void;
}
