/** The system counter and the timers' registers as instructions see them. Conditions and deadlines: `timers.ts`. */
import { registerOffset } from "../sysregs/mod.ts";
import type { Block } from "./block.ts";
import { fastTicks, readControl, readTimerValue, ticksAt, virtualCount, writeControl, writeTimerValue } from "./timers.ts";

const CNTVOFF_EL2 = registerOffset("CNTVOFF_EL2");

/** Timers: prefix of the register names, their CTL and CVAL slots, and whether the virtual offset counts. */
const timers = (["CNTV", "CNTP", "CNTHP", "CNTHV"] as const).map((prefix) => {
  const el = prefix.startsWith("CNTH") ? "EL2" : "EL0";
  return {
    prefix,
    isVirtual: prefix === "CNTV",
    ctl: `${prefix}_CTL_${el}`,
    cval: `${prefix}_CVAL_${el}`,
    tval: `${prefix}_TVAL_${el}`,
    ctlSlot: registerOffset(`${prefix}_CTL_${el}`),
    cvalSlot: registerOffset(`${prefix}_CVAL_${el}`),
  };
});
const byRegister = new Map(timers.flatMap((timer) => [[timer.ctl, timer], [timer.cval, timer], [timer.tval, timer]] as const));

/** Counter and timer registers of one physical CPU. */
export class CounterAndTimers {
  readonly #fast: (ns: number) => number;

  /** @param nowNs virtual time */
  constructor(readonly block: Block, readonly frequencyHz: number, readonly nowNs: () => number) {
    this.#fast = fastTicks(frequencyHz);
  }

  /** The physical counter, now. */
  ticks(): bigint {
    return ticksAt(this.nowNs(), this.frequencyHz);
  }

  /** The virtual counter without BigInt; -1 when it takes one. */
  fastVirtualCount(): number {
    const { block } = this;
    return block.get(CNTVOFF_EL2) || block.get(CNTVOFF_EL2 + 4) ? -1 : this.#fast(this.nowNs());
  }

  /** The value that a read gives; `undefined`: the slot has it. */
  read(name: string): bigint | undefined {
    switch (name) {
      case "CNTPCT_EL0":
      case "CNTPCTSS_EL0":
        return this.ticks();
      case "CNTVCT_EL0":
      case "CNTVCTSS_EL0":
        return this.#now(true);
    }
    const timer = byRegister.get(name);
    if (!timer) return undefined;
    if (name === timer.cval) return undefined;
    const cval = this.block.get64(timer.cvalSlot);
    const count = this.#now(timer.isVirtual);
    return name === timer.tval ? readTimerValue(cval, count) : readControl(this.block.get64(timer.ctlSlot), cval, count);
  }

  /** False: the slot takes the value as it is. */
  write(name: string, value: bigint): boolean {
    const timer = byRegister.get(name);
    if (!timer) return false;
    if (name === timer.tval) this.block.set64(timer.cvalSlot, writeTimerValue(value, this.#now(timer.isVirtual)));
    else if (name === timer.ctl) this.block.set64(timer.ctlSlot, writeControl(value));
    else return false;
    return true;
  }

  #now(isVirtual: boolean): bigint {
    return isVirtual ? virtualCount(this.ticks(), this.block.get64(CNTVOFF_EL2)) : this.ticks();
  }
}
