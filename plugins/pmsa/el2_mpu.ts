/**
 * The EL2 MPU of the board: which regions the hypervisor holds, which a domain has, and the vCPUs that they are programmed on. Hardware regions
 * in this order: the hypervisor's that stay enabled while a guest runs, those that only EL2 uses (disabled meanwhile), the domain's.
 * So what changes with the domain comes last.
 */
import { GUEST_HCR } from "../../core/mod.ts";
import type { CpuEngine, VcpuState } from "../../core/mod.ts";
import { attributesText, MAIR, mappingOf } from "./attributes.ts";
import { merge, overlapping, regionText } from "./regions.ts";
import type { Region, Room } from "./regions.ts";
import { change, replace } from "./slots.ts";
import type { Slots, Step } from "./slots.ts";
import type { PmsaState, SpaceState } from "./state.ts";

/** SCTLR_EL2: MPU, caches, WXN and stack alignment on; no background region, whose map is IMPLEMENTATION DEFINED. Arm DDI 0600, "SCTLR_EL2". */
export const SCTLR: bigint = 0x30c5_0830n | 1n << 0n | 1n << 2n | 1n << 3n | 1n << 12n | 1n << 19n;
/** VTCR_EL2.MSA: VMSAv8-64 at EL1. VS is clear (8 bits of VMID), NSA as well (one Security state). */
const MSA = 1n << 31n;

/** What the hypervisor maps by itself. */
export interface OwnRegions {
  /** Until {@linkcode El2Mpu.finishBoot}. */
  readonly boot: readonly Region[];
  /** From then on. */
  readonly run: readonly Region[];
}

/** The MPU. */
export class El2Mpu {
  readonly #vcpus = new Map<VcpuState, { readonly space: string; slots: Slots }>();
  #ownSlots: Slots = [];

