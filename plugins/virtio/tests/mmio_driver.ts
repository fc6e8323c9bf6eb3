/** Brings a virtio-mmio device up as a driver does, on a bench. */
import { assertEquals } from "@std/assert";
import type { Bench } from "../../../core/testing.ts";
import { GuestRam, PackedDriver, SplitDriver } from "./driver.ts";
import type { Areas, DriverQueue } from "./driver.ts";

/** Where the tests put their devices. */
export const AT = 0x0a00_0000;
export const INTID = 48;
/** Guest RAM of a bench: 1 MiB. Queues lie in the first half, from here each 32 KiB. */
export const RAM = 0x4000_0000;
export const RAM_END = RAM + 0x10_0000;
/** Buffers and tables of tests. */
export const BUFFERS = RAM + 0x8_0000;

/** Registers. */
export const R = {
  magic: 0x0,
  version: 0x4,
  deviceId: 0x8,
  features: 0x10,
  featuresSel: 0x14,
  driverFeatures: 0x20,
  driverFeaturesSel: 0x24,
  queueSel: 0x30,
  queueNumMax: 0x34,
  queueNum: 0x38,
  queueReady: 0x44,
  notify: 0x50,
  interrupts: 0x60,
  ack: 0x64,
  status: 0x70,
  areas: [0x80, 0x90, 0xa0],
  queueReset: 0xc0,
  generation: 0xfc,
  config: 0x100,
} as const;

export const NEEDS_RESET = 64;
export const [INDIRECT_BIT, EVENT_BIT, VERSION_BIT, PACKED_BIT] = [28, 29, 32, 34];

/** A driver of one device. */
export class MmioDriver {
  readonly ram: GuestRam;
  readonly queues: DriverQueue[] = [];

  constructor(readonly kit: Bench) {
    this.ram = new GuestRam(kit);
  }

  get = (register: number): number => this.kit.read32(AT + register);
  set = (register: number, value: number): void => this.kit.write32(AT + register, value);

  /** All that the device offers. */
  offered(): bigint {
    const half = (n: number) => {
      this.set(R.featuresSel, n);
      return BigInt(this.get(R.features));
    };
    return half(0) | half(1) << 32n;
  }

  /** Resets, and negotiates these features with VERSION_1. */
  negotiate(features: readonly number[]): void {
    this.set(R.status, 0);
    this.set(R.status, 1);
    this.set(R.status, 3);
    const mask = [...features, VERSION_BIT].reduce((all, bit) => all | 1n << BigInt(bit), 0n);
    for (const half of [0, 1]) {
      this.set(R.driverFeaturesSel, half);
      this.set(R.driverFeatures, Number(mask >> BigInt(32 * half) & 0xffff_ffffn));
    }
    this.set(R.status, 11);
    assertEquals(this.get(R.status), 11, "the device refused the features");
  }

  areas(index: number): Areas {
    const base = RAM + 0x8000 * index;
    return { descriptors: base, driver: base + 0x5000, device: base + 0x6000 };
  }

  /** Tells the device of a queue. */
  setUp(index: number, size: number, areas: Areas = this.areas(index)): void {
    this.set(R.queueSel, index);
    this.set(R.queueNum, size);
    for (const [n, at] of [areas.descriptors, areas.driver, areas.device].entries()) {
      this.set(R.areas[n], at % 2 ** 32);
      this.set(R.areas[n] + 4, Math.floor(at / 2 ** 32));
    }
    this.set(R.queueReady, 1);
  }

  /** The whole sequence: features, queues of a size, DRIVER_OK. */
  start(features: readonly number[], queues: number, size: number): void {
    this.negotiate(features);
    const packed = features.includes(PACKED_BIT);
    this.queues.length = 0;
    for (let index = 0; index < queues; index++) {
      const areas = this.areas(index);
      this.ram.put(areas.descriptors, new Uint8Array(0x8000));
      this.setUp(index, size);
      this.queues.push(packed ? new PackedDriver(this.ram, areas, size) : new SplitDriver(this.ram, areas, size));
    }
    this.set(R.status, 15);
  }

  /** One request on a queue: bytes out, room for an answer; what the device wrote. Throws when it doesn't answer. */
  request(queue: number, out: Uint8Array, room: number): { readonly written: number; readonly bytes: Uint8Array } {
    const driver = this.queues[queue];
    const pieces = [];
    if (out.length > 0) pieces.push({ at: BUFFERS, size: out.length, write: false });
    if (room > 0) pieces.push({ at: BUFFERS + out.length, size: room, write: true });
    this.ram.put(BUFFERS, out);
    this.ram.put(BUFFERS + out.length, new Uint8Array(room).fill(0xee));
    const id = driver.add(pieces);
    driver.publish();
    this.set(R.notify, queue);
    const used = driver.take();
    if (used === undefined) throw new Error(`queue ${queue} gave nothing back: status ${this.get(R.status)}, ${this.kit.traced.at(-1)}`);
    assertEquals(used.id, id);
    return { written: used.written, bytes: this.ram.bytes(BUFFERS + out.length, room) };
  }
}
