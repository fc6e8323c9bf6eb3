/** Arm ARM DDI 0487, "Advanced SIMD three same" and "Advanced SIMD scalar three same": integers and bits. */
import { a64, type Declaration, type V128, v128 } from "./dsl.ts";
import {
  absoluteDifference,
  addHalved,
  addHalvedRounded,
  addSaturated,
  pairwise,
  subtractHalved,
  subtractSaturated,
} from "./simd_arithmetic.ts";
import { type Lanes, lanesOf } from "./simd_lanes.ts";
import { dotProduct, doublingHigh, doublingHighAccumulated, multiplyPolynomials } from "./simd_multiply.ts";
import { elementLetter, scalar, vector } from "./simd_names.ts";
import { shiftByRegister } from "./simd_shift_register.ts";

/** One operation. `d` reads the destination's old value. */
type Compute = (lanes: Lanes, a: V128, b: V128, d: () => V128) => V128;

interface Operation {
  readonly name: string;
  /** Element sizes of the vector form; 64-bit ones need all 128 bits. */
  readonly sizes: string;
  /** Element sizes of the scalar form. */
  readonly scalar: string;
  readonly compute: Compute;
}

/** Operations by U, then opcode. */
const operations: [Record<number, Operation>, Record<number, Operation>] = [{}, {}];

/** Two instructions, signed and unsigned. */
function both(
  opcode: number,
  names: readonly [string, string],
  sizes: string,
  scalarSizes: string,
  compute: (l: Lanes, a: V128, b: V128, U: number, d: () => V128) => V128,
): void {
  names.forEach((name, U) => one(U, opcode, name, sizes, scalarSizes, (l, a, b, d) => compute(l, a, b, U, d)));
}

function one(U: number, opcode: number, name: string, sizes: string, scalarSizes: string, compute: Compute): void {
  operations[U][opcode] = { name, sizes, scalar: scalarSizes, compute };
}

both(0b00000, ["shadd", "uhadd"], "bhs", "", addHalved);
both(0b00001, ["sqadd", "uqadd"], "bhsd", "bhsd", addSaturated);
both(0b00010, ["srhadd", "urhadd"], "bhs", "", addHalvedRounded);
both(0b00100, ["shsub", "uhsub"], "bhs", "", subtractHalved);
both(0b00101, ["sqsub", "uqsub"], "bhsd", "bhsd", subtractSaturated);
both(0b00110, ["cmgt", "cmhi"], "bhsd", "d", (l, a, b, U) => l.gt(a, b, U));
both(0b00111, ["cmge", "cmhs"], "bhsd", "d", (l, a, b, U) => l.ge(a, b, U));
both(0b01000, ["sshl", "ushl"], "bhsd", "d", (l, a, b, U) => shiftByRegister(l, a, b, U, false, false));
both(0b01001, ["sqshl", "uqshl"], "bhsd", "bhsd", (l, a, b, U) => shiftByRegister(l, a, b, U, false, true));
both(0b01010, ["srshl", "urshl"], "bhsd", "d", (l, a, b, U) => shiftByRegister(l, a, b, U, true, false));
both(0b01011, ["sqrshl", "uqrshl"], "bhsd", "bhsd", (l, a, b, U) => shiftByRegister(l, a, b, U, true, true));
both(0b01100, ["smax", "umax"], "bhs", "", (l, a, b, U) => l.max(a, b, U));
both(0b01101, ["smin", "umin"], "bhs", "", (l, a, b, U) => l.min(a, b, U));
both(0b01110, ["sabd", "uabd"], "bhs", "", absoluteDifference);
both(0b01111, ["saba", "uaba"], "bhs", "", (l, a, b, U, d) => l.add(d(), absoluteDifference(l, a, b, U)));
one(0, 0b10000, "add", "bhsd", "d", (l, a, b) => l.add(a, b));
one(1, 0b10000, "sub", "bhsd", "d", (l, a, b) => l.sub(a, b));
one(0, 0b10001, "cmtst", "bhsd", "d", (l, a, b) => v128.not(l.eq(v128.and(a, b), l.splat(0))));
one(1, 0b10001, "cmeq", "bhsd", "d", (l, a, b) => l.eq(a, b));
one(0, 0b10010, "mla", "bhs", "", (l, a, b, d) => l.add(d(), l.mul(a, b)));
one(1, 0b10010, "mls", "bhs", "", (l, a, b, d) => l.sub(d(), l.mul(a, b)));
one(0, 0b10011, "mul", "bhs", "", (l, a, b) => l.mul(a, b));
one(1, 0b10011, "pmul", "b", "", (l, a, b) => multiplyPolynomials(l, a, b, 8));
both(0b10100, ["smaxp", "umaxp"], "bhs", "", (l, a, b, U) => pairwise(l, a, b, (x, y) => l.max(x, y, U)));
both(0b10101, ["sminp", "uminp"], "bhs", "", (l, a, b, U) => pairwise(l, a, b, (x, y) => l.min(x, y, U)));
one(0, 0b10110, "sqdmulh", "hs", "hs", (l, a, b) => doublingHigh(l, a, b, false));
one(1, 0b10110, "sqrdmulh", "hs", "hs", (l, a, b) => doublingHigh(l, a, b, true));
one(0, 0b10111, "addp", "bhsd", "", (l, a, b) => pairwise(l, a, b, (x, y) => l.add(x, y)));

