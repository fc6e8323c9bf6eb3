/**
 * VMSA memory backend: a stage 2 translation table per domain, programmed through VTTBR_EL2, VTCR_EL2 and HCR_EL2.
 *
 * What can a hostile guest do here? Nothing calls this plugin at the guest's wish, the guest can't write EL2's
 * registers, and the tables lie in frames that no stage 2 maps. Its IPAs reach no further than these tables say.
 *
 * @module
 */
import { CpuEngine, definePlugin, MemoryBackend } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { VmsaAddressSpace } from "./address_space.ts";
import { IPA_BITS } from "./geometry.ts";
import { newVmids } from "./vmids.ts";
import type { VmsaState } from "./state.ts";

export type { VmsaState } from "./state.ts";

/** Options. */
export interface VmsaOptions {
  /** Size of a domain's address space in bits. */
  readonly ipa_bits: number;
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
  },
  needs: [CpuEngine],
  provides: [MemoryBackend],
  state: () => ({ vmids: newVmids() }),
  setup({ options, state, memory, get, provide }) {
    const parts = { memory, engine: get(CpuEngine), state };
    provide(MemoryBackend, {
      name: "vmsa",
      directMapOnly: false,
      createAddressSpace: (domainName) => new VmsaAddressSpace(parts, domainName, options.ipa_bits),
    });
  },
});

export default vmsa;
