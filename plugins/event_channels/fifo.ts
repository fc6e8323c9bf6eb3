/**
 * The FIFO event ABI (Xen's public header event_channel.h, "FIFO ABI"): a word of 32 bits for each port in pages that the guest gives, and
 * for each vCPU a control block with the heads of 16 queues, one for each priority.
 *
 * What can a hostile guest do here? Scribble on its own words, links and heads. A link is written by the hypervisor and never followed
 * by it; tails are the hypervisor's own. The only loop is over the words of a page.
 */
import type { EventDelivery } from "./delivery.ts";
import type { GuestPage } from "./guest_page.ts";
import { markUpcall, MAX_FIFO_PORTS } from "./two_level.ts";
import type { VcpuInfo } from "./two_level.ts";

const PENDING = 0x8000_0000, MASKED = 0x4000_0000, LINKED = 0x2000_0000, BUSY = 0x1000_0000, LINK = 0x1_ffff;
/** Words of a page. */
const PER_PAGE = 1024;
const QUEUES = 16;
/** `evtchn_fifo_control_block`: ready, a reserved word, 16 heads. */
export const CONTROL_BLOCK_SIZE = 8 + 4 * QUEUES;

/** The hypervisor's own part: plain data. */
export interface FifoState {
  /** Last port of each queue, by vCPU × 16 + priority; 0: none that is known to be linked. */
  readonly tails: number[];
  /** Ports that were pended before their word's page came. */
  readonly early: Map<number, { readonly vcpu: number; readonly priority: number }>;
  /** The queue that a port was linked into last. */
  readonly queueOf: Map<number, number>;
}

/** Nothing is queued. */
export function fifoState(vcpus: number): FifoState {
  return { tails: new Array(vcpus * QUEUES).fill(0), early: new Map(), queueOf: new Map() };
}

/** Delivers by linked event words. */
export class FifoDelivery implements EventDelivery {
  readonly maxPorts = MAX_FIFO_PORTS;
  readonly #blocks = new Map<number, { readonly page: GuestPage; readonly offset: number }>();
  readonly #array: GuestPage[] = [];

  constructor(
    readonly state: FifoState,
    readonly info: (vcpu: number) => VcpuInfo | undefined,
    readonly upcall: (vcpu: number) => void,
  ) {}

  /** A vCPU's control block; its page is this delivery's from now on. False when it has one. */
  addControlBlock(vcpu: number, page: GuestPage, offset: number): boolean {
    if (this.#blocks.has(vcpu)) return false;
    this.#blocks.set(vcpu, { page, offset });
    page.write(offset, new Uint8Array(CONTROL_BLOCK_SIZE));
    return true;
  }

  /** True when the vCPU has its block. */
  hasControlBlock(vcpu: number): boolean {
    return this.#blocks.has(vcpu);
  }

  /** The next page of event words; it is this delivery's from now on. False when all 2^17 ports have theirs. */
  addArrayPage(page: GuestPage): boolean {
    if (this.#array.length >= MAX_FIFO_PORTS / PER_PAGE) return false;
    this.#array.push(page);
    for (const [port, { vcpu, priority }] of [...this.state.early]) {
      if (this.#word(port) === undefined) continue;
      this.state.early.delete(port);
      this.pend(port, vcpu, priority);
    }
    return true;
  }

  /** Gives every page back. */
  release(): void {
    for (const { page } of this.#blocks.values()) page.release();
    for (const page of this.#array) page.release();
    this.#blocks.clear();
    this.#array.length = 0;
    this.state.tails.fill(0);
    this.state.early.clear();
    this.state.queueOf.clear();
  }

  pend(port: number, vcpu: number, priority: number): void {
    const word = this.#word(port);
    if (word === undefined) {
      this.state.early.set(port, { vcpu, priority });
      return;
    }
    this.#set(port, (word | PENDING) >>> 0);
    this.#link(port, vcpu, priority);
  }

  unmask(port: number, vcpu: number, priority: number): void {
    const word = this.#word(port);
    if (word === undefined) return;
    this.#set(port, (word & ~MASKED) >>> 0);
    if ((word & PENDING) !== 0) this.#link(port, vcpu, priority);
  }

  isPending(port: number): boolean {
    const word = this.#word(port);
    return word === undefined ? this.state.early.has(port) : (word & PENDING) !== 0;
  }

  isMasked(port: number): boolean {
    return ((this.#word(port) ?? MASKED) & MASKED) !== 0;
  }

  clear(port: number): void {
    this.state.early.delete(port);
    const word = this.#word(port);
    if (word !== undefined) this.#set(port, (word & ~PENDING) >>> 0);
  }

  /** Puts a pending event that is neither masked nor linked at the end of its queue. */
  #link(port: number, vcpu: number, priority: number): void {
    const word = this.#word(port)!;
    if ((word & (MASKED | LINKED)) !== 0) return;
    const block = this.#blocks.get(vcpu);
    if (block === undefined) return;
    const { tails, queueOf } = this.state;
    const queue = vcpu * QUEUES + priority;
    // It was consumed where it was the last of a queue: that queue is empty, and its tail must not be linked to.
    const before = queueOf.get(port);
    if (before !== undefined && tails[before] === port) tails[before] = 0;
    queueOf.set(port, queue);
    this.#set(port, (word & ~LINK | LINKED) >>> 0);
    const tail = tails[queue];
    tails[queue] = port;
    const last = tail === 0 ? 0 : this.#word(tail) ?? 0;
    if ((last & LINKED) !== 0) {
      this.#set(tail, (last & ~(BUSY | LINK) | port) >>> 0);
      return;
    }
    block.page.set32(block.offset + 8 + 4 * priority, port);
    const ready = block.page.get32(block.offset);
    if ((ready & 1 << priority) !== 0) return;
    block.page.set32(block.offset, (ready | 1 << priority) >>> 0);
    const info = this.info(vcpu);
    if (info !== undefined) markUpcall(info, () => this.upcall(vcpu));
  }

  #word(port: number): number | undefined {
    return this.#array[Math.floor(port / PER_PAGE)]?.get32(port % PER_PAGE * 4);
  }

  #set(port: number, value: number): void {
    this.#array[Math.floor(port / PER_PAGE)].set32(port % PER_PAGE * 4, value);
  }
}
