/** FCVTL, FCVTN and FCVTXN of Arm ARM DDI 0487, "Advanced SIMD two-register miscellaneous": to the next precision. */
import { a64, type Declaration, type I64, i64x2, type Semantics, type V128 } from "./dsl.ts";
import { compute, DOUBLE, HALF, readBits, SINGLE } from "./fp_compute.ts";
import { FpFormat, FpOp } from "./fp_op_code.ts";
import { type Operation, resize } from "./fp_operations.ts";
import { byLane, laneBits, shapeOf } from "./simd_fp_lanes.ts";
import { vector } from "./simd_names.ts";

const long = a64({
  bits: "0 Q 0011100 sz 100001011110 Rn:5 Rd:5",
  known: ["Q", "sz"],
  fp: true,
  asm: (f) => `fcvtl${f.Q ? "2" : ""} ${vector(f.Rd, 2 + f.sz, 1)}, ${vector(f.Rn, 1 + f.sz, f.Q)}`,
  emit(m, { Q, sz, Rn, Rd }) {
    const [from, to] = sz ? [SINGLE, DOUBLE] : [HALF, SINGLE];
    const shape = shapeOf(to, 1);
    const value = m.let(m.v(Rn));
    const offset = Q ? shape.lanes : 0;
    m.setV(Rd, byLane(m, shape, (lane) => compute(m, resize(to), from, [laneBits(value, from, lane + offset)])));
  },
});

/** Writes one half of a register; the lower one clears the upper one. */
function writeHalf(m: Semantics, rd: Parameters<Semantics["v"]>[0], Q: number, half: V128): void {
  const bits: I64 = i64x2.extract_lane(half, 0);
  if (Q) m.setVLane(rd, 3, 1, bits);
  else m.setVLow64(rd, bits);
}

const narrow = a64({
  bits: "0 Q 0011100 sz 100001011010 Rn:5 Rd:5",
  known: ["Q", "sz"],
  fp: true,
  asm: (f) => `fcvtn${f.Q ? "2" : ""} ${vector(f.Rd, 1 + f.sz, f.Q)}, ${vector(f.Rn, 2 + f.sz, 1)}`,
  emit(m, { Q, sz, Rn, Rd }) {
    const [from, to] = sz ? [DOUBLE, SINGLE] : [SINGLE, HALF];
    const value = m.let(m.v(Rn));
    const half = byLane(m, shapeOf(to, 0), (lane) => compute(m, resize(to), from, [laneBits(value, from, lane)]));
    writeHalf(m, Rd, Q, half);
  },
});

const toOdd: Operation = { op: FpOp.ConvertOdd, variant: { target: FpFormat.Single } };

const narrowToOdd = a64({
  bits: "0 Q 10111001100001011010 Rn:5 Rd:5",
  known: ["Q"],
  fp: true,
  asm: (f) => `fcvtxn${f.Q ? "2" : ""} ${vector(f.Rd, 2, f.Q)}, ${vector(f.Rn, 3, 1)}`,
  emit(m, { Q, Rn, Rd }) {
    const value = m.let(m.v(Rn));
    writeHalf(m, Rd, Q, byLane(m, shapeOf(SINGLE, 0), (lane) => compute(m, toOdd, DOUBLE, [laneBits(value, DOUBLE, lane)])));
  },
});

const scalarToOdd = a64({
  bits: "0111111001100001011010 Rn:5 Rd:5",
  fp: true,
  asm: (f) => `fcvtxn s${f.Rd}, d${f.Rn}`,
  emit(m, { Rn, Rd }) {
    m.setVLow64(Rd, compute(m, toOdd, DOUBLE, [readBits(m, Rn, DOUBLE)]));
  },
});

/** All of them. */
export const simdFpResize: readonly Declaration[] = [long, narrow, narrowToOdd, scalarToOdd];
