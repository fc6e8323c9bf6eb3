/**
 * Memory that isn't RAM, in domains: with which attribute it is mapped, who has it, and who decides.
 *
 * The two functions with numbers for results have the shape of Xen's XENMAPSPACE_dev_mmio and XEN_DOMCTL_memory_mapping (Xen's public
 * headers memory.h and domctl.h), which have no argument for the attribute: here they have one.
 */
import { capability } from "../../core/mod.ts";
import type { Capability, Domain, Mapping, MemoryType, PlatformDevice } from "../../core/mod.ts";

/** A range is mapped, or about to be, with two cacheabilities: Arm ARM DDI 0487, "Mismatched memory attributes". */
export class AttributeConflictError extends Error {
  /** For whoever compares names. */
  override readonly name = "AttributeConflictError";
}

/**
 * How a node is mapped: asked for every node, and every part of one, whose `compatible` it was registered for. `inherited` is what the
 * node's parent has, or the binding's default. Absent: that. What the manifest says of a region goes over it.
 */
export type NodeMapping = (node: PlatformDevice, inherited: Mapping) => Mapping | undefined;

/** Memory types as {@linkcode DeviceMemory.mapDeviceMmio} numbers them; 0 is what the hypercall did when it had no argument for it. */
export const attributeCodes: readonly MemoryType[] = [
  "device-ngnre",
  "device-ngnrne",
  "device-ngre",
  "device-gre",
  "normal-nc",
  "normal-wt",
  "normal-wb",
];

/** What the functions return; 0 is success. Values of Xen's public header errno.h. */
export const status = { ok: 0, EPERM: -1, EBUSY: -16, EINVAL: -22, EOPNOTSUPP: -95 } as const;

/** Frames of 4 KiB for a domain. */
export interface MemoryMappingRequest {
  /** First guest frame. */
  readonly firstGfn: number;
  /** First machine frame. */
  readonly firstMfn: number;
  /** How many frames. */
  readonly count: number;
  /** False: takes the mapping away. */
  readonly add: boolean;
  /** How the memory behaves. */
  readonly type: MemoryType;
  /** Read and write when absent. */
  readonly permissions?: Pick<Mapping, "read" | "write" | "execute">;
}

/** The one list of physical memory beside RAM, and who maps it how. */
export interface DeviceMemory {
  /** Who decides about nodes with this `compatible`. Throws when somebody does already. */
  register(compatible: string, decide: NodeMapping): void;
  /**
   * Notes a mapping, of a domain or of EL2. Throws an {@linkcode AttributeConflictError}, and notes nothing, when a part of it is mapped
   * with another cacheability, or when it relaxes an interrupt controller's frames below Device-nGnRE.
   */
  claim(at: number, size: number, type: MemoryType, who: string): void;
  /** Drops what {@linkcode claim} noted, of that very range. */
  release(at: number, size: number, who: string): void;
  /** Lets a domain have frames: without that the functions below return EPERM. As XEN_DOMCTL_iomem_permission. */
  permit(domain: Domain, at: number, size: number): void;
  /**
   * A domain maps one frame of a device for itself: XENMAPSPACE_dev_mmio with {@linkcode attributeCodes} in its reserved field, which
   * other values than those make EOPNOTSUPP.
   */
  mapDeviceMmio(domain: Domain, frame: number, gfn: number, attribute: number): number;
  /** Maps frames for a domain, or takes them away: XEN_DOMCTL_memory_mapping with an attribute. All or nothing. */
  memoryMapping(domain: Domain, request: MemoryMappingRequest): number;
}

/** Provided by `mmio_sram`. */
export const DeviceMemory: Capability<DeviceMemory> = capability("DeviceMemory");

// For others who map devices into domains.
export { interruptFrames, isStrictEnoughForInterrupts, overlaps } from "./interrupt_frames.ts";
