/** The table of TCP connections: from guests to the outside, and from forwarded ports to guests. */
import type { Clock, HostSockets, HostStream, StreamHandlers, Timer } from "../../../core/mod.ts";
import { get32 } from "../bytes.ts";
import { formatIpv4 } from "./addresses.ts";
import type { Forward } from "./forward.ts";
import { IcmpError } from "./icmp.ts";
import type { Packet } from "./ipv4.ts";
import type { Output } from "./output.ts";
import { Connection, newConnection } from "./tcp_connection.ts";
import type { TcpState } from "./tcp_connection.ts";
import { Flag, parseSegment, sendSegment } from "./tcp_segment.ts";
import type { Ends, Segment } from "./tcp_segment.ts";

/** Connections at a time, of all guests and of each; more are refused. */
const [MOST_CONNECTIONS, MOST_OF_GUEST] = [256, 128];
const LOOPBACK = "127.0.0.1";
/** Ports that callers from outside seem to have. */
const [FIRST_PORT, PORTS] = [49_152, 16_384];

/** How long an acknowledgement waits for more to acknowledge: a guest writes many small segments one after the other. */
const PATIENCE_NS = 20_000;

/** What it is made of. */
export interface TcpParts {
  readonly output: Output;
  readonly state: TcpState;
  readonly sockets: HostSockets;
  readonly clock: Clock;
  random(bytes: number): Uint8Array;
  /** Where forwarded ports lead when the board names no guest. */
  guest(): number;
}

const keyOf = ({ guest, guestPort, peer, peerPort }: Ends) => `${guest}:${guestPort}-${peer}:${peerPort}`;

/** The connections. */
export class Tcp {
  readonly #connections = new Map<string, Connection>();
  /** Those with something to send. */
  readonly #due = new Set<Connection>();
  readonly #pump: Timer;
  readonly #retry: Timer;

  constructor(private readonly parts: TcpParts) {
    this.#pump = parts.clock.timer("tcp", () => this.goOn());
    this.#retry = parts.clock.timer("tcp again", () => this.#again());
  }

  /** A packet from a guest. `reachable`: somebody may be there. */
  input(packet: Packet, reachable: boolean): void {
    const segment = parseSegment(packet);
    if (segment === undefined) return;
    const ends: Ends = {
      guest: packet.source,
      guestPort: segment.sourcePort,
      peer: packet.destination,
      peerPort: segment.destinationPort,
    };
    const known = this.#connections.get(keyOf(ends));
    if (known !== undefined) {
      const again = known.state.phase === "lingering" && (segment.flags & (Flag.SYN | Flag.ACK)) === Flag.SYN;
      if (!again) {
        known.input(segment);
        return this.#schedule(known);
      }
      this.#forget(known);
    }
    if ((segment.flags & Flag.RST) !== 0) return;
    const wants = (segment.flags & (Flag.SYN | Flag.ACK | Flag.FIN)) === Flag.SYN;
    if (!wants || !reachable || segment.destinationPort === 0 || this.#full(ends.guest)) {
      return this.#reject(ends, segment);
    }
    this.#open(ends, segment, packet);
  }

  /** A packet that leads nowhere. */
  refuse(packet: Packet): void {
    const segment = parseSegment(packet);
    if (segment === undefined || (segment.flags & Flag.RST) !== 0) return;
    const ends = { guest: packet.source, guestPort: segment.sourcePort, peer: packet.destination, peerPort: segment.destinationPort };
    this.#reject(ends, segment);
  }

