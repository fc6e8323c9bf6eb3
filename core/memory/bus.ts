/** The physical address map beside RAM: which board device answers where. */
import type { MmioHandler } from "../arch/exceptions.ts";
import { OverlapError, rangeText, WindowTable } from "./mmio.ts";
import type { PhysicalBus, PhysicalMemory } from "./physical_memory.ts";

/** Core's implementation of {@linkcode PhysicalBus}. */
export class DeviceBus implements PhysicalBus {
  readonly #windows = new WindowTable<MmioHandler>("PA");
  constructor(readonly memory: PhysicalMemory) {}

  claim(at: number, size: number, name: string, handler: MmioHandler): void {
    for (const bank of this.memory.banks) {
      if (at < bank.base + bank.size && bank.base < at + size) {
        throw new OverlapError(`PA window ${rangeText(at, size)} of ${name} overlaps the RAM bank ${rangeText(bank.base, bank.size)}`, [
          name,
          "RAM",
        ]);
      }
    }
    this.#windows.add(at, size, name, handler);
  }

  /** Windows that are taken. */
  get size(): number {
    return this.#windows.all.length;
  }

  find(pa: number): { readonly at: number; readonly name: string; readonly handler: MmioHandler } | undefined {
    const window = this.#windows.find(pa);
    return window && { at: window.at, name: window.name, handler: window.value };
  }
}
