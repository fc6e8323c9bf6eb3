/**
 * One ioreq server: its pages, its ranges, and the requests that its back-end has not answered yet.
 *
 * What can a hostile back-end do here? It owns the pages. A slot that isn't free, a port that changed, a state that is unknown or goes
 * backwards is a lie: the server is told so once, and answers nothing any more until whoever made it gives it new pages.
 */
import { Buffering, RingProducer } from "./buffered.ts";
import type { BufferedWrite } from "./buffered.ts";
import { IoreqPage, RequestType, SLOTS, State } from "./layout.ts";
import type { Request } from "./layout.ts";
import { RangeSet } from "./ranges.ts";

/** Where the two pages of a server lie. */
export interface ServerPages {
  /** Shared memory. */
  readonly buffer: ArrayBufferLike;
  /** Offset of the page of synchronous requests. */
  readonly sync: number;
  /** Offset of the page with the ring; absent without one. */
  readonly buffered?: number;
}

/** What stands behind a server. */
export interface Backend {
  /** There is a request in the slot of a vCPU, or in the ring. Whoever can answer at once does so before this comes back. */
  notify(vcpu: number | "ring"): void;
  /** True while the answer of a vCPU must not be taken yet, though it may be there: what else it does has to come first. */
  holds?(vcpu: number): boolean;
  /** It broke the rules. Called at most once for each set of pages. */
  lied(why: string): void;
}

/** What became of a request. */
export type Outcome = bigint | "later" | "bus_error";

/** A request that waits for its answer. */
interface Pending {
  readonly request: Request;
  /** The latest state that was seen. */
  seen: number;
}

/** Range types of the interface. */
export const RangeType = { PORT: 0, MEMORY: 1, PCI: 2 } as const;

/** The server. */
export class IoreqServer {
  /** It gets requests. */
  enabled = false;
  /** By range type. */
  readonly ranges: readonly RangeSet[] = [new RangeSet(), new RangeSet(), new RangeSet()];
  #page!: IoreqPage;
  #ring: RingProducer | undefined;
  #pages!: ServerPages;
  /** Why it answers nothing any more. */
  #broken: string | undefined;
  readonly #pending = new Map<number, Pending>();
  /** What is in the ring, for all that is known. */
  readonly #posted: BufferedWrite[] = [];

  /** Made by `IoreqServers.create`. */
  constructor(
    /** Unique in its domain. */
    readonly id: number,
    /** Who may operate it: a domain, or a device of the board. */
    readonly owner: string,
    readonly buffering: number,
    /** The event channel of each vCPU, and that of the ring at the end. */
    readonly ports: readonly number[],
    readonly backend: Backend,
    pages: ServerPages,
  ) {
    this.reset(pages);
  }

  /** Its pages, for whoever maps them. */
  get pages(): ServerPages {
    return this.#pages;
  }

  /** Why it answers nothing any more. */
  get broken(): string | undefined {
    return this.#broken;
  }

