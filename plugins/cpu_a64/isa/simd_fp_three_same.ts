/**
 * Arm ARM DDI 0487, "Advanced SIMD three same", "Advanced SIMD three same (FP16)" and their scalar
 * counterparts: floating point.
 */
import { a64, type Declaration, type Feature, i8x16, type Raw, type Register, type Semantics, type V128 } from "./dsl.ts";
import { HALF, widthOf } from "./fp_compute.ts";
import { float, sizeOf } from "./fp_names.ts";
import { arithmetic, type Operation } from "./fp_operations.ts";
import { computeRegisters, computeVector, scalarShape, type Shape, shapeOf } from "./simd_fp_lanes.ts";
import { vector } from "./simd_names.ts";

interface Row {
  readonly name: string;
  readonly operation: Operation;
  /** Combines neighbours. */
  readonly pairs?: boolean;
  /** Adds to the destination. */
  readonly accumulates?: boolean;
  /** There is a scalar form, too. */
  readonly scalar?: boolean;
}

/** By U, bit 23, and the opcode's last three bits. */
const rows: Readonly<Record<number, Row>> = {
  0b0_0_000: { name: "fmaxnm", operation: arithmetic.maxNum },
  0b0_1_000: { name: "fminnm", operation: arithmetic.minNum },
  0b1_0_000: { name: "fmaxnmp", operation: arithmetic.maxNum, pairs: true },
  0b1_1_000: { name: "fminnmp", operation: arithmetic.minNum, pairs: true },
  0b0_0_001: { name: "fmla", operation: arithmetic.mulAdd, accumulates: true },
  0b0_1_001: { name: "fmls", operation: { ...arithmetic.mulAdd, negate: [0] }, accumulates: true },
  0b0_0_010: { name: "fadd", operation: arithmetic.add },
  0b0_1_010: { name: "fsub", operation: arithmetic.sub },
  0b1_0_010: { name: "faddp", operation: arithmetic.add, pairs: true },
  0b1_1_010: { name: "fabd", operation: { ...arithmetic.sub, after: "abs" }, scalar: true },
  0b0_0_011: { name: "fmulx", operation: arithmetic.mulX, scalar: true },
  0b1_0_011: { name: "fmul", operation: arithmetic.mul },
  0b0_0_100: { name: "fcmeq", operation: arithmetic.eq, scalar: true },
  0b1_0_100: { name: "fcmge", operation: arithmetic.ge, scalar: true },
  0b1_1_100: { name: "fcmgt", operation: arithmetic.gt, scalar: true },
  0b1_0_101: { name: "facge", operation: arithmetic.absGe, scalar: true },
  0b1_1_101: { name: "facgt", operation: arithmetic.absGt, scalar: true },
  0b0_0_110: { name: "fmax", operation: arithmetic.max },
  0b0_1_110: { name: "fmin", operation: arithmetic.min },
  0b1_0_110: { name: "fmaxp", operation: arithmetic.max, pairs: true },
  0b1_1_110: { name: "fminp", operation: arithmetic.min, pairs: true },
  0b0_0_111: { name: "frecps", operation: arithmetic.recipStep, scalar: true },
  0b0_1_111: { name: "frsqrts", operation: arithmetic.rsqrtStep, scalar: true },
  0b1_0_111: { name: "fdiv", operation: arithmetic.div },
};

type Fields = Raw<"U" | "a" | "opcode" | "Rm" | "Rn" | "Rd">;

const rowOf = ({ U, a, opcode }: { U: number; a: number; opcode: number }): Row | undefined => rows[U << 4 | a << 3 | opcode];

/** Every second number of two registers in a row, beginning with the first or second. */
export function alternate({ ftype, lanes }: Shape, n: V128, m: V128, first: number): V128 {
  const bytes = widthOf(ftype) / 8;
  const indices = Array.from({ length: 16 }, (_, at) => {
    const from = Math.floor(at / bytes) * 2 + first;
    return (from < lanes ? from * bytes : 16 + (from - lanes) % lanes * bytes) + at % bytes;
  });
  return i8x16.shuffle(n, m, indices);
}

function emit(m: Semantics, row: Row, shape: Shape, Rm: Register, Rn: Register, Rd: Register): void {
  const { operation, pairs, accumulates } = row;
  if (!pairs) return computeRegisters(m, operation, shape, Rd, accumulates ? [Rn, Rm, Rd] : [Rn, Rm]);
  const [low, high] = [m.let(m.v(Rn)), m.let(m.v(Rm))];
  m.setV(Rd, computeVector(m, operation, shape, [alternate(shape, low, high, 0), alternate(shape, low, high, 1)]));
}

const vectors = (f: Fields, ftype: number, Q: number) =>
  `${rowOf(f)!.name} ${[f.Rd, f.Rn, f.Rm].map((n) => vector(n, sizeOf(ftype), Q)).join(", ")}`;

const scalars = (f: Fields, ftype: number) => `${rowOf(f)!.name} ${[f.Rd, f.Rn, f.Rm].map((n) => float(ftype, n)).join(", ")}`;

const fp16: { readonly feature: Feature } = { feature: "FP16" };

const vectorForm = a64({
  bits: "0 Q U 01110 a sz 1 Rm:5 11 opcode:3 1 Rn:5 Rd:5",
  known: ["Q", "U", "a", "sz", "opcode"],
  fp: true,
  when: (f) => f.Q >= f.sz && rowOf(f) !== undefined,
  asm: (f) => vectors(f, f.sz, f.Q),
  emit: (m, { Q, U, a, sz, opcode, Rm, Rn, Rd }) => emit(m, rowOf({ U, a, opcode })!, shapeOf(sz, Q), Rm, Rn, Rd),
});

const vectorHalfForm = a64({
  bits: "0 Q U 01110 a 10 Rm:5 00 opcode:3 1 Rn:5 Rd:5",
  known: ["Q", "U", "a", "opcode"],
  fp: true,
  when: (f) => rowOf(f) !== undefined,
  ...fp16,
  asm: (f) => vectors(f, HALF, f.Q),
  emit: (m, { Q, U, a, opcode, Rm, Rn, Rd }) => emit(m, rowOf({ U, a, opcode })!, shapeOf(HALF, Q), Rm, Rn, Rd),
});

const scalarForm = a64({
  bits: "01 U 11110 a sz 1 Rm:5 11 opcode:3 1 Rn:5 Rd:5",
  known: ["U", "a", "sz", "opcode"],
  fp: true,
  when: (f) => rowOf(f)?.scalar === true,
  asm: (f) => scalars(f, f.sz),
  emit: (m, { U, a, sz, opcode, Rm, Rn, Rd }) => emit(m, rowOf({ U, a, opcode })!, scalarShape(sz), Rm, Rn, Rd),
});

const scalarHalfForm = a64({
  bits: "01 U 11110 a 10 Rm:5 00 opcode:3 1 Rn:5 Rd:5",
  known: ["U", "a", "opcode"],
  fp: true,
  when: (f) => rowOf(f)?.scalar === true,
  ...fp16,
  asm: (f) => scalars(f, HALF),
  emit: (m, { U, a, opcode, Rm, Rn, Rd }) => emit(m, rowOf({ U, a, opcode })!, scalarShape(HALF), Rm, Rn, Rd),
});

/** All of them. */
export const simdFpThreeSame: readonly Declaration[] = [vectorForm, vectorHalfForm, scalarForm, scalarHalfForm];
