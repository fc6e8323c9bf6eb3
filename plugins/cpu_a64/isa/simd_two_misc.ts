/** Arm ARM DDI 0487, "Advanced SIMD two-register miscellaneous" and its scalar form: integers and bits. */
import { a64, type Declaration, i32, i64, i8x16, type Raw, type V128, v128 } from "./dsl.ts";
import { FpFormat, FpOp, fpOpCode } from "./fp_op_code.ts";
import { addMixedSaturated, clampToHalf, type Narrowing } from "./simd_arithmetic.ts";
import { Lanes, lanesOf } from "./simd_lanes.ts";
import { elementLetter, scalar, vector } from "./simd_names.ts";

/** From and to which sizes: pairs give elements twice as wide, half as many. */
type Shape = "same" | "pairs" | "narrow" | "long";

interface Operation {
  readonly name: string;
  readonly shape: Shape;
  readonly sizes: string;
  readonly scalar: string;
  /** What follows the source in assembler text. */
  readonly suffix: string;
  /** The elements of "narrow" are the wide ones; those of "pairs" and "long" the narrow ones. */
  readonly compute: (lanes: Lanes, a: V128, d: () => V128) => V128;
}

/** By U, then opcode, then size: most differ by size only in the elements. */
const operations: readonly [Record<number, Operation[]>, Record<number, Operation[]>] = [{}, {}];

type Options = Partial<Pick<Operation, "shape" | "scalar" | "suffix">>;

function define(U: number, opcode: number, name: string, sizes: string, compute: Operation["compute"], options: Options = {}): void {
  (operations[U][opcode] ??= []).push({ name, sizes, compute, shape: "same", scalar: "", suffix: "", ...options });
}

/** Reverses elements in groups of `bytes`. */
const reverse = (bytes: number) => (l: Lanes, a: V128): V128 => {
  const once = l.let(a);
  return l.pick(once, once, (i) => i ^ ((bytes >> l.size) - 1));
};

function reverseBits(l: Lanes, a: V128): V128 {
  const nibbles = v128.const(0x0e06_0a02_0c04_0800n, 0x0f07_0b03_0d05_0901n);
  return v128.or(l.shl(i8x16.swizzle(nibbles, v128.and(a, l.splat(15))), 4), i8x16.swizzle(nibbles, l.shr(a, 4, 1)));
}

const countZeros = (l: Lanes, a: V128): V128 => l.map32(a, (e) => l.size === 2 ? i32.clz(e) : i32.sub(i32.clz(e), i32.const(32 - l.bits)));

const saturating = (compute: (l: Lanes, a: V128) => V128) => (l: Lanes, a: V128): V128 => {
  // Only the smallest number has no opposite; the result is then one above the largest.
  const overflow = l.let(l.eq(a, l.minimum));
  l.saturated(overflow);
  return v128.xor(compute(l, a), overflow);
};

const narrowing = (kind: Narrowing) => (wide: Lanes, a: V128): V128 => clampToHalf(wide, a, kind);

/** URECPE, URSQRTE. */
const estimate = (op: number) => (l: Lanes, a: V128): V128 =>
  l.map32(a, (e) => i32.wrap(l.m.softFloat(fpOpCode(op, FpFormat.Single), [i64.extend_u(e)])));

