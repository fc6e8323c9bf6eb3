/** Arm ARM DDI 0487, "Advanced SIMD three different" and "Advanced SIMD scalar three different". */
import { a64, type Declaration, i8x16, type Raw, type V128 } from "./dsl.ts";
import { absoluteDifference } from "./simd_arithmetic.ts";
import { Lanes, lanesOf } from "./simd_lanes.ts";
import { doublingLong, doublingLongAccumulated, multiplyPolynomials, multiplyPolynomials64 } from "./simd_multiply.ts";
import { scalar, vector } from "./simd_names.ts";

/** Which operands are twice as wide as the others: the result, the result and the first source, both sources. */
type Shape = "long" | "wide" | "narrow";

interface Operation {
  readonly name: string;
  readonly shape: Shape;
  readonly sizes: readonly number[];
  readonly scalar?: boolean;
  /** The narrow elements, or for "narrow" the wide ones; operands are locals. `part` chooses the half of narrow sources. */
  readonly compute: (lanes: Lanes, a: V128, b: V128, part: number, d: () => V128) => V128;
}

/** By U, then opcode. */
const operations: readonly [Record<number, Operation>, Record<number, Operation>] = [{}, {}];

const all = [0, 1, 2];

function define(
  U: number,
  opcode: number,
  shape: Shape,
  name: string,
  compute: Operation["compute"],
  sizes: readonly number[] = all,
  scalar = false,
): void {
  operations[U][opcode] = { name, shape, sizes, scalar, compute };
}

/** The high halves of wide elements come to the low ones, rounded if wanted. */
function highHalf(wide: Lanes, value: V128, rounded: boolean): V128 {
  const by = wide.bits / 2;
  return wide.shr(rounded ? wide.add(value, wide.splat(1n << BigInt(by - 1))) : value, by, 1);
}

function absoluteDifferenceLong(lanes: Lanes, a: V128, b: V128, part: number, U: number): V128 {
  return lanes.extend(absoluteDifference(lanes, a, b, U), part, 1);
}

for (const U of [0, 1]) {
  const prefix = "su"[U];
  const rounded = U === 1;
  define(U, 0b0000, "long", `${prefix}addl`, (l, a, b, part) => l.wide.add(l.extend(a, part, U), l.extend(b, part, U)));
  define(U, 0b0001, "wide", `${prefix}addw`, (l, a, b, part) => l.wide.add(a, l.extend(b, part, U)));
  define(U, 0b0010, "long", `${prefix}subl`, (l, a, b, part) => l.wide.sub(l.extend(a, part, U), l.extend(b, part, U)));
  define(U, 0b0011, "wide", `${prefix}subw`, (l, a, b, part) => l.wide.sub(a, l.extend(b, part, U)));
  define(U, 0b0100, "narrow", rounded ? "raddhn" : "addhn", (wide, a, b) => highHalf(wide, wide.add(a, b), rounded));
  define(U, 0b0101, "long", `${prefix}abal`, (l, a, b, part, d) => l.wide.add(d(), absoluteDifferenceLong(l, a, b, part, U)));
  define(U, 0b0110, "narrow", rounded ? "rsubhn" : "subhn", (wide, a, b) => highHalf(wide, wide.sub(a, b), rounded));
  define(U, 0b0111, "long", `${prefix}abdl`, (l, a, b, part) => absoluteDifferenceLong(l, a, b, part, U));
  define(U, 0b1000, "long", `${prefix}mlal`, (l, a, b, part, d) => l.wide.add(d(), l.multiplyLong(a, b, part, U)));
  define(U, 0b1010, "long", `${prefix}mlsl`, (l, a, b, part, d) => l.wide.sub(d(), l.multiplyLong(a, b, part, U)));
  define(U, 0b1100, "long", `${prefix}mull`, (l, a, b, part) => l.multiplyLong(a, b, part, U));
}
define(0, 0b1001, "long", "sqdmlal", (l, a, b, part, d) => doublingLongAccumulated(l, l.let(d()), a, b, part, false), [1, 2], true);
define(0, 0b1011, "long", "sqdmlsl", (l, a, b, part, d) => doublingLongAccumulated(l, l.let(d()), a, b, part, true), [1, 2], true);
define(0, 0b1101, "long", "sqdmull", doublingLong, [1, 2], true);
define(0, 0b1110, "long", "pmull", (l, a, b, part) => {
  const [x, y] = [a, b].map((v) => l.let(l.size === 0 ? l.extend(v, part, 1) : i8x16.shuffle(v, v, halfTwice(part))));
  return l.size === 0 ? multiplyPolynomials(l.wide, x, y, 8) : multiplyPolynomials64(l.m, x, y);
}, [0, 3]);

const halfTwice = (part: number): number[] => Array.from({ length: 16 }, (_, i) => 8 * part + (i & 7));

type Fields = Raw<"Q" | "U" | "scalar" | "size" | "opcode" | "Rm" | "Rn" | "Rd">;

function text(f: Fields): string {
  const { name, shape } = operations[f.U][f.opcode];
  const register = (n: number, wide: boolean) => f.scalar ? scalar(n, f.size + +wide) : vector(n, f.size + +wide, wide ? 1 : f.Q);
  const wide = { long: [true, false, false], wide: [true, true, false], narrow: [false, true, true] }[shape];
  return `${name}${f.Q && !f.scalar ? "2" : ""} ${[f.Rd, f.Rn, f.Rm].map((n, i) => register(n, wide[i])).join(", ")}`;
}

const threeDifferent = a64({
  bits: "0 Q U scalar 1110 size:2 1 Rm:5 opcode:4 00 Rn:5 Rd:5",
  known: ["Q", "U", "scalar", "size", "opcode"],
  fp: true,
  when: (f) => {
    const operation = operations[f.U][f.opcode];
    return operation !== undefined && operation.sizes.includes(f.size) && (f.scalar === 0 || (f.Q === 1 && operation.scalar === true));
  },
  feature: (f) => f.opcode === 0b1110 && f.size === 3 ? "PMULL" : undefined,
  asm: text,
  emit(m, { Q, U, scalar, size, opcode, Rm, Rn, Rd }) {
    const { shape, compute } = operations[U][opcode];
    const lanes = scalar ? lanesOf(m, size, 0, 1) : new Lanes(m, size, shape === "narrow" ? 64 : 128);
    const [a, b] = [lanes.read(Rn), lanes.read(Rm)];
    const part = scalar ? 0 : Q;
    const result = compute(shape === "narrow" ? lanes.wide : lanes, a, b, part, () => m.v(Rd));
    if (shape === "narrow") lanes.writeNarrow(Rd, part, result);
    else if (scalar) lanes.wide.write(Rd, result);
    else m.setV(Rd, result);
  },
});

/** All of them. */
export const simdThreeDifferent: readonly Declaration[] = [threeDifferent];
