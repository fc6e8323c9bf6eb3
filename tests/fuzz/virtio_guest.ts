/** What a random guest does to a virtio device besides writing registers: it brings it up halfway sensibly, and fills rings. */
import type { Bench } from "../../core/testing.ts";
import type { Random } from "../support/random.ts";
import { RAM } from "./ram.ts";

/** Rings of a queue lie here, its buffers behind them. */
const QUEUE_BYTES = 0x4000;
const EMPTY = new Uint8Array(0x2100);
const area = (queue: number) => RAM.at + QUEUE_BYTES * queue;
/** Queues that fit into RAM with their buffers. */
const MOST_QUEUES = 16;
const BUFFERS = RAM.at + QUEUE_BYTES * MOST_QUEUES;
const [NEXT, WRITE, INDIRECT, AVAIL, USED] = [1, 2, 4, 1 << 7, 1 << 15];

/** Registers of a transport, as far as a driver needs them. */
export interface Transport {
  setStatus(value: number): void;
  status(): number;
  /** Offers and accepts features: what is on offer, in both halves. */
  features(choose: (offered: number, half: number) => number): void;
  /** Sets a queue up, returns its size; 0: there is none of that number. */
  queue(index: number, wanted: number): number;
  notify(queue: number): void;
}

/** "Virtio Over MMIO", both versions. */
export function mmio(kit: Bench, at: number): Transport {
  const get = (register: number) => kit.read32(at + register);
  const set = (register: number, value: number) => kit.write32(at + register, value);
  return {
    setStatus: (value) => set(0x70, value),
    status: () => get(0x70),
    features(choose) {
      for (const half of [0, 1]) {
        set(0x14, half);
        const offered = get(0x10);
        set(0x24, half);
        set(0x20, choose(offered, half));
      }
    },
    queue(index, wanted) {
      set(0x30, index);
      const size = Math.min(get(0x34), wanted);
      if (size === 0) return 0;
      set(0x38, size);
      if (get(4) === 1) {
        set(0x28, 0x1000);
        set(0x3c, 0x1000);
        set(0x40, area(index) / 0x1000);
        return size;
      }
      for (const [n, register] of [0x80, 0x90, 0xa0].entries()) {
        set(register, area(index) + 0x1000 * n);
        set(register + 4, 0);
      }
      set(0x44, 1);
      return size;
    },
    notify: (queue) => set(0x50, queue),
  };
}

/** "Virtio Over PCI Bus": the common configuration is at the start of the BAR, notifications are at 0x3000. */
export function pci(kit: Bench, at: number): Transport {
  return {
    setStatus: (value) => kit.write8(at + 20, value),
    status: () => kit.read8(at + 20),
    features(choose) {
      for (const half of [0, 1]) {
        kit.write32(at, half);
        const offered = kit.read32(at + 4);
        kit.write32(at + 8, half);
        kit.write32(at + 12, choose(offered, half));
      }
    },
    queue(index, wanted) {
      kit.write16(at + 22, index);
      const size = Math.min(kit.read16(at + 24), wanted);
      if (size === 0) return 0;
      kit.write16(at + 24, size);
      for (const [n, register] of [32, 40, 48].entries()) kit.write64(at + register, area(index) + 0x1000 * n);
      kit.write16(at + 28, 1);
      return size;
    },
    notify: (queue) => kit.write16(at + 0x3000 + 4 * queue, queue),
  };
}

/** Where a driver is in one queue. */
interface Position {
  readonly size: number;
  /** Split: the index of what is available. Packed: the next descriptor. */
  next: number;
  /** Packed: the driver's wrap counter. */
  wrap: boolean;
}

/** The guest's side of one device. */
export class VirtioGuest {
  #queues: Position[] = [];
  #packed = false;

  constructor(private readonly kit: Bench, private readonly transport: Transport, private readonly random: Random) {}

