/** From a virtio device's model to a plugin on the PCI bus. */
import { definePlugin, Serial } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { deviceBasics, mergedRam } from "../device/contract.ts";
import { cableFindings, networkCables } from "../network/contract.ts";
import { PciBus, plugAtSlot, slotOption } from "../pci/contract.ts";
import { bringUp, ringOptions } from "./bring_up.ts";
import type { RingOptions, VirtioState } from "./bring_up.ts";
import { resetCore } from "./core.ts";
import type { VirtioModel } from "./model.ts";
import { PciTransport, resetPci } from "./pci.ts";
import type { PciTransportState } from "./pci.ts";

/** Options of the transport, over the device's own. */
export interface PciDeviceOptions extends RingOptions {
  /** Device, or device.function, on bus 0. */
  readonly slot?: string;
}

/** State of a device on the PCI bus. */
export type PciDeviceState<S> = VirtioState<PciTransportState, S>;

/** Makes a plugin of a device, named `NAME_pci`: `slot` and `packed` besides its own options. */
export function virtioPciPlugin<O, S>(model: VirtioModel<O, S>): Plugin<O & PciDeviceOptions, PciDeviceState<S>> {
  type Options = O & PciDeviceOptions;
  return definePlugin<Options, PciDeviceState<S>>({
    name: `${model.name}_pci`,
    doc: `${model.doc.replace(/\.$/, "")}, on the PCI bus.`,
    options: { ...model.options, slot: slotOption, ...ringOptions },
    needs: [PciBus, Serial],
    resources: (options, context) => ({
      serialPorts: model.ports?.(options) ?? [],
      findings: [...model.findings?.(options) ?? [], ...cableFindings(model.cables?.(options) ?? {}, context)],
    }),
    state(options) {
      const shape = model.shape(options);
      return { core: resetCore(shape), transport: resetPci(shape), model: model.state(options) };
    },
    ...model.keep === undefined ? {} : { keep: (state: PciDeviceState<S>) => ({ model: model.keep!(state.model) }) },
    attach(context) {
      const { options, state, domain } = context;
      const transport = new PciTransport(state.transport, model.shape(options));
      const slot = plugAtSlot<Options, PciDeviceState<S>>(context, transport.spec(model.name));
      // The bus decides whether the device may reach memory at all.
      const dma = { read: slot.read.bind(slot), write: slot.write.bind(slot), ram: mergedRam(domain) };
      const basics = deviceBasics<Options, unknown>(model, context, state, networkCables(model.cables?.(options) ?? {}, context));
      const core = bringUp<O, PciTransportState, S>(model, { basics, state, dma, signals: transport.signals, legacy: false });
      transport.attach(core, slot);
      context.onStop(() => core.stopped());
    },
  });
}