/** Whether a form exists: vector or scalar, of this size. */
function exists(operation: Operation | undefined, f: { Q: number; scalar: number; size: number }): boolean {
  if (!operation) return false;
  if (f.scalar) return f.Q === 1 && operation.scalar.includes(elementLetter(f.size));
  return operation.sizes.includes(elementLetter(f.size)) && f.size < 3 + f.Q;
}

/** `name v0.8h, v1.8h, v2.8h` or `name h0, h1, h2`. */
function text(name: string, f: { Q: number; scalar: number; size: number; Rd: number; Rn: number; Rm: number }): string {
  return `${name} ${[f.Rd, f.Rn, f.Rm].map((n) => f.scalar ? scalar(n, f.size) : vector(n, f.size, f.Q)).join(", ")}`;
}

const threeSame = a64({
  bits: "0 Q U scalar 1110 size:2 1 Rm:5 opcode:5 1 Rn:5 Rd:5",
  known: ["Q", "U", "scalar", "size", "opcode"],
  fp: true,
  when: (f) => exists(operations[f.U][f.opcode], f),
  asm: (f) => text(operations[f.U][f.opcode].name, f),
  emit(m, { Q, U, scalar, size, opcode, Rm, Rn, Rd }) {
    const lanes = lanesOf(m, size, Q, scalar);
    lanes.write(Rd, operations[U][opcode].compute(lanes, lanes.read(Rn), lanes.read(Rm), () => m.v(Rd)));
  },
});

/** By U, then size. */
const logical: readonly (readonly { name: string; compute: (a: V128, b: V128, d: V128) => V128 }[])[] = [[
  { name: "and", compute: (a, b) => v128.and(a, b) },
  { name: "bic", compute: (a, b) => v128.andnot(a, b) },
  { name: "orr", compute: (a, b) => v128.or(a, b) },
  { name: "orn", compute: (a, b) => v128.or(a, v128.not(b)) },
], [
  { name: "eor", compute: (a, b) => v128.xor(a, b) },
  { name: "bsl", compute: (a, b, d) => v128.bitselect(a, b, d) },
  { name: "bit", compute: (a, b, d) => v128.bitselect(a, d, b) },
  { name: "bif", compute: (a, b, d) => v128.bitselect(d, a, b) },
]];

const threeSameLogical = a64({
  bits: "0 Q U 01110 size:2 1 Rm:5 000111 Rn:5 Rd:5",
  known: ["Q", "U", "size"],
  fp: true,
  asm: (f) =>
    f.U === 0 && f.size === 2 && f.Rn === f.Rm
      ? `mov ${vector(f.Rd, 0, f.Q)}, ${vector(f.Rn, 0, f.Q)}`
      : text(logical[f.U][f.size].name, { Q: f.Q, scalar: 0, size: 0, Rd: f.Rd, Rn: f.Rn, Rm: f.Rm }),
  emit(m, { Q, U, size, Rm, Rn, Rd }) {
    lanesOf(m, 0, Q).write(Rd, logical[U][size].compute(m.v(Rn), m.v(Rm), m.v(Rd)));
  },
});

/** SQRDMLAH, SQRDMLSH. */
const threeSameDoubling = a64({
  bits: "0 Q 1 scalar 1110 size:2 0 Rm:5 1000 S 1 Rn:5 Rd:5",
  known: ["Q", "scalar", "size", "S"],
  fp: true,
  feature: "RDM",
  when: (f) => (f.size === 1 || f.size === 2) && (f.scalar === 0 || f.Q === 1),
  asm: (f) => text(f.S ? "sqrdmlsh" : "sqrdmlah", f),
  emit(m, { Q, scalar, size, S, Rm, Rn, Rd }) {
    const lanes = lanesOf(m, size, Q, scalar);
    lanes.write(Rd, doublingHighAccumulated(lanes, lanes.read(Rd), lanes.read(Rn), lanes.read(Rm), S === 1));
  },
});

const threeSameDot = a64({
  bits: "0 Q U 01110100 Rm:5 100101 Rn:5 Rd:5",
  known: ["Q", "U"],
  fp: true,
  feature: "DotProd",
  asm: (f) => `${f.U ? "udot" : "sdot"} ${vector(f.Rd, 2, f.Q)}, ${vector(f.Rn, 0, f.Q)}, ${vector(f.Rm, 0, f.Q)}`,
  emit(m, { Q, U, Rm, Rn, Rd }) {
    const bytes = lanesOf(m, 0, Q);
    bytes.write(Rd, dotProduct(bytes, m.v(Rd), bytes.read(Rn), bytes.read(Rm), U));
  },
});

/** All of them. */
export const simdThreeSame: readonly Declaration[] = [threeSame, threeSameLogical, threeSameDoubling, threeSameDot];
