/** Packed virtqueues: Virtio 1.2, "Packed Virtqueues". */
import { CHAIN_LIMIT, ChainBuilder, DESCRIPTOR_BYTES, Flag, parseDescriptor } from "./chain.ts";
import type { Descriptor } from "./chain.ts";
import { QueueError } from "./guest_memory.ts";
import type { GuestMemory } from "./guest_memory.ts";
import type { Chain, QueueState, Ring } from "./ring.ts";
import { passed } from "./split_ring.ts";

/** "Event Suppression Structure Format". */
const Events = { ENABLE: 0, DISABLE: 1, DESCRIPTOR: 2 } as const;

/** Bytes of the three areas. */
export function packedAreas(size: number): { readonly descriptors: number; readonly driver: number; readonly device: number } {
  return { descriptors: DESCRIPTOR_BYTES * size, driver: 4, device: 4 };
}

/** A packed queue. */
export class PackedRing implements Ring {
  constructor(
    private readonly queue: QueueState,
    private readonly memory: GuestMemory,
    private readonly features: { readonly indirect: boolean; readonly eventIndex: boolean },
  ) {}

  peek(): Chain | undefined {
    const { queue, memory } = this;
    const head = this.#descriptor(queue.nextAvailable);
    const available = (head.flags & Flag.AVAIL) !== 0;
    const used = (head.flags & Flag.USED) !== 0;
    if (available !== queue.availableWrap || used === queue.availableWrap) return undefined;
    const builder = new ChainBuilder(memory, Math.max(CHAIN_LIMIT, queue.size));
    let descriptor = head;
    for (let entries = 1;; entries++) {
      if (entries > queue.size) throw new QueueError("a chain of descriptors longer than its queue");
      if ((descriptor.flags & Flag.INDIRECT) !== 0) {
        if (entries > 1) throw new QueueError("an indirect descriptor within a chain");
        const { bytes, length } = builder.table(descriptor, this.features.indirect);
        for (let index = 0; index < length; index++) {
          const entry = parseDescriptor(bytes, index, true);
          if ((entry.flags & Flag.INDIRECT) !== 0) throw new QueueError("an indirect descriptor in an indirect table");
          builder.add(entry);
        }
        return builder.finish(descriptor.link, 1);
      }
      builder.add(descriptor);
      if ((descriptor.flags & Flag.NEXT) === 0) return builder.finish(descriptor.link, entries);
      descriptor = this.#descriptor((queue.nextAvailable + entries) % queue.size);
    }
  }

  consume({ entries }: Chain): void {
    const { queue } = this;
    queue.nextAvailable += entries;
    if (queue.nextAvailable < queue.size) return;
    queue.nextAvailable -= queue.size;
    queue.availableWrap = !queue.availableWrap;
  }

  complete({ id, entries }: Chain, written: number): void {
    const { queue, memory } = this;
    const at = queue.descriptors + DESCRIPTOR_BYTES * queue.nextUsed;
    const body = new Uint8Array(6);
    const view = new DataView(body.buffer);
    view.setUint32(0, written, true);
    view.setUint16(4, id, true);
    memory.write(at + 8, body);
    // The flags hand it over: last.
    memory.write16(at + 14, (queue.usedWrap ? Flag.AVAIL | Flag.USED : 0) | (written > 0 ? Flag.WRITE : 0));
    queue.nextUsed += entries;
    if (queue.nextUsed >= queue.size) {
      queue.nextUsed -= queue.size;
      queue.usedWrap = !queue.usedWrap;
    }
    queue.unsignalled = Math.min(queue.unsignalled + entries, 0xffff);
  }

  requestNotification(): void {
    const { queue, memory } = this;
    memory.write(queue.device, Uint8Array.of(0, 0, Events.ENABLE, 0));
  }

  interruptDue(): boolean {
    const { queue, memory } = this;
    if (queue.unsignalled === 0) return false;
    const count = queue.unsignalled;
    queue.unsignalled = 0;
    const flags = memory.read16(queue.driver + 2) & 3;
    if (flags === Events.DISABLE) return false;
    if (flags !== Events.DESCRIPTOR || !this.features.eventIndex) return true;
    const position = memory.read16(queue.driver);
    let event = position & 0x7fff;
    if ((position >>> 15 === 1) !== queue.usedWrap) event -= queue.size;
    return count >= queue.size || passed(event, queue.nextUsed, queue.nextUsed - count);
  }

  #descriptor(index: number): Descriptor {
    return parseDescriptor(this.memory.read(this.queue.descriptors + DESCRIPTOR_BYTES * index, DESCRIPTOR_BYTES), 0, true);
  }
}
