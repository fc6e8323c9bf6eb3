/** Conversions between integers or fixed-point numbers and floating point, as A64 shares them between register files. */
import { f32, f64, type I32, i32, type I64, i64, type Raw, type Semantics, type Value } from "./dsl.ts";
import { HALF, isClear, isClearAndInexact, SINGLE } from "./fp_compute.ts";
import { FpOp, fpOpCode } from "./fp_op_code.ts";
import type { IntegerKind } from "./fp_host.ts";
import { type Operation, ROUNDING } from "./fp_operations.ts";

/** Code of an operation with fraction bits. */
export const integerCode = ({ op, variant }: Operation, ftype: number, fractionBits: number): number =>
  fpOpCode(op, ftype, { ...variant, fractionBits });

/** 2 to a power of -64 to 64, in a precision; half precision has no use for it. */
export function powerOfTwo(m: Semantics, ftype: number, power: I32): Value<"f32"> | Value<"f64"> {
  if (ftype === SINGLE) return m.let(f32.reinterpret_i32(i32.shl(i32.add(power, i32.const(127)), i32.const(23))));
  return m.let(f64.reinterpret_i64(i64.shl(i64.extend_s(i32.add(power, i32.const(1023))), i64.const(52n))));
}

/**
 * SCVTF and UCVTF: bits of the number.
 *
 * @param fraction Bits after the point, if there are any.
 */
export function convertInteger(
  m: Semantics,
  ftype: number,
  from: IntegerKind,
  integer: I64,
  fraction?: (fields: Raw<string>) => number,
): I64 {
  const { size, unsigned } = from;
  const operation: Operation = { op: FpOp.FromFixed, variant: from };
  const value = m.let(integer);
  const slow = () => {
    const code = fraction ? m.i32((f) => integerCode(operation, ftype, fraction(f))) : integerCode(operation, ftype, 0);
    return m.softFloat(code, [value]);
  };
  if (ftype === HALF || size === 16) return m.let(slow());
  const power = fraction && i32.sub(i32.const(0), m.u8(fraction));
  const number = () => {
    if (ftype === SINGLE) {
      const converted = convertTo(f32, size, unsigned, value);
      return i64.extend_u(i32.reinterpret_f32(power ? f32.mul(converted, powerOfTwo(m, ftype, power) as Value<"f32">) : converted));
    }
    const converted = convertTo(f64, size, unsigned, value);
    return i64.reinterpret_f64(power ? f64.mul(converted, powerOfTwo(m, ftype, power) as Value<"f64">) : converted);
  };
  if (ftype !== SINGLE && size === 32) return number();
  const result = m.variable(i64.const(0n));
  m.if(
    i32.or(isClearAndInexact(m, ROUNDING), i32.and(isClear(m, ROUNDING), isShort(value, from, ftype === SINGLE ? 24n : 53n))),
    () => result.set(number()),
    () => result.set(slow()),
  );
  return result.get();
}

function convertTo<T extends "f32" | "f64">(to: IntegerConversions<T>, size: number, unsigned: boolean, value: I64): Value<T> {
  if (size === 64) return unsigned ? to.convert_i64_u(value) : to.convert_i64_s(value);
  return unsigned ? to.convert_i32_u(i32.wrap(value)) : to.convert_i32_s(i32.wrap(value));
}

interface IntegerConversions<T extends "f32" | "f64"> {
  convert_i32_s(a: I32): Value<T>;
  convert_i32_u(a: I32): Value<T>;
  convert_i64_s(a: I64): Value<T>;
  convert_i64_u(a: I64): Value<T>;
}

/** The magnitude has so few bits that every such integer is a number. */
function isShort(value: I64, { size, unsigned }: IntegerKind, bits: bigint): I32 {
  const wide = size === 64 ? value : unsigned ? i64.extend_u(i32.wrap(value)) : i64.extend_s(i32.wrap(value));
  if (unsigned) return i64.lt_u(wide, i64.const(1n << bits));
  return i64.lt_u(i64.add(wide, i64.const(1n << bits)), i64.const(2n << bits));
}
