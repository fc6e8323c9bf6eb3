/** Finds exceptions that can never end: a vector whose own entry faults, a handler that makes the fault it handles. */
import { hex } from "../../../core/mod.ts";
import type { FaultOrigin } from "../../../core/mod.ts";
import { LOOP_COUNT, LOOP_ESR, LOOP_FAR, LOOP_FLAGS, LOOP_LAST_ESR, LOOP_ORIGIN, LOOP_RETURN, LOOP_STEP } from "../state.ts";
import { getWord, setPair, setWord, type StateBlock } from "../sysregs/mod.ts";

/** The same fault in an entry this often in a row, with nothing else between, is a loop too. */
const PATIENCE = 1024;
/** So is the same fault anywhere else, when EL1 returns from none of them. */
const LONG_PATIENCE = 4096;
/** Bytes of a vector's entry. */
const ENTRY = 0x80;
/** Classes that no code causes on purpose: UNDEFINED, illegal state, aborts and misaligned PC or SP of EL1 itself. */
const FAULTS: ReadonlySet<number> = new Set([0x00, 0x0e, 0x21, 0x22, 0x25, 0x26]);

/** Bits of LOOP_FLAGS. */
const IN_VECTOR = 1, LOOPING = 2;
/** What is kept of it, in the order of snapshots. */
const SAVED: readonly number[] = [
  LOOP_FLAGS,
  LOOP_RETURN,
  LOOP_RETURN + 4,
  LOOP_LAST_ESR,
  LOOP_FAR,
  LOOP_STEP,
  LOOP_COUNT,
  LOOP_ESR,
  LOOP_ORIGIN,
  LOOP_ORIGIN + 4,
];

/**
 * Watches the exceptions that EL1 takes, and when it returns from them. Generated code takes SVC and some aborts, and returns, as well: it
 * writes what {@linkcode reset} and {@linkcode observe} do, so all that this knows is in the state block.
 */
export class FaultLoop {
  constructor(private readonly block: StateBlock) {}

  /** True when nothing but the same exception can come any more. */
  get isLooping(): boolean {
    return (getWord(this.block, LOOP_FLAGS) & LOOPING) !== 0;
  }

  set isLooping(isLooping: boolean) {
    this.#setFlags(this.#isInVector, isLooping);
  }

  get #isInVector(): boolean {
    return (getWord(this.block, LOOP_FLAGS) & IN_VECTOR) !== 0;
  }

  #setFlags(isInVector: boolean, isLooping: boolean): void {
    setWord(this.block, LOOP_FLAGS, (isInVector ? IN_VECTOR : 0) | (isLooping ? LOOPING : 0));
  }

  /** Forgets what it saw: EL1 returns from an exception, or another vCPU runs. */
  reset(): void {
    setWord(this.block, LOOP_COUNT, 0);
    setWord(this.block, LOOP_ESR, 0);
    this.isLooping = false;
  }

  /** All that it saw, as 32-bit numbers, for another one that goes on from there. */
  save(): readonly number[] {
    return SAVED.map((offset) => getWord(this.block, offset));
  }

  /** Goes on from what {@linkcode save} gave. */
  load(saved: readonly number[]): void {
    SAVED.forEach((offset, n) => setWord(this.block, offset, saved[n]));
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
    const isInVector = returnHi === vectorHi && returnLo >= vectorLo && returnLo - vectorLo < ENTRY;
    const step = (farLo - getWord(block, LOOP_FAR)) | 0;
    const before = getWord(block, LOOP_COUNT);
    const isSame = this.#returnLo === returnLo && this.#returnHi === returnHi && getWord(block, LOOP_LAST_ESR) === esr;
    // Elsewhere FAR tells a handler that gets on from one that doesn't: it stays, or sinks with the stack at an even pace.
    const isSteady = isInVector || before < 2 || (step === (getWord(block, LOOP_STEP) | 0) && step <= 0);
    const count = isSame && isSteady ? before + 1 : 1;
    setWord(block, LOOP_COUNT, count);
    setPair(block, LOOP_RETURN, returnLo, returnHi);
    setWord(block, LOOP_LAST_ESR, esr);
    setWord(block, LOOP_FAR, farLo);
    setWord(block, LOOP_STEP, step);
    const patience = isInVector ? (returnLo === vectorLo ? 2 : PATIENCE) : LONG_PATIENCE;
    this.#setFlags(isInVector, count >= patience && (isInVector || FAULTS.has(esr >>> 26)));
  }

  get #returnLo(): number {
    return getWord(this.block, LOOP_RETURN);
  }

  get #returnHi(): number {
    return getWord(this.block, LOOP_RETURN + 4);
  }

  get #esr(): number {
    return getWord(this.block, LOOP_LAST_ESR);
  }

  /** What to tell the user. */
  get detail(): string {
    const address = hex(wide(this.#returnLo, this.#returnHi));
    return this.#isInVector
      ? `the exception vector at ${address} faults on itself, ESR_EL1 ${hex(this.#esr)}`
      : `the same fault at ${address} without end, none of which is returned from, ESR_EL1 ${hex(this.#esr)}`;
  }

  /** The exception that it began with, if that was another one. */
  get origin(): FaultOrigin | undefined {
    const { block } = this;
    const esr = getWord(block, LOOP_ESR), lo = getWord(block, LOOP_ORIGIN), hi = getWord(block, LOOP_ORIGIN + 4);
    if (esr === 0 || (lo === this.#returnLo && hi === this.#returnHi && esr === this.#esr)) return undefined;
    return { pc: wide(lo, hi), esr: BigInt(esr) };
  }
}

const wide = (lo: number, hi: number): bigint => BigInt(hi) << 32n | BigInt(lo);
