/** Arm ARM DDI 0487, "Advanced SIMD across lanes" and "Advanced SIMD scalar pairwise": floating point. */
import { a64, type Declaration, type Feature, type I64, type Raw, type Semantics, type V128 } from "./dsl.ts";
import { compute, HALF } from "./fp_compute.ts";
import { float, sizeOf } from "./fp_names.ts";
import { arithmetic, type Operation } from "./fp_operations.ts";
import { laneBits } from "./simd_fp_lanes.ts";
import { vector } from "./simd_names.ts";

interface Row {
  readonly name: string;
  readonly operation: Operation;
}

/** By bit 23 and opcode; names are those of the forms with two elements, others end in V. */
const rows: Readonly<Record<number, Row>> = {
  0b0_01100: { name: "fmaxnm", operation: arithmetic.maxNum },
  0b1_01100: { name: "fminnm", operation: arithmetic.minNum },
  0b0_01101: { name: "fadd", operation: arithmetic.add },
  0b0_01111: { name: "fmax", operation: arithmetic.max },
  0b1_01111: { name: "fmin", operation: arithmetic.min },
};

const rowOf = ({ a, opcode }: { a: number; opcode: number }): Row | undefined => rows[a << 5 | opcode];

/** Halves first, then what they give: the order matters to NaNs. */
function reduce(m: Semantics, operation: Operation, ftype: number, value: V128, from: number, count: number): I64 {
  if (count === 1) return laneBits(value, ftype, from);
  const half = count / 2;
  const parts = [from, from + half].map((start) => reduce(m, operation, ftype, value, start, half));
  return compute(m, operation, ftype, parts);
}

/** U tells the precision: half, or what `sz` says. */
const formatOf = ({ U, sz }: { U: number; sz: number }): number => U ? sz : HALF;

const feature = (f: Raw<"U">): Feature | undefined => f.U ? undefined : "FP16";

const acrossLanes = a64({
  bits: "0 Q U 01110 a 011000 opcode:5 10 Rn:5 Rd:5",
  known: ["Q", "U", "a", "opcode"],
  fp: true,
  when: (f) => rowOf(f) !== undefined && f.opcode !== 0b01101 && f.Q >= f.U,
  feature,
  asm: (f) => {
    const ftype = formatOf({ U: f.U, sz: 0 });
    return `${rowOf(f)!.name}v ${float(ftype, f.Rd)}, ${vector(f.Rn, sizeOf(ftype), f.Q)}`;
  },
  emit(m, { Q, U, a, opcode, Rn, Rd }) {
    m.setVLow64(Rd, reduce(m, rowOf({ a, opcode })!.operation, formatOf({ U, sz: 0 }), m.let(m.v(Rn)), 0, U ? 4 : Q ? 8 : 4));
  },
});

const pair = a64({
  bits: "01 U 11110 a sz 11000 opcode:5 10 Rn:5 Rd:5",
  known: ["U", "a", "sz", "opcode"],
  fp: true,
  when: (f) => rowOf(f) !== undefined && f.U >= f.sz,
  feature,
  asm: (f) => {
    const ftype = formatOf(f);
    const size = sizeOf(ftype);
    return `${rowOf(f)!.name}p ${float(ftype, f.Rd)}, v${f.Rn}.2${"bhsd"[size]}`;
  },
  emit(m, { U, a, sz, opcode, Rn, Rd }) {
    m.setVLow64(Rd, reduce(m, rowOf({ a, opcode })!.operation, formatOf({ U, sz }), m.let(m.v(Rn)), 0, 2));
  },
});

/** All of them. */
export const simdFpAcross: readonly Declaration[] = [acrossLanes, pair];
