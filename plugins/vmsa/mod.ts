/**
 * VMSA memory backend: a stage 2 translation table per domain, programmed through VTTBR_EL2, VTCR_EL2 and HCR_EL2, and EL2's own
 * stage 1 with a fixed layout (el2/layout.ts), which each CPU comes up to through a real table switch.
 *
 * What can a hostile guest do here? Nothing calls this plugin at the guest's wish, the guest can't write EL2's
 * registers, and the tables lie in frames that no stage 2 maps. Its IPAs reach no further than these tables say.
 *
 * @module
 */
import { CpuEngine, definePlugin, hex, HypervisorMap, MemoryBackend, PAGE_SIZE } from "../../core/mod.ts";
import type { Plugin, Vcpu, VcpuState } from "../../core/mod.ts";
import { VmsaAddressSpace } from "./address_space.ts";
import { El2 } from "./el2/bring_up.ts";
import type { El2Step } from "./el2/bring_up.ts";
import { IMAGE_SIZE, imageProblem } from "./el2/image.ts";
import { VmsaHypervisorMap } from "./el2/hypervisor_map.ts";
import { IPA_BITS, PA_BITS } from "./geometry.ts";
import { enter, leave, newVmids } from "./vmids.ts";
import type { VmsaState } from "./state.ts";

export type { VmsaState } from "./state.ts";

/** Options. */
export interface VmsaOptions {
  /** Size of a domain's address space in bits. */
  readonly ipa_bits: number;
  /** Where the hypervisor's image lies in RAM; anywhere that is free without. */
  readonly image_at?: number;
  /** Most frames of a domain's tables. */
  readonly table_frames: number;
  /** Whether each instruction of EL2's own code is a trace event. */
  readonly trace_el2: boolean;
}

/** The plugin. */
export const vmsa: Plugin<VmsaOptions, VmsaState> = definePlugin<VmsaOptions, VmsaState>({
  name: "vmsa",
  doc: "Maps each domain's memory by a stage 2 translation table (VMSA).",
  options: {
    ipa_bits: {
      kind: "integer",
      default: 40,
      doc: "Size of a domain's address space in bits: 32, 36, 40, 42, 44 or 48, at most what the CPU's physical addresses have.",
      check: (value) => (IPA_BITS as readonly unknown[]).includes(value) ? undefined : `want one of ${IPA_BITS.join(", ")}`,
    },
    image_at: {
      kind: "address",
      optional: true,
      align: PAGE_SIZE,
      doc: "Physical address of the hypervisor's image, 16 KiB of RAM below 16 TiB; where RAM is free when absent.",
      check: (value) => imageProblem(value as number),
    },
    table_frames: {
      kind: "integer",
      default: 4096,
      min: 16,
      max: 2 ** 20,
      doc: "Most frames of 4 KiB that the tables of one domain may take. 8 GiB of RAM in pages take 4105; in blocks, a few.",
    },
    trace_el2: {
      kind: "boolean",
      default: false,
      doc: "Trace EL2's own code while a CPU comes up: PC, MMU, TTBR0_EL2, and where the PC maps.",
    },
  },
  needs: [CpuEngine],
  provides: [MemoryBackend, HypervisorMap],
  resources({ image_at: at, ipa_bits }, { board, domain }) {
    if (domain !== undefined) return { reach: 2 ** ipa_bits };
    const isRam = board.memory.some((bank) => at !== undefined && at >= bank.at && at + IMAGE_SIZE <= bank.at + bank.size);
    if (at === undefined || isRam) return {};
    return {
      findings: [{
        title: "the hypervisor's image doesn't lie in RAM",
        found: `${hex(at)} to ${hex(at + IMAGE_SIZE - 1)}`,
        wanted: "a range within one bank of the board's memory",
      }],
    };
  },
  state: () => ({ vmap: [] }),
  setup(context) {
    const { options, state, memory, get, provide, onStop, trace, fail } = context;
    const engine = get(CpuEngine);
    const onStep = options.trace_el2 ? (step: El2Step) => trace(`EL2 ${step.routine}`, () => stepText(step)) : undefined;
    let el2: El2;
    try {
      el2 = new El2({ memory, engine, ram: context.board.memory }, options.image_at, onStep);
    } catch (error) {
      if (options.image_at === undefined) throw error;
      return fail("image_at", (error as Error).message);
    }
    onStop(() => el2.destroy());
    const features = featuresOf(el2.cpu);
    const vmids = state.vmids ??= newVmids(features.vmidBits);
    provide(HypervisorMap, new VmsaHypervisorMap({ memory, engine, el2, ranges: state.vmap, paBits: features.paBits }));
    const parts = { memory, engine, vmids, tableFrames: options.table_frames, forceWriteBack: features.forceWriteBack };
    const spaceOf = ({ domain }: Vcpu) => domain.space as VmsaAddressSpace;
    context.onRun({
      reset: ({ state }) => el2.bringUp(state),
      entry(vcpu) {
        // A generation of VMIDs may have ended since this vCPU ran last.
        const vttbr = spaceOf(vcpu).vttbr();
        if (vcpu.state.read("VTTBR_EL2") !== vttbr) vcpu.state.write("VTTBR_EL2", vttbr);
        enter(vmids, vcpu.id, spaceOf(vcpu).tag);
      },
      exit: (vcpu) => leave(vmids, vcpu.id),
    });
    provide(MemoryBackend, {
      name: "vmsa",
      directMapOnly: false,
      createAddressSpace: (domainName, colours) => new VmsaAddressSpace({ ...parts, colours }, domainName, options.ipa_bits),
    });
  },
});

/** What the CPU has. Arm ARM DDI 0487, "ID_AA64MMFR0_EL1" to "ID_AA64MMFR2_EL1". */
function featuresOf(cpu: VcpuState): { readonly paBits: number; readonly vmidBits: 8 | 16; readonly forceWriteBack: boolean } {
  return {
    paBits: PA_BITS[Math.min(Number(cpu.read("ID_AA64MMFR0_EL1") & 15n), PA_BITS.length - 1)],
    vmidBits: (cpu.read("ID_AA64MMFR1_EL1") >> 4n & 15n) === 2n ? 16 : 8,
    forceWriteBack: (cpu.read("ID_AA64MMFR2_EL1") >> 40n & 15n) !== 0n,
  };
}

function stepText({ pc, mmu, ttbr0, pa }: El2Step): string {
  return `PC ${hex(pc)}, MMU ${mmu ? "on" : "off"}, TTBR0_EL2 ${hex(ttbr0)}, at ${pa === undefined ? "nothing" : `PA ${hex(pa)}`}`;
}

export default vmsa;
