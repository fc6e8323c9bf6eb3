/**
 * What runs at EL1 of one domain on a `pmsa` board.
 *
 * What can a hostile guest do here? Nothing: it is asked nothing.
 *
 * @module
 */
import { definePlugin } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { PmsaDomains } from "./contract.ts";
import type { El1 } from "./state.ts";

/** Options. */
export interface PmsaDomainOptions {
  /** An MPU or page tables. */
  readonly el1: El1;
}

/** The plugin. */
export const pmsaDomain: Plugin<PmsaDomainOptions> = definePlugin<PmsaDomainOptions, unknown>({
  name: "pmsa_domain",
  doc: "Says whether this domain has an MPU or page tables at EL1, on a board with pmsa.",
  options: {
    el1: { kind: "choice", choices: ["pmsa", "vmsa"], doc: "An MPU (an RTOS), or page tables over the EL2 MPU (Linux)." },
  },
  needs: [PmsaDomains],
  attach({ get, domain, options }) {
    get(PmsaDomains).setEl1(domain.space, options.el1);
    for (const vcpu of domain.vcpus) domain.space.install(vcpu.state);
  },
});
