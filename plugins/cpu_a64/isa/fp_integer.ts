/** Conversions between integers or fixed-point numbers and floating point, as scalars and vectors share them. */
import { f32, f64, type I32, i32, type I64, i64, type Raw, type Semantics, type Value } from "./dsl.ts";
import { HALF, isClear, isClearAndInexact, SINGLE } from "./fp_compute.ts";
import type { IntegerKind } from "./fp_host.ts";
import { FpOp, fpOpCode } from "./fp_op_code.ts";
import { type Operation, ROUNDING } from "./fp_operations.ts";

/** Bits after the point that an instruction's fields tell. */
export interface FixedPoint {
  /** The operation's code, with these bits. */
  readonly code: I32;
  /** The number of bits, 1 to 64. */
  readonly bits: I32;
}

/** SCVTF and UCVTF, for the slow path. */
export const fromInteger = (from: IntegerKind): Operation => ({ op: FpOp.FromFixed, variant: from });

/** Puts the number of bits and the operation's code among the operands. */
export function fixedPoint(m: Semantics, { op, variant }: Operation, ftype: number, bits: (fields: Raw<string>) => number): FixedPoint {
  return { code: m.i32((f) => fpOpCode(op, ftype, { ...variant, fractionBits: bits(f) })), bits: m.u8(bits) };
}

/** 2 to a power of -64 to 64, in single or double precision. */
export function powerOfTwo(m: Semantics, ftype: number, power: I32): Value<"f32"> | Value<"f64"> {
  if (ftype === SINGLE) return m.let(f32.reinterpret_i32(i32.shl(i32.add(power, i32.const(127)), i32.const(23))));
  return m.let(f64.reinterpret_i64(i64.shl(i64.extend_s(i32.add(power, i32.const(1023))), i64.const(52n))));
}

/** 2 to the power of minus the bits. */
export const scaleDown = (m: Semantics, ftype: number, { bits }: FixedPoint): Value<"f32"> | Value<"f64"> =>
  powerOfTwo(m, ftype, i32.sub(i32.const(0), bits));

/** SCVTF and UCVTF of a scalar: bits of the number. */
export function convertInteger(m: Semantics, ftype: number, from: IntegerKind, integer: I64, fixed?: FixedPoint): I64 {
  const { op, variant } = fromInteger(from);
  const value = m.let(integer);
  const slow = () => m.softFloat(fixed?.code ?? fpOpCode(op, ftype, variant), [value]);
  if (ftype === HALF || from.size === 16) return m.let(slow());
  const scale = fixed && scaleDown(m, ftype, fixed);
  const number = () => {
    if (ftype === SINGLE) {
      const converted = convertTo(f32, from, value);
      return i64.extend_u(i32.reinterpret_f32(scale ? f32.mul(converted, scale as Value<"f32">) : converted));
    }
    const converted = convertTo(f64, from, value);
    return i64.reinterpret_f64(scale ? f64.mul(converted, scale as Value<"f64">) : converted);
  };
  if (ftype !== SINGLE && from.size === 32) return number();
  const result = m.variable(i64.const(0n));
  m.if(
    i32.or(isClearAndInexact(m, ROUNDING), i32.and(isClear(m, ROUNDING), isShort(value, from, ftype === SINGLE ? 24n : 53n))),
    () => result.set(number()),
    () => result.set(slow()),
  );
  return result.get();
}

interface IntegerConversions<T extends "f32" | "f64"> {
  convert_i32_s(a: I32): Value<T>;
  convert_i32_u(a: I32): Value<T>;
  convert_i64_s(a: I64): Value<T>;
  convert_i64_u(a: I64): Value<T>;
}

function convertTo<T extends "f32" | "f64">(to: IntegerConversions<T>, { size, unsigned }: IntegerKind, value: I64): Value<T> {
  if (size === 64) return unsigned ? to.convert_i64_u(value) : to.convert_i64_s(value);
  return unsigned ? to.convert_i32_u(i32.wrap(value)) : to.convert_i32_s(i32.wrap(value));
}

/** The magnitude has so few bits that every such integer is a number. */
function isShort(value: I64, { size, unsigned }: IntegerKind, bits: bigint): I32 {
  const wide = size === 64 ? value : unsigned ? i64.extend_u(i32.wrap(value)) : i64.extend_s(i32.wrap(value));
  if (unsigned) return i64.lt_u(wide, i64.const(1n << bits));
  return i64.lt_u(i64.add(wide, i64.const(1n << bits)), i64.const(2n << bits));
}
