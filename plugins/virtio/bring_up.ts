/** A virtio device in this thread: its core, and the context that it gets. */
import { Serial } from "../../core/mod.ts";
import type { Disk, DomainContext, OptionSpecs } from "../../core/mod.ts";
import { VirtioCore } from "./core.ts";
import type { CoreState, Signals } from "./core.ts";
import type { Dma } from "./guest_memory.ts";
import { MemoryDisk } from "./memory_disk.ts";
import type { VirtioContext, VirtioModel } from "./model.ts";

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

/** The device with its core, for any transport in this thread. */
export function bringUp<O, T, S>(
  model: VirtioModel<O, S>,
  context: DomainContext<O & RingOptions, VirtioState<T, S>>,
  dma: Dma,
  signals: Signals,
  legacy: boolean,
): VirtioCore {
  const { options, state, clock, get, random, trace, fail } = context;
  const { packed } = options;
  const core = new VirtioCore({ shape: model.shape(options), state: state.core, dma, clock, signals, legacy, packed, trace });
  const ports = new Map((model.ports?.(options) ?? []).map((name) => [name, get(Serial).open(name)]));
  const disks = openDisks(model, context);
  const given = <T>(map: ReadonlyMap<string, T>, name: string, what: string): T => {
    const found = map.get(name);
    if (found === undefined) throw new Error(`the model's ${what} don't name ${JSON.stringify(name)}`);
    return found;
  };
  const own: VirtioContext<O, S> = {
    options,
    state: state.model,
    clock,
    random,
    has: (feature) => core.has(feature),
    poke: (queue) => core.notify(queue),
    configChanged: () => core.configChanged(),
    port: (name) => given(ports, name, "ports"),
    disk: (name) => given(disks, name, "disks"),
    trace,
    fail,
  };
  const behaviour = model.create(own);
  core.attach(behaviour);
  // Called before the disks are closed: the latest hook comes first.
  context.onStop(() => behaviour.stopped?.());
  return core;
}

function openDisks<O, T, S>(model: VirtioModel<O, S>, context: DomainContext<O, VirtioState<T, S>>): Map<string, Disk> {
  const { options, host, onStop, fail } = context;
  const disks = new Map<string, Disk>();
  onStop(() => {
    for (const disk of disks.values()) disk.close();
  });
  for (const [name, request] of Object.entries(model.disks?.(options) ?? {})) {
    try {
      disks.set(name, "image" in request ? new MemoryDisk(host.image(request.image)) : host.disk(request.path, request.mode));
    } catch (error) {
      fail(request.option, error instanceof Error ? error.message : String(error));
    }
  }
  return disks;
}
