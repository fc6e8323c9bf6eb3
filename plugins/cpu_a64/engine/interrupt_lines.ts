/** The virtual interrupts of the vCPU in the block, as they were when somebody last asked the interrupt controller. */
import * as at from "../state.ts";
import { registerOffset } from "../sysregs/mod.ts";
import type { Block } from "./block.ts";
import type { ExceptionUnit } from "./exceptions.ts";
import type { GicCpuInterface } from "./gic_cpu_interface.ts";
import { Signal } from "./gic_fields.ts";

/** HCR_EL2.VI and VF: virtual interrupts that EL2 asserts by hand. */
const HCR_EL2 = registerOffset("HCR_EL2");
const VF = 1 << 6, VI = 1 << 7;

/** IRQ and FIQ of one physical CPU. */
export class InterruptLines {
  #irq = false;
  #fiq = false;

  constructor(readonly block: Block, readonly gic: GicCpuInterface, readonly exceptions: ExceptionUnit) {}

  /** After a change of what the interrupt controller shows. */
  update(): void {
    const hcr = this.block.get(HCR_EL2), signals = this.gic.signals();
    this.#irq = (hcr & VI) !== 0 || (signals & Signal.irq) !== 0;
    this.#fiq = (hcr & VF) !== 0 || (signals & Signal.fiq) !== 0;
    this.block.set(at.INTERRUPTS, this.#irq || this.#fiq ? 1 : 0);
  }

  /** One is pending, masked or not. */
  get isPending(): boolean {
    return this.#irq || this.#fiq;
  }

  /** One would be taken now. */
  get isTaken(): boolean {
    return (this.#irq && this.exceptions.isVirtualTaken("irq")) || (this.#fiq && this.exceptions.isVirtualTaken("fiq"));
  }

  /** Takes the one that {@linkcode isTaken} speaks of. */
  take(): void {
    const { exceptions } = this;
    exceptions.interrupt(this.#irq && exceptions.isVirtualTaken("irq") ? "irq" : "fiq", 1);
  }
}
