/**
 * PMSA memory backend (Armv8-R AArch64): regions of the EL2 MPU instead of page tables. Domains are mapped directly and placed
 * statically; hypervisor and guests share the regions that MPUIR_EL2 counts.
 *
 * What can a hostile guest do here? Nothing calls this plugin at the guest's wish, and the guest can't write EL2's registers. Its
 * addresses reach what its regions say, and no more; the hypervisor's are for EL2 only, and never overlap them while it runs.
 *
 * @module
 */
import { CpuEngine, definePlugin, HypervisorMap, MemoryBackend } from "../../core/mod.ts";
import type { Plugin, VcpuState } from "../../core/mod.ts";
import { PmsaAddressSpace } from "./address_space.ts";
import { PmsaDomains } from "./contract.ts";
import { El2Mpu } from "./el2_mpu.ts";
import { findingsOf } from "./findings.ts";
import { PmsaHypervisorMap } from "./hypervisor_map.ts";
import { bootOnly, defaultSections, deviceRegion, imageRegions, imageSize } from "./image.ts";
import { checkDevices, checkSections, devicesOf, sectionsOf } from "./items.ts";
import { imageAddress, planOf } from "./plan.ts";
import type { PlanOptions } from "./plan.ts";
import { merge } from "./regions.ts";
import { planTable } from "./report.ts";
import { newState } from "./state.ts";
import type { El1, PmsaState } from "./state.ts";

export { PmsaDomains } from "./contract.ts";
export { pmsaDomain } from "./domain.ts";
export type { PmsaState } from "./state.ts";

/** Options. */
export interface PmsaOptions extends PlanOptions {
  /** What runs at EL1 where a domain doesn't say. */
  readonly el1: El1;
}

/** Owner of the image's frames, as `PhysicalMemory.usage` shows it. */
export const IMAGE_OWNER = "hypervisor image";

/** The plugin. */
export const pmsa: Plugin<PmsaOptions, PmsaState> = definePlugin<PmsaOptions, PmsaState>({
  name: "pmsa",
  doc: "Maps each domain's memory by regions of the EL2 MPU (PMSAv8-64): direct-mapped domains on an Armv8-R CPU.",
  options: {
    el1: {
      kind: "choice",
      choices: ["pmsa", "vmsa"],
      default: "pmsa",
      doc:
        "What a guest has at EL1: an MPU, or page tables (Linux needs them; the CPU must have both). `pmsa_domain` says it for one domain.",
    },
    image_at: {
      kind: "address",
      optional: true,
      align: 4096,
      doc: "Where the hypervisor's image lies in RAM; at the top of it when absent.",
    },
    sections: {
      kind: "any",
      default: defaultSections,
      check: checkSections,
      doc: "Sections of the image in order: { name, size, boot, run }. `boot` is rx, ro or rw; `run`, afterwards, may be none.",
    },
    devices: {
      kind: "any",
      default: [],
      check: checkDevices,
      doc: "Devices that the hypervisor itself uses: { name, at, size, type }; device-ngnre when there is no type.",
    },
    regions: {
      kind: "integer",
      optional: true,
      min: 1,
      max: 255,
      doc: "Use at most this many of the CPU's EL2 regions (MPUIR_EL2), to try a smaller budget.",
    },
  },
  needs: [CpuEngine],
  provides: [MemoryBackend, HypervisorMap, PmsaDomains],
  resources(options, { board, domain }) {
    if (domain !== undefined) return {};
    const plan = planOf(options, board);
    const use = board.plugins.find((candidate) => candidate.options === options as unknown);
    const place = { path: [...(use?.path ?? ["plugins"]), ...(use ? ["use"] : [])] };
    const coloured = (board.cacheColours ?? 1) > 1
      ? [{
        title: "an MPU translates nothing: RAM can't be put together of one cache colour's frames",
        places: [{ path: ["cacheColours"] }],
      }]
      : [];
    return { findings: [...coloured, ...findingsOf(plan, options.sections, board, place)], report: planTable(plan) };
  },
  state: newState,
  setup({ options, state, board, memory, get, provide, onStop, onSnapshot, fail }) {
    const engine = get(CpuEngine);
    const sections = sectionsOf(options.sections);
    const cpu = engine.createVcpu({ mpidr: 0x8000_0000n });
    onStop(() => engine.destroyVcpu(cpu));
    const hardware = regionsOf(cpu);
    if (hardware === 0 || engine.accessAtEl2 === undefined) {
      fail("el1", "the CPU has no MPU at EL2: pmsa takes an Armv8-R model such as cortex-r82");
    }
    const imageAt = imageAddress(options, board);
    memory.allocateAt(IMAGE_OWNER, imageAt, imageSize(sections));
    const own = { boot: merge(imageRegions(sections, imageAt, "boot")), run: merge(imageRegions(sections, imageAt, "run")) };
    for (const device of devicesOf(options.devices)) {
      const { at, size, attributes } = deviceRegion(device);
      state.mapped.push({ at, size, attributes, references: 1 });
    }
    const mpu = new El2Mpu(state, engine, cpu, own, Math.min(options.regions ?? 255, hardware), hardware);
    onSnapshot({ restored: () => mpu.restored() });
    const excess = mpu.excess(state.mapped);
    if (excess > 0) fail("sections", `the hypervisor alone needs ${mpu.count + excess} MPU regions, and MPUIR_EL2 has ${mpu.count}`);
    const spaces = new WeakSet<object>();
    provide(MemoryBackend, {
      name: "pmsa",
      directMapOnly: true,
      createAddressSpace(domainName) {
        const space = new PmsaAddressSpace(mpu, domainName, options.el1);
        spaces.add(space);
        return space;
      },
      finishBoot() {
        mpu.finishBoot();
        for (const { at, size } of bootOnly(sections, imageAt)) memory.release(IMAGE_OWNER, at, size);
      },
    });
    provide(HypervisorMap, new PmsaHypervisorMap(mpu));
    provide(PmsaDomains, {
      setEl1(space, el1) {
        if (!spaces.has(space)) throw new Error("the address space is another backend's");
        (space as PmsaAddressSpace).el1 = el1;
      },
    });
  },
});

/** MPUIR_EL2.REGION; 0 on a CPU without an MPU there. */
function regionsOf(cpu: VcpuState): number {
  // ID_AA64MMFR0_EL1.MSA: elsewhere MPUIR_EL2 is UNDEFINED.
  if ((cpu.read("ID_AA64MMFR0_EL1") >> 48n & 15n) !== 15n) return 0;
  return Number(cpu.read("MPUIR_EL2") & 0xffn);
}

export default pmsa;
