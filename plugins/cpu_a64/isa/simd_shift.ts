/** Arm ARM DDI 0487, "Advanced SIMD shift by immediate" and "Advanced SIMD scalar shift by immediate": integers. */
import { a64, type Declaration, type I32, type Raw, type V128, v128 } from "./dsl.ts";
import { clampToHalf, type Narrowing } from "./simd_arithmetic.ts";
import { Lanes, lanesOf } from "./simd_lanes.ts";
import { elementLetter, scalar, vector } from "./simd_names.ts";

/** Highest bit of immh: log2 of the element's bytes. */
const sizeOf = (f: { immh: number }): number => 31 - Math.clz32(f.immh);
const left = (f: Raw<"immh" | "immb">): number => (f.immh << 3 | f.immb) - (8 << sizeOf(f));
const right = (f: Raw<"immh" | "immb">): number => 2 * (8 << sizeOf(f)) - (f.immh << 3 | f.immb);

/** Which way, and between which sizes. */
type Direction = "right" | "left" | "narrow" | "long";

interface Operation {
  readonly name: string;
  readonly direction: Direction;
  /** Element sizes of the scalar form. */
  readonly scalar: string;
  /**
   * `by`: the distance of left shifts; of right shifts one less than that, so that
   * elements can be shifted out as a whole by shifting twice. The elements of "narrow" are the wide ones.
   */
  readonly compute: (lanes: Lanes, a: V128, by: I32, d: () => V128) => V128;
}

function shiftRight(lanes: Lanes, a: V128, less: I32, U: number): V128 {
  return lanes.shr(lanes.shr(a, less, U), 1, U);
}

function shiftRightRounded(lanes: Lanes, a: V128, less: I32, U: number): V128 {
  const most = lanes.let(lanes.shr(a, less, U));
  return lanes.add(lanes.shr(most, 1, U), v128.and(most, lanes.splat(1)));
}

/** SQSHL, UQSHL, and SQSHLU: `U` of the source and of the result. */
function shiftLeftSaturated(lanes: Lanes, a: V128, by: I32, U: number, unsignedResult: number): V128 {
  const shifted = lanes.let(lanes.shl(a, by));
  const lost = lanes.let(v128.not(lanes.eq(lanes.shr(shifted, by, unsignedResult), a)));
  if (U) {
    lanes.saturated(lost);
    return v128.or(shifted, lost);
  }
  const negative = lanes.let(lanes.negative(a));
  if (!unsignedResult) {
    lanes.saturated(lost);
    return v128.bitselect(v128.xor(negative, lanes.maximum), shifted, lost);
  }
  lanes.saturated(v128.or(lost, negative));
  return v128.andnot(v128.or(shifted, lost), negative);
}

function insertRight(lanes: Lanes, a: V128, less: I32, d: V128): V128 {
  return v128.bitselect(shiftRight(lanes, a, less, 1), d, shiftRight(lanes, lanes.splat(-1), less, 1));
}

function insertLeft(lanes: Lanes, a: V128, by: I32, d: V128): V128 {
  return v128.bitselect(lanes.shl(a, by), d, lanes.shl(lanes.splat(-1), by));
}

/** A narrowing shift; logical and not saturating when `kind` is missing. */
function narrowing(rounded: boolean, kind?: Narrowing): Operation["compute"] {
  return (wide, a, less) => {
    const U = +(kind === undefined || kind === "unsigned");
    const shifted = (rounded ? shiftRightRounded : shiftRight)(wide, a, less, U);
    return kind ? clampToHalf(wide, shifted, kind) : shifted;
  };
}

/** By U, then opcode. */
const operations: readonly [Record<number, Operation>, Record<number, Operation>] = [{}, {}];

function define(U: number, opcode: number, direction: Direction, name: string, scalarSizes: string, compute: Operation["compute"]): void {
  operations[U][opcode] = { name, direction, scalar: scalarSizes, compute };
}

