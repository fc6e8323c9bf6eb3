/** Contract of the memory backend: what maps a domain's addresses (VMSA stage 2, or an EL2 MPU). */
import { capability } from "../plugin/capability.ts";
import type { Capability } from "../plugin/capability.ts";
import type { Ipa, Pa } from "./address.ts";
import type { CacheColours } from "./cache_colours.ts";
import type { VcpuState } from "../arch/cpu_engine.ts";

/**
 * HCR_EL2 for a guest, which {@linkcode AddressSpace.install} sets: the traps that dispatch answers. Arm ARM DDI 0487, "HCR_EL2,
 * Hypervisor Configuration Register". Left out on purpose: BSU and FB, because every vCPU's maintenance reaches all; TSW, because with
 * caches that are coherent by construction set/way operations change nothing; TID3 and TACR, because the ID registers tell the truth.
 */
export const GUEST_HCR: bigint = (1n << 0n) | // VM: stage 2 on.
  (1n << 1n) | // SWIO: invalidate by set/way cleans as well.
  (1n << 2n) | // PTW: no stage 1 tables in Device memory.
  (1n << 3n) | (1n << 4n) | (1n << 5n) | // FMO, IMO, AMO: interrupts are EL2's, the guest gets virtual ones.
  (1n << 13n) | (1n << 14n) | // TWI, TWE: waiting gives the CPU away.
  (1n << 19n) | // TSC: SMC is a call to us.
  (1n << 20n) | // TIDCP: IMPLEMENTATION DEFINED registers trap.
  (1n << 31n); // RW: EL1 is AArch64.

/** Memory types of the architecture, strictest first. */
export type MemoryType =
  | "device-ngnrne"
  | "device-ngnre"
  | "device-ngre"
  | "device-gre"
  | "normal-nc"
  | "normal-wt"
  | "normal-wb";

/** What a mapping allows and how it behaves. */
export interface Mapping {
  /** Reads are allowed. */
  readonly read: boolean;
  /** Writes are allowed. */
  readonly write: boolean;
  /** Instruction fetches are allowed. */
  readonly execute: boolean;
  /** How the memory behaves. */
  readonly type: MemoryType;
}

/** Address space of one domain: IPA to PA. Addresses and sizes are multiples of 4 KiB. */
export interface AddressSpace {
  /** Maps a range. Throws a `RangeError` when part of it is mapped already, or an address doesn't fit. */
  map(ipa: Ipa, pa: Pa, sizeBytes: number, mapping: Mapping): void;
  /** Removes a range and invalidates the TLBs. Holes in it are fine. */
  unmap(ipa: Ipa, sizeBytes: number): void;
  /** What a software walk finds. */
  lookup(ipa: Ipa): { readonly pa: Pa; readonly mapping: Mapping } | undefined;
  /** Programs the vCPU's EL2 registers with this space, and adds {@linkcode GUEST_HCR} to HCR_EL2: other plugins own other bits. */
  install(vcpu: VcpuState): void;
  /** For a snapshot: plain data beside the tables in memory and the backend's plugin's state. Absent: there is none. */
  save?(): unknown;
  /** The counterpart of {@linkcode save}, in a space of the same domain: memory and the plugin's state have come already. */
  load?(saved: unknown): void;
  /** Gives back every table and identifier. */
  destroy(): void;
}

/** Makes address spaces. */
export interface MemoryBackend {
  /** `vmsa` or `pmsa`, for messages only. */
  readonly name: string;
  /** True when IPA must equal PA (an MPU translates nothing). */
  readonly directMapOnly: boolean;
  /**
   * An empty address space. The name is for messages; `colours` are those that its tables' frames are to have. Throws when identifiers or
   * memory run out.
   */
  createAddressSpace(domainName: string, colours?: CacheColours): AddressSpace;
  /**
   * The board's domains are built, and none has run: what the hypervisor needed for booting only goes. Called once, before
   * the boot hooks; domains that are created later come after it.
   */
  finishBoot?(): void;
}

/** The memory backend of the board. */
export const MemoryBackend: Capability<MemoryBackend> = capability("MemoryBackend");