  /** Streams to a port of the host go to a guest. Throws an error that says why the port can't be had. */
  forward({ host, guest, port }: Forward): number {
    const { sockets, output, state } = this.parts;
    return sockets.listen({ transport: "tcp", ...host }, (stream) => {
      const ends = { guest: guest ?? this.parts.guest(), guestPort: port, peer: output.plan.gateway, peerPort: 0 };
      for (let tries = 0; tries < PORTS; tries++) {
        const candidate = { ...ends, peerPort: FIRST_PORT + state.nextPort++ % PORTS };
        if (this.#connections.has(keyOf(candidate))) continue;
        if (this.#full(ends.guest)) break;
        return this.#call(candidate, stream);
      }
      stream.abort();
      return {};
    }).port;
  }

  /** Sends what waits: there may be room again. */
  goOn(): void {
    for (const connection of [...this.#due]) {
      if (!connection.pump()) break;
      this.#due.delete(connection);
    }
    this.#armRetry();
  }

  #full(guest: number): boolean {
    let own = 0;
    for (const { state } of this.#connections.values()) if (state.guest === guest) own++;
    return own >= MOST_OF_GUEST || this.#connections.size >= MOST_CONNECTIONS;
  }

  #open(ends: Ends, segment: Segment, packet: Packet): void {
    const { sockets, output } = this.parts;
    const local = ends.peer === output.plan.gateway;
    // What an error would quote; the packet itself is the guest's memory no more by then.
    const quote = { ...packet, whole: packet.whole.slice(0, 68), payload: packet.payload.slice(0, 20) };
    let connection: Connection | undefined = undefined;
    const stream = sockets.connect(
      { transport: "tcp", hostname: local ? LOOPBACK : formatIpv4(ends.peer), port: ends.peerPort },
      { local },
      this.#handlers(() => connection, (why) => {
        if (why === "unreachable") output.error(IcmpError.host, quote);
        else if (why === "denied") output.error(IcmpError.prohibited, quote);
      }),
    );
    connection = this.#add(ends, stream, "opening");
    connection.meet(segment);
  }

  #call(ends: Ends, stream: HostStream): StreamHandlers {
    const connection = this.#add(ends, stream, "calling");
    connection.call();
    this.#armRetry();
    return this.#handlers(() => connection, () => {});
  }

  #add(ends: Ends, stream: HostStream, phase: "opening" | "calling"): Connection {
    const { output, state, clock, random } = this.parts;
    const data = newConnection(ends, phase, get32(random(4), 0));
    const connection: Connection = new Connection(data, stream, {
      output,
      nowNs: () => clock.nowNs,
      due: () => this.#schedule(connection),
      gone: () => this.#forget(connection),
    });
    this.#connections.set(keyOf(ends), connection);
    state.connections.set(keyOf(ends), data);
    return connection;
  }

  #handlers(connection: () => Connection | undefined, failed: (why: string) => void): StreamHandlers {
    const schedule = () => {
      const known = connection();
      if (known !== undefined) this.#schedule(known);
    };
    return {
      connected: () => {
        connection()?.hostConnected();
        this.#armRetry();
      },
      failed: (why) => {
        failed(why);
        connection()?.reset();
      },
      data: schedule,
      room: () => connection()?.roomGrew(),
      ended: () => connection()?.hostEnded(),
      closed: (broken) => {
        if (broken) connection()?.reset();
      },
    };
  }

  /** What comes at one time is answered together; what only acknowledges waits a moment for more. */
  #schedule(connection: Connection): void {
    if (this.#connections.get(keyOf(connection.state)) !== connection) return;
    this.#due.add(connection);
    const { nowNs } = this.parts.clock;
    const atNs = connection.urgent ? nowNs : nowNs + PATIENCE_NS;
    if (this.#pump.deadlineNs === undefined || this.#pump.deadlineNs > atNs) this.#pump.arm(atNs);
  }

  #forget(connection: Connection): void {
    const key = keyOf(connection.state);
    this.#due.delete(connection);
    if (this.#connections.get(key) !== connection) return;
    this.#connections.delete(key);
    this.parts.state.connections.delete(key);
  }

  #armRetry(): void {
    let next = Infinity;
    for (const { state: { retryAtNs } } of this.#connections.values()) if (retryAtNs !== undefined) next = Math.min(next, retryAtNs);
    if (next === Infinity) this.#retry.disarm();
    else if (this.#retry.deadlineNs !== next) this.#retry.arm(next);
  }

  #again(): void {
    const now = this.parts.clock.nowNs;
    for (const connection of [...this.#connections.values()]) {
      const { retryAtNs } = connection.state;
      if (retryAtNs !== undefined && retryAtNs <= now) connection.retry();
    }
    this.#armRetry();
  }

  #reject(ends: Ends, { flags, sequence, acknowledgement, data }: Segment): void {
    const acknowledged = (flags & Flag.ACK) !== 0;
    const length = data.length + ((flags & Flag.SYN) !== 0 ? 1 : 0) + ((flags & Flag.FIN) !== 0 ? 1 : 0);
    sendSegment(this.parts.output, ends, {
      flags: acknowledged ? Flag.RST : Flag.RST | Flag.ACK,
      sequence: acknowledged ? acknowledgement : 0,
      acknowledgement: acknowledged ? 0 : sequence + length >>> 0,
      window: 0,
    });
  }
}
