/**
 * One end of a TCP connection (RFC 9293), towards a guest; behind it is a stream of the host.
 *
 * The way to the guest loses nothing but what the guest's device has no room for, so there is no congestion control: the guest's window
 * and a retransmission timer are enough. Data out of order isn't kept. The stream's limits are the connection's: the guest may send what
 * the stream takes, and the stream is read when the guest acknowledges.
 */
import type { HostStream } from "../../../core/mod.ts";
import type { Output } from "./output.ts";
import { append, copyOut, drop } from "./send_buffer.ts";
import type { SendBuffer } from "./send_buffer.ts";
import { Flag, sendSegment } from "./tcp_segment.ts";
import type { Ends, Segment } from "./tcp_segment.ts";

/** Bytes that wait for the guest's acknowledgement. */
const SEND_LIMIT = 256 * 1024;
/** Data of one frame: with the headers less than 64 KiB. */
const MOST_DATA = 0xf000;
/** Our windows are in units of 16 bytes: up to 1 MiB. */
const SCALE = 4;
const FIRST_RETRY_NS = 300_000_000;
const LAST_RETRY_NS = 30_000_000_000;
const RETRIES = 9;
/** How long a guest that closed last, or lost our last word, may ask again. */
const LINGER_NS = 1_000_000_000;
/** After so many acknowledgements of the same, something was lost. */
const DUPLICATES = 3;

/**
 * `opening`: the guest asked, the host's side isn't there yet. `answered`: our SYN and acknowledgement are out. `calling`: our SYN is out.
 * `lingering`: all is said.
 */
export type Phase = "opening" | "answered" | "calling" | "open" | "lingering";

/** Plain data. Sequence numbers are modulo 2^32. */
export interface ConnectionState extends Ends {
  phase: Phase;
  /** The next one that we expect. */
  receiveNext: number;
  /** The first that isn't acknowledged. */
  sendFirst: number;
  /** The next one that we send. */
  sendNext: number;
  /** What the guest takes, from `sendFirst` on. */
  sendWindow: number;
  /** Of the guest's window. */
  scale: number | undefined;
  mss: number;
  readonly buffer: SendBuffer;
  /** The window that we last told: from here on, */
  toldFrom: number;
  /** to its end. */
  toldUntil: number;
  acknowledge: boolean;
  duplicates: number;
  retries: number;
  /** When we say it again; undefined: everything is acknowledged. */
  retryAtNs: number | undefined;
  /** The host sends no more. */
  hostEnded: boolean;
  /** Our FIN is out: it has the number before `sendNext`. */
  finSent: boolean;
  /** The guest's FIN came. */
  guestEnded: boolean;
}

/** Table of connections. */
export interface TcpState {
  readonly connections: Map<string, ConnectionState>;
  /** For connections from outside. */
  nextPort: number;
}

/** A new one. `mss`: of the guest, bounded by the link. */
export function newConnection(ends: Ends, phase: Phase, initial: number): ConnectionState {
  return {
    ...ends,
    phase,
    receiveNext: 0,
    sendFirst: initial,
    sendNext: initial,
    sendWindow: 0,
    scale: undefined,
    mss: 536,
    buffer: { chunks: [], size: 0 },
    toldFrom: 0,
    toldUntil: 0,
    acknowledge: false,
    duplicates: 0,
    retries: 0,
    retryAtNs: undefined,
    hostEnded: false,
    finSent: false,
    guestEnded: false,
  };
}

/** `a - b` of sequence numbers, as a signed number. */
const distance = (a: number, b: number) => (a - b) | 0;

/** What a connection needs around it. */
export interface Surroundings {
  readonly output: Output;
  nowNs(): number;
  /** There is something to send: {@linkcode Connection.pump} is called soon. */
  due(): void;
  /** It is over. */
  gone(): void;
}

/** A connection at work. */
export class Connection {
  constructor(readonly state: ConnectionState, readonly stream: HostStream, private readonly around: Surroundings) {}

  /** There is more to say than that bytes came. */
  get urgent(): boolean {
    const { state } = this;
    const little = distance(state.receiveNext, state.toldFrom) < 8 * state.mss;
    return state.guestEnded || state.hostEnded || !little || this.stream.readable > 0 || state.sendFirst !== state.sendNext ||
      state.buffer.size > 0;
  }

  /** The host's side is there: answer the guest. */
  hostConnected(): void {
    if (this.state.phase !== "opening") return;
    this.state.phase = "answered";
    this.#sendSyn();
  }

  /** Calls the guest. */
  call(): void {
    this.#sendSyn();
  }

  /** The host's side won't be there, or broke. */
  reset(): void {
    const { state } = this;
    if (state.phase !== "lingering") this.#send(Flag.RST | Flag.ACK, state.sendNext);
    this.#over();
  }

  /** The host sends no more. */
  hostEnded(): void {
    this.state.hostEnded = true;
    this.around.due();
  }

