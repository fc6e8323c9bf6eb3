/** Split virtqueues: Virtio 1.2, "Split Virtqueues". Legacy drivers use the same layout. */
import { CHAIN_LIMIT, ChainBuilder, DESCRIPTOR_BYTES, Flag, parseDescriptor } from "./chain.ts";
import type { Descriptor } from "./chain.ts";
import { QueueError } from "./guest_memory.ts";
import type { GuestMemory } from "./guest_memory.ts";
import type { Chain, QueueState, Ring } from "./ring.ts";

const NO_INTERRUPT = 1;

/** Bytes of the three areas for a queue of `size` entries, event indexes included. */
export function splitAreas(size: number): { readonly descriptors: number; readonly driver: number; readonly device: number } {
  return { descriptors: DESCRIPTOR_BYTES * size, driver: 6 + 2 * size, device: 6 + 8 * size };
}

/** Has the index passed `event` on its way from `before` to `now`? All modulo 2^16. */
export function passed(event: number, now: number, before: number): boolean {
  return ((now - event - 1) & 0xffff) < ((now - before) & 0xffff);
}

/** A split queue. */
export class SplitRing implements Ring {
  /** The driver's index, as the latest look for a chain found it. It is read each time: what a device knows is in its state or in the guest's memory. */
  #available = 0;

  constructor(
    private readonly queue: QueueState,
    private readonly memory: GuestMemory,
    private readonly features: { readonly indirect: boolean; readonly eventIndex: boolean },
  ) {}

  peek(): Chain | undefined {
    const { queue, memory } = this;
    this.#available = memory.read16(queue.driver + 2);
    const count = (this.#available - queue.nextAvailable) & 0xffff;
    if (count > queue.size) throw new QueueError(`the available index jumped by ${count}, the queue has ${queue.size} entries`);
    if (count === 0) return undefined;
    return this.#chain(memory.read16(queue.driver + 4 + 2 * (queue.nextAvailable % queue.size)));
  }

  consume(): void {
    this.queue.nextAvailable = (this.queue.nextAvailable + 1) & 0xffff;
  }

  complete({ id }: Chain, written: number): void {
    const { queue, memory } = this;
    const entry = new Uint8Array(8);
    const view = new DataView(entry.buffer);
    view.setUint32(0, id, true);
    view.setUint32(4, written, true);
    memory.write(queue.device + 4 + 8 * (queue.nextUsed % queue.size), entry);
    queue.nextUsed = (queue.nextUsed + 1) & 0xffff;
    memory.write16(queue.device + 2, queue.nextUsed);
    queue.unsignalled = Math.min(queue.unsignalled + 1, 0xffff);
  }

  requestNotification(): void {
    const { queue, memory } = this;
    if (this.features.eventIndex) memory.write16(queue.device + 4 + 8 * queue.size, this.#available);
  }

  interruptDue(): boolean {
    const { queue, memory } = this;
    if (queue.unsignalled === 0) return false;
    const before = queue.nextUsed - queue.unsignalled;
    queue.unsignalled = 0;
    if (this.features.eventIndex) return passed(memory.read16(queue.driver + 4 + 2 * queue.size), queue.nextUsed, before);
    return (memory.read16(queue.driver) & NO_INTERRUPT) === 0;
  }

  #chain(head: number): Chain {
    const { queue, memory } = this;
    const builder = new ChainBuilder(memory, Math.max(CHAIN_LIMIT, queue.size));
    let index = head;
    for (let entries = 1;; entries++) {
      if (index >= queue.size) throw new QueueError(`descriptor ${index} of a queue of ${queue.size}`);
      if (entries > queue.size) throw new QueueError("a chain of descriptors that is a loop");
      const descriptor = parseDescriptor(memory.read(queue.descriptors + DESCRIPTOR_BYTES * index, DESCRIPTOR_BYTES), 0, false);
      if ((descriptor.flags & Flag.INDIRECT) !== 0) {
        this.#indirect(builder, descriptor);
        return builder.finish(head, 1);
      }
      builder.add(descriptor);
      if ((descriptor.flags & Flag.NEXT) === 0) return builder.finish(head, 1);
      index = descriptor.link;
    }
  }

  #indirect(builder: ChainBuilder, descriptor: Descriptor): void {
    const { bytes, length } = builder.table(descriptor, this.features.indirect);
    let index = 0;
    for (let count = 1;; count++) {
      if (index >= length) throw new QueueError(`descriptor ${index} of an indirect table of ${length}`);
      if (count > length) throw new QueueError("an indirect table that is a loop");
      const entry = parseDescriptor(bytes, index, false);
      if ((entry.flags & Flag.INDIRECT) !== 0) throw new QueueError("an indirect descriptor in an indirect table");
      builder.add(entry);
      if ((entry.flags & Flag.NEXT) === 0) return;
      index = entry.link;
    }
  }
}
