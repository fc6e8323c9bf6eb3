/** Multiplications that the vector, scalar and by-element encodings share. */
import { i64x2, type Semantics, type V128, v128 } from "./dsl.ts";
import { addSaturated, clampToHalf, subtractSaturated } from "./simd_arithmetic.ts";
import { Lanes, zero } from "./simd_lanes.ts";

/** SQDMULH, SQRDMULH: the high half of twice the product. Operands are locals. */
export function doublingHigh(lanes: Lanes, a: V128, b: V128, rounded: boolean): V128 {
  const { wide } = lanes;
  const part = (half: number) => {
    const product = lanes.multiplyLong(a, b, half, 0);
    const sum = rounded ? wide.add(product, wide.splat(1n << BigInt(lanes.bits - 2))) : product;
    return wide.shr(sum, lanes.bits - 1, 0);
  };
  // Only the smallest number squared overflows; its result is then one above the largest.
  const overflow = lanes.let(v128.and(lanes.eq(a, lanes.minimum), lanes.eq(b, lanes.minimum)));
  lanes.saturated(overflow);
  return v128.xor(lanes.truncate(part(0), part(1)), overflow);
}

/** SQRDMLAH, SQRDMLSH: `d` plus or minus the rounded high half of twice the product, saturated once. Operands are locals. */
export function doublingHighAccumulated(lanes: Lanes, d: V128, a: V128, b: V128, subtract: boolean): V128 {
  const { wide } = lanes;
  const part = (half: number) => {
    const product = lanes.multiplyLong(a, b, half, 0);
    const rounding = wide.splat(1n << BigInt(lanes.bits - 2));
    const high = wide.shr(subtract ? wide.sub(rounding, product) : wide.add(rounding, product), lanes.bits - 1, 0);
    return clampToHalf(wide, wide.add(lanes.extend(d, half, 0), high), "signed");
  };
  const low = part(0);
  return lanes.truncate(low, lanes.width === 128 ? part(1) : low);
}

/** SQDMULL: twice the product; only the smallest number squared overflows. Operands are locals. */
export function doublingLong(lanes: Lanes, a: V128, b: V128, part: number): V128 {
  const { wide } = lanes;
  const product = wide.let(lanes.multiplyLong(a, b, part, 0));
  const overflow = wide.let(wide.eq(product, wide.splat(1n << BigInt(wide.bits - 2))));
  wide.saturated(overflow);
  return v128.xor(wide.add(product, product), overflow);
}

/** SQDMLAL, SQDMLSL: saturates the product, then the sum. */
export function doublingLongAccumulated(lanes: Lanes, d: V128, a: V128, b: V128, part: number, subtract: boolean): V128 {
  const { wide } = lanes;
  const product = wide.let(doublingLong(lanes, a, b, part));
  return (subtract ? subtractSaturated : addSaturated)(wide, d, product, 0);
}

/** SDOT, UDOT: adds the products of four bytes each to the 32-bit elements of `d`. Operands are locals. */
export function dotProduct(bytes: Lanes, d: V128, a: V128, b: V128, U: number): V128 {
  const halves = bytes.wide;
  const words = halves.wide;
  const part = (half: number) => halves.addPairsLong(bytes.multiplyLong(a, b, half, U), U);
  const low = words.let(part(0));
  const high = words.let(part(1));
  return words.add(d, words.add(words.pick(low, high, (i) => 2 * i), words.pick(low, high, (i) => 2 * i + 1)));
}

/** PMUL: products of polynomials over {0,1}, modulo the element's size. Operands are locals. */
export function multiplyPolynomials(lanes: Lanes, a: V128, b: V128, bitsOfB: number): V128 {
  let sum: V128 | undefined;
  for (let bit = 0; bit < bitsOfB; bit++) {
    const chosen = lanes.negative(lanes.shl(b, lanes.bits - 1 - bit));
    const term = v128.and(bit ? lanes.shl(a, bit) : a, chosen);
    sum = sum ? v128.xor(sum, term) : term;
  }
  return sum!;
}

/** Products of the two 32-bit polynomials in the low half of each operand, 64 bits each. Operands are locals. */
function multiplyPolynomials32(lanes: Lanes, a: V128, b: V128): V128 {
  // Each fourth bit only: at most eight terms meet in a bit, so that no carry reaches the next one in use.
  const masks = [0, 1, 2, 3].map((i) => lanes.splat(0x1111_1111n << BigInt(i)));
  const parts = (v: V128) => masks.map((mask) => lanes.let(v128.and(v, mask)));
  const [x, y] = [parts(a), parts(b)];
  let result: V128 | undefined;
  for (let k = 0; k < 4; k++) {
    let sum: V128 | undefined;
    for (let i = 0; i < 4; i++) {
      const product = i64x2.extmul_low_i32x4_u(x[i], y[(k - i) & 3]);
      sum = sum ? v128.xor(sum, product) : product;
    }
    const kept = v128.and(sum!, masks[k]);
    result = result ? v128.or(result, kept) : kept;
  }
  return result!;
}

/** PMULL of 64 bits: the 128-bit product of the polynomials in the low halves of the operands, which are locals. */
export function multiplyPolynomials64(m: Semantics, a: V128, b: V128): V128 {
  const words = new Lanes(m, 2);
  // Low times low and high times high; low times high and high times low.
  const outer = multiplyPolynomials32(words, a, b);
  const inner = words.let(multiplyPolynomials32(words, a, words.let(words.pick(b, b, (i) => i ^ 1))));
  const cross = v128.xor(inner, words.pick(inner, inner, (i) => i ^ 2));
  // The middle 64 bits go to the high half of the low result and the low half of the high one.
  return v128.xor(outer, words.pick(cross, zero, (i) => [4, 0, 1, 4][i]));
}
