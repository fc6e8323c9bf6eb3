/** What the socket device is told, and what it remembers. */

/** Options. */
export interface VsockOptions {
  /** The guest's context ID. */
  readonly cid: number;
  /** Unix sockets of the host by port, or a pattern. */
  readonly connect?: string | Readonly<Record<string, string>>;
  /** A Unix socket for programs of the host. */
  readonly listen?: string;
}

/** State. */
export interface VsockState {
  /** Connections by their ports, `[host, guest]`. */
  readonly live: Map<string, readonly [hostPort: number, guestPort: number]>;
  /** The latest port of the host's that was given to a program of the host. */
  nextPort: number;
}
