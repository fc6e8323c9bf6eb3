/**
 * GICv3: distributor and redistributors in software, interrupts delivered through the CPU's list registers.
 */
import { definePlugin, Interrupts } from "../../../core/mod.ts";
import type { Domain, DomainContext, MmioHandler, Plugin } from "../../../core/mod.ts";
import { distributor } from "./distributor.ts";
import { FRAME_SIZE, readFrame, writeFrame } from "../vgic/frame.ts";
import { nodeName } from "./node.ts";
import { redistributor, REDISTRIBUTOR_SIZE } from "./redistributor.ts";
import { sendSgi } from "./sgi.ts";
import { LpiTargets } from "../contract.ts";
import { guestMemory } from "../vgic/guest_memory.ts";
import { createLpiState } from "../vgic/lpi_state.ts";
import { Lpis } from "../vgic/lpis.ts";
import type { LpiHost } from "../vgic/lpis.ts";
import { createState, emptyState, MAX_LIST_REGISTERS } from "../vgic/state.ts";
import type { GicState } from "../vgic/state.ts";
import { inputs } from "../vgic/inputs.ts";
import { Vgic } from "../vgic/vgic.ts";

/** Options. */
export interface GicOptions {
  readonly distributor: number;
  readonly redistributors: number;
  readonly spis: number;
  readonly list_registers?: number;
}

/** The plugin. */
export const gicv3: Plugin<GicOptions, GicState> = definePlugin<GicOptions, GicState>({
  name: "gicv3",
  doc: "GICv3 interrupt controller: SGIs, PPIs and SPIs with affinity routing.",
  options: {
    // Xen's guests have the distributor at 0x0300_1000: frames of 64 KiB, but on any page.
    distributor: { kind: "address", default: 0x0800_0000, align: 0x1000, doc: "IPA of the distributor, 64 KiB." },
    redistributors: { kind: "address", default: 0x080a_0000, align: 0x1000, doc: "IPA of the redistributors, 128 KiB for each vCPU." },
    spis: { kind: "integer", default: 224, min: 32, max: 960, align: 32, doc: "Shared interrupts; their INTIDs start at 32." },
    list_registers: {
      kind: "integer",
      optional: true,
      min: 1,
      max: MAX_LIST_REGISTERS,
      doc: "List registers to use, at most what the CPU model has; all of them when absent.",
    },
  },
  provides: [Interrupts, LpiTargets],
  resources(options, { domain }) {
    if (domain === undefined) return {};
    const size = domain.vcpus * REDISTRIBUTOR_SIZE;
    return {
      windows: [
        { name: "distributor", at: options.distributor, size: FRAME_SIZE },
        { name: "redistributors", at: options.redistributors, size },
      ],
      deviceTree: [{
        under: "/",
        properties: { "interrupt-parent": { cells: ["&gic"] } },
        nodes: [{
          name: nodeName(options.distributor),
          label: "gic",
          properties: {
            compatible: { text: "arm,gic-v3" },
            "#interrupt-cells": { cells: [3] },
            "#address-cells": { cells: [2] },
            "#size-cells": { cells: [2] },
            ranges: true,
            "interrupt-controller": true,
            reg: { reg: [[options.distributor, FRAME_SIZE], [options.redistributors, size]] },
          },
        }],
      }],
    };
  },
  state: emptyState,
  attach(context) {
    const { options, state, domain, exceptions } = context;
    Object.assign(state, createState(domain.vcpus.length, options.spis));
    const has = Number(domain.vcpus[0].state.read("ICH_VTR_EL2") & 0x1fn) + 1;
    const wanted = options.list_registers ?? Math.min(has, MAX_LIST_REGISTERS);
    if (wanted > has) context.fail("list_registers", `the CPU has ${has} list registers`);
    const gic = new Vgic(state, domain.vcpus, wanted);
    const frame = distributor(gic);
    exceptions.claimMmio(options.distributor, FRAME_SIZE, "distributor", {
      read: (offset, size) => readFrame(gic, frame, offset, size),
      write: (offset, size, value) => writeFrame(gic, frame, offset, size, value),
    });
    exceptions.claimMmio(
      options.redistributors,
      domain.vcpus.length * REDISTRIBUTOR_SIZE,
      "redistributors",
      redistributorWindow(gic, domain),
    );
    for (const [register, group0] of [["ICC_SGI1R_EL1", false], ["ICC_ASGI1R_EL1", true], ["ICC_SGI0R_EL1", true]] as const) {
      exceptions.claimRegister(register, {
        write: (sender, value) => sendSgi(gic, sender.index, value, group0),
      });
    }
    exceptions.claimRegister("ICC_DIR_EL1", { write: (vcpu, value) => gic.deactivate(vcpu, Number(value & 0xff_ffffn)) });
    context.onRun({
      entry: (vcpu) => gic.entry(vcpu),
      exit: (vcpu) => gic.exit(vcpu),
      reset: (vcpu) => gic.reset(vcpu),
    });
    context.provide(Interrupts, inputs(gic));
    context.provide(LpiTargets, lpiTargets(gic, context));
  },
});

function redistributorWindow(gic: Vgic, domain: Domain): MmioHandler {
  const frames = domain.vcpus.map(({ index }) => redistributor(gic, index));
  return {
    read: (offset, size) => readFrame(gic, frames[Math.floor(offset / REDISTRIBUTOR_SIZE)], offset % REDISTRIBUTOR_SIZE, size),
    write: (offset, size, value) =>
      writeFrame(gic, frames[Math.floor(offset / REDISTRIBUTOR_SIZE)], offset % REDISTRIBUTOR_SIZE, size, value),
  };
}

/** LPIs, which an ITS opens. */
function lpiTargets(gic: Vgic, { domain, clock, trace }: DomainContext<GicOptions, GicState>): LpiTargets {
  const host: LpiHost = {
    vcpus: domain.vcpus.length,
    get state() {
      return gic.state.lpis ??= createLpiState(domain.vcpus.length);
    },
    isRunning: (v) => gic.state.running[v] !== 0,
    refresh: (v) => gic.refresh(v),
    trace,
    open(lpis) {
      gic.attachLpis(lpis);
    },
  };
  return new Lpis(host, guestMemory(domain), clock);
}
