/** The two memory protection units of an Armv8-R CPU: their regions, and when what was concluded from them is stale. */
import type { MpuEnvironment } from "./environment.ts";
import { ENABLED, MpuRegions, REGION_BYTES } from "./mpu_regions.ts";

/** Both MPUs of a physical CPU. Their regions belong to the vCPU in its block. */
export class Mpu {
  readonly el1: MpuRegions;
  readonly el2: MpuRegions;
  /** Grows with each change, and when another vCPU's regions come in. */
  generation = 0;

  /** A region changed since the last {@linkcode settle}; a control or an attribute register did. */
  #haveRegionsChanged = false;
  #haveControlsChanged = false;
  /** Regions by vCPU, as its TLB entries were made under; disabled ones as zeros. */
  readonly #settled = new Map<number, Uint32Array>();

  constructor(private readonly words: () => Uint32Array, { address, el1, el2 }: MpuEnvironment) {
    this.el1 = new MpuRegions(words, address / 4, el1);
    this.el2 = new MpuRegions(words, (address + el1 * REGION_BYTES) / 4, el2);
  }

  /** A region changed. */
  changed(): void {
    this.#haveRegionsChanged = true;
    this.el1.changed();
    this.el2.changed();
    this.generation++;
  }

  /** A control or attribute register changed that protection depends on. */
  controlsChanged(): void {
    this.#haveControlsChanged = true;
    this.generation++;
  }

  /**
   * True when what the present vCPU's TLB entries say may be wrong since the last call for it. Regions that were disabled and changed,
   * and are as before now, cost it nothing: so EL2 software closes and opens its guests' memory.
   */
  settle(vcpu: number): boolean {
    const isForced = this.#haveControlsChanged;
    if (!isForced && !this.#haveRegionsChanged) return false;
    this.#haveControlsChanged = this.#haveRegionsChanged = false;
    let before = this.#settled.get(vcpu);
    if (!before) this.#settled.set(vcpu, before = new Uint32Array((this.el1.count + this.el2.count) * (REGION_BYTES / 4)));
    const words = this.words(), first = this.el1.index(0);
    let isSame = true;
    for (let i = 0; i < before.length; i++) {
      const isEnabled = (words[first + (i | 3) - 1] & ENABLED) !== 0;
      const now = isEnabled ? words[first + i] : 0;
      if (before[i] !== now) isSame = false;
      before[i] = now;
    }
    return isForced || !isSame;
  }

  /** Another vCPU's registers are in the block. The TLBs tell vCPUs apart by themselves. */
  select(vcpu: number): void {
    this.el1.select(vcpu);
    this.el2.select(vcpu);
    this.generation++;
  }
}

/** Bytes that the regions of both MPUs take. */
export function mpuBytes({ el1, el2 }: { readonly el1: number; readonly el2: number }): number {
  return (el1 + el2) * REGION_BYTES;
}
