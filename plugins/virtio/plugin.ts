/** From a virtio device's model to a plugin over MMIO: options of the transport, window, interrupt, device tree. */
import { definePlugin, Interrupts, Serial } from "../../core/mod.ts";
import type { OptionSpecs, Plugin, Resources } from "../../core/mod.ts";
import { bringUp, ringOptions } from "./bring_up.ts";
import type { RingOptions, VirtioState } from "./bring_up.ts";
import { resetCore } from "./core.ts";
import { domainDma } from "./guest_memory.ts";
import { MmioTransport, resetMmio } from "./mmio.ts";
import type { MmioState } from "./mmio.ts";
import { BLOCK_SIZE } from "./mmio_registers.ts";
import type { VirtioModel } from "./model.ts";

/** Options of the transport, over the device's own. */
export interface MmioOptions extends RingOptions {
  /** IPA of the registers. */
  readonly at: number;
  /** INTID, an SPI. */
  readonly interrupt: number;
  /** Version 1 of the registers. */
  readonly legacy: boolean;
}

/** State of a device over MMIO. */
export type MmioDeviceState<S> = VirtioState<MmioState, S>;

const mmioOptions: OptionSpecs = {
  at: { kind: "address", default: 0x0a00_0000, align: BLOCK_SIZE, doc: "IPA of the registers, 0x200 bytes; another for each device." },
  interrupt: { kind: "interrupt", default: 48, min: 32, doc: "Its interrupt, level-sensitive; another for each device." },
  legacy: { kind: "boolean", default: false, doc: "Version 1 of the registers, for drivers from before Virtio 1.0." },
};

/** Makes a plugin of a device, memory-mapped: `at`, `interrupt`, `legacy` and `packed` besides its own options. */
export function virtioPlugin<O, S>(model: VirtioModel<O, S>): Plugin<O & MmioOptions, MmioDeviceState<S>> {
  type Options = O & MmioOptions;
  return definePlugin<Options, MmioDeviceState<S>>({
    name: model.name,
    doc: model.doc,
    options: { ...model.options, ...mmioOptions, ...ringOptions },
    needs: [Interrupts, Serial],
    resources: (options) => ({ ...resources(options), findings: model.findings?.(options) ?? [] }),
    state: (options) => ({ core: resetCore(model.shape(options)), transport: resetMmio(), model: model.state(options) }),
    ...model.keep === undefined ? {} : { keep: (state: MmioDeviceState<S>) => ({ model: model.keep!(state.model) }) },
    attach(context) {
      const { options, state, domain, exceptions, get } = context;
      const transport = new MmioTransport(state.transport, get(Interrupts).spi(options.interrupt), options.legacy);
      transport.attach(bringUp(model, context, domainDma(domain), transport.signals, options.legacy));
      exceptions.claimMmio(options.at, BLOCK_SIZE, "registers", transport);
    },
  });
}

function resources({ at, interrupt }: MmioOptions): Resources {
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
