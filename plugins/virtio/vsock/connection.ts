/** One connection between a socket of the guest and a stream of the host: what waits in each direction, and how much more may come. */
import type { HostStream } from "../../../core/mod.ts";
import { HEADER, Op, Shutdown, STREAM } from "./protocol.ts";
import type { Packet } from "./protocol.ts";

/** Bytes from the guest that wait for the host: what the guest is told that it may send. */
export const BUFFER = 256 * 1024;
/** Bytes of data in a packet to the guest. */
const MOST_DATA = 64 * 1024;

/** `connecting`: to the host. `asked`: the guest has not answered yet. */
export type ConnectionState = "connecting" | "asked" | "open" | "over";

/** A connection. It sends nothing by itself: the device asks it what there is to send. */
export class Connection {
  state: ConnectionState;
  /** The host sends no more, after what can be read. */
  hostEnded = false;
  /** The host's stream is gone for a reason of its own. */
  hostBroken = false;
  /** Flags of all shutdowns that the guest sent. */
  guestDone = 0;
  /** The guest was told that the host sends no more. */
  #toldEnd = false;
  readonly #waiting: Uint8Array[] = [];
  /** Counters modulo 2^32: bytes from the guest, those that went on, and what of that the guest knows. */
  #received = 0;
  #forwarded = 0;
  #told = 0;
  /** Bytes to the guest, and what it said of its buffer. */
  #sent = 0;
  #peer = { allocated: 0, taken: 0 };

  constructor(readonly hostPort: number, readonly guestPort: number, readonly stream: HostStream, state: ConnectionState) {
    this.state = state;
  }

  /** Every packet says it. */
  hearCredit(credit: Packet["credit"]): void {
    this.#peer = credit;
  }

  /** Takes data from the guest. False: more than it was allowed to send. */
  take(bytes: Uint8Array): boolean {
    const waiting = (this.#received - this.#forwarded) >>> 0;
    if (bytes.length > BUFFER - waiting) return false;
    this.#received = (this.#received + bytes.length) >>> 0;
    if (bytes.length > 0) this.#waiting.push(bytes);
    return true;
  }

  /** Hands on what waits, as far as the host takes it. True: nothing waits any more. */
  forward(): boolean {
    for (let bytes = this.#waiting[0]; bytes !== undefined; bytes = this.#waiting[0]) {
      const count = this.stream.write(bytes);
      this.#forwarded = (this.#forwarded + count) >>> 0;
      if (count < bytes.length) {
        this.#waiting[0] = bytes.subarray(count);
        return false;
      }
      this.#waiting.shift();
    }
    return true;
  }

  /** The guest thinks that half of the buffer is full, and there is more room than it knows of. */
  get owesCredit(): boolean {
    return this.#told !== this.#forwarded && (this.#received - this.#told) >>> 0 > BUFFER / 2;
  }

  /** A packet of it. Whatever is sent tells the credit. */
  packet(op: number, flags: number = 0, length: number = 0): Packet {
    this.#told = this.#forwarded;
    const { hostPort, guestPort } = this;
    return { hostPort, guestPort, type: STREAM, op, flags, length, credit: { allocated: BUFFER, taken: this.#forwarded } };
  }

  /** Data for the guest, as much as fits in `room` bytes with its header; undefined when there is none, or the guest has no room. */
  data(room: number): { readonly packet: Packet; readonly bytes: Uint8Array } | undefined {
    if (this.state !== "open") return undefined;
    const size = Math.min(this.#credit, this.stream.readable, room - HEADER, MOST_DATA);
    if (size <= 0) return undefined;
    const bytes = this.stream.read(size);
    this.#sent = (this.#sent + bytes.length) >>> 0;
    return { packet: this.packet(Op.RW, 0, bytes.length), bytes };
  }

  /** What is to be said when all data has been sent: once, that the host is done. `RST` ends the connection. */
  farewell(): Packet | undefined {
    if (this.state !== "open" || this.stream.readable > 0) return undefined;
    if (this.hostBroken) return this.packet(Op.RST);
    if (!this.hostEnded || this.#toldEnd) return undefined;
    this.#toldEnd = true;
    return this.packet(Op.SHUTDOWN, Shutdown.SEND);
  }

  /** The guest has closed its socket: it neither sends nor receives. */
  get guestClosed(): boolean {
    return this.guestDone === (Shutdown.RECEIVE | Shutdown.SEND);
  }

  get #credit(): number {
    if ((this.guestDone & Shutdown.RECEIVE) !== 0) return 0;
    const { allocated, taken } = this.#peer;
    return Math.max(0, allocated - ((this.#sent - taken) >>> 0));
  }
}
