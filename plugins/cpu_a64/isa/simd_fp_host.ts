/** The host's vectors of numbers, as {@linkcode Host} has them. Lanes that don't count hold anything. */
import { type F32, f32x4, type F64, f64x2, type I32, i32, i32x4, i64, i64x2, type Semantics, type V128, v128 } from "./dsl.ts";
import { type Host, isZeroProduct } from "./fp_host.ts";

/** The host's vectors in one precision, single unless `double`; the first `lanes` lanes count. */
export function vectorHost(m: Semantics, double: boolean, lanes: number): Host<"v128", "v128"> {
  const counting = i32.const(2 ** lanes - 1);
  const constant = (value: number): V128 => {
    const bits = new DataView(new ArrayBuffer(8));
    if (double) bits.setFloat64(0, value);
    else [0, 4].forEach((at) => bits.setFloat32(at, value));
    return v128.const(bits.getBigUint64(0), bits.getBigUint64(0));
  };
  const operations = double ? f64x2 : f32x4;
  const truth = double ? i64x2 : i32x4;
  const sign = constant(-0);
  const quietBit = double ? v128.const(1n << 51n, 1n << 51n) : v128.const(0x0040_0000_0040_0000n, 0x0040_0000_0040_0000n);
  const least = double ? 2 ** -1022 : 2 ** -126;
  const host: Host<"v128", "v128"> = {
    ...operations,
    both: v128.and,
    either: v128.or,
    truth: (condition: I32) => {
      const mask = i32.sub(i32.const(0), condition);
      return double ? i64x2.splat(i64.extend_s(mask)) : i32x4.splat(mask);
    },
    all: (mask) => i32.eq(lanes * (double ? 64 : 32) === 128 ? truth.bitmask(mask) : i32.and(truth.bitmask(mask), counting), counting),
    fill: (mask) => mask,
    choose: (mask, yes, no) => v128.bitselect(yes, no, mask),
    copysign: (magnitude, from) => v128.bitselect(from, magnitude, sign),
    const: constant,
    let: (value) => m.let(value),
    least,
    quiet: (a) => v128.or(operations.eq(a, a), truth.ne(v128.and(a, quietBit), v128.const(0n, 0n))),
    normal(a) {
      const magnitude = m.let(operations.abs(a));
      return v128.and(operations.gt(magnitude, constant(least)), operations.lt(magnitude, constant(Infinity)));
    },
    isProduct: (a, b, c) => isZeroProduct(host, a, b, c),
    multiplyAdd: (a, b, c) => ({ value: operations.relaxed_madd(a, b, c), right: v128.const(-1n, -1n) }),
    toInteger: (a, { unsigned }) => unsigned ? i32x4.trunc_sat_f32x4_u(a) : i32x4.trunc_sat_f32x4_s(a),
  };
  return host;
}

/** All lanes the same number. */
export function splat(value: F32 | F64): V128 {
  return value.type === "f32" ? f32x4.splat(value as F32) : f64x2.splat(value as F64);
}
