/**
 * Arm ARM DDI 0487, "Advanced SIMD two-register miscellaneous", "Advanced SIMD two-register miscellaneous (FP16)" and their
 * scalar counterparts: floating point of one operand, in one precision.
 */
import { a64, type Declaration, i64, type Raw, type Register, type Semantics, v128 } from "./dsl.ts";
import { compute, HALF, readBits, widthOf } from "./fp_compute.ts";
import { convertInteger } from "./fp_integer.ts";
import { float, sizeOf } from "./fp_names.ts";
import { arithmetic, type Operation, roundToIntegral, toInteger } from "./fp_operations.ts";
import { convertIntegers } from "./simd_fp_integer.ts";
import { clearRest, computeRegisters, computeVector, scalarShape, type Shape, shapeOf, splatBits } from "./simd_fp_lanes.ts";
import { vector } from "./simd_names.ts";

interface Row {
  readonly name: string;
  /** Writes the result. */
  emit(m: Semantics, shape: Shape, rd: Register, rn: Register): void;
  /** Which forms exist. */
  readonly only?: "scalar" | "vector";
  /** Compares with zero, which the text shows. */
  readonly zero?: boolean;
}

const vectorOnly = (name: string, operation: Operation): Row => ({ ...both(name, operation), only: "vector" });

const both = (name: string, operation: Operation): Row => ({
  name,
  emit: (m, shape, rd, rn) => computeRegisters(m, operation, shape, rd, [rn]),
});

/** Compares with zero; `swapped`: zero comes first. */
const withZero = (name: string, operation: Operation, swapped = false): Row => ({
  name,
  zero: true,
  emit(m, shape, rd, rn) {
    const order = <T>(value: T, zero: T) => swapped ? [zero, value] : [value, zero];
    if (shape.lanes === 1) m.setVLow64(rd, compute(m, operation, shape.ftype, order(readBits(m, rn, shape.ftype), i64.const(0n))));
    else m.setV(rd, computeVector(m, operation, shape, order(m.v(rn), v128.const(0n, 0n))));
  },
});

/** Changes signs, which is no arithmetic. */
const signs = (name: string, change: "abs" | "neg"): Row => ({
  name,
  only: "vector",
  emit(m, shape, rd, rn) {
    const sign = 1n << BigInt(widthOf(shape.ftype) - 1);
    const mask = splatBits(i64.const(sign), shape.ftype);
    m.setV(rd, clearRest(shape, change === "neg" ? v128.xor(m.v(rn), mask) : v128.andnot(m.v(rn), mask)));
  },
});

const toIntegers = (letter: string, U: number): Row => ({
  name: `fcvt${letter.toLowerCase()}${"su"[U]}`,
  emit(m, shape, rd, rn) {
    computeRegisters(m, toInteger(letter, { size: widthOf(shape.ftype), unsigned: U === 1 }), shape, rd, [rn]);
  },
});

const fromIntegers = (U: number): Row => ({
  name: `${"su"[U]}cvtf`,
  emit(m, shape, rd, rn) {
    const from = { size: widthOf(shape.ftype), unsigned: U === 1 };
    if (shape.lanes === 1) m.setVLow64(rd, convertInteger(m, shape.ftype, from, readBits(m, rn, shape.ftype)));
    else m.setV(rd, convertIntegers(m, shape, from, m.v(rn)));
  },
});

