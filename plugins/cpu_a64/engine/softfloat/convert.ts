/**
 * Conversions: between formats, to and from integers and fixed-point numbers, and
 * rounding to an integral number.
 *
 * Arm ARM DDI 0487, shared pseudocode "FPConvert", "FPConvertNaN", "FPToFixed", "FixedToFP", "FPRoundInt", "FPRoundIntN".
 */

import { type Environment, FpsrFlag, Rounding } from "./environment.ts";
import { F16, type Format } from "./format.ts";
import {
  infinity,
  Kind,
  type Operand,
  processNan,
  round,
  roundForConversion,
  roundShift,
  unpack,
  unpackForConversion,
  zero,
} from "./number.ts";

/** FCVT and, rounding to odd, FCVTXN. */
export function convert(from: Format, to: Format, env: Environment, a: bigint, rounding = env.rounding): bigint {
  const x = unpackForConversion(from, a, env);
  const alternative = to === F16 && env.alternativeHalf;
  if (x.kind >= Kind.Quiet) {
    if (x.kind === Kind.Signalling || alternative) env.raise(FpsrFlag.IOC);
    // The alternative format has neither NaNs nor infinities.
    if (alternative) return zero(to, x.sign);
    return env.defaultNan ? to.defaultNan : convertNan(from, to, x);
  }
  if (x.kind === Kind.Infinity) {
    if (!alternative) return infinity(to, x.sign);
    env.raise(FpsrFlag.IOC);
    return zero(to, x.sign) | to.magnitudeMask;
  }
  if (x.kind === Kind.Zero) return zero(to, x.sign);
  return roundForConversion(to, env, x, rounding);
}

/** Keeps a NaN's sign and the top of its payload, and makes it quiet. */
function convertNan(from: Format, to: Format, x: Operand): bigint {
  const grow = to.fracBits - from.fracBits;
  const payload = x.bits & from.fracMask;
  const moved = grow >= 0 ? payload << BigInt(grow) : payload >> BigInt(-grow);
  return zero(to, x.sign) | to.infinity | to.quietBit | moved;
}

/**
 * To a fixed-point number of `width` bits with `fractionBits` bits after the point; an
 * integer, if none. Saturates, with IOC. The result is zero-extended.
 */
export function toFixed(
  format: Format,
  env: Environment,
  a: bigint,
  width: number,
  fractionBits: number,
  unsigned: boolean,
  rounding: number,
): bigint {
  const x = unpack(format, a, env);
  const mask = (1n << BigInt(width)) - 1n;
  if (x.kind >= Kind.Quiet) {
    env.raise(FpsrFlag.IOC);
    return 0n;
  }
  const greatest = unsigned ? mask : mask >> 1n;
  const least = unsigned ? 0n : -greatest - 1n;
  if (x.kind === Kind.Infinity) {
    env.raise(FpsrFlag.IOC);
    return (x.sign ? least : greatest) & mask;
  }
  const { integer, inexact } = roundShift(x.mantissa, -(x.exp + fractionBits), x.sign, rounding);
  const value = x.sign ? -integer : integer;
  if (value > greatest || value < least) {
    env.raise(FpsrFlag.IOC);
    return (x.sign ? least : greatest) & mask;
  }
  if (inexact) env.raise(FpsrFlag.IXC);
  return value & mask;
}

/** From a fixed-point number of `width` bits with `fractionBits` bits after the point. Rounds as FPCR says. */
export function fromFixed(format: Format, env: Environment, a: bigint, width: number, fractionBits: number, unsigned: boolean): bigint {
  const value = unsigned ? BigInt.asUintN(width, a) : BigInt.asIntN(width, a);
  if (value === 0n) return 0n;
  return round(format, env, { sign: value < 0n, mantissa: value < 0n ? -value : value, exp: -fractionBits });
}

/** FRINT*: to an integral number in the same format. `exact` raises IXC if that changes it (FRINTX). */
export function roundToIntegral(format: Format, env: Environment, a: bigint, rounding: number, exact: boolean): bigint {
  const x = unpack(format, a, env);
  if (x.kind >= Kind.Quiet) return processNan(format, x, env);
  if (x.kind === Kind.Infinity) return infinity(format, x.sign);
  return integral(format, env, x, rounding, exact);
}

/** FRINT32* and FRINT64*: as {@linkcode roundToIntegral}; what a signed integer of `width` bits can't hold becomes its least. */
export function roundToIntegralN(format: Format, env: Environment, a: bigint, rounding: number, width: number): bigint {
  const x = unpack(format, a, env);
  const limit = 1n << BigInt(width - 1);
  const out = x.kind >= Kind.Infinity || (() => {
    const { integer } = roundShift(x.mantissa, -x.exp, x.sign, rounding);
    return integer > limit || (integer === limit && !x.sign);
  })();
  if (!out) return integral(format, env, x, rounding, true);
  env.raise(FpsrFlag.IOC);
  return round(format, env, { sign: true, mantissa: 1n, exp: width - 1 }, Rounding.Zero);
}

function integral(format: Format, env: Environment, x: Operand, rounding: number, exact: boolean): bigint {
  const { integer, inexact } = roundShift(x.mantissa, -x.exp, x.sign, rounding);
  if (inexact && exact) env.raise(FpsrFlag.IXC);
  if (integer === 0n) return zero(format, x.sign);
  return round(format, env, { sign: x.sign, mantissa: integer, exp: 0 }, Rounding.Zero);
}
