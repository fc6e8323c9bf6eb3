/**
 * A virtio device without its transport: negotiation, status, queues, and serving them (Virtio 1.2, "Basic Facilities of a Virtio Device").
 *
 * What can a hostile driver do here? It may write any register at any time in any order and put anything into memory. Features hold only
 * when FEATURES_OK accepted them; a queue that breaks its rules puts the device into DEVICE_NEEDS_RESET, where it serves nothing; work per
 * notification is bounded, a timer does the rest.
 */
import type { Clock, Timer } from "../../core/mod.ts";
import type { DeviceDma } from "../device/contract.ts";
import { ChainBuffer } from "./buffer.ts";
import { Feature, featureMask, Status } from "./features.ts";
import { GuestMemory, QueueError } from "./guest_memory.ts";
import type { VirtioBehaviour, VirtioShape } from "./model.ts";
import { packedAreas, PackedRing } from "./packed_ring.ts";
import { idleQueue } from "./ring.ts";
import type { QueueState, Ring } from "./ring.ts";
import { splitAreas, SplitRing } from "./split_ring.ts";

/** Buffers and bytes that one turn serves. */
const TURN_BUFFERS = 128;
const TURN_BYTES = 8 * 2 ** 20;
/** Virtual time until the next turn. */
const NEXT_TURN_NS = 10_000;

/** State, plain data. */
export interface CoreState {
  /** The device status field. */
  status: number;
  /** What the driver wrote. Holds from FEATURES_OK on. */
  driverFeatures: bigint;
  /** Of the configuration: counts its changes. */
  generation: number;
  /** By number. */
  queues: QueueState[];
  /** Queues that wait for the next turn. */
  waiting: boolean[];
}

/** Reset state. */
export function resetCore({ queues }: VirtioShape): CoreState {
  return { status: 0, driverFeatures: 0n, generation: 0, queues: queues.map(idleQueue), waiting: queues.map(() => false) };
}

/** How a transport tells the driver. */
export interface Signals {
  /** Buffers of a queue were used. */
  used(queue: number): void;
  /** The configuration changed, or the device needs a reset. */
  config(): void;
}

/** What the core is made of. */
export interface CoreParts {
  readonly shape: VirtioShape;
  readonly state: CoreState;
  readonly dma: DeviceDma;
  readonly clock: Clock;
  readonly signals: Signals;
  /** Version 1 of the MMIO transport: no FEATURES_OK, no features beyond bit 31. */
  readonly legacy: boolean;
  /** Packed rings are on offer. */
  readonly packed: boolean;
  trace(kind: string, detail: () => string): void;
}

/** The device. */
export class VirtioCore {
  /** Features on offer. */
  readonly offered: bigint;
  readonly state: CoreState;
  readonly #memory: GuestMemory;
  readonly #rings: (Ring | undefined)[];
  readonly #timer: Timer;
  #behaviour!: VirtioBehaviour;
  #serving = false;

  constructor(readonly parts: CoreParts) {
    const { shape, state, dma, clock, legacy, packed } = parts;
    const rings = legacy ? [Feature.ANY_LAYOUT, Feature.INDIRECT_DESC, Feature.EVENT_IDX] : [
      Feature.INDIRECT_DESC,
      Feature.EVENT_IDX,
      Feature.VERSION_1,
      Feature.ACCESS_PLATFORM,
      Feature.RING_RESET,
      ...packed ? [Feature.RING_PACKED] : [],
    ];
    this.offered = featureMask([...shape.features.filter((bit) => !legacy || bit < 32), ...rings]);
    this.state = state;
    this.#memory = new GuestMemory(dma);
    this.#rings = shape.queues.map(() => undefined);
    this.#timer = clock.timer("queues", () => this.#nextTurn());
  }

  /** The device's own side; before anything else. */
  attach(behaviour: VirtioBehaviour): void {
    this.#behaviour = behaviour;
  }

  /** The domain goes. */
  stopped(): void {
    this.#behaviour.stopped?.();
  }

  /** Was this feature negotiated? */
  has(feature: number): boolean {
    const { status, driverFeatures } = this.state;
    return (this.parts.legacy || (status & Status.FEATURES_OK) !== 0) && (driverFeatures >> BigInt(feature) & 1n) !== 0n;
  }

