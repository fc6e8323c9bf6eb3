/**
 * GICv2: the distributor in software; interrupts go through the CPU's list registers to the guest, which reaches them through the memory
 * that is the virtual CPU interface, without an exit. Deactivation by GICC_DIR comes here: an interrupt may be active elsewhere.
 */
import { definePlugin, Interrupts, MemoryBackend, OptionError, OverlapError } from "../../../core/mod.ts";
import type { DeviceTreeFragment, DomainContext, Mapping, Pa, Plugin } from "../../../core/mod.ts";
import { VirtualCpuInterface } from "../../cpu_a64/contract.ts";
import { Distributor, DISTRIBUTOR_SIZE } from "./distributor.ts";
import { nodeName } from "../gicv3/node.ts";
import { inputs } from "../vgic/inputs.ts";
import { createState, MAX_LIST_REGISTERS } from "../vgic/state.ts";
import type { GicState } from "../vgic/state.ts";
import { Vgic } from "../vgic/vgic.ts";

/** Options. */
export interface Gicv2Options {
  readonly distributor: number;
  readonly cpu_interface: number;
  readonly cpu_interface_size: number;
  readonly gicv: number;
  readonly spis: number;
  readonly list_registers: number;
}

/** What ITARGETSR and the sources of SGIs have bits for. */
const MAX_VCPUS = 8;
const PAGE = 0x1000;
/** GICC and GICV: a page of registers, and one with DIR alone. */
const CPU_INTERFACE_SIZE = 2 * PAGE;
/** How the guest reaches GICV. */
const INTERFACE: Mapping = { read: true, write: true, execute: false, type: "device-ngnre" };
/** ICC_SRE_EL2 without Enable: ICC_SRE_EL1 traps, and nobody answers. */
const NO_SYSTEM_REGISTERS = 7n;

/** The plugin. */
export const gicv2: Plugin<Gicv2Options, GicState> = definePlugin<Gicv2Options, GicState>({
  name: "gicv2",
  doc: "GICv2 interrupt controller for up to 8 vCPUs: SGIs, PPIs and SPIs, CPU interface in memory.",
  options: {
    distributor: { kind: "address", default: 0x0800_0000, align: PAGE, doc: "IPA of the distributor, 4 KiB." },
    cpu_interface: { kind: "address", default: 0x0801_0000, align: PAGE, doc: "IPA of the CPU interface." },
    cpu_interface_size: {
      kind: "size",
      default: CPU_INTERFACE_SIZE,
      doc: "Bytes of the CPU interface: with 8KiB guests can use EOImode 1, with 4KiB there is no GICC_DIR.",
      check: (value) => value === PAGE || value === CPU_INTERFACE_SIZE ? undefined : "want 4KiB or 8KiB",
    },
    gicv: {
      kind: "address",
      default: 0x0804_0000,
      align: PAGE,
      doc: "PA of the CPUs' virtual CPU interface, 8 KiB; an MPU has it where the guest does.",
    },
    spis: { kind: "integer", default: 224, min: 32, max: 960, align: 32, doc: "Shared interrupts; their INTIDs start at 32." },
    list_registers: {
      kind: "integer",
      default: 4,
      min: 1,
      max: MAX_LIST_REGISTERS,
      doc: "List registers to use, at most what the CPU model has.",
    },
  },
  needs: [VirtualCpuInterface],
  provides: [Interrupts],
  resources(options, { domain }) {
    if (domain === undefined) return { windows: [{ name: "GICV", at: options.gicv, size: CPU_INTERFACE_SIZE }] };
    if (domain.vcpus > MAX_VCPUS) {
      throw new OptionError(undefined, `a GICv2 has at most ${MAX_VCPUS} CPUs, and the domain ${domain.name} ${domain.vcpus} vCPUs`);
    }
    return {
      windows: [
        { name: "distributor", at: options.distributor, size: DISTRIBUTOR_SIZE },
        { name: "CPU interface", at: options.cpu_interface, size: PAGE, mapping: INTERFACE },
        ...options.cpu_interface_size > PAGE ? [{ name: "GICC_DIR", at: options.cpu_interface + PAGE, size: PAGE }] : [],
      ],
      deviceTree: [deviceTree(options)],
    };
  },
  state: () => createState(0, 0, 2),
  attach,
});

function attach(context: DomainContext<Gicv2Options, GicState>): void {
  const { options, state, domain, exceptions } = context;
  Object.assign(state, createState(domain.vcpus.length, options.spis, 2));
  const has = Number(domain.vcpus[0].state.read("ICH_VTR_EL2") & 0x1fn) + 1;
  if (options.list_registers > has) context.fail("list_registers", `the CPU has ${has} list registers`);
  const gic = new Vgic(state, domain.vcpus, options.list_registers);
  const distributor = new Distributor(gic);
  exceptions.claimMmio(options.distributor, DISTRIBUTOR_SIZE, "distributor", {
    read: (offset, size, vcpu) => distributor.read(vcpu?.index ?? 0, offset, size),
    write: (offset, size, value, vcpu) => distributor.write(vcpu?.index ?? 0, offset, size, Number(value & 0xffff_ffffn)),
  });
  domain.space.map(options.cpu_interface, placeInterface(context), PAGE, INTERFACE);
  if (options.cpu_interface_size > PAGE) {
    exceptions.claimMmio(options.cpu_interface + PAGE, PAGE, "GICC_DIR", {
      read: () => 0,
      write(offset, size, value, vcpu) {
        if (offset === 0 && size === 4 && vcpu !== undefined) gic.deactivate(vcpu, Number(value & 0x3ffn));
      },
    });
  }
  context.onRun({
    entry: (vcpu) => gic.entry(vcpu),
    exit: (vcpu) => gic.exit(vcpu),
    reset(vcpu) {
      vcpu.state.write("ICC_SRE_EL1", 0n);
      vcpu.state.write("ICC_SRE_EL2", NO_SYSTEM_REGISTERS);
      gic.reset(vcpu);
    },
  });
  context.provide(Interrupts, inputs(gic));
}

/** Gives the CPUs' frame its physical address, once for all domains. */
function placeInterface({ options, bus, find, get, fail }: DomainContext<Gicv2Options, GicState>): Pa {
  const frame = get(VirtualCpuInterface);
  const at = find(MemoryBackend)?.directMapOnly ? options.cpu_interface : options.gicv;
  const there = bus.find(at);
  if (there?.handler === frame && there.at === at) return at;
  try {
    bus.claim(at, CPU_INTERFACE_SIZE, "GICV", frame);
  } catch (error) {
    if (error instanceof OverlapError) fail("gicv", error.message);
    throw error;
  }
  return at;
}

function deviceTree(options: Gicv2Options): DeviceTreeFragment {
  return {
    under: "/",
    properties: { "interrupt-parent": { cells: ["&gic"] } },
    nodes: [{
      name: nodeName(options.distributor),
      label: "gic",
      properties: {
        compatible: { text: ["arm,gic-400", "arm,cortex-a15-gic"] },
        "#interrupt-cells": { cells: [3] },
        "#address-cells": { cells: [2] },
        "#size-cells": { cells: [2] },
        ranges: true,
        "interrupt-controller": true,
        reg: { reg: [[options.distributor, DISTRIBUTOR_SIZE], [options.cpu_interface, options.cpu_interface_size]] },
      },
    }],
  };
}
