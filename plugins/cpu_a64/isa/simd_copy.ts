/** Arm ARM DDI 0487, "Advanced SIMD copy" and "Advanced SIMD scalar copy". */
import { a64, type Declaration, i64, type Raw } from "./dsl.ts";
import { reg } from "./names.ts";
import { lanesOf } from "./simd_lanes.ts";
import { element, scalar, vector } from "./simd_names.ts";

/** `imm5` holds the element's size as its lowest bit that is set, and the index above. */
const sizeOf = (f: { imm5: number }): number => f.imm5 === 0 ? 4 : 31 - Math.clz32(f.imm5 & -f.imm5);
const indexOf = (f: { imm5: number }): number => f.imm5 >> (sizeOf(f) + 1);
const bySize = { size: sizeOf };

const duplicateElement = a64({
  bits: "0 Q 001110000 imm5:5 000001 Rn:5 Rd:5",
  known: ["Q"],
  split: bySize,
  fp: true,
  when: (f) => sizeOf(f) < 3 + f.Q,
  asm: (f) => `dup ${vector(f.Rd, sizeOf(f), f.Q)}, ${element(f.Rn, sizeOf(f), indexOf(f))}`,
  emit(m, { Q, size, Rn, Rd }) {
    const lanes = lanesOf(m, size, Q);
    lanes.write(Rd, lanes.splatValue(m.vLaneAt(Rn, size, indexOf)));
  },
});

const duplicateElementScalar = a64({
  bits: "01011110000 imm5:5 000001 Rn:5 Rd:5",
  split: bySize,
  fp: true,
  when: (f) => sizeOf(f) < 4,
  asm: (f) => `mov ${scalar(f.Rd, sizeOf(f))}, ${element(f.Rn, sizeOf(f), indexOf(f))}`,
  emit(m, { size, Rn, Rd }) {
    m.setVLow64(Rd, m.let(m.vLaneAt(Rn, size, indexOf)));
  },
});

const duplicateGeneral = a64({
  bits: "0 Q 001110000 imm5:5 000011 Rn:5 Rd:5",
  known: ["Q"],
  split: bySize,
  fp: true,
  when: (f) => sizeOf(f) < 3 + f.Q,
  asm: (f) => `dup ${vector(f.Rd, sizeOf(f), f.Q)}, ${reg(+(sizeOf(f) === 3), f.Rn)}`,
  // The bits of the index are ignored; assemblers write zeros.
  unpredictable: (f) => indexOf(f) !== 0,
  emit(m, { Q, size, Rn, Rd }) {
    const lanes = lanesOf(m, size, Q);
    lanes.write(Rd, lanes.splatValue(m.x.read(Rn)));
  },
});

/** To a general register: SMOV, UMOV; MOV where it fills it. */
const moveToGeneral = a64({
  bits: "0 Q 001110000 imm5:5 001 U 11 Rn:5 Rd:5",
  known: ["Q", "U"],
  split: bySize,
  fp: true,
  when: (f) => f.U ? (f.Q ? sizeOf(f) === 3 : sizeOf(f) < 3) : sizeOf(f) < 2 + f.Q,
  asm: (f) => `${f.U ? sizeOf(f) < 2 ? "umov" : "mov" : "smov"} ${reg(f.Q, f.Rd)}, ${element(f.Rn, sizeOf(f), indexOf(f))}`,
  emit(m, { Q, U, size, Rn, Rd }) {
    const value = m.vLaneAt(Rn, size, indexOf);
    if (U) return m.x.write(Rd, value);
    const wide = [i64.extend8_s, i64.extend16_s, i64.extend32_s][size](value);
    m.x.write(Rd, Q ? wide : i64.and(wide, i64.const(0xffff_ffffn)));
  },
});

const insertGeneral = a64({
  bits: "01001110000 imm5:5 000111 Rn:5 Rd:5",
  split: bySize,
  fp: true,
  when: (f) => sizeOf(f) < 4,
  asm: (f) => `mov ${element(f.Rd, sizeOf(f), indexOf(f))}, ${reg(+(sizeOf(f) === 3), f.Rn)}`,
  emit(m, { size, Rn, Rd }) {
    m.setVLaneAt(Rd, size, indexOf, m.x.read(Rn));
  },
});

const sourceIndex = (f: Raw<"imm4" | "imm5">): number => f.imm4 >> sizeOf(f);

const insertElement = a64({
  bits: "01101110000 imm5:5 0 imm4:4 1 Rn:5 Rd:5",
  split: bySize,
  fp: true,
  when: (f) => sizeOf(f) < 4,
  asm: (f) => `mov ${element(f.Rd, sizeOf(f), indexOf(f))}, ${element(f.Rn, sizeOf(f), sourceIndex(f))}`,
  // Bits of imm4 below the index are ignored; assemblers write zeros.
  unpredictable: (f) => sourceIndex(f) << sizeOf(f) !== f.imm4,
  emit(m, { size, Rn, Rd }) {
    m.setVLaneAt(Rd, size, indexOf, m.vLaneAt(Rn, size, sourceIndex));
  },
});

/** All of them. */
export const simdCopy: readonly Declaration[] = [
  duplicateElement,
  duplicateElementScalar,
  duplicateGeneral,
  moveToGeneral,
  insertGeneral,
  insertElement,
];
