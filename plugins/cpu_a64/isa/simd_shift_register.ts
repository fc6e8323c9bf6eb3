/** Shifts of each element by its own amount: SSHL and its kin. WebAssembly has none, so they go bit by bit of the amount. */
import { type V128, v128 } from "./dsl.ts";
import type { Lanes } from "./simd_lanes.ts";

/** Shifts each element by `amounts` modulo the element's bits. Operands are locals. */
function barrel(lanes: Lanes, value: V128, amounts: V128, shift: (value: V128, by: number) => V128): V128 {
  let result = value;
  for (let by = 1; by < lanes.bits; by *= 2) {
    const chosen = lanes.negative(lanes.shl(amounts, lanes.bits - 1 - Math.log2(by)));
    const before = lanes.let(result);
    result = v128.bitselect(shift(before, by), before, chosen);
  }
  return lanes.let(result);
}

/**
 * Shifts left by the signed low byte of each element of `by`, right where it is
 * negative. `rounded`: right shifts round. `saturated`: left shifts saturate, and set QC. Operands are locals.
 */
export function shiftByRegister(lanes: Lanes, a: V128, by: V128, U: number, rounded: boolean, saturated: boolean): V128 {
  const { bits } = lanes;
  const amount = lanes.let(lanes.shr(lanes.shl(by, bits - 8), bits - 8, 0));
  const toRight = lanes.let(lanes.negative(amount));

  const beyondLeft = lanes.let(lanes.gt(amount, lanes.splat(bits - 1), 0));
  let left = lanes.let(v128.andnot(barrel(lanes, a, amount, (v, n) => lanes.shl(v, n)), beyondLeft));
  if (saturated) {
    const back = barrel(lanes, left, amount, (v, n) => lanes.shr(v, n, U));
    const lost = lanes.let(v128.andnot(v128.not(lanes.eq(back, a)), toRight));
    lanes.saturated(lost);
    const limit = U ? lanes.splat(-1) : v128.xor(lanes.negative(a), lanes.maximum);
    left = v128.bitselect(limit, left, lost);
  }

  // Right by one less than the amount, then by one: amounts of all the bits work, and the last bit out is at hand.
  const less = lanes.let(v128.not(amount));
  const beyondRight = lanes.gt(less, lanes.splat(bits - 1), 0);
  const shifted = barrel(lanes, a, less, (v, n) => lanes.shr(v, n, U));
  const most = lanes.let(v128.bitselect(U ? lanes.splat(0) : lanes.negative(a), shifted, beyondRight));
  const halved = lanes.shr(most, 1, U);
  const right = rounded ? lanes.add(halved, v128.and(most, lanes.splat(1))) : halved;
  return v128.bitselect(right, left, toRight);
}
