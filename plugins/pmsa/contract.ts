/** What `pmsa` offers to a domain's plugins beside `MemoryBackend`. */
import { capability } from "../../core/mod.ts";
import type { AddressSpace, Capability } from "../../core/mod.ts";

/** Says what runs at EL1 of a domain. */
export interface PmsaDomains {
  /** An MPU, or page tables whose output the EL2 MPU checks (VTCR_EL2.MSA). Before the domain's first vCPU starts. Throws for a space of another backend. */
  setEl1(space: AddressSpace, el1: "pmsa" | "vmsa"): void;
}

/** Provided by `pmsa`. */
export const PmsaDomains: Capability<PmsaDomains> = capability("PmsaDomains");
