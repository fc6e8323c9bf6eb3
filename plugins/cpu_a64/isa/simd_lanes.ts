/**
 * Vectors as the SIMD instructions see them: elements of one size in the low
 * `width` bits of a V register. A scalar is a vector of one element, so vector and
 * scalar forms share their semantics.
 */
import { i16x8, type I32, i32, i32x4, type I64, i64x2, i8x16, type Register, type Semantics, type V128, v128 } from "./dsl.ts";

type Binary = (a: V128, b: V128) => V128;
type Shift = (a: V128, by: I32) => V128;

/** What WebAssembly has for all four sizes. */
interface Common {
  readonly add: Binary;
  readonly sub: Binary;
  readonly eq: Binary;
  readonly gt_s: Binary;
  readonly ge_s: Binary;
  readonly abs: (a: V128) => V128;
  readonly neg: (a: V128) => V128;
  readonly shl: Shift;
  readonly shr_s: Shift;
  readonly shr_u: Shift;
}

const common: readonly Common[] = [i8x16, i16x8, i32x4, i64x2];

/** What it has up to 32 bits. */
const ordered = [i8x16, i16x8, i32x4] as const;

const extendLow = [
  [i16x8.extend_low_i8x16_s, i16x8.extend_low_i8x16_u],
  [i32x4.extend_low_i16x8_s, i32x4.extend_low_i16x8_u],
  [i64x2.extend_low_i32x4_s, i64x2.extend_low_i32x4_u],
];
const extendHigh = [
  [i16x8.extend_high_i8x16_s, i16x8.extend_high_i8x16_u],
  [i32x4.extend_high_i16x8_s, i32x4.extend_high_i16x8_u],
  [i64x2.extend_high_i32x4_s, i64x2.extend_high_i32x4_u],
];
const multiplyLow = [
  [i16x8.extmul_low_i8x16_s, i16x8.extmul_low_i8x16_u],
  [i32x4.extmul_low_i16x8_s, i32x4.extmul_low_i16x8_u],
  [i64x2.extmul_low_i32x4_s, i64x2.extmul_low_i32x4_u],
];
const multiplyHigh = [
  [i16x8.extmul_high_i8x16_s, i16x8.extmul_high_i8x16_u],
  [i32x4.extmul_high_i16x8_s, i32x4.extmul_high_i16x8_u],
  [i64x2.extmul_high_i32x4_s, i64x2.extmul_high_i32x4_u],
];

const addPairs = [
  [i16x8.extadd_pairwise_i8x16_s, i16x8.extadd_pairwise_i8x16_u],
  [i32x4.extadd_pairwise_i16x8_s, i32x4.extadd_pairwise_i16x8_u],
];

/** FPSR.QC. */
const QC_BIT = 27;

/** Zero. */
export const zero: V128 = v128.const(0n, 0n);

/** Operations on elements of `1 << size` bytes. Operands that are used twice are put into locals here. */
export class Lanes {
  /** Bits of an element. */
  readonly bits: number;
  /** Elements in use. */
  readonly count: number;
  readonly #ops: Common;

  /** @param width bits in use: 128, 64, or those of one element */
  constructor(readonly m: Semantics, readonly size: number, readonly width: number = 128) {
    this.bits = 8 << size;
    this.count = width / this.bits;
    this.#ops = common[size];
  }

  /** Elements of twice the size, as many; at most 128 bits. */
  get wide(): Lanes {
    return new Lanes(this.m, this.size + 1, Math.min(128, 2 * this.width));
  }

  // ---- registers

  let(value: V128): V128 {
    return this.m.let(value);
  }

  /** A whole register, in a local. */
  read(register: Register): V128 {
    return this.m.let(this.m.v(register));
  }

