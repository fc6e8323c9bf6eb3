/**
 * The socket device: connections of the guest to Unix sockets of the host, and of the host to sockets of the guest (Virtio 1.2, "Socket
 * Device").
 *
 * What can a hostile driver do here? It may send any header: what isn't from this guest to the host is dropped, what belongs to no
 * connection is reset. It reaches only the paths that the board names. Connections, bytes that wait in each and answers that wait for a
 * buffer have bounds; a guest that takes no answers isn't heard any more; one that sends more than its credit is reset.
 */
import type { HostSockets, HostStream, StreamHandlers, Timer } from "../../../core/mod.ts";
import type { Served, VirtioBehaviour, VirtioBuffer, VirtioContext } from "../model.ts";
import { BUFFER, Connection } from "./connection.ts";
import type { VsockOptions, VsockState } from "./options.ts";
import { HEADER, Op, packetHeader, parsePacket, Queue, Shutdown } from "./protocol.ts";
import type { Packet } from "./protocol.ts";

/** Connections at a time, those that are being closed included. */
const MOST_CONNECTIONS = 256;
/** Answers that wait for a buffer: when there are more, the guest isn't heard. */
const MOST_ANSWERS = 256;
/** Bytes of the line by which a program of the host says which port it wants. */
const LONGEST_LINE = 32;
/** So long a connection that the guest has closed waits for the host's program to take everything. */
const LINGER_NS = 5e9;
/** Where the ports of the host begin that are nobody's: as Linux does it, clear of the well-known ones. */
const FIRST_PORT = 2 ** 30;

const keyOf = ({ hostPort, guestPort }: { readonly hostPort: number; readonly guestPort: number }) => `${hostPort}:${guestPort}`;

/** The device. */
export class VsockDevice implements VirtioBehaviour {
  readonly #connections = new Map<string, Connection>();
  /** Connections that may have something to send, in their order. */
  readonly #ready = new Set<Connection>();
  /** Streams of the host whose end nobody waits for, or that have not said yet what they want. */
  readonly #others = new Set<HostStream>();
  readonly #answers: Packet[] = [];
  /** Streams that the guest is done with, the oldest first. */
  readonly #lingering: { readonly untilNs: number; readonly stream: HostStream }[] = [];
  readonly #timer: Timer;

  constructor(
    private readonly context: VirtioContext<VsockOptions, VsockState>,
    private readonly sockets: HostSockets,
    private readonly pathOf: (port: number) => string | undefined,
  ) {
    this.#timer = context.clock.timer("linger", () => this.#letGo());
    // Connections of a device that was saved have no streams any more.
    for (const [hostPort, guestPort] of context.state.live.values()) this.#answers.push(resetOf({ hostPort, guestPort }));
    context.state.live.clear();
    const { listen } = context.options;
    if (listen === undefined) return;
    try {
      sockets.listen({ transport: "unix", path: listen }, (stream) => this.#accept(stream));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      context.fail(
        "listen",
        `can't make the Unix socket ${listen}: ${why}${/in use/.test(why) ? ": remove it if no program listens there" : ""}`,
      );
    }
  }

  config(): Uint8Array {
    return new Uint8Array(new BigUint64Array([BigInt(this.context.options.cid)]).buffer);
  }

