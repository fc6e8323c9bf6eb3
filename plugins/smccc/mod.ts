/**
 * The SMC Calling Convention 1.2 of a domain: the architecture's calls, entropy, who the hypervisor is, and a door by which other
 * plugins add functions.
 *
 * A guest calls with any identifier and any arguments: what nobody has returns NOT_SUPPORTED, also through the conduit that isn't the
 * domain's. Hypervisors that trap an SMC do so, and guests ask before they rely on a conduit; hardware without EL3 differs
 * (the CPU's option `el3`).
 * @module
 */
import { definePlugin } from "../../core/mod.ts";
import type { DomainContext, Plugin } from "../../core/mod.ts";
import { Calls, claimArchitectureCalls, conduitOf } from "./contract.ts";
import type { CallRange } from "./contract.ts";
import { checkRange, featuresOf } from "./ranges.ts";
import { Trng, trngCall } from "./trng.ts";
import { hypervisorCall, VendorHypervisor } from "./vendor.ts";

/** Options. */
export interface SmcccOptions {
  readonly trng: boolean;
  readonly soc?: number;
  readonly soc_revision: number;
}

/** The plugin. */
export const smccc: Plugin<SmcccOptions, undefined> = definePlugin<SmcccOptions, undefined>({
  name: "smccc",
  doc: "SMC Calling Convention 1.2: architecture calls, entropy (TRNG), the hypervisor's identity, and functions that other plugins add.",
  options: {
    trng: {
      kind: "boolean",
      default: true,
      doc: "Entropy for the guest (Arm's TRNG firmware interface 1.0), derived from the board's seed.",
    },
    soc: {
      kind: "integer",
      optional: true,
      min: 0,
      max: 0x7fff_ffff,
      doc: "What SMCCC_ARCH_SOC_ID says of the SoC: JEP-106 bank in bits 30:24, its code in 23:16, the SoC's number in 15:0.",
    },
    soc_revision: { kind: "integer", default: 0, min: 0, max: 0x7fff_ffff, doc: "The SoC's revision, for SMCCC_ARCH_SOC_ID." },
  },
  provides: [Calls],
  attach,
});

function attach({ options, board, domain, exceptions, provide, random }: DomainContext<SmcccOptions, undefined>): void {
  const conduits = [conduitOf(board, domain.spec)];
  const added: CallRange[] = [];
  claimArchitectureCalls(exceptions, conduits, {
    soc: options.soc,
    socRevision: options.soc_revision,
    features: (functionId) => featuresOf(added, functionId),
  });
  if (options.trng) {
    exceptions.claimCalls(Trng.VERSION, Trng.RND32, conduits, (call) => trngCall(call, random));
    exceptions.claimCalls(Trng.RND64, Trng.RND64, conduits, (call) => trngCall(call, random));
  }
  exceptions.claimCalls(VendorHypervisor.UID, VendorHypervisor.REVISION, conduits, hypervisorCall);
  provide(Calls, {
    conduits,
    extend(range) {
      checkRange(range);
      range.exceptions.claimCalls(range.from, range.to, conduits, (call) => range.handler(call));
      added.push(range);
    },
  });
}

export default smccc;
