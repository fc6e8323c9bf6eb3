/** A virtio device in any thread: its core, and the context that it gets. */
import type { OptionSpecs } from "../../core/mod.ts";
import type { DeviceBasics, DeviceDma } from "../device/contract.ts";
import { VirtioCore } from "./core.ts";
import type { CoreState, Signals } from "./core.ts";
import type { VirtioModel } from "./model.ts";

/** Options of every transport. */
export interface RingOptions {
  /** Packed rings are on offer. */
  readonly packed: boolean;
}

/** Their descriptions. */
export const ringOptions: OptionSpecs = {
  packed: { kind: "boolean", default: true, doc: "Offers packed rings besides split ones." },
};

/** State of a device and all below it. `T`: its transport's; `S`: its own. */
export interface VirtioState<T, S> {
  /** Status, features and queues. */
  readonly core: CoreState;
  /** The registers of the transport. */
  readonly transport: T;
  /** The device's own. */
  model: S;
}

/** What a transport lends to a device. */
export interface Lent<O, T, S> {
  /** What the model's context builds on. */
  readonly basics: DeviceBasics<O & RingOptions, unknown>;
  /** Of the device and all below it. */
  readonly state: VirtioState<T, S>;
  /** What queues reach. */
  readonly dma: DeviceDma;
  /** How the driver is told. */
  readonly signals: Signals;
  /** Version 1 of the MMIO transport. */
  readonly legacy: boolean;
}

/** The device with its core, for any transport. */
export function bringUp<O, T, S>(model: VirtioModel<O, S>, { basics, state, dma, signals, legacy }: Lent<O, T, S>): VirtioCore {
  const { options, clock, trace } = basics;
  const core = new VirtioCore({
    shape: model.shape(options),
    state: state.core,
    dma,
    clock,
    signals,
    legacy,
    packed: options.packed,
    trace,
  });
  core.attach(model.create({
    ...basics,
    state: state.model,
    has: (feature) => core.has(feature),
    poke: (queue) => core.notify(queue),
    buffersFor: (queue, bytes) => core.buffersFor(queue, bytes),
    configChanged: () => core.configChanged(),
  }));
  return core;
}
