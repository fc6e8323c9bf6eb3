/**
 * Arithmetic of the generic timer, as pure functions over register values. Arm ARM DDI 0487, "The Generic Timer in AArch64
 * state": "Operation of the CompareValue views of the timers", "Operation of the TimerValue views of the timers".
 *
 * `count` is the counter as the timer sees it: the physical count, or the physical count less CNTVOFF_EL2, 64 bits.
 */

/** CNTx_CTL. */
export const TimerControl = { ENABLE: 1n, IMASK: 2n, ISTATUS: 4n } as const;

const NS_PER_SECOND = 1_000_000_000n;
/** Where a count starts again from zero. */
const WRAP = 2n ** 64n;

/** The system counter at a virtual time: floor(ns × Hz / 10^9), exactly. */
export function ticksAt(ns: number, frequencyHz: number): bigint {
  return BigInt(Math.floor(ns)) * BigInt(frequencyHz) / NS_PER_SECOND;
}

/** How many ticks pass in how many nanoseconds, in lowest terms. */
export function ticksPerNs(frequencyHz: number): { readonly ticks: number; readonly ns: number } {
  const divisor = greatestCommonDivisor(frequencyHz, 1_000_000_000);
  return { ticks: frequencyHz / divisor, ns: 1_000_000_000 / divisor };
}

/** {@linkcode ticksAt} without BigInt, for readers in a hurry: -1 where a number can't hold a step of it exactly. */
export function fastTicks(frequencyHz: number): (ns: number) => number {
  const { ticks, ns: per } = ticksPerNs(frequencyHz);
  return (ns) => {
    const scaled = Math.floor(ns) * ticks;
    return scaled <= Number.MAX_SAFE_INTEGER ? Math.floor(scaled / per) : -1;
  };
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** The first virtual nanosecond at which the counter has reached `ticks`; `Infinity` beyond what a number holds exactly. */
export function firstNsOf(ticks: bigint, frequencyHz: number): number {
  const hz = BigInt(frequencyHz);
  const ns = (ticks * NS_PER_SECOND + hz - 1n) / hz;
  return ns <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(ns) : Infinity;
}

/** The virtual count: it wraps at 64 bits. */
export function virtualCount(physicalCount: bigint, cntvoff: bigint): bigint {
  return BigInt.asUintN(64, physicalCount - cntvoff);
}

/** The timer condition: the count has reached the compare value, both unsigned. */
export function conditionMet(cval: bigint, count: bigint): boolean {
  return count >= cval;
}

/** CNTx_CTL as it reads: with ISTATUS, which is UNKNOWN (here 0) while the timer is disabled. */
export function readControl(ctl: bigint, cval: bigint, count: bigint): bigint {
  const stored = ctl & (TimerControl.ENABLE | TimerControl.IMASK);
  return (stored & TimerControl.ENABLE) !== 0n && conditionMet(cval, count) ? stored | TimerControl.ISTATUS : stored;
}

/** CNTx_CTL as it is stored. */
export function writeControl(value: bigint): bigint {
  return value & (TimerControl.ENABLE | TimerControl.IMASK);
}

/** CNTx_TVAL as it reads: 32 bits, zero-extended. */
export function readTimerValue(cval: bigint, count: bigint): bigint {
  return BigInt.asUintN(32, cval - count);
}

/** The compare value that a write to CNTx_TVAL sets: the value is signed, 32 bits. */
export function writeTimerValue(value: bigint, count: bigint): bigint {
  return BigInt.asUintN(64, count + BigInt.asIntN(32, value));
}

/** Level of the timer's output. */
export function outputLevel(ctl: bigint, cval: bigint, count: bigint): boolean {
  return (ctl & (TimerControl.ENABLE | TimerControl.IMASK)) === TimerControl.ENABLE && conditionMet(cval, count);
}

/**
 * Ticks until the output changes by itself: it rises where the count reaches the compare value, and falls where the count wraps to
 * zero, because the comparison is unsigned. `undefined`: never while the timer is off or masked, or compares with zero.
 */
export function ticksToChange(ctl: bigint, cval: bigint, count: bigint): bigint | undefined {
  if ((ctl & (TimerControl.ENABLE | TimerControl.IMASK)) !== TimerControl.ENABLE) return undefined;
  if (count < cval) return cval - count;
  return cval === 0n ? undefined : WRAP - count;
}

/** The same as a value of the physical counter: the deadline to wait for. Beyond 64 bits it is never reached. */
export function nextChangeTicks(ctl: bigint, cval: bigint, physicalCount: bigint, offset: bigint): bigint | undefined {
  const ticks = ticksToChange(ctl, cval, virtualCount(physicalCount, offset));
  return ticks === undefined ? undefined : physicalCount + ticks;
}
