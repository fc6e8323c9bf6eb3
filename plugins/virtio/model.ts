/**
 * What a virtio device is to this house, and what it is given. A device answers requests; it knows no transport, no domain and no
 * address of the guest's, so the same source runs in the hypervisor's thread and in a Worker behind IOREQ.
 */
import type { OptionSpecs, ResourceFinding } from "../../core/mod.ts";
import type { DeviceBasics, HostUse } from "../device/contract.ts";

export type { DiskRequest, FolderRequest } from "../device/contract.ts";

/** A chain of descriptors as a device sees it: bytes from the driver, then room for bytes to it. Both are copied, never shared. */
export interface VirtioBuffer {
  /** Bytes that the driver sends. */
  readonly readable: number;
  /** Bytes of room for the answer. */
  readonly writable: number;
  /** Copies bytes from the driver. What isn't there is missing from the result. */
  read(offset?: number, size?: number): Uint8Array;
  /** The same into bytes that are there: from an offset on, as many as there are and fit. Making room for some kilobytes takes longer. */
  readInto(offset: number, into: Uint8Array): void;
  /** Writes into the room at an offset; what doesn't fit is dropped. */
  write(offset: number, bytes: Uint8Array): void;
  /** Nothing in it can be answered (no room for a status, no header): the device goes to DEVICE_NEEDS_RESET. */
  reject(why: string): never;
}

/**
 * What `serve` answers: bytes written into the room, from its start; or that the buffer stays where it is until `poke`. A `part` goes on
 * in the next buffer, which is there: the driver sees none of it before all of it.
 */
export type Served = number | { readonly part: number } | "later";

/** The device's side. Nothing here may keep a {@linkcode VirtioBuffer} after it came back. */
export interface VirtioBehaviour {
  /** The device's configuration as it is now, little-endian. */
  config?(): Uint8Array;
  /** The driver wrote bytes of the configuration. */
  writeConfig?(offset: number, bytes: Uint8Array): void;
  /** The driver is ready: features are negotiated, queues are set up. */
  started?(): void;
  /** Answers one buffer of a queue. Throws only for bugs of its own. */
  serve(queue: number, buffer: VirtioBuffer): Served;
  /** The driver reset the device. What a disk or a clock holds stays. */
  reset?(): void;
  /** The domain goes: the last moment to write something to a disk. */
  stopped?(): void;
}

/** What the device is made with: all it may touch. */
export interface VirtioContext<O, S> extends DeviceBasics<O, S> {
  /** Was this feature bit negotiated? */
  has(feature: number): boolean;
  /** Buffers that stayed in a queue may be served now. Not from within `serve`. */
  poke(queue: number): void;
  /** How many of the buffers of the queue being served, from this one on, have room for so many bytes; undefined: there aren't enough. */
  buffersFor(queue: number, bytes: number): number | undefined;
  /** The configuration changed by itself: a new generation, and the driver is told. */
  configChanged(): void;
}

/** What a driver finds when it looks. */
export interface VirtioShape {
  /** Virtio 1.2, "Device Types": 2 block, 3 console, 4 entropy, 5 balloon. */
  readonly deviceId: number;
  /** Bits that the device offers besides those of rings and transports. */
  readonly features: readonly number[];
  /** The greatest size of each queue: powers of two, at most 32768. */
  readonly queues: readonly number[];
}

/** A device, as a constant. `O`: its options after conversion; `S`: its state. */
export interface VirtioModel<O, S> extends HostUse<O> {
  /** The plugin's name. */
  readonly name: string;
  /** One sentence. */
  readonly doc: string;
  /** `import.meta.url` of the module that exports the plugin made of it: a Worker imports it from there. Absent: it runs inline only. */
  readonly module?: string;
  /** Its own options; those of the transport come on top. */
  readonly options: OptionSpecs;
  /** What it shows. */
  readonly shape: (options: O) => VirtioShape;
  /** Mistakes that its options make together: seen without running it. */
  readonly findings?: (options: O) => readonly ResourceFinding[];
  /** Initial state. */
  readonly state: (options: O) => S;
  /** The state with which it starts after a reboot of the domain; absent: a fresh one. */
  readonly keep?: (state: S) => S;
  /** Brings it to life. */
  readonly create: (context: VirtioContext<O, S>) => VirtioBehaviour;
}
