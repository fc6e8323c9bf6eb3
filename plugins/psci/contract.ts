/** What other plugins may know of the power controller: that it is there, and by which instruction it is called. */
import { capability } from "../../core/mod.ts";
import type { Capability } from "../../core/mod.ts";

/** The power controller of one domain. */
export interface PowerControl {
  /** The conduit: CPU nodes say `enable-method = "psci"`, the psci node says `method`. */
  readonly method: "hvc" | "smc";
}

/** Power controller of a domain. */
export const PowerControl: Capability<PowerControl> = capability("PowerControl", "domain");