define(0, 0b00000, "rev64", "bhs", reverse(8));
define(1, 0b00000, "rev32", "bh", reverse(4));
define(0, 0b00001, "rev16", "b", reverse(2));
for (const U of [0, 1]) {
  const prefix = "su"[U];
  define(U, 0b00010, `${prefix}addlp`, "bhs", (l, a) => l.addPairsLong(a, U), { shape: "pairs" });
  define(U, 0b00110, `${prefix}adalp`, "bhs", (l, a, d) => l.wide.add(d(), l.addPairsLong(a, U)), { shape: "pairs" });
  define(U, 0b00011, ["suqadd", "usqadd"][U], "bhsd", (l, a, d) => addMixedSaturated(l, l.let(d()), a, U), { scalar: "bhsd" });
  define(U, 0b10100, `${prefix}qxtn`, "bhs", narrowing(U ? "unsigned" : "signed"), { shape: "narrow", scalar: "bhs" });
}
define(0, 0b00100, "cls", "bhs", (l, a) => l.sub(countZeros(l, v128.xor(a, l.negative(a))), l.splat(1)));
define(1, 0b00100, "clz", "bhs", countZeros);
define(0, 0b00101, "cnt", "b", (_, a) => i8x16.popcnt(a));
define(1, 0b00101, "mvn", "b", (_, a) => v128.not(a));
define(1, 0b00101, "rbit", "h", (l, a) => reverseBits(new Lanes(l.m, 0), a));
define(0, 0b00111, "sqabs", "bhsd", saturating((l, a) => l.abs(a)), { scalar: "bhsd" });
define(1, 0b00111, "sqneg", "bhsd", saturating((l, a) => l.neg(a)), { scalar: "bhsd" });
const withZero: Options = { scalar: "d", suffix: ", #0" };
define(0, 0b01000, "cmgt", "bhsd", (l, a) => l.gt(a, l.splat(0), 0), withZero);
define(1, 0b01000, "cmge", "bhsd", (l, a) => l.ge(a, l.splat(0), 0), withZero);
define(0, 0b01001, "cmeq", "bhsd", (l, a) => l.eq(a, l.splat(0)), withZero);
define(1, 0b01001, "cmle", "bhsd", (l, a) => l.ge(l.splat(0), a, 0), withZero);
define(0, 0b01010, "cmlt", "bhsd", (l, a) => l.negative(a), withZero);
define(0, 0b01011, "abs", "bhsd", (l, a) => l.abs(a), { scalar: "d" });
define(1, 0b01011, "neg", "bhsd", (l, a) => l.neg(a), { scalar: "d" });
define(0, 0b11100, "urecpe", "s", estimate(FpOp.UnsignedRecipEstimate));
define(1, 0b11100, "ursqrte", "s", estimate(FpOp.UnsignedRsqrtEstimate));
define(0, 0b10010, "xtn", "bhs", (_, a) => a, { shape: "narrow" });
define(1, 0b10010, "sqxtun", "bhs", narrowing("signedToUnsigned"), { shape: "narrow", scalar: "bhs" });
define(1, 0b10011, "shll", "bhs", (l, a) => l.wide.shl(a, l.bits), { shape: "long" });

type Fields = Raw<"Q" | "U" | "scalar" | "size" | "opcode" | "Rn" | "Rd">;

function find(f: { Q: number; U: number; scalar: number; size: number; opcode: number }): Operation | undefined {
  const letter = elementLetter(f.size);
  return operations[f.U][f.opcode]?.find(({ sizes, scalar, shape }) =>
    f.scalar ? f.Q === 1 && scalar.includes(letter) : sizes.includes(letter) && f.size < (shape === "same" ? 3 + f.Q : 3)
  );
}

function text(f: Fields): string {
  const { name, shape, suffix } = find(f)!;
  // RBIT is about bytes, whatever its size says.
  const size = name === "rbit" ? 0 : f.size;
  const register = (n: number, wider: boolean) =>
    f.scalar ? scalar(n, size + +wider) : vector(n, size + +wider, wider && shape !== "pairs" ? 1 : f.Q);
  const second = f.Q && !f.scalar && (shape === "narrow" || shape === "long") ? "2" : "";
  const after = shape === "long" ? `, #${8 << size}` : suffix;
  return `${name}${second} ${register(f.Rd, shape === "pairs" || shape === "long")}, ${register(f.Rn, shape === "narrow")}${after}`;
}

const twoRegisters = a64({
  bits: "0 Q U scalar 1110 size:2 10000 opcode:5 10 Rn:5 Rd:5",
  known: ["Q", "U", "scalar", "size", "opcode"],
  fp: true,
  when: (f) => find(f) !== undefined,
  asm: text,
  emit(m, { Q, U, scalar, size, opcode, Rn, Rd }) {
    const { shape, compute } = find({ Q, U, scalar, size, opcode })!;
    const d = () => m.v(Rd);
    if (shape === "narrow") {
      const lanes = lanesOf(m, size, 0, scalar);
      lanes.writeNarrow(Rd, scalar ? 0 : Q, compute(lanes.wide, lanes.read(Rn), d));
    } else if (shape === "long") {
      const lanes = lanesOf(m, size, 1);
      m.setV(Rd, compute(lanes, lanes.extend(m.v(Rn), Q, 1), d));
    } else {
      const lanes = lanesOf(m, size, Q, scalar);
      lanes.write(Rd, compute(lanes, lanes.read(Rn), d));
    }
  },
});

/** All of them. */
export const simdTwoMisc: readonly Declaration[] = [twoRegisters];