  /** vCPUs that wait for it. */
  get waiting(): readonly number[] {
    return [...this.#pending.keys()];
  }

  /** Starts over with other pages. Requests without an answer wait for {@linkcode resend}. */
  reset(pages: ServerPages): void {
    this.#pages = pages;
    this.#page = new IoreqPage(pages.buffer, pages.sync);
    this.#ring = pages.buffered === undefined || this.buffering === Buffering.OFF
      ? undefined
      : new RingProducer(pages.buffer, pages.buffered, this.buffering === Buffering.ATOMIC);
    for (let slot = 0; slot < SLOTS; slot++) this.#page.clear(slot);
    this.announce();
    this.#broken = undefined;
    for (const write of this.#posted) this.#ring?.push(write);
  }

  /** Writes the event channels into the slots, as enabling does. */
  announce(): void {
    for (const [slot, port] of this.ports.entries()) if (slot < SLOTS) this.#page.setPort(slot, port);
  }

  /** Puts a write into the ring. False: send it through the slot. */
  post(addr: number, size: number, data: bigint): boolean {
    if (this.#ring === undefined || !RingProducer.fits({ addr, size })) return false;
    const write = { type: RequestType.COPY, addr, size, data };
    let pushed = this.#ring.push(write);
    if (pushed === "lie") {
      this.#lie("the pointers of the ring are none that it may have written");
      if (this.#broken === undefined) pushed = this.#ring.push(write);
    }
    if (pushed !== "sent") return false;
    this.#posted.push(write);
    this.backend.notify("ring");
    return true;
  }

  /** The back-end has emptied the ring. Until then its writes are sent again after {@linkcode reset}. */
  ringServed(): void {
    this.#posted.length = 0;
  }

  /** Sends a request. */
  send(vcpu: number, request: Request): Outcome {
    if (this.#broken !== undefined) return "bus_error";
    const state = this.#page.state(vcpu);
    if (state !== State.NONE) this.#lie(`the slot of vCPU ${vcpu} is in state ${state} with no request in it`);
    else if (this.#page.port(vcpu) !== this.ports[vcpu]) this.#lie(`it changed the port of vCPU ${vcpu}`);
    if (this.broken !== undefined) return "bus_error";
    this.#pending.set(vcpu, { request, seen: State.READY });
    this.#page.publish(vcpu, request);
    this.backend.notify(vcpu);
    return this.collect(vcpu);
  }

  /** What waits of a vCPU. */
  pending(vcpu: number): Request | undefined {
    return this.#pending.get(vcpu)?.request;
  }

  /** The answer to what waits of a vCPU. */
  collect(vcpu: number): Outcome {
    const pending = this.#pending.get(vcpu);
    if (pending === undefined || this.#broken !== undefined) {
      this.#pending.delete(vcpu);
      return "bus_error";
    }
    if (this.backend.holds?.(vcpu)) return "later";
    const state = this.#page.state(vcpu);
    switch (state) {
      case State.READY:
      case State.INPROCESS:
        if (state < pending.seen) return this.#lied(vcpu, `the state of vCPU ${vcpu}'s request went from ${pending.seen} back to ${state}`);
        pending.seen = state;
        return "later";
      case State.RESP_READY:
        return this.#take(vcpu, pending.request);
      case State.NONE:
        // As if it had died in the middle. Xen, common/ioreq.c: the access reads as all ones.
        this.#pending.delete(vcpu);
        return ones(pending.request.size);
      default:
        return this.#lied(vcpu, `the state of vCPU ${vcpu}'s request is ${state}, which there isn't`);
    }
  }

  /** Puts what has no answer into the slots once more, after {@linkcode reset}. Whose they are `sent` is told. */
  resend(sent: (vcpu: number) => void): void {
    for (const [vcpu, pending] of this.#pending) {
      pending.seen = State.READY;
      this.#page.publish(vcpu, pending.request);
      sent(vcpu);
    }
  }

  /** A request of a vCPU that is gone: its answer is nobody's. */
  forget(vcpu: number): void {
    this.#pending.delete(vcpu);
  }

  /** Nobody answers any more. */
  break(why: string): void {
    this.#broken ??= why;
  }

  #take(vcpu: number, { size, write }: Request): Outcome {
    const data = BigInt.asUintN(8 * size, this.#page.data(vcpu));
    if (this.#page.port(vcpu) !== this.ports[vcpu]) return this.#lied(vcpu, `it changed the port of vCPU ${vcpu}`);
    if (!this.#page.move(vcpu, State.RESP_READY, State.NONE)) {
      return this.#lied(vcpu, `the state of vCPU ${vcpu}'s request changed under its answer`);
    }
    this.#pending.delete(vcpu);
    return write ? 0n : data;
  }

  /** A lie instead of an answer: what a back-end that came to its place answers counts. */
  #lied(vcpu: number, why: string): Outcome {
    this.#lie(why);
    return this.collect(vcpu);
  }

  #lie(why: string): void {
    if (this.#broken !== undefined) return;
    this.#broken = why;
    this.backend.lied(why);
  }
}

/** All ones, as nobody's answer reads. */
export function ones(size: number): bigint {
  return (1n << BigInt(8 * size)) - 1n;
}
