/** What the plugin keeps: plain data. */
import type { Region } from "./regions.ts";

/** What runs at EL1: an MPU, or page tables over the EL2 MPU. VTCR_EL2.MSA. */
export type El1 = "pmsa" | "vmsa";

/** A mapping of the hypervisor's that somebody asked for. */
export interface MappedRange extends Region {
  /** Mappings of exactly this range. */
  references: number;
}

/** A domain's address space. */
export interface SpaceState {
  readonly vmid: number;
  el1: El1;
  /** Sorted, without overlap, joined. */
  readonly regions: Region[];
}

/** The plugin's state. */
export interface PmsaState {
  /** `boot`: the boot-time map is in place, and no guest's region. */
  phase: "boot" | "run";
  /** What `HypervisorMap` made. */
  readonly mapped: MappedRange[];
  /** By domain. */
  readonly spaces: Map<string, SpaceState>;
  /** Fixmap slots in use. */
  readonly fixmap: Set<number>;
}

/** Nothing mapped yet. */
export function newState(): PmsaState {
  return { phase: "boot", mapped: [], spaces: new Map(), fixmap: new Set() };
}

/** VMIDs have 8 bits (VTCR_EL2.VS clear); 0 stays unused. */
const VMIDS = 256;

/** The smallest VMID that no space has. Throws when all 255 are taken. */
export function freeVmid(state: PmsaState, domainName: string): number {
  const taken = new Set([...state.spaces.values()].map(({ vmid }) => vmid));
  for (let vmid = 1; vmid < VMIDS; vmid++) if (!taken.has(vmid)) return vmid;
  throw new RangeError(`no VMID is free for domain ${domainName}: ${VMIDS - 1} address spaces exist`);
}
