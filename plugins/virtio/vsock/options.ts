/** What the socket device is told, and what it remembers. */

/** Options. */
export interface VsockOptions {
  readonly cid: number;
  readonly connect?: string | Readonly<Record<string, string>>;
  readonly listen?: string;
}

/** State. */
export interface VsockState {
  /** Connections by their ports, `[host, guest]`. */
  readonly live: Map<string, readonly [hostPort: number, guestPort: number]>;
  /** The latest port of the host's that was given to a program of the host. */
  nextPort: number;
}