  constructor(
    readonly state: PmsaState,
    readonly engine: CpuEngine,
    /** A CPU that runs no guest: what EL2 reaches with the guests' regions masked. */
    readonly cpu: VcpuState,
    readonly own: OwnRegions,
    /** MPUIR_EL2.REGION, or what the manifest allows of it. */
    readonly count: number,
    /** What the hardware has. */
    readonly hardwareCount: number,
  ) {
    cpu.write("MAIR_EL2", MAIR);
    this.#ownSlots = this.#slotsOfOwn();
    apply(cpu, replace(this.#ownSlots, hardwareCount, SCTLR));
  }

  /** The hypervisor's regions that stay enabled while a guest runs. */
  get fixed(): readonly Region[] {
    return this.own[this.state.phase];
  }

  /** The hypervisor's regions that only EL2 uses: `mapped`, as few as possible. */
  transient(mapped: readonly Region[] = this.state.mapped): Region[] {
    return merge(mapped.filter(({ at, size }) => overlapping(this.fixed, at, size) === undefined));
  }

  /** Throws a `RangeError` when a domain's regions don't fit beside the hypervisor's. */
  room(domainName: string): Room {
    return (regions) => {
      const held = this.#held();
      if (held + regions <= this.count) return;
      throw new RangeError(
        `domain ${domainName} would need ${regions} MPU regions; the hypervisor has ${held} of the ${this.count} of MPUIR_EL2 (${
          this.count - held
        } are left)`,
      );
    };
  }

  /** The hypervisor's maps that count now. While booting both do: what is planned for the time after is taken already. */
  get maps(): readonly (readonly Region[])[] {
    return this.state.phase === "boot" ? [this.own.boot, this.own.run] : [this.own.run];
  }

  /** Throws a `RangeError` for what a guest can't have, because the hypervisor holds it or uses it as another type of memory. */
  refuseGuest(region: Region): void {
    for (const own of this.maps) {
      const held = overlapping(own, region.at, region.size);
      if (held) throw new RangeError(`${regionText(region)} overlaps the hypervisor's region ${regionText(held)}`);
    }
    const used = overlapping(this.transient(), region.at, region.size);
    if (used && mappingOf(used.attributes).type !== mappingOf(region.attributes).type) {
      throw new RangeError(`${regionText(region)}: the hypervisor uses ${regionText(used)} as ${attributesText(used.attributes)}`);
    }
  }

  /** How many regions too many there would be with these mappings of the hypervisor's; 0 when they fit. */
  excess(mapped: readonly Region[]): number {
    const { boot, run } = this.own;
    const transient = this.transient(mapped).length;
    const booting = this.state.phase === "boot" ? boot.length + transient : 0;
    const widest = Math.max(0, ...[...this.state.spaces.values()].map(({ regions }) => regions.length));
    return Math.max(0, booting - this.count, run.length + transient + widest - this.count);
  }

  /** All hardware regions for a domain's vCPU. */
  slotsOf(space: SpaceState): Slots {
    const isBooting = this.state.phase === "boot";
    const own = this.fixed.map((region) => ({ ...region, enabled: true }));
    const transient = this.transient().map((region) => ({ ...region, enabled: isBooting }));
    const guest = isBooting ? [] : space.regions.map((region) => ({ ...region, enabled: true }));
    return [...own, ...transient, ...guest];
  }

  /** Programs a vCPU that comes out of reset. Throws a `RangeError` when its CPU isn't what the space needs. */
  install(vcpu: VcpuState, space: string): void {
    const { vmid, el1 } = this.#space(space);
    if (el1 === "vmsa" && (vcpu.read("ID_AA64MMFR0_EL1") >> 52n & 15n) !== 2n) {
      throw new RangeError(`domain ${space} wants page tables at EL1; ID_AA64MMFR0_EL1.MSA_frac says that this CPU has an MPU only`);
    }
    vcpu.write("MAIR_EL2", MAIR);
    vcpu.write("VTCR_EL2", el1 === "vmsa" ? MSA : 0n);
    vcpu.write("VSTCR_EL2", 0n);
    vcpu.write("VSCTLR_EL2", BigInt(vmid) << 48n);
    const slots = this.slotsOf(this.#space(space));
    apply(vcpu, replace(slots, this.hardwareCount, SCTLR));
    this.#vcpus.set(vcpu, { space, slots });
    vcpu.write("HCR_EL2", vcpu.read("HCR_EL2") | GUEST_HCR);
    this.engine.invalidateTlb(vmid);
  }

  /** Regions have changed: of one domain, or the hypervisor's. */
  changed(space?: string): void {
    if (space === undefined) {
      const slots = this.#slotsOfOwn();
      apply(this.cpu, change(this.#ownSlots, slots));
      this.#ownSlots = slots;
    }
    for (const [vcpu, installed] of this.#vcpus) {
      if (space !== undefined && installed.space !== space) continue;
      const slots = this.slotsOf(this.#space(installed.space));
      apply(vcpu, change(installed.slots, slots));
      installed.slots = slots;
    }
    for (const [name, { vmid }] of this.state.spaces) if (space === undefined || name === space) this.engine.invalidateTlb(vmid);
  }

  /** Boot-time map to runtime map, on every CPU, while none runs a guest. */
  finishBoot(): void {
    this.state.phase = "run";
    this.#ownSlots = this.#slotsOfOwn();
    apply(this.cpu, replace(this.#ownSlots, this.hardwareCount, SCTLR));
    for (const [vcpu, installed] of this.#vcpus) {
      installed.slots = this.slotsOf(this.#space(installed.space));
      apply(vcpu, replace(installed.slots, this.hardwareCount, SCTLR));
    }
    this.engine.invalidateTlb();
  }

  /** The state is that of a snapshot, and so are the vCPUs' registers: what they hold is known again. */
  restored(): void {
    this.#ownSlots = this.#slotsOfOwn();
    for (const installed of this.#vcpus.values()) installed.slots = this.slotsOf(this.#space(installed.space));
  }

  /** A domain is gone, and its vCPUs with it. */
  forget(space: string): void {
    const { vmid } = this.#space(space);
    for (const [vcpu, installed] of this.#vcpus) if (installed.space === space) this.#vcpus.delete(vcpu);
    this.state.spaces.delete(space);
    this.engine.invalidateTlb(vmid);
  }

  /** The hypervisor's regions, in the phase that has guests. */
  #held(): number {
    return this.own.run.length + this.transient().length;
  }

  /** Of a CPU that is at EL2: everything of the hypervisor's, nothing of a guest's. */
  #slotsOfOwn(): Slots {
    return [...this.fixed, ...this.transient()].map((region) => ({ ...region, enabled: true }));
  }

  #space(name: string): SpaceState {
    return this.state.spaces.get(name)!;
  }
}

/** Writes what the sequence says. Barriers need nothing: the engine's registers take effect at once. */
export function apply(vcpu: VcpuState, steps: readonly Step[]): void {
  for (const step of steps) if ("register" in step) vcpu.write(step.register, step.value);
}
