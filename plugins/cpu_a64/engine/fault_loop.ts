/** Finds exceptions that can never end: a vector whose own entry faults, a handler that makes the fault it handles. */
import { hex } from "../../../core/mod.ts";
import type { FaultOrigin } from "../../../core/mod.ts";
import { LOOP_COUNT, LOOP_ESR, LOOP_ORIGIN } from "../state.ts";
import { getWord, setPair, setWord, type StateBlock } from "../sysregs/mod.ts";

/** The same fault in an entry this often in a row, with nothing else between, is a loop too. */
const PATIENCE = 1024;
/** So is the same fault anywhere else, when EL1 returns from none of them. */
const LONG_PATIENCE = 4096;
/** Bytes of a vector's entry. */
const ENTRY = 0x80;
/** Classes that no code causes on purpose: UNDEFINED, illegal state, aborts and misaligned PC or SP of EL1 itself. */
const FAULTS: ReadonlySet<number> = new Set([0x00, 0x0e, 0x21, 0x22, 0x25, 0x26]);

/**
 * Watches the exceptions that EL1 takes, and when it returns from them. Generated code takes SVC and returns as well: it writes what
 * {@linkcode reset} does, so the count and the origin are in the state block.
 */
export class FaultLoop {
  private returnLo = 0;
  private returnHi = 0;
  private esr = 0;
  private farLo = 0;
  /** By how much FAR changes from one to the next. */
  private step = 0;
  private isInVector = false;
  /** True when nothing but the same exception can come any more. */
  isLooping = false;

  constructor(private readonly block: StateBlock) {}

  /** Forgets what it saw: EL1 returns from an exception, or another vCPU runs. */
  reset(): void {
    setWord(this.block, LOOP_COUNT, 0);
    setWord(this.block, LOOP_ESR, 0);
    this.isLooping = false;
  }

  /** All that it saw, as 32-bit numbers, for another one that goes on from there. */
  save(): readonly number[] {
    const { block, returnLo, returnHi, esr, farLo, step, isInVector, isLooping } = this;
    const own = [+isInVector | +isLooping << 1, returnLo, returnHi, esr, farLo, step];
    return [...own, ...[LOOP_COUNT, LOOP_ESR, LOOP_ORIGIN, LOOP_ORIGIN + 4].map((offset) => getWord(block, offset))];
  }

  /** Goes on from what {@linkcode save} gave. */
  load([flags, returnLo, returnHi, esr, farLo, step, count, first, lo, hi]: readonly number[]): void {
    const { block } = this;
    [this.returnLo, this.returnHi, this.esr] = [returnLo >>> 0, returnHi >>> 0, esr >>> 0];
    [this.farLo, this.step, this.isInVector, this.isLooping] = [farLo >>> 0, step, (flags & 1) !== 0, (flags & 2) !== 0];
    setWord(block, LOOP_COUNT, count);
    setWord(block, LOOP_ESR, first);
    setPair(block, LOOP_ORIGIN, lo, hi);
  }

  /** Looks at an exception. `isNested`: from EL1 to EL1. `esr`: `undefined` for interrupts. */
  observe(
    isNested: boolean,
    returnLo: number,
    returnHi: number,
    vectorLo: number,
    vectorHi: number,
    esr: number | undefined,
    farLo: number,
  ): void {
    if (!isNested || esr === undefined) this.reset();
    if (esr === undefined) return;
    const { block } = this;
    if (getWord(block, LOOP_ESR) === 0) {
      setWord(block, LOOP_ESR, esr);
      setPair(block, LOOP_ORIGIN, returnLo, returnHi);
    }
    if (!isNested) return;
    this.isInVector = returnHi === vectorHi && returnLo >= vectorLo && returnLo - vectorLo < ENTRY;
    const step = (farLo - this.farLo) | 0;
    const before = getWord(block, LOOP_COUNT);
    const isSame = this.returnLo === returnLo && this.returnHi === returnHi && this.esr === esr;
    // Elsewhere FAR tells a handler that gets on from one that doesn't: it stays, or sinks with the stack at an even pace.
    const isSteady = this.isInVector || before < 2 || (step === this.step && step <= 0);
    const count = isSame && isSteady ? before + 1 : 1;
    setWord(block, LOOP_COUNT, count);
    this.returnLo = returnLo;
    this.returnHi = returnHi;
    this.esr = esr;
    this.farLo = farLo;
    this.step = step;
    if (this.isInVector) this.isLooping = count >= (returnLo === vectorLo ? 2 : PATIENCE);
    else this.isLooping = count >= LONG_PATIENCE && FAULTS.has(esr >>> 26);
  }

  /** What to tell the user. */
  get detail(): string {
    const address = hex(wide(this.returnLo, this.returnHi));
    return this.isInVector
      ? `the exception vector at ${address} faults on itself, ESR_EL1 ${hex(this.esr)}`
      : `the same fault at ${address} without end, none of which is returned from, ESR_EL1 ${hex(this.esr)}`;
  }

  /** The exception that it began with, if that was another one. */
  get origin(): FaultOrigin | undefined {
    const { block } = this;
    const esr = getWord(block, LOOP_ESR), lo = getWord(block, LOOP_ORIGIN), hi = getWord(block, LOOP_ORIGIN + 4);
    if (esr === 0 || (lo === this.returnLo && hi === this.returnHi && esr === this.esr)) return undefined;
    return { pc: wide(lo, hi), esr: BigInt(esr) };
  }
}

const wide = (lo: number, hi: number): bigint => BigInt(hi) << 32n | BigInt(lo);
