/** Where physical addresses are in the shared memory. */
import type { RamBank } from "../../../core/mod.ts";

/** RAM by physical address. */
export class RamMap {
  constructor(private readonly banks: readonly RamBank[]) {}

  /** Byte offset in the shared memory, or -1. */
  offset(pa: number): number {
    const { banks } = this;
    for (let n = 0; n < banks.length; n++) {
      const bank = banks[n];
      const within = pa - bank.base;
      if (within >= 0 && within < bank.size) return bank.hostOffset + within;
    }
    return -1;
  }
}
