/** Finds exceptions that can never end: a vector whose own entry faults, a handler that makes the fault it handles. */
import { hex } from "../../../core/mod.ts";
import type { FaultOrigin } from "../../../core/mod.ts";

/** The same fault in an entry this often in a row, with nothing else between, is a loop too. */
const PATIENCE = 1024;
/** So is the same fault anywhere else, when EL1 returns from none of them. */
const LONG_PATIENCE = 4096;
/** Bytes of a vector's entry. */
const ENTRY = 0x80;
/** Classes that no code causes on purpose: UNDEFINED, illegal state, aborts and misaligned PC or SP of EL1 itself. */
const FAULTS: ReadonlySet<number> = new Set([0x00, 0x0e, 0x21, 0x22, 0x25, 0x26]);

/** Watches the exceptions that EL1 takes, and when it returns from them. */
export class FaultLoop {
  private count = 0;
  private returnLo = 0;
  private returnHi = 0;
  private esr = 0;
  private farLo = 0;
  /** By how much FAR changes from one to the next. */
  private step = 0;
  private isInVector = false;
  private first: { readonly lo: number; readonly hi: number; readonly esr: number } | undefined;
  /** True when nothing but the same exception can come any more. */
  isLooping = false;

  /** Forgets what it saw: EL1 returns from an exception, or another vCPU runs. */
  reset(): void {
    this.count = 0;
    this.first = undefined;
    this.isLooping = false;
  }

  /** All that it saw, as 32-bit numbers, for another one that goes on from there. */
  save(): readonly number[] {
    const { count, returnLo, returnHi, esr, farLo, step, isInVector, first, isLooping } = this;
    const flags = +isInVector | +isLooping << 1 | (first ? 4 : 0);
    return [flags, count, returnLo, returnHi, esr, farLo, step, first?.lo ?? 0, first?.hi ?? 0, first?.esr ?? 0];
  }

  /** Goes on from what {@linkcode save} gave. */
  load([flags, count, returnLo, returnHi, esr, farLo, step, lo, hi, firstEsr]: readonly number[]): void {
    [this.count, this.returnLo, this.returnHi, this.esr] = [count, returnLo >>> 0, returnHi >>> 0, esr >>> 0];
    [this.farLo, this.step, this.isInVector, this.isLooping] = [farLo >>> 0, step, (flags & 1) !== 0, (flags & 2) !== 0];
    this.first = flags & 4 ? { lo: lo >>> 0, hi: hi >>> 0, esr: firstEsr >>> 0 } : undefined;
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
    this.first ??= { lo: returnLo, hi: returnHi, esr };
    if (!isNested) return;
    this.isInVector = returnHi === vectorHi && returnLo >= vectorLo && returnLo - vectorLo < ENTRY;
    const step = (farLo - this.farLo) | 0;
    const isSame = this.returnLo === returnLo && this.returnHi === returnHi && this.esr === esr;
    // Elsewhere FAR tells a handler that gets on from one that doesn't: it stays, or sinks with the stack at an even pace.
    const isSteady = this.isInVector || this.count < 2 || (step === this.step && step <= 0);
    this.count = isSame && isSteady ? this.count + 1 : 1;
    this.returnLo = returnLo;
    this.returnHi = returnHi;
    this.esr = esr;
    this.farLo = farLo;
    this.step = step;
    if (this.isInVector) this.isLooping = this.count >= (returnLo === vectorLo ? 2 : PATIENCE);
    else this.isLooping = this.count >= LONG_PATIENCE && FAULTS.has(esr >>> 26);
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
    const { first } = this;
    if (first === undefined || (first.lo === this.returnLo && first.hi === this.returnHi && first.esr === this.esr)) return undefined;
    return { pc: wide(first.lo, first.hi), esr: BigInt(first.esr) };
  }
}

const wide = (lo: number, hi: number): bigint => BigInt(hi) << 32n | BigInt(lo);
