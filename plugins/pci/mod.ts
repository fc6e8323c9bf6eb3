/**
 * PCI host bridge with memory-mapped configuration space (ECAM), as "pci-host-ecam-generic" describes it. Other plugins plug
 * functions in through the capability `PciBus`.
 * @module
 */
import { definePlugin, Interrupts } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { MessageInterrupts } from "../gic/contract.ts";
import { PciBus } from "./contract.ts";
import { deviceTree } from "./device_tree.ts";
import { HostBridge, INTX_LINES } from "./host.ts";
import type { PciState } from "./host.ts";
import type { PciOptions } from "./options.ts";
import { ECAM_BUS_SIZE } from "./registers.ts";

export type { PciOptions } from "./options.ts";

const MIB = 0x10_0000;

/** The plugin. */
export const pci: Plugin<PciOptions, PciState> = definePlugin<PciOptions, PciState>({
  name: "pci",
  doc: "PCI host bridge with one bus: ECAM, memory and I/O windows, INTx, and messages when an interrupt controller takes them.",
  options: {
    ecam: { kind: "address", default: 0x3f00_0000, align: ECAM_BUS_SIZE, doc: "IPA of the configuration space, 1 MiB." },
    memory: {
      kind: "address",
      default: 0x1000_0000,
      align: 0x1_0000,
      max: 2 ** 32 - MIB,
      doc: "IPA and bus address of the 32-bit memory window.",
    },
    memory_size: {
      kind: "size",
      default: 0x2eff_0000,
      align: 0x1_0000,
      min: MIB,
      max: 2 ** 32 - MIB,
      doc: "Size of the 32-bit memory window.",
    },
    io: { kind: "address", default: 0x3eff_0000, align: 0x1_0000, doc: "IPA of the I/O window; it shows I/O space from 0." },
    io_size: { kind: "size", default: 0x1_0000, align: 0x1000, min: 0x1000, max: 0x1_0000, doc: "Size of the I/O window." },
    memory64: {
      kind: "address",
      optional: true,
      align: MIB,
      min: 2 ** 32,
      doc: "IPA and bus address of a 64-bit memory window; none when absent.",
    },
    memory64_size: { kind: "size", default: 2 ** 30, align: MIB, min: MIB, doc: "Size of the 64-bit memory window." },
    interrupts: {
      kind: "interrupt",
      default: 35,
      min: 32,
      max: 1016,
      doc: "First of the four shared interrupts that INTA# to INTD# drive.",
    },
  },
  needs: [Interrupts],
  provides: [PciBus],
  resources: (options, context) => ({
    windows: [
      { name: "ECAM", at: options.ecam, size: ECAM_BUS_SIZE },
      { name: "memory", at: options.memory, size: options.memory_size },
      { name: "I/O", at: options.io, size: options.io_size },
      ...options.memory64 === undefined ? [] : [{ name: "64-bit memory", at: options.memory64, size: options.memory64_size }],
    ],
    interrupts: Array.from({ length: INTX_LINES }, (_, n) => ({ name: `INTx ${n}`, intid: options.interrupts + n, trigger: "level" })),
    deviceTree: deviceTree(options, context),
  }),
  state: () => ({ functions: {} }),
  attach({ options, state, domain, exceptions, get, find, provide, trace }) {
    const interrupts = get(Interrupts);
    const bridge = new HostBridge(state, {
      domain,
      lines: Array.from({ length: INTX_LINES }, (_, n) => interrupts.spi(options.interrupts + n)),
      messages: () => find(MessageInterrupts),
      trace,
    });
    exceptions.claimMmio(options.ecam, ECAM_BUS_SIZE, "ECAM", bridge.ecam());
    exceptions.claimMmio(options.memory, options.memory_size, "memory", bridge.window("memory", options.memory));
    exceptions.claimMmio(options.io, options.io_size, "I/O", bridge.window("io", 0));
    if (options.memory64 !== undefined) {
      exceptions.claimMmio(options.memory64, options.memory64_size, "64-bit memory", bridge.window("memory", options.memory64));
    }
    provide(PciBus, bridge);
  },
});

export default pci;