  reset(): void {
    for (const { stream } of this.#connections.values()) stream.abort();
    for (const stream of this.#others) stream.abort();
    this.#connections.clear();
    this.#others.clear();
    this.#ready.clear();
    this.#answers.length = 0;
    this.#lingering.length = 0;
    this.#timer.disarm();
    this.context.state.live.clear();
  }

  serve(queue: number, buffer: VirtioBuffer): Served {
    if (queue === Queue.RECEIVE) return this.#send(buffer);
    return queue === Queue.TRANSMIT ? this.#hear(buffer) : "later";
  }

  /** Something for the guest. */
  #send(buffer: VirtioBuffer): Served {
    if (buffer.writable <= HEADER) buffer.reject(`a receive buffer of ${buffer.writable} bytes`);
    const { cid } = this.context.options;
    const answer = this.#answers.shift();
    if (answer !== undefined) {
      if (this.#answers.length === MOST_ANSWERS - 1) this.context.poke(Queue.TRANSMIT);
      buffer.write(0, packetHeader(answer, cid));
      return HEADER;
    }
    for (const connection of this.#ready) {
      this.#ready.delete(connection);
      const { packet, bytes } = this.#next(connection, buffer.writable);
      if (packet === undefined) continue;
      // There may be more of it, after the others.
      this.#ready.add(connection);
      buffer.write(0, packetHeader(packet, cid));
      buffer.write(HEADER, bytes);
      if (packet.op === Op.RST) this.#forget(connection);
      return HEADER + bytes.length;
    }
    return "later";
  }

  #next(connection: Connection, room: number): { readonly packet?: Packet; readonly bytes: Uint8Array } {
    const data = connection.data(room);
    if (data !== undefined) return data;
    const packet = connection.farewell() ?? (connection.owesCredit ? connection.packet(Op.CREDIT_UPDATE) : undefined);
    return { packet, bytes: new Uint8Array(0) };
  }

  /** Something from the guest. */
  #hear(buffer: VirtioBuffer): Served {
    if (this.#answers.length >= MOST_ANSWERS) return "later";
    if (buffer.readable < HEADER) buffer.reject(`a packet of ${buffer.readable} bytes`);
    const packet = parsePacket(buffer.read(0, HEADER), this.context.options.cid);
    if (packet === undefined || packet.length > Math.min(buffer.readable - HEADER, BUFFER)) {
      this.context.trace(
        "virtio driver",
        () => packet ? `a packet that says it has ${packet.length} bytes` : "a packet of somebody else's",
      );
      return 0;
    }
    const connection = this.#connections.get(keyOf(packet));
    if (packet.op === Op.REQUEST && connection === undefined) this.#connect(packet);
    else if (connection === undefined) this.#refuse(packet);
    else {
      connection.hearCredit(packet.credit);
      this.#operation(connection, packet, buffer);
    }
    return 0;
  }

  #operation(connection: Connection, packet: Packet, buffer: VirtioBuffer): void {
    const { op, flags, length } = packet;
    const open = connection.state === "open";
    if (op === Op.RST) return this.#drop(connection);
    if (op === Op.RESPONSE && connection.state === "asked") {
      connection.state = "open";
      connection.stream.write(new TextEncoder().encode(`OK ${connection.hostPort}\n`));
      return this.#more(connection);
    }
    if (op === Op.RW && open && (connection.guestDone & Shutdown.SEND) === 0 && connection.take(buffer.read(HEADER, length))) {
      return this.#forward(connection);
    }
    if (op === Op.SHUTDOWN && open) {
      connection.guestDone |= flags & (Shutdown.SEND | Shutdown.RECEIVE);
      return this.#forward(connection);
    }
    if (op === Op.CREDIT_UPDATE) return this.#more(connection);
    if (op === Op.CREDIT_REQUEST) return this.#answer(connection.packet(Op.CREDIT_UPDATE));
    this.#drop(connection);
    this.#refuse(packet);
  }

  /** The guest wants a port of the host. */
  #connect(packet: Packet): void {
    const path = this.pathOf(packet.hostPort);
    if (path === undefined || packet.type !== 1 || this.#full) return this.#refuse(packet);
    const { hostPort, guestPort, credit } = packet;
    const connection: Connection = new Connection(
      hostPort,
      guestPort,
      this.sockets.connect({ transport: "unix", path }, { local: true }, {
        connected: () => {
          connection.state = "open";
          this.#answer(connection.packet(Op.RESPONSE));
        },
        failed: (why) => {
          this.context.trace("vsock", () => `port ${hostPort}: no connection to the host's socket: ${why}`);
          this.#finish(connection);
        },
        ...this.#handlers(() => connection),
      }),
      "connecting",
    );
    connection.hearCredit(credit);
    this.#keep(connection);
  }

