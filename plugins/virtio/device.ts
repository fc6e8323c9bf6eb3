/** A virtio device with its registers over it: a device like any other, that runs where the board says. */
import type { OptionSpecs } from "../../core/mod.ts";
import { defineDevice } from "../device/contract.ts";
import type { DeviceModel } from "../device/contract.ts";
import { bringUp, ringOptions } from "./bring_up.ts";
import type { RingOptions, VirtioState } from "./bring_up.ts";
import { resetCore } from "./core.ts";
import { MmioTransport, resetMmio } from "./mmio.ts";
import type { MmioState } from "./mmio.ts";
import { BLOCK_SIZE } from "./mmio_registers.ts";
import type { VirtioModel } from "./model.ts";

/** Options of the transport, over the device's own. */
export interface TransportOptions extends RingOptions {
  /** Version 1 of the registers. */
  readonly legacy: boolean;
}

/** State of a device over MMIO. */
export type MmioDeviceState<S> = VirtioState<MmioState, S>;

const transportOptions: OptionSpecs = {
  legacy: { kind: "boolean", default: false, doc: "Version 1 of the registers, for drivers from before Virtio 1.0." },
};

/** Makes a device of a virtio model: its window is the MMIO transport. */
export function virtioDevice<O, S>(model: VirtioModel<O, S>): DeviceModel<O & TransportOptions, MmioDeviceState<S>> {
  const { options, shape, state, keep, create: _, ...shared } = model;
  return defineDevice<O & TransportOptions, MmioDeviceState<S>>({
    // Whatever else it declares: what it is called, what it uses of the host.
    ...shared,
    options: { ...options, ...transportOptions, ...ringOptions },
    windows: {
      registers: { size: BLOCK_SIZE, default: 0x0a00_0000, doc: "IPA of the registers, 0x200 bytes; another for each device." },
    },
    interrupts: { interrupt: { default: 48, doc: "Its interrupt, level-sensitive; another for each device." } },
    deviceTree: (_, { unit, reg, interrupts }) => [{
      under: "/",
      nodes: [{
        name: `virtio_mmio@${unit}`,
        properties: { compatible: { text: "virtio,mmio" }, reg, interrupts, "dma-coherent": true },
      }],
    }],
    state: (options) => ({ core: resetCore(shape(options)), transport: resetMmio(), model: state(options) }),
    ...keep === undefined ? {} : { keep: ({ model }) => ({ model: keep(model) }) },
    create(context) {
      const { state, options: { legacy }, dma, interrupt } = context;
      const transport = new MmioTransport(state.transport, interrupt("interrupt"), legacy);
      const core = bringUp<O, MmioState, S>(model, { basics: context, state, dma, signals: transport.signals, legacy });
      transport.attach(core);
      return { windows: { registers: transport }, stopped: () => core.stopped() };
    },
  });
}
