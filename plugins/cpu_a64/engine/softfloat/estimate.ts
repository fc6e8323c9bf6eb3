/**
 * The reciprocal estimates: eight bits that every implementation gives alike.
 *
 * Arm ARM DDI 0487, shared pseudocode "FPRecipEstimate", "RecipEstimate", "FPRSqrtEstimate", "RecipSqrtEstimate",
 * "FPRecpX", "UnsignedRecipEstimate", "UnsignedRSqrtEstimate".
 */

import { type Environment, FpsrFlag } from "./environment.ts";
import { bitLength, type Format } from "./format.ts";
import { infinity, invalid, Kind, overflow, processNan, unpack, zero } from "./number.ts";

/** Estimate of 2^17 / `a` for `a` from 256 to 511; the same range. */
function estimateReciprocal(a: number): number {
  const b = Math.floor(2 ** 19 / (a * 2 + 1));
  return b + 1 >> 1;
}

/** Estimate of 2^13 / sqrt(`a` / 2) for `a` from 128 to 511; the result is from 256 to 511. */
function estimateReciprocalRoot(a: number): number {
  const scaled = a < 256 ? a * 2 + 1 : (a | 1) * 2;
  let b = 512;
  while (scaled * (b + 1) * (b + 1) < 2 ** 28) b++;
  return b + 1 >> 1;
}

/** Exponent (biased, below 1 for denormals) and the fraction's eight leading bits, of a finite number other than zero. */
function normalise(format: Format, mantissa: bigint, exp: number): { biased: number; top: number } {
  const length = bitLength(mantissa);
  const aligned = Number(length > 9 ? mantissa >> BigInt(length - 9) : mantissa << BigInt(9 - length));
  return { biased: length - 1 + exp - format.minExp + 1, top: aligned & 0xff };
}

/** FRECPE. */
export function recipEstimate(format: Format, env: Environment, a: bigint): bigint {
  const x = unpack(format, a, env);
  if (x.kind >= Kind.Quiet) return processNan(format, x, env);
  if (x.kind === Kind.Infinity) return zero(format, x.sign);
  if (x.kind === Kind.Zero) {
    env.raise(FpsrFlag.DZC);
    return infinity(format, x.sign);
  }
  const { biased, top } = normalise(format, x.mantissa, x.exp);
  // Below a quarter of the smallest normal number the reciprocal is out of range.
  if (biased < -1) return overflow(format, env, x.sign, env.rounding);
  let resultExp = format.maxBiasedExp - 2 - biased;
  if (env.flushes(format) && resultExp < 1) {
    env.raise(FpsrFlag.UFC);
    return zero(format, x.sign);
  }
  let significand = BigInt(estimateReciprocal(256 | top)) << BigInt(format.fracBits - 8);
  if (resultExp < 1) {
    significand >>= BigInt(1 - resultExp);
    resultExp = 1;
  }
  return zero(format, x.sign) | ((BigInt(resultExp - 1) << BigInt(format.fracBits)) + significand);
}

/** FRSQRTE. */
export function rsqrtEstimate(format: Format, env: Environment, a: bigint): bigint {
  const x = unpack(format, a, env);
  if (x.kind >= Kind.Quiet) return processNan(format, x, env);
  if (x.kind === Kind.Zero) {
    env.raise(FpsrFlag.DZC);
    return infinity(format, x.sign);
  }
  if (x.sign) return invalid(format, env);
  if (x.kind === Kind.Infinity) return 0n;
  const { biased, top } = normalise(format, x.mantissa, x.exp);
  const scaled = (biased & 1) === 0 ? 256 | top : (256 | top) >> 1;
  const bias = 1 - format.minExp;
  const resultExp = 3 * bias - 1 - biased >> 1;
  const estimate = estimateReciprocalRoot(scaled) & 0xff;
  return (BigInt(resultExp) << BigInt(format.fracBits)) | (BigInt(estimate) << BigInt(format.fracBits - 8));
}

/** FRECPX: a power of two near the reciprocal, with the operand's sign. */
export function recipExponent(format: Format, env: Environment, a: bigint): bigint {
  const x = unpack(format, a, env);
  if (x.kind >= Kind.Quiet) return processNan(format, x, env);
  const biased = (a & format.magnitudeMask) >> BigInt(format.fracBits);
  const ones = BigInt(format.maxBiasedExp);
  return zero(format, x.sign) | (biased === 0n ? ones - 1n : ones ^ biased) << BigInt(format.fracBits);
}

/** URECPE: estimate of the reciprocal of an unsigned 32-bit fraction. */
export function unsignedRecipEstimate(a: number): number {
  return a >>> 31 === 0 ? 0xffff_ffff : estimateReciprocal(a >>> 23) << 23 >>> 0;
}

/** URSQRTE: estimate of the reciprocal square root of an unsigned 32-bit fraction. */
export function unsignedRsqrtEstimate(a: number): number {
  return a >>> 30 === 0 ? 0xffff_ffff : estimateReciprocalRoot(a >>> 23) << 23 >>> 0;
}