  /** A program of the host wants a port of the guest: `CONNECT port` and a newline say which. */
  #accept(stream: HostStream): StreamHandlers {
    let line = "";
    let connection: Connection | undefined;
    if (this.#full) stream.abort();
    else this.#others.add(stream);
    const refuse = () => {
      this.#others.delete(stream);
      stream.abort();
    };
    const greet = () => {
      while (stream.readable > 0 && !line.endsWith("\n")) line += String.fromCharCode(...stream.read(1));
      if (!line.endsWith("\n")) return line.length > LONGEST_LINE ? refuse() : undefined;
      const guestPort = Number(/^CONNECT (\d{1,10})\r?\n$/.exec(line)?.[1] ?? NaN);
      if (!(guestPort < 2 ** 32)) return refuse();
      this.#others.delete(stream);
      connection = new Connection(this.#freePort(guestPort), guestPort, stream, "asked");
      this.#keep(connection);
      this.#answer(connection.packet(Op.REQUEST));
    };
    const later = this.#handlers(() => connection!);
    return {
      data: () => connection === undefined ? this.#others.has(stream) && greet() : later.data!(),
      ended: () => connection === undefined ? refuse() : later.ended!(),
      room: () => connection && later.room!(),
      closed: (broken) => connection === undefined ? refuse() : later.closed!(broken),
    };
  }

  #handlers(own: () => Connection): StreamHandlers {
    return {
      data: () => {
        const connection = own();
        // Nobody in the guest wants it any more; the far end shall not wait for that.
        if (connection.state === "over") connection.stream.read(connection.stream.readable);
        else this.#more(connection);
      },
      ended: () => {
        own().hostEnded = true;
        this.#more(own());
      },
      room: () => this.#forward(own()),
      closed: (broken) => {
        const connection = own();
        this.#others.delete(connection.stream);
        if (!broken) return;
        connection.hostBroken = true;
        if (connection.state === "open") this.#more(connection);
        else this.#finish(connection);
      },
    };
  }

  /** What waits for the host goes on; where the guest is done, so is its half, and at last all of it. */
  #forward(connection: Connection): void {
    if (connection.state === "over") return;
    const done = connection.forward() || connection.hostBroken;
    if (!done) return this.#more(connection);
    if ((connection.guestDone & Shutdown.SEND) !== 0) connection.stream.end();
    if (!connection.guestClosed) return this.#more(connection);
    const { stream } = connection;
    this.#finish(connection);
    // What came for nobody; and what still goes out gets its time.
    stream.read(stream.readable);
    this.#others.add(stream);
    const { nowNs } = this.context.clock;
    this.#lingering.push({ untilNs: nowNs + LINGER_NS, stream });
    if (this.#timer.deadlineNs === undefined) this.#timer.arm(nowNs + LINGER_NS);
  }

  #letGo(): void {
    const { nowNs } = this.context.clock;
    while (this.#lingering.length > 0 && this.#lingering[0].untilNs <= nowNs) {
      const { stream } = this.#lingering.shift()!;
      stream.abort();
      this.#others.delete(stream);
    }
    if (this.#lingering.length > 0) this.#timer.arm(this.#lingering[0].untilNs);
  }

  /** The guest is told that it is over. */
  #finish(connection: Connection): void {
    if (connection.state === "over") return;
    this.#answer(connection.packet(Op.RST));
    this.#forget(connection);
  }

  /** Over, with nothing said. */
  #drop(connection: Connection): void {
    connection.stream.abort();
    this.#forget(connection);
  }

  #keep(connection: Connection): void {
    this.#connections.set(keyOf(connection), connection);
    this.context.state.live.set(keyOf(connection), [connection.hostPort, connection.guestPort]);
  }

  #forget(connection: Connection): void {
    connection.state = "over";
    this.#ready.delete(connection);
    this.#connections.delete(keyOf(connection));
    this.context.state.live.delete(keyOf(connection));
  }

  /** There may be something to send. */
  #more(connection: Connection): void {
    if (connection.state === "over") return;
    this.#ready.add(connection);
    this.context.poke(Queue.RECEIVE);
  }

  #answer(packet: Packet): void {
    this.#answers.push(packet);
    this.context.poke(Queue.RECEIVE);
  }

  /** There is no such connection. */
  #refuse(packet: Packet): void {
    if (packet.op !== Op.RST) this.#answer(resetOf(packet));
  }

  get #full(): boolean {
    return this.#connections.size + this.#others.size >= MOST_CONNECTIONS;
  }

  #freePort(guestPort: number): number {
    const { state } = this.context;
    do state.nextPort = state.nextPort >= 2 ** 31 ? FIRST_PORT : Math.max(state.nextPort + 1, FIRST_PORT); while (
      this.#connections.has(keyOf({ hostPort: state.nextPort, guestPort }))
    );
    return state.nextPort;
  }
}

function resetOf(
  { hostPort, guestPort, type = 1 }: { readonly hostPort: number; readonly guestPort: number; readonly type?: number },
): Packet {
  return { hostPort, guestPort, type, op: Op.RST, flags: 0, length: 0, credit: { allocated: 0, taken: 0 } };
}
