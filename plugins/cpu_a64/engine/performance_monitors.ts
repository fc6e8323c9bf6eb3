/**
 * The cycle counter of PMUv3: registers with the hook `pmu`. A cycle is a
 * retired instruction. PMCCFILTR_EL0 is kept but filters nothing. Arm ARM DDI
 * 0487, "The Performance Monitors Extension".
 */
import { getLong, getWord, registerOffset, setLong, setWord, type StateBlock } from "../sysregs/mod.ts";

/** PMCR_EL0: E (enable), C (reset the cycle counter), D (count every 64th), and what software may write: E, D, X, DP. */
const E = 1, C = 4, D = 8, PMCR_WRITABLE = 0x39;
/** The cycle counter's bit in the enable, overflow and interrupt registers. */
const CYCLES = 1 << 31;
const COUNTER_MASK = 2n ** 64n - 1n;

const PMCR = registerOffset("PMCR_EL0"), SELECT = registerOffset("PMSELR_EL0"), FILTER = registerOffset("PMCCFILTR_EL0");
const VALUE = registerOffset("PMCCNTR_EL0");
/** Number of cycles when `VALUE` was right; PMXEVCNTR_EL0 has no storage of its own, so its slot serves. */
const VALUE_AT = registerOffset("PMXEVCNTR_EL0");
const ENABLED = registerOffset("PMCNTENSET_EL0"),
  OVERFLOWED = registerOffset("PMOVSSET_EL0"),
  INTERRUPTS = registerOffset("PMINTENSET_EL1");

/** Registers that set bits of a slot, and those that clear them; both read the slot. */
const SETS: Readonly<Record<string, number>> = { PMCNTENSET_EL0: ENABLED, PMOVSSET_EL0: OVERFLOWED, PMINTENSET_EL1: INTERRUPTS };
const CLEARS: Readonly<Record<string, number>> = { PMCNTENCLR_EL0: ENABLED, PMOVSCLR_EL0: OVERFLOWED, PMINTENCLR_EL1: INTERRUPTS };

/** The performance monitors of the vCPU in a state block. */
export class PerformanceMonitors {
  /** @param cycles that this vCPU has executed since it was created */
  constructor(private readonly block: StateBlock, private readonly cycles: () => bigint) {}

  /** MRS. */
  read(name: string): bigint {
    this.sync();
    const { block } = this;
    const slot = SETS[name] ?? CLEARS[name];
    if (slot !== undefined) return BigInt(getWord(block, slot));
    switch (name) {
      case "PMXEVTYPER_EL0":
        return this.selectsCycles() ? BigInt(getWord(block, FILTER)) : 0n;
      case "PMXEVCNTR_EL0":
        return 0n;
      default:
        return getLong(block, registerOffset(name));
    }
  }

  /** MSR. */
  write(name: string, value: bigint): void {
    this.sync();
    const { block } = this;
    const lo = Number(value & 0xffff_ffffn);
    if (SETS[name] !== undefined) return setWord(block, SETS[name], getWord(block, SETS[name]) | lo & CYCLES);
    if (CLEARS[name] !== undefined) return setWord(block, CLEARS[name], getWord(block, CLEARS[name]) & ~(lo & CYCLES));
    switch (name) {
      case "PMCR_EL0":
        if ((lo & C) !== 0) setLong(block, VALUE, 0n);
        return setWord(block, PMCR, getWord(block, PMCR) & ~PMCR_WRITABLE | lo & PMCR_WRITABLE);
      case "PMCCNTR_EL0":
        return setLong(block, VALUE, value);
      case "PMXEVTYPER_EL0":
        return this.selectsCycles() ? setWord(block, FILTER, lo & 0xfc00_0000) : undefined;
      case "PMCCFILTR_EL0":
        return setWord(block, FILTER, lo & 0xfc00_0000);
    }
  }

  /** The level of the overflow interrupt line. */
  interruptLine(): boolean {
    this.sync();
    const { block } = this;
    return (getWord(block, PMCR) & E) !== 0 && (getWord(block, INTERRUPTS) & getWord(block, OVERFLOWED) & CYCLES) !== 0;
  }

  private selectsCycles(): boolean {
    return (getWord(this.block, SELECT) & 31) === 31;
  }

  /** Brings the counter, and its overflow flag, up to now. */
  private sync(): void {
    const { block } = this;
    const now = this.cycles();
    const before = getLong(block, VALUE_AT);
    setLong(block, VALUE_AT, now);
    const control = getWord(block, PMCR);
    if ((control & E) === 0 || (getWord(block, ENABLED) & CYCLES) === 0) return;
    const passed = (control & D) === 0 ? now - before : (now >> 6n) - (before >> 6n);
    const value = getLong(block, VALUE) + passed;
    if (value > COUNTER_MASK) setWord(block, OVERFLOWED, getWord(block, OVERFLOWED) | CYCLES);
    setLong(block, VALUE, value & COUNTER_MASK);
  }
}
