/** One domain's address space: a stage 2 table, a VMID, and the EL2 registers that put them to use. */
import { GUEST_HCR, hex } from "../../core/mod.ts";
import type { CacheColours, CpuEngine, Mapping, PhysicalMemory, VcpuState } from "../../core/mod.ts";
import type { Stage2Space } from "./contract.ts";
import { stage2Format } from "./descriptors.ts";
import { allocateTable, ownerOf } from "./frames.ts";
import { geometryOf, PA_BITS, vtcr } from "./geometry.ts";
import type { Geometry } from "./geometry.ts";
import { Stage2Table } from "./stage2_table.ts";
import { giveBack, newTag, renew } from "./vmids.ts";
import type { Tag, Vmids } from "./vmids.ts";

/** HCR_EL2.FWB. */
const FWB = 1n << 46n;

/** What all spaces share. */
export interface SpaceParts {
  readonly memory: PhysicalMemory;
  readonly engine: CpuEngine;
  readonly vmids: Vmids;
  /** Most frames of a domain's tables. */
  readonly tableFrames: number;
  /** Cache colours of its tables' frames; absent: any. */
  readonly colours?: CacheColours;
  /** FEAT_S2FWB: stage 2 decides whether memory is cached. */
  readonly forceWriteBack: boolean;
}

/** A space in a snapshot: its tables lie in memory. */
interface SavedSpace {
  readonly root: number;
  readonly tag: Tag;
}

/** Made by the plugin; {@linkcode destroy} gives everything back. */
export class VmsaAddressSpace implements Stage2Space {
  /** Its VMID. */
  readonly tag: Tag;
  readonly #parts: SpaceParts;
  readonly #domainName: string;
  readonly #geometry: Geometry;
  #table: Stage2Table;
  #root: number;
  /** VTTBR_EL2, and the VMID that it was made of: entries ask for it again and again. */
  #vttbr = 0n;
  #vttbrOf = -1;
  #alive = true;

  /** Takes the root's frames. Throws when they can't be had. A VMID is for who runs. */
  constructor(parts: SpaceParts, domainName: string, ipaBits: number) {
    const { memory, vmids } = parts;
    this.#parts = parts;
    this.#domainName = domainName;
    this.#geometry = geometryOf(ipaBits);
    this.#root = allocateTable(memory, ownerOf(domainName), this.#geometry.rootOrder, parts.colours);
    this.tag = newTag(vmids);
    this.#table = this.#tableAt(this.#root);
  }

  #tableAt(root: number): Stage2Table {
    const { memory, engine, tableFrames, forceWriteBack, colours } = this.#parts;
    return new Stage2Table({
      memory,
      colours,
      geometry: this.#geometry,
      owner: ownerOf(this.#domainName),
      root,
      frameLimit: tableFrames,
      format: stage2Format(forceWriteBack),
      // Who has none hasn't run since all TLB entries went.
      invalidate: () => this.tag.vmid !== 0 && engine.invalidateTlb(this.tag.vmid),
    });
  }

  save(): SavedSpace {
    return { root: this.#root, tag: { ...this.tag } };
  }

  load(saved: unknown): void {
    const { root, tag } = saved as SavedSpace;
    const { memory } = this.#parts;
    if (memory.ownerOf(root)?.owner !== ownerOf(this.#domainName)) {
      throw new RangeError(`no table of ${this.#domainName} begins at ${hex(root)}`);
    }
    this.#root = root;
    this.#table = this.#tableAt(root);
    Object.assign(this.tag, tag);
    this.#vttbrOf = -1;
  }

  map(ipa: number, pa: number, sizeBytes: number, mapping: Mapping): void {
    this.#checkAlive();
    this.#table.map(ipa, pa, sizeBytes, mapping);
  }

  unmap(ipa: number, sizeBytes: number): void {
    this.#checkAlive();
    this.#table.unmap(ipa, sizeBytes);
  }

  change(ipa: number, sizeBytes: number, to: Partial<Mapping>): void {
    this.#checkAlive();
    this.#table.change(ipa, sizeBytes, to);
  }

  merge(ipa: number, sizeBytes: number): number {
    this.#checkAlive();
    return this.#table.merge(ipa, sizeBytes);
  }

  bounds(): { readonly lowest: number; readonly highest: number } | undefined {
    this.#checkAlive();
    return this.#table.bounds();
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
    const { vmids, forceWriteBack } = this.#parts;
    vcpu.write("VTCR_EL2", vtcr(this.#geometry, ps, vmids.bits));
    vcpu.write("VTTBR_EL2", this.vttbr());
    vcpu.write("HCR_EL2", vcpu.read("HCR_EL2") | GUEST_HCR | (forceWriteBack ? FWB : 0n));
  }

  /** VTTBR_EL2 with a VMID that is good now. It changes with the generation: due before each entry into the guest. */
  vttbr(): bigint {
    const { vmids, engine } = this.#parts;
    const { generation } = this.tag;
    renew(vmids, this.tag, () => engine.invalidateTlb());
    // In this generation it may have been somebody's who is gone.
    if (generation !== this.tag.generation) engine.invalidateTlb(this.tag.vmid);
    if (this.#vttbrOf !== this.tag.vmid) {
      this.#vttbrOf = this.tag.vmid;
      this.#vttbr = (BigInt(this.tag.vmid) << 48n) | BigInt(this.#root);
    }
    return this.#vttbr;
  }

  destroy(): void {
    if (!this.#alive) return;
    this.#alive = false;
    const { engine, vmids } = this.#parts;
    if (this.tag.vmid !== 0) engine.invalidateTlb(this.tag.vmid);
    this.#table.destroy();
    giveBack(vmids, this.tag);
  }

  #checkAlive(): void {
    if (!this.#alive) throw new Error(`the address space of domain ${this.#domainName} is destroyed`);
  }
}
