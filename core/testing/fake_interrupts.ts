/** An interrupt controller that only remembers its lines. */
import type { InterruptLine, Interrupts } from "../arch/interrupts.ts";

/** Line levels and how often each rose. */
export class FakeInterrupts implements Interrupts {
  readonly #levels = new Map<string, boolean>();
  readonly #rises = new Map<string, number>();

  spi(intid: number): InterruptLine {
    if (!Number.isInteger(intid) || intid < 32 || intid > 1019) throw new RangeError(`INTID ${intid} is not an SPI`);
    return this.#line(`spi ${intid}`, intid);
  }

  ppi(vcpuIndex: number, intid: number): InterruptLine {
    if (!Number.isInteger(intid) || intid < 16 || intid > 31) throw new RangeError(`INTID ${intid} is not a PPI`);
    return this.#line(`ppi ${vcpuIndex} ${intid}`, intid);
  }

  /** Level of a shared or (with a vCPU) private line. Throws when nobody asked for the line. */
  level(intid: number, vcpuIndex?: number): boolean {
    const key = vcpuIndex === undefined ? `spi ${intid}` : `ppi ${vcpuIndex} ${intid}`;
    const level = this.#levels.get(key);
    if (level === undefined) throw new Error(`no device has the line ${key}`);
    return level;
  }

  /** How often a line rose. */
  rises(intid: number, vcpuIndex?: number): number {
    return this.#rises.get(vcpuIndex === undefined ? `spi ${intid}` : `ppi ${vcpuIndex} ${intid}`) ?? 0;
  }

  #line(key: string, intid: number): InterruptLine {
    if (this.#levels.has(key)) throw new RangeError(`line ${key} is taken`);
    this.#levels.set(key, false);
    return {
      intid,
      set: (level) => {
        if (level && !this.#levels.get(key)) this.#rises.set(key, (this.#rises.get(key) ?? 0) + 1);
        this.#levels.set(key, level);
      },
    };
  }
}
