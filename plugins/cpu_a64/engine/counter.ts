/** The system counter and the timers' registers as instructions see them. Conditions and deadlines: `timers.ts`. */
import { architecturalTimers, registerOffset } from "../sysregs/mod.ts";
import type { Block } from "./block.ts";
import { fastTicks, readControl, readTimerValue, ticksAt, virtualCount, writeControl, writeTimerValue } from "./timers.ts";

const CNTVOFF_EL2 = registerOffset("CNTVOFF_EL2");

/** Where a timer's registers lie, by the names of all three. */
const byRegister = new Map(
  architecturalTimers.flatMap(({ prefix, el, isOffset }) => {
    const ctl = `${prefix}_CTL_${el}`, cval = `${prefix}_CVAL_${el}`, tval = `${prefix}_TVAL_${el}`;
    const timer = { isOffset, ctl, cval, tval, ctlSlot: registerOffset(ctl), cvalSlot: registerOffset(cval) };
    return [ctl, cval, tval].map((name) => [name, timer] as const);
  }),
);

/** Counter and timer registers of one physical CPU. */
export class CounterAndTimers {
  /** Grows with each write to a timer's registers, or to what moves the virtual count: EL2's software needs to look only then. */
  writes = 0;
  readonly #fast: (ns: number) => number;

  /** @param nowNs virtual time in whole nanoseconds, or with a fraction, which doesn't count */
  constructor(readonly block: Block, readonly frequencyHz: number, readonly nowNs: () => number) {
    this.#fast = fastTicks(frequencyHz);
  }

  /** The physical counter, now. */
  ticks(): bigint {
    const ns = this.nowNs();
    const fast = this.#fast(ns);
    return fast < 0 ? ticksAt(ns, this.frequencyHz) : BigInt(fast);
  }

  /** The virtual counter without BigInt; -1 when it takes one. */
  fastVirtualCount(): number {
    const { block } = this;
    return block.get(CNTVOFF_EL2) || block.get(CNTVOFF_EL2 + 4) ? -1 : this.#fast(this.nowNs());
  }

  /** The value that a read gives; `undefined`: the slot has it. */
  read(name: string): bigint | undefined {
    if (name === "CNTPCT_EL0") return this.ticks();
    if (name === "CNTVCT_EL0") return this.#now(true);
    const timer = byRegister.get(name);
    if (!timer || name === timer.cval) return undefined;
    const { block } = this;
    const control = block.get64(timer.ctlSlot);
    // Off: no need to know the time.
    if (name === timer.ctl && control === 0n) return control;
    const cval = block.get64(timer.cvalSlot);
    const count = this.#now(timer.isOffset);
    return name === timer.tval ? readTimerValue(cval, count) : readControl(control, cval, count);
  }

  /** False: the slot takes the value as it is. */
  write(name: string, value: bigint): boolean {
    this.writes++;
    const timer = byRegister.get(name);
    if (!timer) return false;
    if (name === timer.tval) this.block.set64(timer.cvalSlot, writeTimerValue(value, this.#now(timer.isOffset)));
    else if (name === timer.ctl) this.block.set64(timer.ctlSlot, writeControl(value));
    else return false;
    return true;
  }

  #now(isOffset: boolean): bigint {
    return isOffset ? virtualCount(this.ticks(), this.block.get64(CNTVOFF_EL2)) : this.ticks();
  }
}
