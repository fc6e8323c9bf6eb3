/**
 * Comparisons, minimum and maximum.
 *
 * Arm ARM DDI 0487, shared pseudocode "FPCompare", "FPCompareEQ", "FPCompareGE", "FPCompareGT", "FPMax", "FPMin",
 * "FPMaxNum", "FPMinNum".
 */

import { type Environment, FpsrFlag } from "./environment.ts";
import type { Format } from "./format.ts";
import { infinity, Kind, type Operand, processNans, unpack, zero } from "./number.ts";

/** Orders as the number does: bits of a sign and a magnitude, as an integer. Flushed denormals are zeros. */
function rank(format: Format, x: Operand): bigint {
  if (x.kind === Kind.Zero) return 0n;
  const magnitude = x.bits & format.magnitudeMask;
  return x.sign ? -magnitude : magnitude;
}

/** NZCV of a comparison, N is bit 3. `signalling` raises IOC for quiet NaNs as well. */
export function compare(format: Format, env: Environment, a: bigint, b: bigint, signalling: boolean): number {
  const x = unpack(format, a, env);
  const y = unpack(format, b, env);
  if (x.kind >= Kind.Quiet || y.kind >= Kind.Quiet) {
    if (signalling || x.kind === Kind.Signalling || y.kind === Kind.Signalling) env.raise(FpsrFlag.IOC);
    return 0b0011;
  }
  const left = rank(format, x);
  const right = rank(format, y);
  return left === right ? 0b0110 : left < right ? 0b1000 : 0b0010;
}

/** The lane FCMEQ gives: all ones if `a` equals `b`. */
export function compareEq(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  return lane(format, compare(format, env, a, b, false) === 0b0110);
}

/** The lane FCMGE gives. */
export function compareGe(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  const nzcv = compare(format, env, a, b, true);
  return lane(format, nzcv === 0b0110 || nzcv === 0b0010);
}

/** The lane FCMGT gives. */
export function compareGt(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  return lane(format, compare(format, env, a, b, true) === 0b0010);
}

function lane(format: Format, condition: boolean): bigint {
  return condition ? format.signBit | format.magnitudeMask : 0n;
}

function extreme(format: Format, env: Environment, a: bigint, b: bigint, greatest: boolean): bigint {
  const x = unpack(format, a, env);
  const y = unpack(format, b, env);
  const nan = processNans(format, env, x, y);
  if (nan !== undefined) return nan;
  if (x.kind === Kind.Zero && y.kind === Kind.Zero) {
    return zero(format, greatest ? x.sign && y.sign : x.sign || y.sign);
  }
  const chosen = (rank(format, x) > rank(format, y)) === greatest ? x : y;
  return chosen.kind === Kind.Zero ? zero(format, chosen.sign) : chosen.bits;
}

/** FMAX. */
export function max(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  return extreme(format, env, a, b, true);
}

/** FMIN. */
export function min(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  return extreme(format, env, a, b, false);
}

/** As {@linkcode extreme}, where a number wins against a quiet NaN. */
function extremeNumber(format: Format, env: Environment, a: bigint, b: bigint, greatest: boolean): bigint {
  const quietA = unpack(format, a, env).kind === Kind.Quiet;
  const quietB = unpack(format, b, env).kind === Kind.Quiet;
  const loser = infinity(format, greatest);
  return extreme(format, env, quietA && !quietB ? loser : a, quietB && !quietA ? loser : b, greatest);
}

/** FMAXNM. */
export function maxNum(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  return extremeNumber(format, env, a, b, true);
}

/** FMINNM. */
export function minNum(format: Format, env: Environment, a: bigint, b: bigint): bigint {
  return extremeNumber(format, env, a, b, false);
}
