/** Integer operations on elements that several encodings share. */
import { type V128, v128 } from "./dsl.ts";
import type { Lanes } from "./simd_lanes.ts";

/** Signed saturated value with the sign of `a`: the largest or the smallest. */
function limit(lanes: Lanes, a: V128): V128 {
  return v128.xor(lanes.negative(a), lanes.maximum);
}

/** SQADD, UQADD. Operands are locals. */
export function addSaturated(lanes: Lanes, a: V128, b: V128, U: number): V128 {
  const sum = lanes.let(lanes.add(a, b));
  if (U) {
    const carried = lanes.let(lanes.gt(a, sum, 1));
    lanes.saturated(carried);
    return v128.or(sum, carried);
  }
  const overflow = lanes.let(lanes.negative(v128.and(v128.xor(a, sum), v128.xor(b, sum))));
  lanes.saturated(overflow);
  return v128.bitselect(limit(lanes, a), sum, overflow);
}

/** SQSUB, UQSUB. Operands are locals. */
export function subtractSaturated(lanes: Lanes, a: V128, b: V128, U: number): V128 {
  const difference = lanes.let(lanes.sub(a, b));
  if (U) {
    const borrowed = lanes.let(lanes.gt(b, a, 1));
    lanes.saturated(borrowed);
    return v128.andnot(difference, borrowed);
  }
  const overflow = lanes.let(lanes.negative(v128.and(v128.xor(a, b), v128.xor(a, difference))));
  lanes.saturated(overflow);
  return v128.bitselect(limit(lanes, a), difference, overflow);
}

/** SUQADD (U 0): a signed `d` plus an unsigned `a`. USQADD (U 1): an unsigned `d` plus a signed `a`. Operands are locals. */
export function addMixedSaturated(lanes: Lanes, d: V128, a: V128, U: number): V128 {
  // Flipping the sign bits of the signed operand and of the sum makes both unsigned, displaced by half the range.
  const flip = lanes.minimum;
  const sum = lanes.let(lanes.add(d, a));
  if (!U) {
    const overflow = lanes.let(lanes.gt(v128.xor(d, flip), v128.xor(sum, flip), 1));
    lanes.saturated(overflow);
    return v128.bitselect(lanes.maximum, sum, overflow);
  }
  const negative = lanes.let(lanes.negative(a));
  const above = v128.andnot(lanes.gt(d, sum, 1), negative);
  const below = v128.and(lanes.gt(sum, d, 1), negative);
  const overflow = lanes.let(v128.or(above, below));
  lanes.saturated(overflow);
  return v128.bitselect(v128.not(negative), sum, overflow);
}

/** SHADD, UHADD: half the sum, without its carry being lost. Operands are locals. */
export function addHalved(lanes: Lanes, a: V128, b: V128, U: number): V128 {
  return lanes.add(v128.and(a, b), lanes.shr(v128.xor(a, b), 1, U));
}

/** SRHADD, URHADD: rounded up. */
export function addHalvedRounded(lanes: Lanes, a: V128, b: V128, U: number): V128 {
  return lanes.sub(v128.or(a, b), lanes.shr(v128.xor(a, b), 1, U));
}

/** SHSUB, UHSUB. */
export function subtractHalved(lanes: Lanes, a: V128, b: V128, U: number): V128 {
  return lanes.sub(lanes.shr(v128.xor(a, b), 1, U), v128.andnot(b, a));
}

/** SABD, UABD. */
export function absoluteDifference(lanes: Lanes, a: V128, b: V128, U: number): V128 {
  return lanes.sub(lanes.max(a, b, U), lanes.min(a, b, U));
}

/** Elements of the pairs of `a` then `b`, combined. Operands are locals. */
export function pairwise(lanes: Lanes, a: V128, b: V128, combine: (even: V128, odd: V128) => V128): V128 {
  const second = 16 >> lanes.size;
  const part = (odd: number) => lanes.pick(a, b, (i) => (2 * i < lanes.count ? 2 * i : second + 2 * i - lanes.count) + odd);
  return combine(lanes.let(part(0)), lanes.let(part(1)));
}

/** Clamps signed elements (U 0) or unsigned ones, and sets QC for those that changed. */
export function clamp(lanes: Lanes, value: V128, least: bigint | undefined, most: bigint, U: number): V128 {
  const before = lanes.let(value);
  let clamped = lanes.min(before, lanes.splat(most), U);
  if (least !== undefined) clamped = lanes.max(clamped, lanes.splat(least), U);
  const after = lanes.let(clamped);
  lanes.saturated(v128.xor(before, after));
  return after;
}

/** What the elements of a saturating narrowing are, and become. */
export type Narrowing = "signed" | "unsigned" | "signedToUnsigned";

/** Clamps elements of `wide` to what fits in half of them. */
export function clampToHalf(wide: Lanes, value: V128, kind: Narrowing): V128 {
  const bits = BigInt(wide.bits / 2);
  if (kind === "signed") return clamp(wide, value, -(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n, 0);
  const most = (1n << bits) - 1n;
  return kind === "unsigned" ? clamp(wide, value, undefined, most, 1) : clamp(wide, value, 0n, most, 0);
}
