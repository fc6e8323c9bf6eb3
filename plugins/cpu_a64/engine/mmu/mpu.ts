/** The two memory protection units of an Armv8-R CPU: their regions, and when what was concluded from them is stale. */
import type { MpuEnvironment } from "./environment.ts";
import { MpuRegions, REGION_BYTES } from "./mpu_regions.ts";

/** Both MPUs of a physical CPU. Their regions belong to the vCPU in its block. */
export class Mpu {
  readonly el1: MpuRegions;
  readonly el2: MpuRegions;
  /** Something changed since the TLBs were last emptied: whoever selects their banks looks here. */
  isStale = false;
  /** Grows with each change, and when another vCPU's regions come in. */
  generation = 0;

  constructor(words: () => Uint32Array, { address, el1, el2 }: MpuEnvironment) {
    this.el1 = new MpuRegions(words, address / 4, el1);
    this.el2 = new MpuRegions(words, (address + el1 * REGION_BYTES) / 4, el2);
  }

  /** A region, or a control or attribute register that protection depends on, changed. */
  changed(): void {
    this.isStale = true;
    this.moved();
  }

  /** Another vCPU's registers are in the block. The TLBs tell vCPUs apart by themselves. */
  moved(): void {
    this.el1.changed();
    this.el2.changed();
    this.generation++;
  }
}

/** Bytes that the regions of both MPUs take. */
export function mpuBytes({ el1, el2 }: { readonly el1: number; readonly el2: number }): number {
  return (el1 + el2) * REGION_BYTES;
}
