/** For tests of stage 2: tables in watched RAM, with the CPU's own MMU on top. */
import { assert } from "@std/assert";
import type { CpuEngine, Mapping, MemoryType, VcpuState } from "../../../core/mod.ts";
import { Ram } from "../../../core/memory/ram.ts";
import { FakeVcpuState } from "../../../core/testing.ts";
import { FETCH, Mmu, READ, WRITE } from "../../cpu_a64/engine/mmu/mod.ts";
import { VmsaAddressSpace } from "../address_space.ts";
import { newVmids } from "../vmids.ts";
import type { Vmids } from "../vmids.ts";

/** Above what the tests map: RAM has owners, and this is the tables'. */
export const RAM = { at: 2 ** 41, size: 0x40_0000 };
export const rwx: Mapping = { read: true, write: true, execute: true, type: "normal-wb" };
export const GIB: number = 2 ** 30, MIB: number = 2 ** 20, PAGE = 4096;

/** RAM that fails the test when a table entry changes while TLBs may hold its old value. */
export class WatchedRam extends Ram {
  /** Entries that were valid once and are zero now, without an invalidation since. */
  readonly broken: Set<number> = new Set();
  override write64(pa: number, value: bigint): void {
    const old = this.read64(pa);
    if ((old & 1n) !== 0n && (value & 1n) !== 0n && old !== value) throw new Error(`entry ${pa.toString(16)} changed while valid`);
    if ((old & 1n) !== 0n && value === 0n) this.broken.add(pa);
    if ((value & 1n) !== 0n && this.broken.has(pa)) throw new Error(`entry ${pa.toString(16)} made before the TLB was invalidated`);
    super.write64(pa, value);
  }
  override release(owner: string, pa: number, size?: number): void {
    if (this.broken.size > 0) throw new Error(`table ${pa.toString(16)} released before the TLB was invalidated`);
    super.release(owner, pa, size);
  }
}

/** What a world may be told. */
export interface WorldOptions {
  readonly ram?: { readonly at: number; readonly size: number };
  /** A second bank, for what domains map. */
  readonly other?: { readonly at: number; readonly size: number };
  readonly forceWriteBack?: boolean;
  readonly vmidBits?: 8 | 16;
  readonly tableFrames?: number;
}

/** A world with a real MMU on top of the tables. */
export class World {
  readonly memory: WatchedRam;
  readonly mmu: Mmu;
  readonly vmids: Vmids;
  readonly tableFrames: number;
  readonly forceWriteBack: boolean;
  readonly engine: CpuEngine;
  readonly invalidated: (number | undefined)[] = [];
  readonly #registers: number;
  readonly #names: string[] = [];

  constructor({ ram = RAM, other, forceWriteBack = false, vmidBits = 8, tableFrames = 4096 }: WorldOptions = {}) {
    this.forceWriteBack = forceWriteBack;
    this.vmids = newVmids(vmidBits);
    this.tableFrames = tableFrames;
    this.memory = new WatchedRam(other ? [ram, other] : [ram]);
    this.#registers = this.memory.reserve(4096);
    const words = new Uint32Array(this.memory.wasm.buffer);
    const [bank] = this.memory.banks;
    this.mmu = new Mmu({
      words: () => words,
      ramOffset: (pa) => pa >= bank.base && pa < bank.base + bank.size ? bank.hostOffset + pa - bank.base : -1,
      register: (name) => this.#offset(name),
      features: { vmid16: vmidBits === 16 },
    });
    this.engine = {
      invalidateTlb: (vmid?: number) => {
        this.invalidated.push(vmid);
        this.memory.broken.clear();
        this.mmu.invalidateStage2(vmid);
      },
    } as Partial<CpuEngine> as CpuEngine;
  }

  #offset(name: string): number {
    let index = this.#names.indexOf(name);
    if (index < 0) index = this.#names.push(name) - 1;
    return this.#registers + index * 8;
  }

  space(ipaBits = 40, name = "guest"): VmsaAddressSpace {
    const space = new VmsaAddressSpace(this, name, ipaBits);
    this.install(space);
    return space;
  }

  /** Puts it on the MMU. */
  install(space: VmsaAddressSpace): FakeVcpuState {
    const vcpu = vcpuWith(5n);
    space.install(vcpu);
    const view = new DataView(this.memory.wasm.buffer);
    for (const name of ["VTTBR_EL2", "VTCR_EL2"]) view.setBigUint64(this.#offset(name), vcpu.read(name), true);
    // DC: stage 1 is off and Normal Write-Back, so that the type that comes out is stage 2's.
    view.setBigUint64(this.#offset("HCR_EL2"), vcpu.read("HCR_EL2") | (1n << 12n), true);
    return vcpu;
  }

  /** What the MMU says with stage 1 off, in the terms of `lookup`. */
  walk(ipa: number): { pa: number; mapping: Mapping } | undefined {
    const hi = Math.floor(ipa / 2 ** 32), lo = ipa % 2 ** 32;
    const may = [READ, WRITE, FETCH].map((access) => {
      if (this.mmu.translate(hi, lo, 1, access, 0)) return true;
      return this.mmu.fault.status >> 2 === 3 ? false : undefined;
    });
    if (may.includes(undefined)) return undefined;
    const allowed = may.findIndex((answer) => answer !== false);
    this.mmu.translate(hi, lo, 1, [READ, WRITE, FETCH][allowed], 0);
    const type = types[this.mmu.result.attributes];
    return { pa: this.mmu.result.pa, mapping: { read: may[0]!, write: may[1]!, execute: may[2]!, type } };
  }
}

/** By what Write-Back in stage 1 combines to. */
export const types: Record<number, MemoryType> = {
  0x00: "device-ngnrne",
  0x04: "device-ngnre",
  0x08: "device-ngre",
  0x0c: "device-gre",
  0x44: "normal-nc",
  0xbb: "normal-wt",
  0xff: "normal-wb",
};

export function vcpuWith(paRange: bigint): FakeVcpuState {
  const vcpu = new FakeVcpuState({ mpidr: 0n });
  vcpu.write("ID_AA64MMFR0_EL1", paRange);
  return vcpu;
}

/** Tables that can be reached from VTTBR_EL2; an empty one below the root is a leak. */
export function countTables(world: World, space: VmsaAddressSpace): number {
  const vcpu: VcpuState = world.install(space);
  const vtcr = Number(vcpu.read("VTCR_EL2"));
  const start = 2 - ((vtcr >> 6) & 3);
  const rootPages = Math.max(1, 2 ** (64 - (vtcr & 63) - 39));
  const visit = (pa: number, level: number, pages: number, isRoot: boolean): number => {
    let count = pages, used = 0;
    for (let at = pa; at < pa + pages * PAGE; at += 8) {
      const entry = world.memory.read64(at);
      if (entry !== 0n) used++;
      if (level < 3 && (entry & 3n) === 3n) count += visit(Number(entry & 0xffff_ffff_f000n), level + 1, 1, false);
    }
    assert(isRoot || used > 0, "an empty table is kept");
    return count;
  };
  return visit(Number(vcpu.read("VTTBR_EL2") & 0xffff_ffff_fffen), start, start === 0 ? 1 : rootPages, true);
}
