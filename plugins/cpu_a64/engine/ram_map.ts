/** Where physical addresses are in the shared memory. */
import type { PhysicalMemory } from "../../../core/mod.ts";

/** RAM by physical address. */
export class RamMap {
  constructor(private readonly memory: Pick<PhysicalMemory, "banks" | "lazy">) {}

  /** Byte offset in the shared memory, or -1. What is there is there: it may be read and written. */
  offset(pa: number): number {
    const host = this.place(pa);
    const { lazy } = this.memory;
    if (lazy !== undefined && lazy.absent[host >>> 12]) lazy.bring(host >>> 12);
    return host;
  }

  /** The same, for whoever doesn't look at what is there. */
  place(pa: number): number {
    const { banks } = this.memory;
    for (let n = 0; n < banks.length; n++) {
      const bank = banks[n];
      const within = pa - bank.base;
      if (within >= 0 && within < bank.size) return bank.hostOffset + within;
    }
    return -1;
  }
}
