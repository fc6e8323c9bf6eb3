/**
 * Taking numbers apart and rounding them back.
 *
 * Arm ARM DDI 0487, shared pseudocode "FPUnpackBase", "FPRoundBase", "FPProcessNaN", "FPProcessNaNs", "FPProcessNaNs3".
 */

import { type Environment, FpsrFlag, Rounding } from "./environment.ts";
import { bitLength, F16, type Format } from "./format.ts";

/** Classes of numbers, in an order that makes `kind >= Kind.Quiet` mean "a NaN". */
export const Kind = { Zero: 0, Finite: 1, Infinity: 2, Quiet: 3, Signalling: 4 } as const;

/** An exact finite number: `mantissa * 2 ** exp`, negative if `sign`. */
export interface Exact {
  readonly sign: boolean;
  readonly mantissa: bigint;
  readonly exp: number;
}

/** An operand taken apart. Zeros, infinities and NaNs have no mantissa. */
export interface Operand extends Exact {
  readonly kind: number;
  readonly bits: bigint;
}

/** Takes an operand of an arithmetic instruction apart. Flushes it to zero if FPCR says so. */
export function unpack(format: Format, bits: bigint, env: Environment): Operand {
  return unpackBase(format, bits, env, env.flushes(format), false);
}

/** As {@linkcode unpack}, for conversions between formats, which ignore FPCR.FZ16 and obey FPCR.AHP. */
export function unpackForConversion(format: Format, bits: bigint, env: Environment): Operand {
  const half = format === F16;
  return unpackBase(format, bits, env, !half && env.flushes(format), half && env.alternativeHalf);
}

function unpackBase(format: Format, bits: bigint, env: Environment, flush: boolean, alternative: boolean): Operand {
  const sign = (bits & format.signBit) !== 0n;
  const biased = Number((bits & format.magnitudeMask) >> BigInt(format.fracBits));
  const frac = bits & format.fracMask;
  const exp = format.minExp - format.fracBits;
  if (biased === 0) {
    if (frac !== 0n && !flush) return { kind: Kind.Finite, sign, mantissa: frac, exp, bits };
    // Half precision is flushed without a trace.
    if (frac !== 0n && format !== F16) env.raise(FpsrFlag.IDC);
    return { kind: Kind.Zero, sign, mantissa: 0n, exp: 0, bits };
  }
  if (biased === format.maxBiasedExp && !alternative) {
    const kind = frac === 0n ? Kind.Infinity : (frac & format.quietBit) !== 0n ? Kind.Quiet : Kind.Signalling;
    return { kind, sign, mantissa: 0n, exp: 0, bits };
  }
  return { kind: Kind.Finite, sign, mantissa: frac | (format.fracMask + 1n), exp: exp + biased - 1, bits };
}

/** Plus or minus zero. */
export function zero(format: Format, sign: boolean): bigint {
  return sign ? format.signBit : 0n;
}

/** Plus or minus infinity. */
export function infinity(format: Format, sign: boolean): bigint {
  return sign ? format.signBit | format.infinity : format.infinity;
}

/** The result of an invalid operation: the default NaN, and IOC. */
export function invalid(format: Format, env: Environment): bigint {
  env.raise(FpsrFlag.IOC);
  return format.defaultNan;
}

/** The result for one NaN operand. */
export function processNan(format: Format, operand: Operand, env: Environment): bigint {
  if (operand.kind === Kind.Signalling) env.raise(FpsrFlag.IOC);
  return env.defaultNan ? format.defaultNan : operand.bits | format.quietBit;
}

/** The result if an operand is a NaN: that of the first signalling, else of the first quiet one. Otherwise undefined. */
export function processNans(format: Format, env: Environment, x: Operand, y: Operand, z: Operand = y): bigint | undefined {
  for (const kind of [Kind.Signalling, Kind.Quiet]) {
    if (x.kind === kind) return processNan(format, x, env);
    if (y.kind === kind) return processNan(format, y, env);
    if (z.kind === kind) return processNan(format, z, env);
  }
  return undefined;
}

