/**
 * Addition, multiplication, division, square root and the fused operations.
 *
 * Arm ARM DDI 0487, shared pseudocode "FPAdd", "FPSub", "FPMul", "FPMulX", "FPDiv", "FPSqrt", "FPMulAdd",
 * "FPRecipStepFused", "FPRSqrtStepFused".
 */

import { type Environment, FpsrFlag, Rounding } from "./environment.ts";
import { bitLength, type Format } from "./format.ts";
import { type Exact, infinity, invalid, Kind, type Operand, processNans, round, unpack, zero } from "./number.ts";

/** Beyond this distance of exponents the smaller addend only tells the side on which the sum lies. */
const FAR = 256;

function product(x: Exact, y: Exact): Exact {
  return { sign: x.sign !== y.sign, mantissa: x.mantissa * y.mantissa, exp: x.exp + y.exp };
}

function signed({ sign, mantissa }: Exact): bigint {
  return sign ? -mantissa : mantissa;
}

/** The sum, exact except where no rounding could tell the difference. */
function sum(x: Exact, y: Exact): Exact {
  if (x.mantissa === 0n) return y;
  if (y.mantissa === 0n) return x;
  const [high, low] = x.exp >= y.exp ? [x, y] : [y, x];
  const gap = high.exp - low.exp;
  const far = gap > FAR;
  const total = far ? (signed(high) << BigInt(FAR)) + (low.sign ? -1n : 1n) : (signed(high) << BigInt(gap)) + signed(low);
  const exp = far ? high.exp - FAR : low.exp;
  return { sign: total < 0n, mantissa: total < 0n ? -total : total, exp };
}

/** Rounds a sum, which is minus zero only if it is an exact zero and rounding goes towards minus infinity. */
function roundSum(format: Format, env: Environment, value: Exact): bigint {
  if (value.mantissa === 0n) return zero(format, env.rounding === Rounding.MinusInfinity);
  return round(format, env, value);
}

function addOperands(format: Format, env: Environment, x: Operand, y: Operand, ySign: boolean): bigint {
  const nan = processNans(format, env, x, y);
  if (nan !== undefined) return nan;
  if (x.kind === Kind.Infinity) {
    return y.kind === Kind.Infinity && x.sign !== ySign ? invalid(format, env) : infinity(format, x.sign);
  }
  if (y.kind === Kind.Infinity) return infinity(format, ySign);
  if (x.kind === Kind.Zero && y.kind === Kind.Zero && x.sign === ySign) return zero(format, x.sign);
  return roundSum(format, env, sum(x, { sign: ySign, mantissa: y.mantissa, exp: y.exp }));
}

/** `a + b`. */
export function add(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  const x = unpack(format, a, env);
  const y = unpack(format, b, env);
  return addOperands(format, env, x, y, y.sign);
}

/** `a - b`. A NaN in `b` keeps its sign. */
export function sub(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  const x = unpack(format, a, env);
  const y = unpack(format, b, env);
  return addOperands(format, env, x, y, !y.sign);
}

/** Whether one factor is an infinity and the other a zero. */
function infinityTimesZero(x: Operand, y: Operand): boolean {
  return (x.kind === Kind.Infinity && y.kind === Kind.Zero) || (x.kind === Kind.Zero && y.kind === Kind.Infinity);
}

function mulOperands(format: Format, env: Environment, a: bigint, b: bigint, ofInfinityAndZero: (sign: boolean) => bigint): bigint {
  const x = unpack(format, a, env);
  const y = unpack(format, b, env);
  const nan = processNans(format, env, x, y);
  if (nan !== undefined) return nan;
  const sign = x.sign !== y.sign;
  if (infinityTimesZero(x, y)) return ofInfinityAndZero(sign);
  if (x.kind === Kind.Infinity || y.kind === Kind.Infinity) return infinity(format, sign);
  if (x.kind === Kind.Zero || y.kind === Kind.Zero) return zero(format, sign);
  return round(format, env, product(x, y));
}

/** `a * b`. */
export function mul(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  return mulOperands(format, env, a, b, () => invalid(format, env));
}

/** `a * b` for FMULX: infinity times zero is plus or minus 2. */
export function mulX(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  return mulOperands(format, env, a, b, (sign) => zero(format, sign) | constant(format, 2n, 0));
}

