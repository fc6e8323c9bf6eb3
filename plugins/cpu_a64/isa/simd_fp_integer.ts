/** SCVTF and UCVTF of vectors, and the forms with fixed-point numbers: Arm ARM DDI 0487, "Advanced SIMD shift by immediate". */
import { a64, type Declaration, f32x4, type Raw, type Semantics, type V128, v128, type Value } from "./dsl.ts";
import { compute, HALF, readBits, SINGLE, widthOf } from "./fp_compute.ts";
import type { Host, IntegerKind } from "./fp_host.ts";
import { convertInteger, type FixedPoint, fixedPoint, fromInteger, powerOfTwo, scaleDown } from "./fp_integer.ts";
import { float, sizeOf } from "./fp_names.ts";
import { type Operation, ROUNDING, toInteger } from "./fp_operations.ts";
import { splat } from "./simd_fp_host.ts";
import { byLane, computeVector, laneBits, scalarShape, type Shape, shapeOf } from "./simd_fp_lanes.ts";
import { vector } from "./simd_names.ts";

/** Four integers to single precision. */
function fromIntegers(from: IntegerKind, scale?: V128): Operation {
  return {
    ...fromInteger(from),
    clear: ROUNDING,
    host(x: Host, a: Value) {
      const whole = x.let((from.unsigned ? f32x4.convert_i32x4_u : f32x4.convert_i32x4_s)(a as V128));
      return {
        value: scale ? x.mul(whole, scale) : whole,
        right: () => v128.const(-1n, -1n),
        silent: () => x.lt(x.abs(whole), x.const(2 ** 24)),
      };
    },
  };
}

/** Converts a vector of integers of the same width as the numbers. */
export function convertIntegers(m: Semantics, shape: Shape, from: IntegerKind, integers: V128, fixed?: FixedPoint): V128 {
  if (shape.ftype === SINGLE) {
    const scale = fixed && m.let(splat(scaleDown(m, SINGLE, fixed)));
    return computeVector(m, fromIntegers(from, scale), shape, [integers], { code: fixed?.code });
  }
  const value = m.let(integers);
  return byLane(m, shape, (lane) => convertInteger(m, shape.ftype, from, laneBits(value, shape.ftype, lane), fixed));
}

type Fields = Raw<"immh" | "immb">;

const formatOf = ({ immh }: Fields): number => immh >= 8 ? 1 : immh >= 4 ? 0 : HALF;

const fractionOf = (f: Fields): number => 2 * widthOf(formatOf(f)) - (f.immh << 3 | f.immb);

/** Converts between fixed point and floating point; `b`: to fixed point. */
function convertFixed(
  m: Semantics,
  shape: Shape,
  b: number,
  U: number,
  source: V128 | undefined,
  read: () => Value<"i64">,
): Value<"v128" | "i64"> {
  const { ftype } = shape;
  const kind = { size: widthOf(ftype), unsigned: U === 1 };
  const slow = b ? toInteger("Z", kind) : fromInteger(kind);
  const fixed = fixedPoint(m, slow, ftype, (f) => fractionOf(f as Fields));
  if (!b) return source ? convertIntegers(m, shape, kind, source, fixed) : convertInteger(m, ftype, kind, read(), fixed);
  if (ftype === HALF) return source ? computeVector(m, slow, shape, [source], fixed) : compute(m, slow, ftype, [read()], fixed.code);
  const scale = powerOfTwo(m, ftype, fixed.bits);
  const scalar = toInteger("Z", kind, scale);
  if (!source) return compute(m, scalar, ftype, [read()], fixed.code);
  return computeVector(m, toInteger("Z", kind, m.let(splat(scale))), shape, [source], { code: fixed.code, scalar });
}

const name = (f: Raw<"b" | "U">) => f.b ? `fcvtz${"su"[f.U]}` : `${"su"[f.U]}cvtf`;

const vectorForm = a64({
  bits: "0 Q U 011110 immh:4 immb:3 111 b:2 1 Rn:5 Rd:5",
  known: ["Q", "U", "b"],
  split: { ftype: formatOf },
  fp: true,
  when: (f) => f.immh >= 2 && (f.b === 0 || f.b === 3) && (f.Q === 1 || f.immh < 8),
  feature: (f) => formatOf(f) === HALF ? "FP16" : undefined,
  asm: (f) => `${name(f)} ${vector(f.Rd, sizeOf(formatOf(f)), f.Q)}, ${vector(f.Rn, sizeOf(formatOf(f)), f.Q)}, #${fractionOf(f)}`,
  emit(m, { Q, U, b, ftype, Rn, Rd }) {
    const value = m.let(m.v(Rn));
    m.setV(Rd, convertFixed(m, shapeOf(ftype, Q), b, U, value, () => laneBits(value, ftype, 0)) as V128);
  },
});

const scalarForm = a64({
  bits: "01 U 111110 immh:4 immb:3 111 b:2 1 Rn:5 Rd:5",
  known: ["U", "b"],
  split: { ftype: formatOf },
  fp: true,
  when: (f) => f.immh >= 2 && (f.b === 0 || f.b === 3),
  feature: (f) => formatOf(f) === HALF ? "FP16" : undefined,
  asm: (f) => `${name(f)} ${float(formatOf(f), f.Rd)}, ${float(formatOf(f), f.Rn)}, #${fractionOf(f)}`,
  emit(m, { U, b, ftype, Rn, Rd }) {
    m.setVLow64(Rd, convertFixed(m, scalarShape(ftype), b, U, undefined, () => readBits(m, Rn, ftype)) as Value<"i64">);
  },
});

/** The fixed-point forms. */
export const simdFpFixed: readonly Declaration[] = [vectorForm, scalarForm];