  /** The host's side takes more: worth a word when the guest could do something with it. */
  roomGrew(): void {
    const { state } = this;
    const more = distance(state.receiveNext + this.#window() | 0, state.toldUntil);
    if (state.phase !== "open" || state.guestEnded || more < Math.min(2 * state.mss, SEND_LIMIT / 4)) return;
    state.acknowledge = true;
    this.around.due();
  }

  /** A segment from the guest. */
  input(segment: Segment): void {
    const { state } = this;
    const { flags } = segment;
    if (state.phase === "opening") return; // it will be answered
    if (state.phase === "calling") return this.#answered(segment);
    if ((flags & Flag.RST) !== 0) {
      // Only the one number that nobody else can guess (RFC 5961).
      if (segment.sequence === state.receiveNext) this.#over();
      else this.#challenge();
      return;
    }
    if ((flags & Flag.SYN) !== 0) {
      if (state.phase === "answered" && segment.sequence + 1 >>> 0 === state.receiveNext) this.#sendSyn();
      else this.#challenge();
      return;
    }
    if ((flags & Flag.ACK) === 0) return;
    if (!this.#acknowledged(segment)) return;
    if (state.phase === "answered") return;
    this.#data(segment);
    this.around.due();
  }

  /** Sends what may be sent. False: the guest's device has no room, go on when it has. */
  pump(): boolean {
    const { state } = this;
    if (state.phase !== "open" && state.phase !== "lingering") return true;
    const sent = this.#sendAll();
    const waits = !sent || state.sendFirst !== state.sendNext || state.buffer.size > 0 || state.phase === "lingering";
    if (!waits) state.retryAtNs = undefined;
    else state.retryAtNs ??= this.around.nowNs() + FIRST_RETRY_NS;
    return sent;
  }

  /** False: something was lost on the way. */
  #sendAll(): boolean {
    const { state } = this;
    while (state.phase === "open") {
      if (!state.finSent && state.buffer.size < SEND_LIMIT) append(state.buffer, this.stream.read(SEND_LIMIT - state.buffer.size));
      const flying = state.finSent ? state.buffer.size : state.sendNext - state.sendFirst >>> 0;
      const unsent = state.buffer.size - flying;
      const size = Math.min(unsent, state.sendWindow - flying, MOST_DATA);
      // A window's crumbs are worth sending only when nothing else comes.
      if (size <= 0 || size < state.mss && size < unsent && flying > 0) break;
      if (!this.#sendData(flying, size)) return false;
      state.sendNext = state.sendNext + size >>> 0;
    }
    if (state.hostEnded && !state.finSent && state.sendNext - state.sendFirst >>> 0 === state.buffer.size && this.stream.readable === 0) {
      if (!this.#send(Flag.FIN | Flag.ACK, state.sendNext)) return false;
      state.sendNext = state.sendNext + 1 >>> 0;
      state.finSent = true;
    }
    return !state.acknowledge || this.#send(Flag.ACK, state.sendNext);
  }

  /** The time has come to say it again, or to give up. */
  retry(): void {
    const { state } = this;
    state.retryAtNs = undefined;
    if (state.phase === "lingering") return this.#over();
    if (++state.retries > RETRIES) return this.reset();
    if (state.phase === "answered" || state.phase === "calling") return this.#sendSyn();
    this.#rewind();
    // Nothing at all in flight: the window is shut. One byte asks whether it is open again.
    if (state.sendWindow === 0 && state.buffer.size > 0) this.#sendData(0, 1);
    this.#later();
    this.around.due();
  }

  /** Everything from the first byte that isn't acknowledged goes out again. */
  #rewind(): void {
    const { state } = this;
    state.sendNext = state.sendFirst;
    state.finSent = false;
    state.duplicates = 0;
  }

  #later(): void {
    const { state } = this;
    state.retryAtNs = this.around.nowNs() + Math.min(FIRST_RETRY_NS * 2 ** state.retries, LAST_RETRY_NS);
  }

  /** The guest's answer to our SYN. */
  #answered(segment: Segment): void {
    const { state } = this;
    const fits = (segment.flags & Flag.ACK) !== 0 && segment.acknowledgement === state.sendNext;
    if (!fits) return;
    if ((segment.flags & Flag.RST) !== 0) return this.#over();
    if ((segment.flags & Flag.SYN) === 0) return;
    this.meet(segment);
    state.sendFirst = state.sendNext;
    state.sendWindow = segment.window;
    state.phase = "open";
    state.retryAtNs = undefined;
    state.retries = 0;
    state.acknowledge = true;
    this.around.due();
  }

  /** Takes what a SYN says. */
  meet({ sequence, mss, scale }: Segment): void {
    const { state, around: { output: { plan } } } = this;
    state.receiveNext = sequence + 1 >>> 0;
    state.mss = Math.min(mss, plan.mtu - 40);
    state.scale = scale;
  }

