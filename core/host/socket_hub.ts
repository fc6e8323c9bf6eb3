/** The one place where the host's sockets enter a machine: events are stamped with virtual time here, and commands leave here. */
import { queuedEvent } from "../schedule/events.ts";
import { STREAM_LIMIT } from "./host_sockets.ts";
import type {
  ConnectFailure,
  DatagramAddress,
  DatagramOptions,
  HostAddress,
  HostDatagrams,
  HostListener,
  HostSockets,
  HostStream,
  Reach,
  RecordedSocketEvent,
  RecordType,
  Resolution,
  SocketCommand,
  SocketDriver,
  SocketEvent,
  SocketService,
  StreamHandlers,
} from "./host_sockets.ts";
import type { VirtualClock } from "../schedule/virtual_clock.ts";

/** After a datagram, so long an answer is thought to be on its way. */
const ANSWER_NS = 2_000_000_000;
/** Commands for datagrams and names that wait for the end of the slice; more are dropped. */
const WAITING_COMMANDS = 1024;

/** What to close when a plugin instance goes. */
type Open = Set<() => void>;
type Guard = (hook: string, callback: () => void) => void;

/** Something with an id that hears events. */
interface Endpoint {
  /** The world may answer at any time: virtual time keeps pace with the host's. */
  readonly expecting: boolean;
  event(event: SocketEvent): void;
}

/** Core's implementation of {@linkcode HostSockets}. */
export class SocketHub {
  readonly #endpoints = new Map<number, Endpoint>();
  /** Sockets with an address that were closed since the last flush: who wants the same one again, as after a reboot, gets it back. */
  readonly #spare = new Map<string, { readonly id: number; readonly port: number }>();
  #service: SocketService | undefined;
  #arrived: SocketEvent[] = [];
  #commands: SocketCommand[] = [];
  #loose = 0;
  #ids = 0;
  #closed = false;
  /** Told of each event that is about to come in. */
  onStamp: ((event: SocketEvent) => void) | undefined;
  /** Told as soon as something came, outside of any run. */
  onArrival: (() => void) | undefined;

  constructor(
    readonly clock: VirtualClock,
    readonly driver: SocketDriver,
    /** Told of every event when it is stamped. */
    readonly record: (event: RecordedSocketEvent) => void = () => {},
  ) {}

  /** Something may come by itself, at any time. */
  get open(): boolean {
    return this.#arrived.length > 0 || this.driver.live && this.#endpoints.size > 0;
  }

  /** Sockets, and questions to name servers, that are open. */
  get size(): number {
    return this.#endpoints.size;
  }

