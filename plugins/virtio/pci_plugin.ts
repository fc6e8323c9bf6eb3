/** From a virtio device's model to a plugin on the PCI bus. */
import { definePlugin, Serial } from "../../core/mod.ts";
import type { DomainContext, OptionSpecs, Plugin } from "../../core/mod.ts";
import { deviceBasics, mergedRam } from "../device/contract.ts";
import { networkCables } from "../network/contract.ts";
import { parseSlot, PciBus } from "../pci/contract.ts";
import type { PciFunction, PciFunctionSpec } from "../pci/contract.ts";
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

const pciOptions: OptionSpecs = {
  slot: {
    kind: "text",
    optional: true,
    doc: "Device, or device.function, on bus 0; the first free device when absent.",
    check(value) {
      const slot = parseSlot(String(value));
      return typeof slot === "string" ? slot : undefined;
    },
  },
};

/** Makes a plugin of a device, named `NAME_pci`: `slot` and `packed` besides its own options. */
export function virtioPciPlugin<O, S>(model: VirtioModel<O, S>): Plugin<O & PciDeviceOptions, PciDeviceState<S>> {
  type Options = O & PciDeviceOptions;
  return definePlugin<Options, PciDeviceState<S>>({
    name: `${model.name}_pci`,
    doc: `${model.doc.replace(/\.$/, "")}, on the PCI bus.`,
    options: { ...model.options, ...pciOptions, ...ringOptions },
    needs: [PciBus, Serial],
    resources: (options) => ({ findings: model.findings?.(options) ?? [] }),
    state(options) {
      const shape = model.shape(options);
      return { core: resetCore(shape), transport: resetPci(shape), model: model.state(options) };
    },
    ...model.keep === undefined ? {} : { keep: (state: PciDeviceState<S>) => ({ model: model.keep!(state.model) }) },
    attach(context) {
      const { options, state, domain } = context;
      const transport = new PciTransport(state.transport, model.shape(options));
      const slot = plug(context, transport.spec(model.name));
      // The bus decides whether the device may reach memory at all.
      const dma = { read: slot.read.bind(slot), write: slot.write.bind(slot), ram: mergedRam(domain) };
      const basics = deviceBasics<Options, unknown>(model, context, state, networkCables(model.cables?.(options) ?? {}, context));
      const core = bringUp<O, PciTransportState, S>(model, { basics, state, dma, signals: transport.signals, legacy: false });
      transport.attach(core, slot);
      context.onStop(() => core.stopped());
    },
  });
}

function plug<O extends PciDeviceOptions, S>(context: DomainContext<O, S>, spec: PciFunctionSpec): PciFunction {
  const { options, get } = context;
  const slot = options.slot === undefined ? undefined : parseSlot(options.slot);
  try {
    return get(PciBus).plug(spec, typeof slot === "string" ? undefined : slot);
  } catch (error) {
    return context.fail("slot", error instanceof Error ? error.message : String(error));
  }
}
