/** Arm ARM DDI 0487, "Advanced SIMD vector x indexed element" and its scalar form: integers. */
import { a64, type Declaration, type Field, type Raw, type Semantics, type V128 } from "./dsl.ts";
import { type Lanes, lanesOf } from "./simd_lanes.ts";
import { dotProduct, doublingHigh, doublingHighAccumulated, doublingLong, doublingLongAccumulated } from "./simd_multiply.ts";
import { element, scalar, vector } from "./simd_names.ts";

interface Operation {
  readonly name: string;
  readonly long: boolean;
  /** Has a scalar form. */
  readonly scalar: boolean;
  readonly feature?: "RDM";
  /** `b` is the element in all lanes; `part` chooses the half of a long operation's source. Operands are locals. */
  readonly compute: (lanes: Lanes, a: V128, b: V128, part: number, d: () => V128) => V128;
}

/** By U, then opcode. */
const operations: readonly [Record<number, Operation>, Record<number, Operation>] = [{}, {}];

function define(U: number, opcode: number, name: string, compute: Operation["compute"], options: Partial<Operation> = {}): void {
  operations[U][opcode] = { name, compute, long: false, scalar: false, ...options };
}

const doubling = { scalar: true };
const doublingWide = { scalar: true, long: true };
const rounding = { scalar: true, feature: "RDM" } as const;

for (const U of [0, 1]) {
  const prefix = "su"[U];
  const long = { long: true };
  define(U, 0b0010, `${prefix}mlal`, (l, a, b, part, d) => l.wide.add(d(), l.multiplyLong(a, b, part, U)), long);
  define(U, 0b0110, `${prefix}mlsl`, (l, a, b, part, d) => l.wide.sub(d(), l.multiplyLong(a, b, part, U)), long);
  define(U, 0b1010, `${prefix}mull`, (l, a, b, part) => l.multiplyLong(a, b, part, U), long);
}
define(0, 0b1000, "mul", (l, a, b) => l.mul(a, b));
define(1, 0b0000, "mla", (l, a, b, _, d) => l.add(d(), l.mul(a, b)));
define(1, 0b0100, "mls", (l, a, b, _, d) => l.sub(d(), l.mul(a, b)));
define(0, 0b0011, "sqdmlal", (l, a, b, part, d) => doublingLongAccumulated(l, l.let(d()), a, b, part, false), doublingWide);
define(0, 0b0111, "sqdmlsl", (l, a, b, part, d) => doublingLongAccumulated(l, l.let(d()), a, b, part, true), doublingWide);
define(0, 0b1011, "sqdmull", doublingLong, doublingWide);
define(0, 0b1100, "sqdmulh", (l, a, b) => doublingHigh(l, a, b, false), doubling);
define(0, 0b1101, "sqrdmulh", (l, a, b) => doublingHigh(l, a, b, true), doubling);
define(1, 0b1101, "sqrdmlah", (l, a, b, _, d) => doublingHighAccumulated(l, l.let(d()), a, b, false), rounding);
define(1, 0b1111, "sqrdmlsh", (l, a, b, _, d) => doublingHighAccumulated(l, l.let(d()), a, b, true), rounding);

/** The fields that both element sizes have. */
interface Form {
  readonly Q: number;
  readonly U: number;
  readonly scalar: number;
  readonly opcode: number;
}

function exists(f: Form): boolean {
  const operation = operations[f.U][f.opcode];
  return operation !== undefined && (f.scalar === 0 || (f.Q === 1 && operation.scalar));
}

function text(f: Form & { Rd: number; Rn: number }, size: number, rm: number, index: number): string {
  const { name, long } = operations[f.U][f.opcode];
  const register = (n: number, wide: boolean) => f.scalar ? scalar(n, size + +wide) : vector(n, size + +wide, wide ? 1 : f.Q);
  return `${name}${long && f.Q && !f.scalar ? "2" : ""} ${register(f.Rd, long)}, ${register(f.Rn, false)}, ${element(rm, size, index)}`;
}

function emit<F extends string>(m: Semantics<F>, f: Form, size: number, Rn: Field, Rd: Field, chosen: (lanes: Lanes) => V128): void {
  const { long, compute } = operations[f.U][f.opcode];
  const lanes = lanesOf(m, size, f.Q, f.scalar);
  const a = lanes.read(Rn);
  const b = lanes.let(chosen(lanes));
  const shape = long && !f.scalar ? lanesOf(m, size, 1) : lanes;
  const result = compute(shape, a, b, f.scalar ? 0 : f.Q, () => m.v(Rd));
  (long ? shape.wide : lanes).write(Rd, result);
}

const indexOfHalf = (f: Raw<"H" | "L" | "M">): number => f.H << 2 | f.L << 1 | f.M;
const indexOfWord = (f: Raw<"H" | "L">): number => f.H << 1 | f.L;

const byHalf = a64({
  bits: "0 Q U scalar 1111 01 L M Rm:4 opcode:4 H 0 Rn:5 Rd:5",
  known: ["Q", "U", "scalar", "opcode"],
  fp: true,
  when: exists,
  feature: (f) => operations[f.U][f.opcode].feature,
  asm: (f) => text(f, 1, f.Rm, indexOfHalf(f)),
  emit(m, { Q, U, scalar, opcode, Rm, Rn, Rd }) {
    emit(m, { Q, U, scalar, opcode }, 1, Rn, Rd, (lanes) => lanes.splatValue(m.vLaneAt(Rm, 1, indexOfHalf)));
  },
});

const byWord = a64({
  bits: "0 Q U scalar 1111 10 L Rm:5 opcode:4 H 0 Rn:5 Rd:5",
  known: ["Q", "U", "scalar", "opcode"],
  fp: true,
  when: exists,
  feature: (f) => operations[f.U][f.opcode].feature,
  asm: (f) => text(f, 2, f.Rm, indexOfWord(f)),
  emit(m, { Q, U, scalar, opcode, Rm, Rn, Rd }) {
    emit(m, { Q, U, scalar, opcode }, 2, Rn, Rd, (lanes) => lanes.splatValue(m.vLaneAt(Rm, 2, indexOfWord)));
  },
});

/** SDOT, UDOT: the element is four bytes. */
const dotByElement = a64({
  bits: "0 Q U 0111110 L Rm:5 1110 H 0 Rn:5 Rd:5",
  known: ["Q", "U"],
  fp: true,
  feature: "DotProd",
  asm: (f) => `${f.U ? "udot" : "sdot"} ${vector(f.Rd, 2, f.Q)}, ${vector(f.Rn, 0, f.Q)}, v${f.Rm}.4b[${indexOfWord(f)}]`,
  emit(m, { Q, U, Rm, Rn, Rd }) {
    const bytes = lanesOf(m, 0, Q);
    const chosen = lanesOf(m, 2, Q).splatValue(m.vLaneAt(Rm, 2, indexOfWord));
    bytes.write(Rd, dotProduct(bytes, m.v(Rd), bytes.read(Rn), bytes.let(chosen), U));
  },
});

/** All of them. */
export const simdByElement: readonly Declaration[] = [byHalf, byWord, dotByElement];