/** `a / b`. */
export function div(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  const x = unpack(format, a, env);
  const y = unpack(format, b, env);
  const nan = processNans(format, env, x, y);
  if (nan !== undefined) return nan;
  const sign = x.sign !== y.sign;
  if (x.kind === y.kind && x.kind !== Kind.Finite) return invalid(format, env);
  if (x.kind === Kind.Infinity) return infinity(format, sign);
  if (y.kind === Kind.Zero) {
    env.raise(FpsrFlag.DZC);
    return infinity(format, sign);
  }
  if (x.kind === Kind.Zero || y.kind === Kind.Infinity) return zero(format, sign);
  // Enough quotient bits for the format, a rounding bit and one that tells a remainder.
  const shift = Math.max(0, format.fracBits + 3 + bitLength(y.mantissa) - bitLength(x.mantissa));
  const dividend = x.mantissa << BigInt(shift);
  const quotient = dividend / y.mantissa;
  const sticky = quotient * y.mantissa === dividend ? 0n : 1n;
  return round(format, env, { sign, mantissa: quotient << 1n | sticky, exp: x.exp - y.exp - shift - 1 });
}

/** The square root. */
export function sqrt(format: Format, env: Environment, a: bigint): bigint {
  const x = unpack(format, a, env);
  const nan = processNans(format, env, x, x);
  if (nan !== undefined) return nan;
  if (x.kind === Kind.Zero) return zero(format, x.sign);
  if (x.sign) return invalid(format, env);
  if (x.kind === Kind.Infinity) return infinity(format, false);
  let shift = 2 * format.fracBits + 8 - bitLength(x.mantissa);
  if ((x.exp - shift & 1) !== 0) shift++;
  const radicand = x.mantissa << BigInt(shift);
  const root = squareRoot(radicand);
  const sticky = root * root === radicand ? 0n : 1n;
  return round(format, env, { sign: false, mantissa: root << 1n | sticky, exp: (x.exp - shift) / 2 - 1 });
}

/** Integer square root, rounded down, by Newton's method from the host's estimate. */
function squareRoot(value: bigint): bigint {
  let root = BigInt(Math.floor(Math.sqrt(Number(value)))) + 1n;
  for (;;) {
    const next = root + value / root >> 1n;
    if (next === root || next === root + 1n) break;
    root = next;
  }
  while (root * root > value) root--;
  while ((root + 1n) * (root + 1n) <= value) root++;
  return root;
}

/** `n * m + a`, rounded once. FMSUB, FNMADD and FNMSUB negate operands before. */
export function mulAdd(format: Format, env: Environment, n: bigint, m: bigint, a: bigint): bigint {
  const addend = unpack(format, a, env);
  const x = unpack(format, n, env);
  const y = unpack(format, m, env);
  const nan = processNans(format, env, addend, x, y);
  const noProduct = infinityTimesZero(x, y);
  if (addend.kind === Kind.Quiet && noProduct) return invalid(format, env);
  if (nan !== undefined) return nan;
  if (noProduct) return invalid(format, env);
  const sign = x.sign !== y.sign;
  if (x.kind === Kind.Infinity || y.kind === Kind.Infinity) {
    return addend.kind === Kind.Infinity && addend.sign !== sign ? invalid(format, env) : infinity(format, sign);
  }
  if (addend.kind === Kind.Infinity) return infinity(format, addend.sign);
  const zeroProduct = x.kind === Kind.Zero || y.kind === Kind.Zero;
  if (addend.kind === Kind.Zero && zeroProduct && addend.sign === sign) return zero(format, sign);
  return roundSum(format, env, sum(product(x, y), addend));
}

/** `base - a * b`, scaled by `2 ** scale`; infinity times zero counts as zero. */
function step(format: Format, env: Environment, a: bigint, b: bigint, base: bigint, scale: number): bigint {
  const x = unpack(format, a ^ format.signBit, env);
  const y = unpack(format, b, env);
  const nan = processNans(format, env, x, y);
  if (nan !== undefined) return nan;
  if (infinityTimesZero(x, y)) return constant(format, base, scale);
  if (x.kind === Kind.Infinity || y.kind === Kind.Infinity) return infinity(format, x.sign !== y.sign);
  const { sign, mantissa, exp } = sum({ sign: false, mantissa: base, exp: 0 }, product(x, y));
  return roundSum(format, env, { sign, mantissa, exp: exp + scale });
}

/** FRECPS: `2 - a * b`. */
export function recipStep(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  return step(format, env, a, b, 2n, 0);
}

/** FRSQRTS: `(3 - a * b) / 2`. */
export function rsqrtStep(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  return step(format, env, a, b, 3n, -1);
}

/** `mantissa * 2 ** exp` in a format that holds it exactly. */
function constant(format: Format, mantissa: bigint, exp: number): bigint {
  const length = bitLength(mantissa);
  const biased = length - 1 + exp - format.minExp + 1;
  return (BigInt(biased) << BigInt(format.fracBits)) | (mantissa << BigInt(format.fracBits + 1 - length) & format.fracMask);
}