  /** An answer is on its way: time must not run past it. */
  get expecting(): boolean {
    if (!this.driver.live) return false;
    if (this.#arrived.length > 0) return true;
    for (const endpoint of this.#endpoints.values()) if (endpoint.expecting) return true;
    return false;
  }

  /** What came since the last run gets the present time as its stamp. */
  deliver(): void {
    for (const event of this.#arrived.splice(0)) {
      this.onStamp?.(event);
      this.inject(event);
    }
  }

  /** An event comes now. */
  inject(event: SocketEvent): void {
    this.#stamp(event, this.clock.nowNs);
  }

  #stamp(event: SocketEvent, atNs: number): void {
    const fire = () => {
      this.record({ atNs: this.clock.nowNs, event });
      const endpoint = this.#endpoints.get(event.id);
      if (endpoint !== undefined) endpoint.event(event);
      else if (event.kind === "accepted") this.#commands.push({ kind: "close", id: event.stream });
    };
    this.clock.arm(queuedEvent(`host ${event.kind}`, fire), atNs);
  }

  /** What plugins asked for goes out. */
  flush(): void {
    this.#loose = 0;
    for (const { id } of this.#spare.values()) this.#service?.do({ kind: "close", id });
    this.#spare.clear();
    for (const command of this.#commands.splice(0)) this.#service?.do(command);
  }

  /** Closes everything. */
  close(): void {
    this.#closed = true;
    this.#service?.close();
    this.#spare.clear();
    this.#endpoints.clear();
    this.#arrived = [];
    this.#commands = [];
  }

  /** The sockets of one plugin instance. `absolute`: makes the path of a Unix socket so. */
  forInstance(guard: Guard, own: (undo: () => void) => void, absolute: (path: string) => string): HostSockets {
    const open = new Set<() => void>();
    own(() => {
      for (const close of [...open]) close();
    });
    const place = (at: HostAddress): HostAddress => at.transport === "unix" ? { ...at, path: absolute(at.path) } : at;
    return {
      connect: (to, reach, handlers) => this.#connect(place(to), reach, handlers, guard, open),
      listen: (at, accept) => this.#listen(place(at), accept, guard, open),
      datagrams: (received, options) => this.#datagrams(received, options ?? {}, guard, open),
      resolve: (name, type, nameServer, answered) => this.#resolve(name, type, nameServer, answered, guard, open),
    };
  }

  #serve(): SocketService {
    if (this.#closed) throw new Error("the machine is gone");
    return this.#service ??= this.driver.open((event, atNs) => {
      if (this.#closed) return;
      // A recording has its stamps, and they hold also in the middle of a run.
      if (atNs !== undefined) return this.#stamp(event, atNs);
      this.#arrived.push(event);
      this.onArrival?.();
    });
  }

  #connect(to: HostAddress, { local }: Reach, handlers: StreamHandlers, guard: Guard, open: Open): HostStream {
    this.#serve();
    const stream = this.#stream(++this.#ids, false, guard, open);
    stream.handlers = handlers;
    this.#commands.push({ kind: "connect", id: stream.id, to, local });
    return stream;
  }

  #stream(id: number, connected: boolean, guard: Guard, open: Open): Stream {
    const abort = () => stream.abort();
    const forget = () => {
      this.#endpoints.delete(id);
      open.delete(abort);
    };
    const stream = new Stream(id, connected, guard, (command) => this.#commands.push(command), forget);
    this.#endpoints.set(id, stream);
    open.add(abort);
    return stream;
  }

  #listen(
    at: HostAddress,
    accept: (stream: HostStream, from: string) => StreamHandlers,
    guard: Guard,
    open: Open,
  ): HostListener {
    const name = `listen ${JSON.stringify(at)}`;
    const { id, port } = this.#take(name, (id) => this.#serve().listen(id, at));
    const accepted: Endpoint = {
      expecting: false,
      event: (event) => {
        if (event.kind !== "accepted") return;
        const stream = this.#stream(event.stream, true, guard, open);
        guard("accept", () => {
          stream.handlers = accept(stream, event.from);
        });
      },
    };
    this.#endpoints.set(id, accepted);
    const close = this.#closer(id, open, { name, port });
    return { port, close };
  }