  /** Bits `32 * half` to `32 * half + 31` of what the driver accepts. */
  setDriverFeatures(half: number, value: number): void {
    if ((this.state.status & (Status.FEATURES_OK | Status.DRIVER_OK)) !== 0 || half > 1) return;
    const shift = BigInt(32 * half);
    const kept = this.state.driverFeatures & ~(0xffff_ffffn << shift);
    this.state.driverFeatures = kept | BigInt(value) << shift;
    // A legacy driver has no FEATURES_OK by which it could be refused.
    if (this.parts.legacy) this.state.driverFeatures &= this.offered;
  }

  /** The driver writes the status: 0 resets, bits only come. */
  setStatus(value: number): void {
    const { state } = this;
    if (value === 0) return this.reset();
    const { ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK, FAILED } = Status;
    let set = value & ~state.status & (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | FAILED);
    if (this.parts.legacy) set &= ~FEATURES_OK;
    if ((set & FEATURES_OK) !== 0 && !this.#acceptable()) set &= ~FEATURES_OK;
    const ready = state.status | set;
    if ((set & DRIVER_OK) !== 0 && !this.parts.legacy && (ready & FEATURES_OK) === 0) {
      this.parts.trace("virtio driver", () => "DRIVER_OK without FEATURES_OK");
      set &= ~DRIVER_OK;
    }
    state.status |= set;
    if ((set & DRIVER_OK) === 0) return;
    this.#behaviour.started?.();
    // Buffers that came before count as well.
    for (let queue = 0; queue < state.queues.length; queue++) this.notify(queue);
  }

  /** Back to the beginning; nothing of the driver's is touched again. */
  reset(): void {
    const { state } = this;
    this.#timer.disarm();
    const { generation } = state;
    Object.assign(state, resetCore(this.parts.shape), { generation });
    this.#rings.fill(undefined);
    this.#behaviour.reset?.();
  }

  /** Something is beyond repair until the driver resets the device. */
  needsReset(why: string): void {
    const { state } = this;
    if ((state.status & Status.NEEDS_RESET) !== 0) return;
    this.parts.trace("virtio device needs reset", () => why);
    state.status |= Status.NEEDS_RESET;
    this.#timer.disarm();
    state.waiting.fill(false);
    if ((state.status & Status.DRIVER_OK) !== 0) this.parts.signals.config();
  }

  /** A queue by number, as the driver set it up. */
  queue(index: number): QueueState | undefined {
    return this.state.queues[index];
  }

  /** The driver hands a queue over. What can't be a queue makes the device need a reset. */
  enable(index: number): void {
    const queue = this.queue(index);
    if (queue === undefined || queue.ready) return;
    const wrong = this.#wrongQueue(queue, index);
    if (wrong !== undefined) return this.needsReset(`queue ${index}: ${wrong}`);
    const { size, descriptors, driver, device } = queue;
    this.state.queues[index] = { ...idleQueue(size), descriptors, driver, device, ready: true };
    this.#rings[index] = undefined;
  }

  /** The driver takes a queue back (`hard`: with all that was set up). */
  disable(index: number, hard: boolean): void {
    const queue = this.queue(index);
    if (queue === undefined) return;
    if (hard) this.state.queues[index] = idleQueue(this.parts.shape.queues[index]);
    else queue.ready = false;
    this.#rings[index] = undefined;
    this.state.waiting[index] = false;
  }

  /** How many of the next chains have room for so many bytes together; undefined: all that are there haven't. From within `serve`. */
  buffersFor(index: number, bytes: number): number | undefined {
    const queue = this.state.queues[index];
    const ring = this.#ring(index);
    const { nextAvailable, availableWrap } = queue;
    try {
      let left = bytes;
      for (let count = 1; count <= queue.size; count++) {
        const chain = ring.peek();
        if (chain === undefined) return undefined;
        left -= new ChainBuffer(chain, this.#memory).writable;
        if (left <= 0) return count;
        ring.consume(chain);
      }
    } finally {
      Object.assign(queue, { nextAvailable, availableWrap });
    }
  }

  /** There are buffers in a queue, or those that are there may be served now. */
  notify(index: number): void {
    const { state, parts } = this;
    if ((state.status & (Status.DRIVER_OK | Status.NEEDS_RESET | Status.FAILED)) !== Status.DRIVER_OK) return;
    if (state.queues[index]?.ready !== true) {
      if (index >= state.queues.length) {
        parts.trace("virtio driver", () => `a notification of queue ${index}, there are ${state.queues.length}`);
      }
      return;
    }
    if (this.#serving) return this.#wait(index);
    this.#turn(index);
  }

  /** The configuration, as far as it goes. */
  readConfig(offset: number, size: number): bigint {
    const config = this.#behaviour.config?.() ?? new Uint8Array(0);
    let value = 0n;
    for (let n = size - 1; n >= 0; n--) value = value << 8n | BigInt(config[offset + n] ?? 0);
    return value;
  }

  /** A write of the configuration; beyond its end it does nothing. */
  writeConfig(offset: number, size: number, value: bigint): void {
    const length = this.#behaviour.config?.().length ?? 0;
    const bytes = Uint8Array.from({ length: size }, (_, n) => Number(value >> BigInt(8 * n) & 0xffn));
    if (offset + size <= length) this.#behaviour.writeConfig?.(offset, bytes);
  }

  /** The device changed its configuration. */
  configChanged(): void {
    this.state.generation = (this.state.generation + 1) >>> 0;
    if ((this.state.status & Status.DRIVER_OK) !== 0) this.parts.signals.config();
  }

  /** "Feature Bits": no more than was offered, and the ones that a driver of this version needs. */
  #acceptable(): boolean {
    const { driverFeatures } = this.state;
    return (driverFeatures & ~this.offered) === 0n && (driverFeatures >> BigInt(Feature.VERSION_1) & 1n) !== 0n;
  }

  #wrongQueue({ size, descriptors, driver, device }: QueueState, index: number): string | undefined {
    const packed = this.has(Feature.RING_PACKED);
    const most = this.parts.shape.queues[index];
    if (size < 1 || size > most) return `a size of ${size}, at most ${most}`;
    if (!packed && (size & (size - 1)) !== 0) return `a size of ${size}, not a power of two`;
    const areas = packed ? packedAreas(size) : splitAreas(size);
    const aligns = packed ? [16, 4, 4] : [16, 2, 4];
    const places = [["descriptor", descriptors, areas.descriptors], ["driver", driver, areas.driver], [
      "device",
      device,
      areas.device,
    ]] as const;
    for (const [n, [name, at, bytes]] of places.entries()) {
      if (at % aligns[n] !== 0) return `the ${name} area at IPA 0x${at.toString(16)} isn't aligned to ${aligns[n]}`;
      if (!this.#memory.holds(at, bytes)) return `the ${name} area at IPA 0x${at.toString(16)} isn't all in guest RAM`;
    }
  }

  #ring(index: number): Ring {
    const features = { indirect: this.has(Feature.INDIRECT_DESC), eventIndex: this.has(Feature.EVENT_IDX) };
    const Layout = this.has(Feature.RING_PACKED) ? PackedRing : SplitRing;
    return this.#rings[index] ??= new Layout(this.state.queues[index], this.#memory, features);
  }

  #turn(index: number): void {
    this.#serving = true;
    try {
      const ring = this.#ring(index);
      this.#serve(index, ring);
      // A reset may have come meanwhile: then the ring is nobody's.
      if (this.#rings[index] === ring && ring.interruptDue()) this.parts.signals.used(index);
    } catch (error) {
      if (!(error instanceof QueueError)) throw error;
      this.needsReset(`queue ${index}: ${error.message}`);
    } finally {
      this.#serving = false;
    }
  }

  #serve(index: number, ring: Ring): void {
    let bytes = 0;
    let asked = false;
    let more = false;
    for (let count = 0;; count++) {
      if (!more && (count >= TURN_BUFFERS || bytes >= TURN_BYTES)) return this.#wait(index);
      const chain = ring.peek();
      if (chain === undefined) {
        // Asked, and still nothing: whatever comes now is notified.
        if (asked) return;
        ring.requestNotification();
        asked = true;
        continue;
      }
      const buffer = new ChainBuffer(chain, this.#memory);
      const served = this.#behaviour.serve(index, buffer);
      if (served === "later") return ring.requestNotification();
      if (this.#rings[index] !== ring) return;
      more = typeof served === "object";
      ring.consume(chain);
      ring.complete(chain, Math.min(typeof served === "object" ? served.part : served, buffer.writable));
      bytes += buffer.readable + buffer.writable;
      asked = false;
    }
  }

  #wait(index: number): void {
    this.state.waiting[index] = true;
    if (this.#timer.deadlineNs === undefined) this.#timer.arm(this.parts.clock.nowNs + NEXT_TURN_NS);
  }

  #nextTurn(): void {
    for (const index of this.state.waiting.keys()) {
      if (!this.state.waiting[index]) continue;
      this.state.waiting[index] = false;
      this.notify(index);
    }
  }
}
