/** From a virtio device's model to a plugin: options of the transport, windows, device tree, and the context that the device gets. */
import { definePlugin, Interrupts, Serial } from "../../core/mod.ts";
import type { Disk, DomainContext, OptionSpecs, Plugin, Resources } from "../../core/mod.ts";
import { resetCore, VirtioCore } from "./core.ts";
import type { CoreState, Signals } from "./core.ts";
import { domainDma } from "./guest_memory.ts";
import type { Dma } from "./guest_memory.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { MmioTransport, resetMmio } from "./mmio.ts";
import type { MmioState } from "./mmio.ts";
import { BLOCK_SIZE } from "./mmio_registers.ts";
import type { VirtioContext, VirtioModel } from "./model.ts";

/** Options of the transport, over the device's own. */
export interface TransportOptions {
  readonly at: number;
  readonly interrupt: number;
  readonly legacy: boolean;
  readonly packed: boolean;
}

/** State of a device and all below it. */
export interface VirtioState<S> {
  readonly core: CoreState;
  readonly mmio: MmioState;
  model: S;
}

const transportOptions: OptionSpecs = {
  at: { kind: "address", default: 0x0a00_0000, align: BLOCK_SIZE, doc: "IPA of the registers, 0x200 bytes; another for each device." },
  interrupt: { kind: "interrupt", default: 48, min: 32, doc: "Its interrupt, level-sensitive; another for each device." },
  legacy: { kind: "boolean", default: false, doc: "Version 1 of the registers, for drivers from before Virtio 1.0." },
  packed: { kind: "boolean", default: true, doc: "Offers packed rings besides split ones." },
};

/** Makes a plugin of a device: `virtio_NAME` with `at`, `interrupt` and `legacy` besides its own options. */
export function virtioPlugin<O, S>(model: VirtioModel<O, S>): Plugin<O & TransportOptions, VirtioState<S>> {
  type Options = O & TransportOptions;
  return definePlugin<Options, VirtioState<S>>({
    name: model.name,
    doc: model.doc,
    options: { ...model.options, ...transportOptions },
    needs: [Interrupts, Serial],
    resources: (options) => ({ ...resources(options), findings: model.findings?.(options) ?? [] }),
    state: (options) => ({ core: resetCore(model.shape(options)), mmio: resetMmio(), model: model.state(options) }),
    ...model.keep === undefined ? {} : { keep: (state: VirtioState<S>) => ({ model: model.keep!(state.model) }) },
    attach(context) {
      const { options, state, domain, exceptions, get } = context;
      const transport = new MmioTransport(state.mmio, get(Interrupts).spi(options.interrupt), options.legacy);
      const core = bringUp(model, context, domainDma(domain), transport.signals);
      transport.attach(core);
      exceptions.claimMmio(options.at, BLOCK_SIZE, "registers", transport);
    },
  });
}

function resources({ at, interrupt }: TransportOptions): Resources {
  return {
    windows: [{ name: "registers", at, size: BLOCK_SIZE }],
    interrupts: [{ name: "interrupt", intid: interrupt, trigger: "level" }],
    deviceTree: [{
      under: "/",
      nodes: [{
        name: `virtio_mmio@${at.toString(16)}`,
        properties: {
          compatible: { text: "virtio,mmio" },
          reg: { reg: [[at, BLOCK_SIZE]] },
          interrupts: { interrupts: [{ intid: interrupt, trigger: "level" }] },
          "dma-coherent": true,
        },
      }],
    }],
  };
}

/** The device with its core, for any transport in this thread. */
export function bringUp<O, S>(
  model: VirtioModel<O, S>,
  context: DomainContext<O & Pick<TransportOptions, "legacy" | "packed">, VirtioState<S>>,
  dma: Dma,
  signals: Signals,
): VirtioCore {
  const { options, state, clock, get, random, trace, fail } = context;
  const { legacy, packed } = options;
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
  core.attach(model.create(own));
  return core;
}

function openDisks<O, S>(model: VirtioModel<O, S>, context: DomainContext<O, VirtioState<S>>): Map<string, Disk> {
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
