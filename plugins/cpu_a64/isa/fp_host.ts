/**
 * The host's floating-point arithmetic behind one interface, so that an operation
 * is described once for scalars of both precisions and for vectors.
 *
 * `T` is what holds the numbers, `M` what holds the truth about them: one bit, or a mask of lanes.
 */
import { type F32, f32, type F64, f64, f64x2, type I32, i32, type I64, i64, select, type Semantics, type Type, type Value } from "./dsl.ts";

/** Which integer: width in bits, and sign. */
export interface IntegerKind {
  readonly size: 16 | 32 | 64;
  readonly unsigned: boolean;
}

/** Arithmetic on numbers of one precision. */
export interface Host<T extends Type = Type, M extends Type = Type> {
  add(a: Value<T>, b: Value<T>): Value<T>;
  sub(a: Value<T>, b: Value<T>): Value<T>;
  mul(a: Value<T>, b: Value<T>): Value<T>;
  div(a: Value<T>, b: Value<T>): Value<T>;
  min(a: Value<T>, b: Value<T>): Value<T>;
  max(a: Value<T>, b: Value<T>): Value<T>;
  abs(a: Value<T>): Value<T>;
  neg(a: Value<T>): Value<T>;
  sqrt(a: Value<T>): Value<T>;
  ceil(a: Value<T>): Value<T>;
  floor(a: Value<T>): Value<T>;
  trunc(a: Value<T>): Value<T>;
  nearest(a: Value<T>): Value<T>;
  eq(a: Value<T>, b: Value<T>): Value<M>;
  lt(a: Value<T>, b: Value<T>): Value<M>;
  gt(a: Value<T>, b: Value<T>): Value<M>;
  ge(a: Value<T>, b: Value<T>): Value<M>;
  both(a: Value<M>, b: Value<M>): Value<M>;
  either(a: Value<M>, b: Value<M>): Value<M>;
  /** The same truth for all. */
  truth(condition: I32): Value<M>;
  /** Whether it is true of all that count. */
  all(mask: Value<M>): I32;
  /** All ones or zero, in the numbers' width. */
  fill(mask: Value<M>): Value;
  choose(mask: Value<M>, yes: Value<T>, no: Value<T>): Value<T>;
  copysign(magnitude: Value<T>, sign: Value<T>): Value<T>;
  const(value: number): Value<T>;
  let<V extends Type>(value: Value<V>): Value<V>;
  /** The least normal number. */
  readonly least: number;
  /** Normal, and not the least normal number, to which a lesser one may have been rounded. */
  normal(a: Value<T>): Value<M>;
  /** For certain not a signalling NaN. */
  quiet(a: Value<T>): Value<M>;
  /** Whether `c` is for certain `a * b`, unrounded. */
  isProduct(a: Value<T>, b: Value<T>, c: Value<T>): Value<M>;
  /** `a * b + c`, and where it was rounded once. */
  multiplyAdd(a: Value<T>, b: Value<T>, c: Value<T>): { value: Value<T>; right: Value<M> };
  /** To an integer; the number is one, and in range. */
  toInteger(a: Value<T>, to: IntegerKind): Value;
}

/** What only scalars have. */
export interface ScalarHost<T extends Type = Type> extends Host<T, "i32"> {
  /** To the other precision, double or single. */
  resize(a: Value<T>): Value;
  /** Whether a resized number is neither tiny nor infinite. */
  normalResized(a: Value): I32;
  /** Whether `resized` is just `a`. */
  isResized(a: Value<T>, resized: Value): I32;
}

/** Whether `r`, which is `a + b` rounded, is exact: Knuth's sum of the error. Not so for infinities and NaNs. */
export function isSum(x: Host, a: Value, b: Value, r: Value): Value {
  const virtual = x.let(x.sub(r, a));
  return x.eq(x.add(x.sub(a, x.sub(r, virtual)), x.sub(b, virtual)), x.const(0));
}

/** Finite. */
export function finite(x: Host, a: Value): Value {
  return x.lt(x.abs(a), x.const(Infinity));
}

/** Not denormal, so that FPCR.FZ changes nothing. */
export function isUnflushed(x: Host, a: Value): Value {
  return x.either(x.ge(x.abs(a), x.const(x.least)), x.eq(a, x.const(0)));
}

/** Infinite because an operand is. */
export function isInfinityOf(x: Host, r: Value, a: Value, b: Value): Value {
  const infinite = (value: Value) => x.eq(x.abs(value), x.const(Infinity));
  return x.both(infinite(r), x.either(infinite(a), infinite(b)));
}

/** A zero as the product of a zero. */
export function isZeroProduct<T extends Type, M extends Type>(x: Host<T, M>, a: Value<T>, b: Value<T>, c: Value<T>): Value<M> {
  const zero = x.const(0);
  return x.both(x.eq(c, zero), x.either(x.eq(a, zero), x.eq(b, zero)));
}

