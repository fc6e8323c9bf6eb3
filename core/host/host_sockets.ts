/**
 * Contract of the host's sockets: what a plugin can do with them, and what lies between core and whoever owns the real ones.
 *
 * Whatever comes from outside enters at one place (`SocketHub`), as an event with a virtual time; what goes out leaves after each
 * `Machine.runFor`. Every queue has a limit in both directions.
 */

/** Where a stream leads, or where one is awaited. A Unix socket's path is relative to the manifest. */
export type HostAddress =
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly transport: "unix"; readonly path: string };

/** Where a datagram comes from or goes: a numeric address. */
export interface DatagramAddress {
  /** Four octets with dots between. */
  readonly hostname: string;
  /** 0 to 65535. */
  readonly port: number;
}

/** Whom a plugin may reach. */
export interface Reach {
  /** True: also this very host and its nearest (loopback, its own addresses, link-local). `hostname` may then be a name. */
  readonly local: boolean;
}

/** Why there is no connection. */
export type ConnectFailure = "refused" | "unreachable" | "timeout" | "denied" | "failed";

/** Bytes that wait on the way in, and on the way out, of each stream. */
export const STREAM_LIMIT: number = 256 * 1024;

/** What a stream's owner hears, each at its virtual time. None is called before the call that made the stream came back. */
export interface StreamHandlers {
  /** It is connected. Not called for streams that were accepted. */
  connected?(): void;
  /** There is no connection. Nothing more comes. */
  failed?(why: ConnectFailure): void;
  /** Bytes came: {@linkcode HostStream.read} has them. */
  data?(): void;
  /** The far end sends no more, after the bytes that can be read. */
  ended?(): void;
  /** {@linkcode HostStream.room} grew. */
  room?(): void;
  /** Both directions are over, or the far end broke it off. Nothing more comes. */
  closed?(broken: boolean): void;
}

/** A stream of bytes: TCP, or a Unix socket. */
export interface HostStream {
  /** Bytes that {@linkcode read} would give. */
  readonly readable: number;
  /** Bytes that {@linkcode write} would take: none until it is connected. */
  readonly room: number;
  /** Takes bytes that came, at most `limit`. The far end can send more only when they are taken. */
  read(limit: number): Uint8Array;
  /** Sends a copy of the first bytes, and says how many there was room for. */
  write(bytes: Uint8Array): number;
  /** No more will be written. What was, still goes out. */
  end(): void;
  /** Drops it: nothing more goes out, nothing more is heard. */
  abort(): void;
}

/** Streams that come from outside. */
export interface HostListener {
  /** The port, when one was chosen by the host (port 0 was asked for). */
  readonly port: number;
  /** Accepts no more. Streams that were accepted live on. */
  close(): void;
}

/** A socket for datagrams (UDP over IPv4). */
export interface HostDatagrams {
  /** Sends, or drops when too many wait. */
  send(bytes: Uint8Array, to: DatagramAddress, reach: Reach): void;
  /** Gives the port back. Nothing more is heard. */
  close(): void;
}

/** Of a datagram socket. */
export interface DatagramOptions {
  /** Where it receives; any free port when absent. */
  readonly at?: DatagramAddress;
  /** It can't have that port, or the host closed it. */
  failed?(): void;
}

/** What a name server knows. `none`: the name is there, such records aren't. */
export type Resolution =
  | { readonly kind: "found"; readonly records: readonly string[] }
  | { readonly kind: "none" | "no-such-name" | "failed" };

/** Types of records that can be asked for. Their text is as zone files print it, an MX as `10 mail.example.`. */
export type RecordType = "A" | "AAAA" | "CNAME" | "MX" | "NS" | "PTR" | "SRV" | "TXT";

/** A plugin's way to the host's sockets; they close when the plugin goes. */
export interface HostSockets {
  /** Begins to connect. */
  connect(to: HostAddress, reach: Reach, handlers: StreamHandlers): HostStream;
  /** Awaits streams; `accept` takes each or aborts it. Throws an error that says why it can't, for `context.fail`. */
  listen(at: HostAddress, accept: (stream: HostStream, from: string) => StreamHandlers): HostListener;
  /** Opens a datagram socket. */
  datagrams(received: (bytes: Uint8Array, from: DatagramAddress) => void, options?: DatagramOptions): HostDatagrams;
  /** Asks the host's name server, or the one named. */
  resolve(name: string, type: RecordType, nameServer: DatagramAddress | undefined, answered: (resolution: Resolution) => void): void;
}

/** From core to the sockets' owner. Data only, so that it could cross to another thread. */
export type SocketCommand =
  | { readonly kind: "connect"; readonly id: number; readonly to: HostAddress; readonly local: boolean }
  | { readonly kind: "write"; readonly id: number; readonly bytes: Uint8Array }
  /** So many bytes of what came were taken: as many may come. */
  | { readonly kind: "taken"; readonly id: number; readonly bytes: number }
  | { readonly kind: "end"; readonly id: number }
  /** Drops whatever has this id. */
  | { readonly kind: "close"; readonly id: number }
  | { readonly kind: "send"; readonly id: number; readonly bytes: Uint8Array; readonly to: DatagramAddress; readonly local: boolean }
  | {
    readonly kind: "resolve";
    readonly id: number;
    readonly name: string;
    readonly type: RecordType;
    readonly nameServer?: DatagramAddress;
  };

/** From the sockets' owner to core. */
export type SocketEvent =
  | { readonly kind: "connected"; readonly id: number }
  | { readonly kind: "failed"; readonly id: number; readonly why: ConnectFailure }
  | { readonly kind: "data"; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: "ended"; readonly id: number }
  | { readonly kind: "written"; readonly id: number; readonly bytes: number }
  | { readonly kind: "closed"; readonly id: number; readonly broken: boolean }
  /** `stream`: an id of the owner's choice, below zero. */
  | { readonly kind: "accepted"; readonly id: number; readonly stream: number; readonly from: string }
  | { readonly kind: "datagram"; readonly id: number; readonly bytes: Uint8Array; readonly from: DatagramAddress }
  | { readonly kind: "resolved"; readonly id: number; readonly resolution: Resolution };

/** An event with its stamp: enough to repeat a run without the world. */
export interface RecordedSocketEvent {
  /** Virtual nanoseconds since boot. */
  readonly atNs: number;
  /** What came. */
  readonly event: SocketEvent;
}

/** The owner's side of one machine's sockets. No method throws but {@linkcode listen}. */
export interface SocketService {
  /** Does it, at once or later; what comes of it is posted. */
  do(command: SocketCommand): void;
  /** Returns the port. Throws when it can't listen there. */
  listen(id: number, at: HostAddress): number;
  /** Posts `failed` when it can't have that port. */
  datagrams(id: number, at: DatagramAddress | undefined): void;
  /** Closes everything. */
  close(): void;
}

/** Who owns the real sockets. */
export interface SocketDriver {
  /** False: nothing waits for the world (a recording), so virtual time needs not keep pace with it. */
  readonly live: boolean;
  /** Serves one machine. `post`: an event; `atNs` only from a recording. */
  open(post: (event: SocketEvent, atNs?: number) => void): SocketService;
}
