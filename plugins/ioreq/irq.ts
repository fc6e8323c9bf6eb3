/** `set_irq_level`: lines that device models drive. */
import type { InterruptLine, Interrupts } from "../../core/mod.ts";
import { OperationError } from "./errors.ts";

/** The lowest shared interrupt. */
const FIRST_SPI = 32;

/** Interrupt lines of one domain that its device models have. */
export class DeviceModelLines {
  readonly #lines = new Map<number, InterruptLine>();

  constructor(private readonly interrupts: Pick<Interrupts, "spi"> | undefined) {}

  /** Throws an `OperationError` EINVAL: not a shared interrupt of the domain, another device's, or a level that there isn't. */
  set(irq: number, level: number): void {
    if (level !== 0 && level !== 1) throw new OperationError("EINVAL", `the level ${level}`);
    if (irq < FIRST_SPI || this.interrupts === undefined) throw new OperationError("EINVAL", `the interrupt ${irq}`);
    this.#line(irq, this.interrupts).set(level === 1);
  }

  #line(irq: number, interrupts: Pick<Interrupts, "spi">): InterruptLine {
    const known = this.#lines.get(irq);
    if (known !== undefined) return known;
    try {
      const line = interrupts.spi(irq);
      this.#lines.set(irq, line);
      return line;
    } catch (error) {
      throw new OperationError("EINVAL", error instanceof Error ? error.message : String(error));
    }
  }
}