const normalSingle = (a: F32): I32 =>
  i32.lt_u(i32.sub(i32.shl(i32.reinterpret_f32(a), i32.const(1)), i32.const(0x0100_0001)), i32.const(0xfdff_ffff));

/** By the exponent alone: what has the least normal number's isn't certain. */
const normalDouble = (a: F64): I32 => {
  const exponent = i64.shr_u(i64.shl(i64.reinterpret_f64(a), i64.const(1n)), i64.const(53n));
  return i32.lt_u(i32.sub(i32.wrap(exponent), i32.const(2)), i32.const(2045));
};

/** What scalars of both precisions share. */
const scalarTruth = {
  both: i32.and,
  either: i32.or,
  truth: (condition: I32) => condition,
  all: (mask: I32) => mask,
  choose: <T extends Type>(mask: I32, yes: Value<T>, no: Value<T>) => select(mask, yes, no),
};

/** Fraction bits of a double below which a single has none, and their value half-way between two singles. */
const BELOW_SINGLE = 0x1fff_ffffn, HALF_WAY = 0x1000_0000n;

/** Single precision. */
export function singleHost(m: Semantics): ScalarHost<"f32"> {
  const { promote } = f64;
  return {
    ...f32,
    ...scalarTruth,
    let: (value) => m.let(value),
    fill: (mask) => i32.sub(i32.const(0), mask),
    least: 2 ** -126,
    normal: normalSingle,
    // Signalling NaNs have an exponent of ones, then a zero, then something.
    quiet: (a) => i32.ge_u(i32.sub(i32.shl(i32.reinterpret_f32(a), i32.const(1)), i32.const(-0x0100_0000 + 1)), i32.const(0x0080_0000 - 1)),
    // Products of singles are exact in double precision.
    isProduct: (a, b, c) => f64.eq(f64.mul(promote(a), promote(b)), promote(c)),
    multiplyAdd(a, b, c) {
      const sum = m.let(f64.add(f64.mul(promote(a), promote(b)), promote(c)));
      // Rounding twice goes wrong only where the first result lies half-way between two singles.
      const tail = i64.and(i64.reinterpret_f64(sum), i64.const(BELOW_SINGLE));
      return { value: f32.demote(sum), right: i64.ne(tail, i64.const(HALF_WAY)) };
    },
    toInteger: (a, { size, unsigned }) => {
      const to = size === 64 ? i64 : i32;
      return unsigned ? to.trunc_sat_f32_u(a) : to.trunc_sat_f32_s(a);
    },
    resize: promote,
    normalResized: (a) => normalDouble(a as F64),
    isResized: (a) => f32.eq(a, a),
  };
}

/** Double precision. */
export function doubleHost(m: Semantics): ScalarHost<"f64"> {
  /** Zeros at the end of the significand. */
  const zeros = (a: F64): I64 => i64.ctz(i64.or(i64.reinterpret_f64(a), i64.const(1n << 52n)));
  const host: ScalarHost<"f64"> = {
    ...f64,
    ...scalarTruth,
    let: (value) => m.let(value),
    fill: (mask) => i64.extend_s(i32.sub(i32.const(0), mask)),
    least: 2 ** -1022,
    normal: normalDouble,
    quiet: (a) =>
      i64.ge_u(i64.sub(i64.shl(i64.reinterpret_f64(a), i64.const(1n)), i64.const((2047n << 53n) + 1n)), i64.const((1n << 52n) - 1n)),
    isProduct(a, b, c) {
      const short = i64.ge_u(i64.add(zeros(a), zeros(b)), i64.const(53n));
      const product = i32.and(i32.and(short, f64.eq(f64.mul(a, b), c)), host.normal(c));
      return i32.or(isZeroProduct(host, a, b, c), product);
    },
    multiplyAdd(a, b, c) {
      if (m.hostFusesMultiplyAdd) return { value: fused(a, b, c), right: i32.const(1) };
      const product = m.let(f64.mul(a, b));
      return { value: f64.add(product, c), right: host.isProduct(a, b, product) };
    },
    toInteger: (a, { size, unsigned }) => {
      const to = size === 64 ? i64 : i32;
      return unsigned ? to.trunc_sat_f64_u(a) : to.trunc_sat_f64_s(a);
    },
    resize: f32.demote,
    normalResized: (a) => normalSingle(a as F32),
    isResized: (a, resized) => f64.eq(f64.promote(resized as F32), a),
  };
  return host;
}

/** In lanes, since scalars have no such operation. */
function fused(a: F64, b: F64, c: F64): F64 {
  return f64x2.extract_lane(f64x2.relaxed_madd(f64x2.splat(a), f64x2.splat(b), f64x2.splat(c)), 0);
}