  /** Brings it up with any features that it may take. */
  start(): void {
    const { kit: { domain }, transport, random } = this;
    for (const status of [0, 1, 3]) transport.setStatus(status);
    const few = random.chance(0.5);
    transport.features((offered, half) => {
      const chosen = (offered & (few ? random.u32() & random.u32() : random.u32()) | half) >>> 0; // VERSION_1 is bit 32
      this.#packed = half === 1 && (chosen & 4) !== 0;
      return chosen;
    });
    transport.setStatus(11);
    this.#queues = [];
    const wanted = random.pick([1, 8, 16, 16]);
    for (let queue = 0; queue < MOST_QUEUES; queue++) {
      const size = transport.queue(queue, wanted);
      if (size === 0) break;
      domain.writeMemory(area(queue), EMPTY);
      this.#queues.push({ size, next: 0, wrap: true });
    }
    transport.setStatus(15);
  }

  /** Offers chains that are right, nearly always, and tells the device. */
  offer(): void {
    const { random } = this;
    if (this.transport.status() !== 15 && random.chance(0.9)) this.start();
    if (this.#queues.length === 0) return;
    const queue = random.below(this.#queues.length);
    for (let count = 1 + random.below(Math.min(3, this.#queues[queue].size)); count > 0; count--) this.#chain(queue, this.#queues[queue]);
    if (random.chance(0.05)) {
      this.kit.domain.writeMemory(
        area(queue) + random.below(0x1000) * random.below(3),
        Uint8Array.of(random.below(256), random.below(256)),
      );
    }
    this.transport.notify(queue);
  }

  #chain(queue: number, position: Position): void {
    const { random } = this;
    const { size } = position;
    const length = Math.min(size, random.chance(0.8) ? 2 + random.below(3) : 1);
    // Most devices want a request and room for an answer.
    const readable = random.chance(0.7) ? Math.ceil(length / 2) : random.below(length + 1);
    const from = this.#packed ? position.next : random.below(size);
    for (let n = 0; n < length; n++) {
      const flags = (n < length - 1 ? NEXT : 0) | (n < readable ? 0 : WRITE);
      this.#descriptor(queue, (from + n) % size, flags, (from + n + 1) % size, position);
    }
    if (this.#packed) return;
    const available = area(queue) + 0x1000;
    this.#put16(available + 4 + 2 * (position.next % size), from);
    position.next = (position.next + 1) & 0xffff;
    this.#put16(available + 2, position.next);
  }

  #descriptor(queue: number, index: number, flags: number, next: number, position: Position): void {
    const { kit: { domain }, random } = this;
    const at = BUFFERS + 0x10 * random.below((RAM.at + RAM.size - BUFFERS) / 0x10 - 0x100);
    const bytes = random.pick([1, 8, 16, 16, 16, 16, 24, 64, 512, 0x1000]);
    if ((flags & WRITE) === 0) domain.writeMemory(at, this.#request(Math.min(bytes, 64)));
    const view = new DataView(new ArrayBuffer(16));
    view.setBigUint64(0, random.chance(0.99) ? BigInt(at) : random.u64(), true);
    view.setUint32(8, random.chance(0.99) ? bytes : random.u32(), true);
    if (random.chance(0.02)) flags = random.pick([INDIRECT, flags ^ NEXT, flags ^ WRITE, random.u32() & 0xffff]);
    if (this.#packed) {
      view.setUint16(12, index, true);
      view.setUint16(14, flags | (position.wrap ? AVAIL : USED), true);
      position.next++;
      if (position.next === position.size) [position.next, position.wrap] = [0, !position.wrap];
    } else {
      view.setUint16(12, flags, true);
      view.setUint16(14, random.chance(0.98) ? next : random.below(0x10000), true);
    }
    domain.writeMemory(area(queue) + 16 * index, new Uint8Array(view.buffer));
  }

  #put16(at: number, value: number): void {
    this.kit.domain.writeMemory(at, Uint8Array.of(value & 0xff, value >>> 8));
  }

  /** Bytes that headers are made of. */
  #request(size: number): Uint8Array {
    const { random } = this;
    return Uint8Array.from({ length: size }, () => random.chance(0.6) ? 0 : random.chance(0.5) ? random.below(16) : random.below(256));
  }
}