  /** False: the segment says nothing that we could use. */
  #acknowledged({ acknowledgement, window, data, sequence, flags }: Segment): boolean {
    const { state } = this;
    const count = distance(acknowledgement, state.sendFirst);
    if (distance(acknowledgement, this.#mostSent()) > 0) {
      this.#challenge();
      return false;
    }
    if (state.phase === "answered") {
      if (count <= 0) return true;
      state.phase = "open";
      state.sendFirst = state.sendNext;
      state.retryAtNs = undefined;
      state.retries = 0;
    } else if (count > 0) {
      this.#advance(count, acknowledgement);
    } else if (
      count === 0 && data.length === 0 && (flags & Flag.FIN) === 0 && state.sendFirst !== state.sendNext && sequence === state.receiveNext
    ) {
      const same = window << (state.scale ?? 0) === state.sendWindow;
      if (same && ++state.duplicates === DUPLICATES) this.#rewind();
    }
    // Whoever answers a question about his shut window is there.
    if (state.sendWindow === 0) state.retries = 0;
    if (count >= 0) state.sendWindow = window * 2 ** (state.scale ?? 0);
    return true;
  }

  /** The greatest number that an acknowledgement may have: also what was sent before it is said again. */
  #mostSent(): number {
    const { state } = this;
    const ends = state.hostEnded && this.stream.readable === 0 ? 1 : 0;
    return Math.max(state.sendNext - state.sendFirst >>> 0, state.buffer.size + (state.phase === "open" ? ends : 0)) + state.sendFirst >>>
      0;
  }

  #advance(count: number, acknowledgement: number): void {
    const { state } = this;
    const fin = count > state.buffer.size;
    drop(state.buffer, count);
    if (distance(state.sendNext, acknowledgement) < 0) state.sendNext = acknowledgement;
    state.sendFirst = acknowledgement;
    state.duplicates = 0;
    state.retries = 0;
    state.retryAtNs = undefined;
    if (!fin) return;
    state.finSent = true;
    if (state.guestEnded) this.#linger();
  }

  #data({ sequence, data, flags }: Segment): void {
    const { state } = this;
    const before = distance(state.receiveNext, sequence);
    const fin = (flags & Flag.FIN) !== 0;
    if (data.length === 0 && !fin) return;
    state.acknowledge = true;
    if (before < 0 || state.guestEnded) return; // a gap, or all was said: what we have is acknowledged once more
    const fresh = data.subarray(Math.min(before, data.length));
    const taken = this.stream.write(fresh);
    state.receiveNext = state.receiveNext + taken >>> 0;
    if (!fin || taken < fresh.length || before > data.length) return;
    state.receiveNext = state.receiveNext + 1 >>> 0;
    state.guestEnded = true;
    this.stream.end();
    if (state.finSent && state.sendFirst === state.sendNext) this.#linger();
  }

  #linger(): void {
    const { state } = this;
    state.phase = "lingering";
    state.retryAtNs = this.around.nowNs() + LINGER_NS;
  }

  /** Something came that can't be right: the guest hears where we are. */
  #challenge(): void {
    this.state.acknowledge = true;
    this.around.due();
  }

  #over(): void {
    this.stream.abort();
    this.around.gone();
  }

  /** What the guest may send, in bytes. */
  #window(): number {
    const { state } = this;
    const most = state.scale === undefined ? 0xffff : 0xffff << SCALE;
    return Math.min(state.phase === "open" ? this.stream.room : 0xffff, most);
  }

  #told(): number {
    const { state } = this;
    const shift = state.scale === undefined ? 0 : SCALE;
    const units = this.#window() >>> shift;
    state.toldFrom = state.receiveNext;
    state.toldUntil = state.receiveNext + (units << shift) | 0;
    state.acknowledge = false;
    return units;
  }

  #sendSyn(): void {
    const { state, around: { output } } = this;
    const first = state.phase === "calling";
    const options = { mss: output.plan.mtu - 40, scale: first || state.scale !== undefined ? SCALE : undefined };
    sendSegment(output, state, {
      flags: first ? Flag.SYN : Flag.SYN | Flag.ACK,
      sequence: state.sendFirst,
      acknowledgement: first ? 0 : state.receiveNext,
      window: 0xffff,
      options,
    });
    state.sendNext = state.sendFirst + 1 >>> 0;
    this.#later();
    this.around.due();
  }

  #sendData(offset: number, size: number): boolean {
    const { state, around: { output } } = this;
    const last = offset + size === state.buffer.size;
    return sendSegment(output, state, {
      flags: Flag.ACK | (last ? Flag.PSH : 0),
      sequence: state.sendFirst + offset >>> 0,
      acknowledgement: state.receiveNext,
      window: this.#told(),
      size,
      fill: (into) => copyOut(state.buffer, offset, into),
      mss: state.mss,
    });
  }

  #send(flags: number, sequence: number): boolean {
    const { state, around: { output } } = this;
    return sendSegment(output, state, { flags, sequence, acknowledgement: state.receiveNext, window: this.#told() });
  }
}
