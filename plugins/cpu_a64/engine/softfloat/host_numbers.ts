/**
 * Exact arithmetic with the host's doubles: each operation's rounding error is itself a
 * double, so nothing is lost (Dekker, Knuth; Boldo and Melquiond, "Emulation of FMA and
 * correctly rounded sums: proved algorithms using rounding to odd").
 */

import { Rounding } from "./environment.ts";

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** `2 ** exp`, for exponents of normal numbers. */
export function powerOfTwo(exp: number): number {
  words[0] = 0;
  words[1] = exp + 1023 << 20;
  return double[0];
}

/** Exponent of a normal number. */
export function exponentOf(value: number): number {
  double[0] = value;
  return (words[1] >>> 20 & 0x7ff) - 1023;
}

/** What `sum`, which is `x + y` rounded to nearest, lacks. */
export function sumError(x: number, y: number, sum: number): number {
  const yPart = sum - x;
  return (x - (sum - yPart)) + (y - yPart);
}

/** Splits a double's significand in two halves. */
const SPLITTER = 2 ** 27 + 1;

/** What `product`, which is `x * y` rounded to nearest, lacks. Exponents have to stay well within the range. */
export function productError(x: number, y: number, product: number): number {
  const xSplit = x * SPLITTER;
  const xHigh = xSplit - (xSplit - x);
  const xLow = x - xHigh;
  const ySplit = y * SPLITTER;
  const yHigh = ySplit - (ySplit - y);
  const yLow = y - yHigh;
  return xLow * yLow - (((product - xHigh * yHigh) - xLow * yHigh) - xHigh * yLow);
}

/** A number rounded to nearest, made one rounded to odd, given what it lacks. */
export function toOdd(value: number, residual: number): number {
  if (residual === 0) return value;
  double[0] = value;
  return (words[0] & 1) !== 0 ? value : neighbour(value, residual > 0 === value > 0);
}

/** A number rounded to nearest, made one rounded by a mode of FPCR, given what it lacks. Far from zero and overflow. */
export function redirect(value: number, residual: number, rounding: number): number {
  const positive = value > 0;
  switch (rounding) {
    case Rounding.PlusInfinity:
      return residual > 0 ? neighbour(value, positive) : value;
    case Rounding.MinusInfinity:
      return residual < 0 ? neighbour(value, !positive) : value;
    case Rounding.Zero:
      return residual !== 0 && residual > 0 !== positive ? neighbour(value, false) : value;
    default:
      return value;
  }
}

/** The double next to one, away from zero or towards it. */
function neighbour(value: number, away: boolean): number {
  double[0] = value;
  if (away) {
    if (words[0]++ === 0xffff_ffff) words[1]++;
  } else if (words[0]-- === 0) {
    words[1]--;
  }
  return double[0];
}

/** Adding and subtracting it rounds a number below 2^51 to an integer, ties to even. */
const INTEGER_ROUNDER = 1.5 * 2 ** 52;

/** Rounds to an integer. The sign of a zero result is lost. */
export function roundToInteger(value: number, rounding: number): number {
  if (Math.abs(value) >= 2 ** 51) return roundLarge(value, rounding);
  switch (rounding) {
    case Rounding.TieEven:
      return value + INTEGER_ROUNDER - INTEGER_ROUNDER;
    case Rounding.PlusInfinity:
      return Math.ceil(value);
    case Rounding.MinusInfinity:
      return Math.floor(value);
    case Rounding.TieAway: {
      const integer = Math.trunc(value);
      return Math.abs(value - integer) < 0.5 ? integer : integer + Math.sign(value);
    }
    case Rounding.Odd: {
      const integer = Math.trunc(value);
      return integer === value || integer % 2 !== 0 ? integer : integer + Math.sign(value);
    }
    default:
      return Math.trunc(value);
  }
}

/** As {@linkcode roundToInteger}, for numbers with one fraction bit at most. */
function roundLarge(value: number, rounding: number): number {
  const integer = Math.trunc(value);
  return integer + roundToInteger(value - integer + (integer % 2), rounding) - (integer % 2);
}