/** By U, bit 23, and opcode. */
const rows: Readonly<Record<number, Row>> = {
  0b0_1_01100: withZero("fcmgt", arithmetic.gt),
  0b0_1_01101: withZero("fcmeq", arithmetic.eq),
  0b0_1_01110: withZero("fcmlt", arithmetic.gt, true),
  0b1_1_01100: withZero("fcmge", arithmetic.ge),
  0b1_1_01101: withZero("fcmle", arithmetic.ge, true),
  0b0_1_01111: signs("fabs", "abs"),
  0b1_1_01111: signs("fneg", "neg"),
  0b1_1_11111: vectorOnly("fsqrt", arithmetic.sqrt),
  0b0_0_11000: vectorOnly("frintn", roundToIntegral("N")),
  0b0_0_11001: vectorOnly("frintm", roundToIntegral("M")),
  0b0_1_11000: vectorOnly("frintp", roundToIntegral("P")),
  0b0_1_11001: vectorOnly("frintz", roundToIntegral("Z")),
  0b1_0_11000: vectorOnly("frinta", roundToIntegral("A")),
  0b1_0_11001: vectorOnly("frintx", roundToIntegral("X")),
  0b1_1_11001: vectorOnly("frinti", roundToIntegral("I")),
  0b0_0_11010: toIntegers("N", 0),
  0b1_0_11010: toIntegers("N", 1),
  0b0_0_11011: toIntegers("M", 0),
  0b1_0_11011: toIntegers("M", 1),
  0b0_0_11100: toIntegers("A", 0),
  0b1_0_11100: toIntegers("A", 1),
  0b0_1_11010: toIntegers("P", 0),
  0b1_1_11010: toIntegers("P", 1),
  0b0_1_11011: toIntegers("Z", 0),
  0b1_1_11011: toIntegers("Z", 1),
  0b0_0_11101: fromIntegers(0),
  0b1_0_11101: fromIntegers(1),
  0b0_1_11101: both("frecpe", arithmetic.recipEstimate),
  0b1_1_11101: both("frsqrte", arithmetic.rsqrtEstimate),
  0b0_1_11111: { ...both("frecpx", arithmetic.recipExponent), only: "scalar" },
};

type Fields = Raw<"U" | "a" | "opcode" | "Rn" | "Rd">;

const rowOf = ({ U, a, opcode }: { U: number; a: number; opcode: number }): Row | undefined => rows[U << 6 | a << 5 | opcode];

const exists = (f: Fields, without: "scalar" | "vector") => rowOf(f) !== undefined && rowOf(f)!.only !== without;

function text(f: Fields, register: (n: number) => string): string {
  const { name, zero } = rowOf(f)!;
  return `${name} ${register(f.Rd)}, ${register(f.Rn)}${zero ? ", #0.0" : ""}`;
}

const vectorForm = a64({
  bits: "0 Q U 01110 a sz 10000 opcode:5 10 Rn:5 Rd:5",
  known: ["Q", "U", "a", "sz", "opcode"],
  fp: true,
  when: (f) => f.Q >= f.sz && exists(f, "scalar"),
  asm: (f) => text(f, (n) => vector(n, sizeOf(f.sz), f.Q)),
  emit: (m, { Q, U, a, sz, opcode, Rn, Rd }) => rowOf({ U, a, opcode })!.emit(m, shapeOf(sz, Q), Rd, Rn),
});

const vectorHalfForm = a64({
  bits: "0 Q U 01110 a 111100 opcode:5 10 Rn:5 Rd:5",
  known: ["Q", "U", "a", "opcode"],
  fp: true,
  feature: "FP16",
  when: (f) => exists(f, "scalar"),
  asm: (f) => text(f, (n) => vector(n, sizeOf(HALF), f.Q)),
  emit: (m, { Q, U, a, opcode, Rn, Rd }) => rowOf({ U, a, opcode })!.emit(m, shapeOf(HALF, Q), Rd, Rn),
});

const scalarForm = a64({
  bits: "01 U 11110 a sz 10000 opcode:5 10 Rn:5 Rd:5",
  known: ["U", "a", "sz", "opcode"],
  fp: true,
  when: (f) => exists(f, "vector"),
  asm: (f) => text(f, (n) => float(f.sz, n)),
  emit: (m, { U, a, sz, opcode, Rn, Rd }) => rowOf({ U, a, opcode })!.emit(m, scalarShape(sz), Rd, Rn),
});

const scalarHalfForm = a64({
  bits: "01 U 11110 a 111100 opcode:5 10 Rn:5 Rd:5",
  known: ["U", "a", "opcode"],
  fp: true,
  feature: "FP16",
  when: (f) => exists(f, "vector"),
  asm: (f) => text(f, (n) => float(HALF, n)),
  emit: (m, { U, a, opcode, Rn, Rd }) => rowOf({ U, a, opcode })!.emit(m, scalarShape(HALF), Rd, Rn),
});

/** All of them. */
export const simdFpTwoMisc: readonly Declaration[] = [vectorForm, vectorHalfForm, scalarForm, scalarHalfForm];
