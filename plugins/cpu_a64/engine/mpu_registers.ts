/**
 * PRENR, PRBAR, PRLAR and their numbered forms: windows on the regions of both MPUs. A write takes effect at once, PRSELR's too:
 * software may leave out the ISB in between. A region that doesn't exist reads as zero and ignores writes (the architecture
 * says UNKNOWN). Arm DDI 0600, "PRSELR_EL1", "PRBAR<n>_EL1", "PRENR_EL1".
 */
import { registerOffset, registers, type SystemRegister } from "../sysregs/mod.ts";
import type { Block } from "./block.ts";
import { type Mpu, REGION_ENABLED } from "./mmu/mod.ts";

/** What a register's name says. */
interface Window {
  readonly el: 1 | 2;
  readonly kind: "PRENR" | "PRBAR" | "PRLAR";
  /** The number in the name; 0 without. */
  readonly n: number;
  /** The low half's writable bits; bits 47:32 of addresses are writable as well. */
  readonly mask: number;
}

const HIGH_MASK = 0xffff;
const PRSELR = { 1: registerOffset("PRSELR_EL1"), 2: registerOffset("PRSELR_EL2") } as const;
const windows: ReadonlyMap<string, Window> = new Map(
  registers.filter(({ hook }) => hook === "mpu").map(({ name, mask = 0n }) => {
    const [, kind, n, el] = /^(PRENR|PRBAR|PRLAR)(\d*)_EL([12])$/.exec(name)!;
    return [name, { kind: kind as Window["kind"], n: Number(n), el: Number(el) as 1 | 2, mask: Number(mask & 0xffff_ffffn) | 0 }];
  }),
);

/** Reads and writes them. */
export class MpuRegisters {
  constructor(private readonly block: Block, private readonly mpu: Mpu) {}

  read({ name }: SystemRegister): bigint {
    const window = windows.get(name)!;
    const { words } = this.block;
    const regions = window.el === 1 ? this.mpu.el1 : this.mpu.el2;
    if (window.kind === "PRENR") {
      let enabled = 0;
      for (let n = 0; n < Math.min(32, regions.count); n++) enabled |= (words[regions.index(n) + 2] & REGION_ENABLED) << n;
      return BigInt(enabled >>> 0);
    }
    const i = this.#index(window);
    return i < 0 ? 0n : BigInt(words[i + 1]) << 32n | BigInt(words[i]);
  }

  /** True when the protection of some address may have changed. */
  write({ name }: SystemRegister, value: bigint): boolean {
    const window = windows.get(name)!;
    const lo = Number(value & 0xffff_ffffn), hi = Number(value >> 32n & 0xffff_ffffn);
    const hasChanged = window.kind === "PRENR" ? this.#enable(window.el, lo) : this.#store(window, lo & window.mask, hi & HIGH_MASK);
    if (hasChanged) this.mpu.changed();
    return hasChanged;
  }

  /** Index in the shared memory of what a PRBAR or PRLAR shows; -1: no such region. */
  #index({ el, kind, n }: Window): number {
    const select = this.block.get(PRSELR[el]) & 0xff;
    const region = n === 0 ? select : (select & 0xf0) | n;
    const regions = el === 1 ? this.mpu.el1 : this.mpu.el2;
    return region < regions.count ? regions.index(region) + (kind === "PRLAR" ? 2 : 0) : -1;
  }

  #store(window: Window, lo: number, hi: number): boolean {
    const { words } = this.block;
    const i = this.#index(window);
    if (i < 0) return false;
    const enable = window.kind === "PRLAR" ? i : i + 2;
    const matters = ((words[enable] | (window.kind === "PRLAR" ? lo : 0)) & REGION_ENABLED) !== 0;
    const hasChanged = (words[i] | 0) !== (lo | 0) || words[i + 1] !== hi;
    words[i] = lo;
    words[i + 1] = hi;
    return hasChanged && matters;
  }

  #enable(el: 1 | 2, bits: number): boolean {
    const { words } = this.block;
    const regions = el === 1 ? this.mpu.el1 : this.mpu.el2;
    let hasChanged = false;
    for (let n = 0; n < Math.min(32, regions.count); n++) {
      const i = regions.index(n) + 2;
      const lar = (words[i] & ~REGION_ENABLED) | ((bits >>> n) & 1);
      if (lar !== (words[i] | 0)) hasChanged = true;
      words[i] = lar;
    }
    return hasChanged;
  }
}
