/** Arm ARM DDI 0487, "Advanced SIMD permute", "Advanced SIMD extract" and "Advanced SIMD table lookup". */
import { a64, type Declaration, i8x16, type V128, v128 } from "./dsl.ts";
import { lanesOf, zero } from "./simd_lanes.ts";
import { list, vector } from "./simd_names.ts";

/** By `opcode`: which element of the two sources (of `count` each; the second's from `second` on) comes to `i`. */
const permutations: Readonly<Record<number, { name: string; from: (i: number, count: number, second: number) => number }>> = {
  1: { name: "uzp1", from: (i, count, second) => 2 * i < count ? 2 * i : second + 2 * i - count },
  2: { name: "trn1", from: (i, _, second) => i & 1 ? second + i - 1 : i },
  3: { name: "zip1", from: (i, _, second) => (i & 1 ? second : 0) + (i >> 1) },
  5: { name: "uzp2", from: (i, count, second) => 2 * i < count ? 2 * i + 1 : second + 2 * i + 1 - count },
  6: { name: "trn2", from: (i, _, second) => i & 1 ? second + i : i + 1 },
  7: { name: "zip2", from: (i, count, second) => (i & 1 ? second : 0) + (count + i >> 1) },
};

const permute = a64({
  bits: "0 Q 001110 size:2 0 Rm:5 0 opcode:3 10 Rn:5 Rd:5",
  known: ["Q", "size", "opcode"],
  fp: true,
  when: (f) => f.opcode in permutations && f.size < 3 + f.Q,
  asm: (f) => `${permutations[f.opcode].name} ${vector(f.Rd, f.size, f.Q)}, ${vector(f.Rn, f.size, f.Q)}, ${vector(f.Rm, f.size, f.Q)}`,
  emit(m, { Q, size, opcode, Rm, Rn, Rd }) {
    const lanes = lanesOf(m, size, Q);
    const { from } = permutations[opcode];
    lanes.write(Rd, lanes.pick(m.v(Rn), m.v(Rm), (i) => from(i, lanes.count, 16 >> size)));
  },
});

const extract = a64({
  bits: "0 Q 101110000 Rm:5 0 imm4:4 0 Rn:5 Rd:5",
  known: ["Q", "imm4"],
  fp: true,
  when: (f) => f.Q === 1 || f.imm4 < 8,
  asm: (f) => `ext ${vector(f.Rd, 0, f.Q)}, ${vector(f.Rn, 0, f.Q)}, ${vector(f.Rm, 0, f.Q)}, #${f.imm4}`,
  emit(m, { Q, imm4, Rm, Rn, Rd }) {
    const lanes = lanesOf(m, 0, Q);
    lanes.write(Rd, lanes.pick(m.v(Rn), m.v(Rm), (i) => i + imm4 < lanes.count ? i + imm4 : 16 + i + imm4 - lanes.count));
  },
});

/** TBL and TBX: bytes by their numbers from up to four registers. */
const lookUp = a64({
  bits: "0 Q 001110000 Rm:5 0 len:2 op 00 Rn:5 Rd:5",
  known: ["Q", "len", "op"],
  fp: true,
  asm: (f) => `${f.op ? "tbx" : "tbl"} ${vector(f.Rd, 0, f.Q)}, ${list(f.Rn, f.len + 1, 0, 1)}, ${vector(f.Rm, 0, f.Q)}`,
  emit(m, { Q, len, op, Rm, Rn, Rd }) {
    const lanes = lanesOf(m, 0, Q);
    const indices = lanes.read(Rm);
    let result: V128 = zero;
    for (let i = 0; i <= len; i++) {
      // Numbers outside of 0 to 15 give zero.
      const found = i8x16.swizzle(m.v(i === 0 ? Rn : { ...Rn, next: i }), i === 0 ? indices : lanes.sub(indices, lanes.splat(16 * i)));
      result = i === 0 ? found : v128.or(result, found);
    }
    if (op) result = v128.bitselect(m.v(Rd), result, lanes.gt(indices, lanes.splat(16 * (len + 1) - 1), 1));
    lanes.write(Rd, result);
  },
});

/** All of them. */
export const simdPermute: readonly Declaration[] = [permute, extract, lookUp];
