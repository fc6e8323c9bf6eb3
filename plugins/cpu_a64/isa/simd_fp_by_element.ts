/** Arm ARM DDI 0487, "Advanced SIMD vector x indexed element" and "Advanced SIMD scalar x indexed element": floating point. */
import { a64, type Declaration, type Field, type I64, type Raw, type Register, type Semantics } from "./dsl.ts";
import { compute, HALF, readBits } from "./fp_compute.ts";
import { float, sizeOf } from "./fp_names.ts";
import { arithmetic, type Operation } from "./fp_operations.ts";
import { computeVector, scalarShape, type Shape, shapeOf, splatBits } from "./simd_fp_lanes.ts";
import { element, vector } from "./simd_names.ts";

interface Row {
  readonly name: string;
  readonly operation: Operation;
  readonly accumulates?: boolean;
}

/** By U and opcode. */
const rows: Readonly<Record<number, Row>> = {
  0b0_0001: { name: "fmla", operation: arithmetic.mulAdd, accumulates: true },
  0b0_0101: { name: "fmls", operation: { ...arithmetic.mulAdd, negate: [0] }, accumulates: true },
  0b0_1001: { name: "fmul", operation: arithmetic.mul },
  0b1_1001: { name: "fmulx", operation: arithmetic.mulX },
};

const rowOf = ({ U, opcode }: { U: number; opcode: number }): Row | undefined => rows[U << 4 | opcode];

const wideIndex = (f: Raw<"sz" | "L" | "H">): number => f.sz ? f.H : f.H << 1 | f.L;
const halfIndex = (f: Raw<"L" | "M" | "H">): number => f.H << 2 | f.L << 1 | f.M;

function emit(m: Semantics, row: Row, shape: Shape, Rd: Register, Rn: Register, number: I64): void {
  const { operation, accumulates } = row;
  const { ftype, lanes } = shape;
  if (lanes === 1) {
    const rest = accumulates ? [readBits(m, Rd, ftype)] : [];
    return m.setVLow64(Rd, compute(m, operation, ftype, [readBits(m, Rn, ftype), number, ...rest]));
  }
  const rest = accumulates ? [m.v(Rd)] : [];
  m.setV(Rd, computeVector(m, operation, shape, [m.v(Rn), splatBits(number, ftype), ...rest]));
}

type Operands = { readonly U: number; readonly opcode: number; readonly Rd: Field; readonly Rn: Field; readonly Rm: Field };

function emitWide(m: Semantics<"sz" | "L" | "H">, { U, opcode, Rd, Rn, Rm }: Operands, shape: Shape): void {
  emit(m as Semantics, rowOf({ U, opcode })!, shape, Rd, Rn, m.vLaneAt(Rm, sizeOf(shape.ftype), wideIndex));
}

function emitHalf(m: Semantics<"L" | "M" | "H">, { U, opcode, Rd, Rn, Rm }: Operands, shape: Shape): void {
  emit(m as Semantics, rowOf({ U, opcode })!, shape, Rd, Rn, m.vLaneAt(Rm, sizeOf(HALF), halfIndex));
}

const vectorForm = a64({
  bits: "0 Q U 011111 sz L Rm:5 opcode:4 H 0 Rn:5 Rd:5",
  known: ["Q", "U", "sz", "opcode"],
  fp: true,
  when: (f) => rowOf(f) !== undefined && (f.sz === 0 || (f.Q === 1 && f.L === 0)),
  asm: (f) => {
    const size = sizeOf(f.sz);
    return `${rowOf(f)!.name} ${vector(f.Rd, size, f.Q)}, ${vector(f.Rn, size, f.Q)}, ${element(f.Rm, size, wideIndex(f))}`;
  },
  emit: (m, f) => emitWide(m, f, shapeOf(f.sz, f.Q)),
});

const scalarForm = a64({
  bits: "01 U 111111 sz L Rm:5 opcode:4 H 0 Rn:5 Rd:5",
  known: ["U", "sz", "opcode"],
  fp: true,
  when: (f) => rowOf(f) !== undefined && (f.sz === 0 || f.L === 0),
  asm: (f) => `${rowOf(f)!.name} ${float(f.sz, f.Rd)}, ${float(f.sz, f.Rn)}, ${element(f.Rm, sizeOf(f.sz), wideIndex(f))}`,
  emit: (m, f) => emitWide(m, f, scalarShape(f.sz)),
});

const vectorHalfForm = a64({
  bits: "0 Q U 0111100 L M Rm:4 opcode:4 H 0 Rn:5 Rd:5",
  known: ["Q", "U", "opcode"],
  fp: true,
  feature: "FP16",
  when: (f) => rowOf(f) !== undefined,
  asm: (f) => `${rowOf(f)!.name} ${vector(f.Rd, 1, f.Q)}, ${vector(f.Rn, 1, f.Q)}, ${element(f.Rm, 1, halfIndex(f))}`,
  emit: (m, f) => emitHalf(m, f, shapeOf(HALF, f.Q)),
});

const scalarHalfForm = a64({
  bits: "01 U 1111100 L M Rm:4 opcode:4 H 0 Rn:5 Rd:5",
  known: ["U", "opcode"],
  fp: true,
  feature: "FP16",
  when: (f) => rowOf(f) !== undefined,
  asm: (f) => `${rowOf(f)!.name} ${float(HALF, f.Rd)}, ${float(HALF, f.Rn)}, ${element(f.Rm, 1, halfIndex(f))}`,
  emit: (m, f) => emitHalf(m, f, scalarShape(HALF)),
});

/** All of them. */
export const simdFpByElement: readonly Declaration[] = [vectorForm, scalarForm, vectorHalfForm, scalarHalfForm];
