/** One domain's address space: regions of the EL2 MPU, where the guest's address is the machine's. */
import { hex } from "../../core/mod.ts";
import type { AddressSpace, Mapping, VcpuState } from "../../core/mod.ts";
import { attributesOf, mappingOf } from "./attributes.ts";
import type { El2Mpu } from "./el2_mpu.ts";
import { addRegion, checkRegion, regionAt, removeRange } from "./regions.ts";
import { freeVmid } from "./state.ts";
import type { El1, SpaceState } from "./state.ts";

/** Made by the plugin; {@linkcode destroy} gives everything back. */
export class PmsaAddressSpace implements AddressSpace {
  readonly #mpu: El2Mpu;
  readonly #name: string;
  readonly #space: SpaceState;
  #alive = true;

  /** Takes a VMID. Throws when none is free. */
  constructor(mpu: El2Mpu, domainName: string, el1: El1) {
    const { state } = mpu;
    if (state.spaces.has(domainName)) throw new Error(`domain ${domainName} has an address space already`);
    this.#mpu = mpu;
    this.#name = domainName;
    this.#space = { vmid: freeVmid(state, domainName), el1, regions: [] };
    state.spaces.set(domainName, this.#space);
  }

  /** What runs at EL1. It takes effect on vCPUs that this is installed on afterwards. */
  set el1(el1: El1) {
    this.#checkAlive();
    this.#space.el1 = el1;
  }

  map(ipa: number, pa: number, sizeBytes: number, mapping: Mapping): void {
    this.#checkAlive();
    checkRegion(ipa, sizeBytes);
    if (ipa !== pa) {
      throw new RangeError(
        `domain ${this.#name}: ${hex(ipa)} can't be ${hex(pa)}: an MPU translates nothing, so a domain is mapped directly`,
      );
    }
    const region = { at: ipa, size: sizeBytes, attributes: attributesOf(mapping, "guest") };
    this.#mpu.refuseGuest(region);
    addRegion(this.#space.regions, region, this.#mpu.room(this.#name));
    this.#mpu.changed(this.#name);
  }

  /** Throws a `RangeError` as well when what is left of a split region finds no room. */
  unmap(ipa: number, sizeBytes: number): void {
    this.#checkAlive();
    if (removeRange(this.#space.regions, ipa, sizeBytes, this.#mpu.room(this.#name))) this.#mpu.changed(this.#name);
  }

  lookup(ipa: number): { readonly pa: number; readonly mapping: Mapping } | undefined {
    this.#checkAlive();
    const region = regionAt(this.#space.regions, ipa);
    return region && { pa: ipa, mapping: mappingOf(region.attributes) };
  }

  install(vcpu: VcpuState): void {
    this.#checkAlive();
    this.#mpu.install(vcpu, this.#name);
  }

  destroy(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#mpu.forget(this.#name);
  }

  #checkAlive(): void {
    if (!this.#alive) throw new Error(`the address space of domain ${this.#name} is destroyed`);
  }
}