/** Whether the last kept bit has to be incremented, given the discarded part as twice itself against one unit: -1, 0, 1. */
export function roundsUp(rounding: number, sign: boolean, odd: boolean, againstHalf: number): boolean {
  switch (rounding) {
    case Rounding.TieEven:
      return againstHalf > 0 || (againstHalf === 0 && odd);
    case Rounding.TieAway:
      return againstHalf >= 0;
    case Rounding.PlusInfinity:
      return !sign;
    case Rounding.MinusInfinity:
      return sign;
    default:
      return false;
  }
}

/** An overflow's result: infinity or the greatest number, as the rounding mode says. */
export function overflow(format: Format, env: Environment, sign: boolean, rounding: number): bigint {
  env.raise(FpsrFlag.OFC | FpsrFlag.IXC);
  return zero(format, sign) | (roundsUp(rounding, sign, true, 1) ? format.infinity : format.maxNormal);
}

/** Rounds a number other than zero to a format. Flushes a tiny result to zero if FPCR says so. */
export function round(format: Format, env: Environment, value: Exact, rounding = env.rounding): bigint {
  return roundBase(format, env, value, rounding, env.flushes(format), false);
}

/** As {@linkcode round}, for conversions between formats, which ignore FPCR.FZ16 and obey FPCR.AHP. */
export function roundForConversion(format: Format, env: Environment, value: Exact, rounding: number): bigint {
  const half = format === F16;
  return roundBase(format, env, value, rounding, !half && env.flushes(format), half && env.alternativeHalf);
}

function roundBase(format: Format, env: Environment, value: Exact, rounding: number, flush: boolean, alternative: boolean): bigint {
  const { sign, mantissa, exp } = value;
  const { fracBits, minExp } = format;
  const exponent = bitLength(mantissa) - 1 + exp;
  const tiny = exponent < minExp; // Arm detects tininess before rounding.
  if (tiny && flush) {
    env.raise(FpsrFlag.UFC);
    return zero(format, sign);
  }
  const biasedExp = tiny ? 0 : exponent - minExp + 1;
  const { integer, inexact } = roundShift(mantissa, Math.max(exponent, minExp) - fracBits - exp, sign, rounding);
  // A significand that rounds up to the next power of two carries into the exponent.
  const magnitude = (BigInt(tiny ? 0 : biasedExp - 1) << BigInt(fracBits)) + integer;
  if (alternative) {
    // The alternative format uses the last exponent for numbers, and saturates.
    if (magnitude > format.magnitudeMask) {
      env.raise(FpsrFlag.IOC);
      return zero(format, sign) | format.magnitudeMask;
    }
  } else if (magnitude >= format.infinity) {
    return overflow(format, env, sign, rounding);
  }
  if (inexact) env.raise(tiny ? FpsrFlag.UFC | FpsrFlag.IXC : FpsrFlag.IXC);
  return zero(format, sign) | magnitude;
}

/** Divides a magnitude by `2 ** shift` (multiplies, if negative) and rounds to an integer. */
export function roundShift(mantissa: bigint, shift: number, sign: boolean, rounding: number): { integer: bigint; inexact: boolean } {
  if (shift <= 0) return { integer: mantissa << BigInt(-shift), inexact: false };
  const integer = mantissa >> BigInt(shift);
  const twice = (mantissa - (integer << BigInt(shift))) << 1n;
  if (twice === 0n) return { integer, inexact: false };
  if (rounding === Rounding.Odd) return { integer: integer | 1n, inexact: true };
  const unit = 1n << BigInt(shift);
  const againstHalf = twice > unit ? 1 : twice === unit ? 0 : -1;
  return { integer: roundsUp(rounding, sign, (integer & 1n) !== 0n, againstHalf) ? integer + 1n : integer, inexact: true };
}