for (const U of [0, 1]) {
  const prefix = "su"[U];
  define(U, 0b00000, "right", `${prefix}shr`, "d", (l, a, n) => shiftRight(l, a, n, U));
  define(U, 0b00010, "right", `${prefix}sra`, "d", (l, a, n, d) => l.add(d(), shiftRight(l, a, n, U)));
  define(U, 0b00100, "right", `${prefix}rshr`, "d", (l, a, n) => shiftRightRounded(l, a, n, U));
  define(U, 0b00110, "right", `${prefix}rsra`, "d", (l, a, n, d) => l.add(d(), shiftRightRounded(l, a, n, U)));
  define(U, 0b01110, "left", `${prefix}qshl`, "bhsd", (l, a, n) => shiftLeftSaturated(l, a, n, U, U));
  define(U, 0b10010, "narrow", `${prefix}qshrn`, "bhs", narrowing(false, U ? "unsigned" : "signed"));
  define(U, 0b10011, "narrow", `${prefix}qrshrn`, "bhs", narrowing(true, U ? "unsigned" : "signed"));
  define(U, 0b10100, "long", `${prefix}shll`, "", (wide, a, n) => wide.shl(a, n));
}
define(0, 0b01010, "left", "shl", "d", (l, a, n) => l.shl(a, n));
define(1, 0b01000, "right", "sri", "d", (l, a, n, d) => insertRight(l, a, n, d()));
define(1, 0b01010, "left", "sli", "d", (l, a, n, d) => insertLeft(l, a, n, d()));
define(1, 0b01100, "left", "sqshlu", "bhsd", (l, a, n) => shiftLeftSaturated(l, a, n, 0, 1));
define(0, 0b10000, "narrow", "shrn", "", narrowing(false));
define(0, 0b10001, "narrow", "rshrn", "", narrowing(true));
define(1, 0b10000, "narrow", "sqshrun", "bhs", narrowing(false, "signedToUnsigned"));
define(1, 0b10001, "narrow", "sqrshrun", "bhs", narrowing(true, "signedToUnsigned"));

type Fields = Raw<"Q" | "U" | "scalar" | "immh" | "immb" | "opcode" | "Rn" | "Rd">;

function exists(f: Fields): boolean {
  const operation = operations[f.U][f.opcode];
  if (!operation || f.immh === 0) return false;
  const size = sizeOf(f);
  if (f.scalar) return f.Q === 1 && operation.scalar.includes(elementLetter(size));
  return size < (operation.direction === "left" || operation.direction === "right" ? 3 + f.Q : 3);
}

function text(f: Fields): string {
  const { name, direction } = operations[f.U][f.opcode];
  const size = sizeOf(f);
  const [to, from] = [direction === "long" ? 1 : 0, direction === "narrow" ? 1 : 0];
  const register = (n: number, wider: number) => f.scalar ? scalar(n, size + wider) : vector(n, size + wider, wider ? 1 : f.Q);
  const second = f.Q && !f.scalar && (to || from) ? "2" : "";
  const distance = direction === "left" || direction === "long" ? left(f) : right(f);
  // SSHLL and USHLL by nothing.
  if (direction === "long" && distance === 0) return `${f.U ? "u" : "s"}xtl${second} ${register(f.Rd, to)}, ${register(f.Rn, from)}`;
  return `${name}${second} ${register(f.Rd, to)}, ${register(f.Rn, from)}, #${distance}`;
}

const shiftByImmediate = a64({
  bits: "0 Q U scalar 11110 immh:4 immb:3 opcode:5 1 Rn:5 Rd:5",
  known: ["Q", "U", "scalar", "opcode"],
  split: { size: sizeOf },
  fp: true,
  when: exists,
  asm: text,
  emit(m, { Q, U, scalar, opcode, size, Rn, Rd }) {
    const { direction, compute } = operations[U][opcode];
    const distance = m.let(m.u8(direction === "left" || direction === "long" ? left : (f) => right(f) - 1));
    const d = () => m.v(Rd);
    if (direction === "narrow") {
      const lanes = lanesOf(m, size, 0, scalar);
      lanes.writeNarrow(Rd, scalar ? 0 : Q, compute(lanes.wide, lanes.read(Rn), distance, d));
    } else if (direction === "long") {
      m.setV(Rd, compute(new Lanes(m, size + 1), lanesOf(m, size, 1).extend(m.v(Rn), Q, U), distance, d));
    } else {
      const lanes = lanesOf(m, size, Q, scalar);
      lanes.write(Rd, compute(lanes, lanes.read(Rn), distance, d));
    }
  },
});

/** All of them. */
export const simdShift: readonly Declaration[] = [shiftByImmediate];