  /** One that was closed a moment ago, or a new one. */
  #take(name: string, make: (id: number) => number): { readonly id: number; readonly port: number } {
    const spare = this.#spare.get(name);
    this.#spare.delete(name);
    if (spare !== undefined) return spare;
    const id = ++this.#ids;
    return { id, port: make(id) };
  }

  #closer(id: number, open: Open, spare?: { readonly name: string; readonly port: number }): () => void {
    const close = () => {
      open.delete(close);
      if (!this.#endpoints.delete(id)) return;
      if (spare !== undefined && !this.#spare.has(spare.name)) this.#spare.set(spare.name, { id, port: spare.port });
      else this.#commands.push({ kind: "close", id });
    };
    open.add(close);
    return close;
  }

  #datagrams(
    received: (bytes: Uint8Array, from: DatagramAddress) => void,
    { at, failed }: DatagramOptions,
    guard: Guard,
    open: Open,
  ): HostDatagrams {
    const name = `datagrams ${JSON.stringify(at)}`;
    const make = (id: number) => {
      this.#serve().datagrams(id, at);
      return at?.port ?? 0;
    };
    const { id, port } = this.#take(name, make);
    const { clock } = this;
    let untilNs = -1;
    this.#endpoints.set(id, {
      get expecting() {
        return clock.nowNs < untilNs;
      },
      event(event) {
        if (event.kind === "datagram") guard("datagram", () => received(event.bytes, event.from));
        else if (event.kind === "failed") guard("failed", () => failed?.());
      },
    });
    const close = this.#closer(id, open, at && { name, port });
    return {
      send: (bytes, to, { local }) => {
        if (!this.#endpoints.has(id) || ++this.#loose > WAITING_COMMANDS) return;
        untilNs = clock.nowNs + ANSWER_NS;
        this.#commands.push({ kind: "send", id, bytes: bytes.slice(), to, local });
      },
      close,
    };
  }

  #resolve(
    name: string,
    type: RecordType,
    nameServer: DatagramAddress | undefined,
    answered: (resolution: Resolution) => void,
    guard: Guard,
    open: Open,
  ): void {
    this.#serve();
    const id = ++this.#ids;
    const forget = () => {
      this.#endpoints.delete(id);
      open.delete(forget);
    };
    open.add(forget);
    this.#endpoints.set(id, {
      expecting: true,
      event: (event) => {
        if (event.kind !== "resolved") return;
        forget();
        guard("resolved", () => answered(event.resolution));
      },
    });
    this.#commands.push({ kind: "resolve", id, name, type, nameServer });
  }
}

/** A stream as its owner sees it. */
class Stream implements HostStream, Endpoint {
  handlers: StreamHandlers = {};
  readonly expecting = true;
  readable = 0;
  readonly #chunks: Uint8Array[] = [];
  #waiting = 0;
  #ending = false;
  #gone = false;

  constructor(
    readonly id: number,
    private connected: boolean,
    private readonly guard: Guard,
    private readonly command: (command: SocketCommand) => void,
    private readonly forget: () => void,
  ) {}

  get room(): number {
    return this.connected && !this.#ending && !this.#gone ? STREAM_LIMIT - this.#waiting : 0;
  }

  read(limit: number): Uint8Array {
    const bytes = new Uint8Array(Math.min(limit, this.readable));
    for (let at = 0; at < bytes.length;) {
      const chunk = this.#chunks[0];
      const part = chunk.subarray(0, bytes.length - at);
      bytes.set(part, at);
      at += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    this.readable -= bytes.length;
    if (bytes.length > 0 && !this.#gone) this.command({ kind: "taken", id: this.id, bytes: bytes.length });
    return bytes;
  }

  write(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.room);
    if (taken === 0) return 0;
    this.#waiting += taken;
    this.command({ kind: "write", id: this.id, bytes: bytes.slice(0, taken) });
    return taken;
  }

  end(): void {
    if (this.#ending || this.#gone) return;
    this.#ending = true;
    this.command({ kind: "end", id: this.id });
  }

  abort(): void {
    if (this.#gone) return;
    this.#over();
    this.command({ kind: "close", id: this.id });
  }

  event(event: SocketEvent): void {
    const { handlers } = this;
    switch (event.kind) {
      case "connected":
        this.connected = true;
        return this.guard("connected", () => handlers.connected?.());
      case "failed":
        this.#over();
        return this.guard("failed", () => handlers.failed?.(event.why satisfies ConnectFailure));
      case "data":
        this.#chunks.push(event.bytes);
        this.readable += event.bytes.length;
        return this.guard("data", () => handlers.data?.());
      case "written":
        this.#waiting -= event.bytes;
        return this.guard("room", () => handlers.room?.());
      case "ended":
        return this.guard("ended", () => handlers.ended?.());
      case "closed":
        this.#over();
        return this.guard("closed", () => handlers.closed?.(event.broken));
    }
  }

  #over(): void {
    this.#gone = true;
    this.forget();
  }
}