  /** Writes the low `width` bits and clears the rest. */
  write(register: Register, value: V128): void {
    this.m.setV(register, this.#used(value));
  }

  /** Sets FPSR.QC when any bit of the elements in use is set. */
  saturated(mask: V128): void {
    this.m.raise(i32.shl(v128.any_true(this.#used(mask)), i32.const(QC_BIT)));
  }

  #used(value: V128): V128 {
    if (this.width === 128) return value;
    return v128.and(value, v128.const((1n << BigInt(this.width)) - 1n, 0n));
  }

  // ---- elements

  /** The same constant in each element. */
  splat(value: bigint | number): V128 {
    let pattern = BigInt.asUintN(this.bits, BigInt(value));
    for (let bits = this.bits; bits < 64; bits *= 2) pattern |= pattern << BigInt(bits);
    return v128.const(pattern, pattern);
  }

  /** The same value in each element. */
  splatValue(value: I64): V128 {
    return this.size === 3 ? i64x2.splat(value) : ordered[this.size].splat(i32.wrap(value));
  }

  /** Smallest signed element. */
  get minimum(): V128 {
    return this.splat(1n << BigInt(this.bits - 1));
  }

  /** Largest signed element. */
  get maximum(): V128 {
    return this.splat((1n << BigInt(this.bits - 1)) - 1n);
  }

  /** Elements by their numbers: those of `a` first, then those of `b`. Of elements not in use any will do. */
  pick(a: V128, b: V128, choose: (element: number) => number): V128 {
    const bytes = 1 << this.size;
    const indices: number[] = [];
    for (let at = 0; at < 16; at += bytes) {
      const from = at / bytes < this.count ? choose(at / bytes) * bytes : at;
      for (let i = 0; i < bytes; i++) indices.push(from + i);
    }
    return i8x16.shuffle(a, b, indices);
  }

  /** Computes each element in use by 32-bit arithmetic; up to 32 bits. */
  map32(a: V128, compute: (element: I32) => I32): V128 {
    const once = this.let(a);
    let result = zero;
    for (let i = 0; i < this.count; i++) {
      if (this.size === 0) result = i8x16.replace_lane(result, i, compute(i8x16.extract_lane_u(once, i)));
      else if (this.size === 1) result = i16x8.replace_lane(result, i, compute(i16x8.extract_lane_u(once, i)));
      else result = i32x4.replace_lane(result, i, compute(i32x4.extract_lane(once, i)));
    }
    return result;
  }

  // ---- arithmetic modulo the element's size

  add(a: V128, b: V128): V128 {
    return this.#ops.add(a, b);
  }

  sub(a: V128, b: V128): V128 {
    return this.#ops.sub(a, b);
  }

  neg(a: V128): V128 {
    return this.#ops.neg(a);
  }

  abs(a: V128): V128 {
    return this.#ops.abs(a);
  }

  mul(a: V128, b: V128): V128 {
    if (this.size > 0) return [i16x8.mul, i32x4.mul, i64x2.mul][this.size - 1](a, b);
    const x = this.let(a);
    const y = this.let(b);
    return this.pick(i16x8.extmul_low_i8x16_u(x, y), i16x8.extmul_high_i8x16_u(x, y), (i) => 2 * i);
  }

  shl(a: V128, by: I32 | number): V128 {
    return this.#ops.shl(a, amount(by));
  }

  /** Signed for U 0, unsigned for U 1; so for the operations below. */
  shr(a: V128, by: I32 | number, U: number): V128 {
    return (U ? this.#ops.shr_u : this.#ops.shr_s)(a, amount(by));
  }

  // ---- comparisons: all ones or zero

  eq(a: V128, b: V128): V128 {
    return this.#ops.eq(a, b);
  }

  gt(a: V128, b: V128, U: number): V128 {
    if (!U) return this.#ops.gt_s(a, b);
    if (this.size < 3) return ordered[this.size].gt_u(a, b);
    return i64x2.gt_s(v128.xor(a, this.minimum), v128.xor(b, this.minimum));
  }

  ge(a: V128, b: V128, U: number): V128 {
    if (!U) return this.#ops.ge_s(a, b);
    if (this.size < 3) return ordered[this.size].ge_u(a, b);
    return i64x2.ge_s(v128.xor(a, this.minimum), v128.xor(b, this.minimum));
  }

  /** All ones for negative elements. */
  negative(a: V128): V128 {
    return this.shr(a, this.bits - 1, 0);
  }

  max(a: V128, b: V128, U: number): V128 {
    if (this.size < 3) return (U ? ordered[this.size].max_u : ordered[this.size].max_s)(a, b);
    const x = this.let(a);
    const y = this.let(b);
    return v128.bitselect(x, y, this.gt(x, y, U));
  }

  min(a: V128, b: V128, U: number): V128 {
    if (this.size < 3) return (U ? ordered[this.size].min_u : ordered[this.size].min_s)(a, b);
    const x = this.let(a);
    const y = this.let(b);
    return v128.bitselect(y, x, this.gt(x, y, U));
  }

  // ---- between sizes

  /** Elements of the low (part 0) or high half, widened. */
  extend(a: V128, part: number, U: number): V128 {
    return (part ? extendHigh : extendLow)[this.size][U](a);
  }

  /** Products of elements of the low or high half, twice as wide. */
  multiplyLong(a: V128, b: V128, part: number, U: number): V128 {
    return (part ? multiplyHigh : multiplyLow)[this.size][U](a, b);
  }

  /** The low halves of the elements of `low`, then those of `high`, which have twice this size. */
  truncate(low: V128, high: V128): V128 {
    return new Lanes(this.m, this.size).pick(low, high, (i) => 2 * i);
  }

  /**
   * Writes the low halves of elements twice as wide: to the low half of the register and clears the
   * other (part 0), or to the high half and keeps the other (part 1). A scalar clears all the rest.
   */
  writeNarrow(register: Register, part: number, value: V128): void {
    if (part) {
      return this.m.setV(
        register,
        new Lanes(this.m, this.size).pick(this.m.v(register), value, (i) => i < 8 >> this.size ? i : 2 * i),
      );
    }
    const inUse = Math.min(this.count, 8 >> this.size);
    this.m.setV(register, new Lanes(this.m, this.size).pick(value, zero, (i) => i < inUse ? 2 * i : (16 >> this.size) + i));
  }

  /** Sums of neighbours, twice as wide. */
  addPairsLong(a: V128, U: number): V128 {
    if (this.size < 2) return addPairs[this.size][U](a);
    const { wide } = this;
    const once = this.let(a);
    return wide.add(wide.shr(wide.shl(once, this.bits), this.bits, U), wide.shr(once, this.bits, U));
  }
}

/** A vector's or scalar's shape by the fields that most encodings have. */
export function lanesOf<F extends string>(m: Semantics<F>, size: number, Q: number, scalar = 0): Lanes {
  return new Lanes(m as Semantics, size, scalar ? 8 << size : Q ? 128 : 64);
}

function amount(by: I32 | number): I32 {
  return typeof by === "number" ? i32.const(by) : by;
}

/** The low 64 bits of a vector from an integer; the rest is zero. */
export function low64(value: I64): V128 {
  return i64x2.replace_lane(zero, 0, value);
}

/** One of the two 64-bit halves. */
export function half(value: V128, index: number): I64 {
  return i64x2.extract_lane(value, index);
}
