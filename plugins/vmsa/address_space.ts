/** One domain's address space: a stage 2 table, a VMID, and the EL2 registers that put them to use. */
import type { AddressSpace, CpuEngine, Mapping, PhysicalMemory, VcpuState } from "../../core/mod.ts";
import { geometryOf, PA_BITS, vtcr } from "./geometry.ts";
import type { Geometry } from "./geometry.ts";
import { Stage2Table } from "./stage2_table.ts";
import { giveVmid, takeVmid } from "./vmids.ts";
import type { VmsaState } from "./state.ts";

/**
 * HCR_EL2 for a guest. Arm ARM DDI 0487, "HCR_EL2, Hypervisor Configuration Register".
 * Left out on purpose: BSU and FB, because every vCPU's maintenance reaches all; TSW, because with caches that are
 * coherent by construction set/way operations change nothing; TID3 and TACR, because the ID registers tell the truth.
 */
const HCR: bigint = (1n << 0n) | // VM: stage 2 on.
  (1n << 1n) | // SWIO: invalidate by set/way cleans as well.
  (1n << 2n) | // PTW: no stage 1 tables in Device memory.
  (1n << 3n) | (1n << 4n) | (1n << 5n) | // FMO, IMO, AMO: interrupts are EL2's, the guest gets virtual ones.
  (1n << 13n) | (1n << 14n) | // TWI, TWE: waiting gives the CPU away.
  (1n << 19n) | // TSC: SMC is a call to us.
  (1n << 20n) | // TIDCP: IMPLEMENTATION DEFINED registers trap.
  (1n << 31n); // RW: EL1 is AArch64.

/** What all spaces share. */
export interface SpaceParts {
  readonly memory: PhysicalMemory;
  readonly engine: CpuEngine;
  readonly state: VmsaState;
}

/** Made by the plugin; {@linkcode destroy} gives everything back. */
export class VmsaAddressSpace implements AddressSpace {
  readonly #parts: SpaceParts;
  readonly #domainName: string;
  readonly #geometry: Geometry;
  readonly #table: Stage2Table;
  readonly #root: number;
  readonly #vmid: number;
  #alive = true;

  /** Takes a VMID and the root's frames. Throws when either can't be had. */
  constructor(parts: SpaceParts, domainName: string, ipaBits: number) {
    const { memory, engine, state } = parts;
    this.#parts = parts;
    this.#domainName = domainName;
    this.#geometry = geometryOf(ipaBits);
    const owner = ownerOf(domainName);
    const vmid = takeVmid(state.vmids, domainName);
    try {
      this.#root = memory.allocate(owner, this.#geometry.rootOrder);
    } catch (error) {
      giveVmid(state.vmids, vmid);
      throw error;
    }
    this.#vmid = vmid;
    const invalidate = () => engine.invalidateTlb(vmid);
    this.#table = new Stage2Table({ memory, geometry: this.#geometry, owner, root: this.#root, invalidate });
    // The VMID may have been somebody's before.
    invalidate();
  }

  map(ipa: number, pa: number, sizeBytes: number, mapping: Mapping): void {
    this.#checkAlive();
    this.#table.map(ipa, pa, sizeBytes, mapping);
  }

  unmap(ipa: number, sizeBytes: number): void {
    this.#checkAlive();
    this.#table.unmap(ipa, sizeBytes);
  }

  lookup(ipa: number): { readonly pa: number; readonly mapping: Mapping } | undefined {
    this.#checkAlive();
    return this.#table.lookup(ipa);
  }

  /** Throws a `RangeError` when the CPU's physical addresses are smaller than the space's IPAs. */
  install(vcpu: VcpuState): void {
    this.#checkAlive();
    const paRange = Number(vcpu.read("ID_AA64MMFR0_EL1") & 15n);
    const ps = Math.min(paRange, PA_BITS.length - 1);
    const { ipaBits } = this.#geometry;
    if (ipaBits > PA_BITS[ps]) {
      throw new RangeError(`domain ${this.#domainName}: ${ipaBits} bits of IPA, but the CPU's physical addresses have ${PA_BITS[ps]}`);
    }
    vcpu.write("VTCR_EL2", vtcr(this.#geometry, ps));
    vcpu.write("VTTBR_EL2", (BigInt(this.#vmid) << 48n) | BigInt(this.#root));
    // Other plugins own other bits.
    vcpu.write("HCR_EL2", vcpu.read("HCR_EL2") | HCR);
  }

  destroy(): void {
    if (!this.#alive) return;
    this.#alive = false;
    const { engine, state } = this.#parts;
    engine.invalidateTlb(this.#vmid);
    this.#table.destroy();
    giveVmid(state.vmids, this.#vmid);
  }

  #checkAlive(): void {
    if (!this.#alive) throw new Error(`the address space of domain ${this.#domainName} is destroyed`);
  }
}

/** Owner of a domain's table frames, as `PhysicalMemory.usage` shows it. */
export function ownerOf(domainName: string): string {
  return `${domainName} (stage 2 tables)`;
}
