/** The ranges that plugins add. */
import { hex } from "../../core/mod.ts";
import type { CallRange } from "./contract.ts";

/** Bit 31: a fast call, which isn't preempted. Yielding calls are for Trusted OSes. */
const FAST = 0x8000_0000;
/** Bits 23:16 are zero but for hints, which dispatch doesn't know. "Function Identifier values". */
const MUST_BE_ZERO = 0x00ff_0000;

/** Throws a `RangeError` unless the range is one of fast calls of a single convention and owning entity. */
export function checkRange({ from, to }: CallRange): void {
  const isFunction = (id: number) => Number.isInteger(id) && id >= FAST && id <= 0xffff_ffff && (id & MUST_BE_ZERO) === 0;
  if (!isFunction(from) || !isFunction(to)) throw new RangeError(`SMCCC functions ${hex(from)}..${hex(to)}: not fast calls`);
  if (to < from || from >>> 16 !== to >>> 16) throw new RangeError(`SMCCC functions ${hex(from)}..${hex(to)}: not one owner's`);
}

/** What SMCCC_ARCH_FEATURES says of an identifier that a plugin added; `undefined` when none did. */
export function featuresOf(ranges: readonly CallRange[], functionId: number): bigint | undefined {
  const range = ranges.find(({ from, to }) => functionId >= from && functionId <= to);
  return range && BigInt.asUintN(64, range.features?.(functionId) ?? 0n);
}
