/**
 * The short way for ordinary operands: finite, not to be flushed, for double precision not
 * denormal and far from overflow. It computes with the host's doubles and their rounding errors, and declines
 * whatever isn't ordinary, which the exact core then does. Tests compare the two.
 *
 * Single and half precision are computed in double precision rounded to odd, which
 * has more than twice their bits and two: rounding that again is as good as rounding once.
 */

import { FpcrBit, FpsrFlag, Rounding } from "./environment.ts";
import { F16, F64, type Format, FORMATS } from "./format.ts";
import { exponentOf, powerOfTwo, productError, redirect, roundToInteger, sumError, toOdd } from "./host_numbers.ts";
import { FpOp, variantIn } from "../../isa/fp_op_code.ts";

/** What {@linkcode HostPath.op} gives for operands that aren't ordinary. */
export const DECLINED = -1;

/** Products of doubles within these bounds, and their errors, are exact. */
const SMALL = 2 ** -400;
const LARGE = 2 ** 400;

/** Addends within these bounds are far from overflow. */
const SMALL_ADDEND = 2 ** -900;
const LARGE_ADDEND = 2 ** 900;

function moderate(x: number): boolean {
  const magnitude = Math.abs(x);
  return magnitude >= SMALL && magnitude <= LARGE;
}

function moderateAddend(x: number): boolean {
  const magnitude = Math.abs(x);
  return x === 0 || (magnitude >= SMALL_ADDEND && magnitude <= LARGE_ADDEND);
}

function flushes(format: Format, fpcr: number): boolean {
  return (fpcr & (format === F16 ? FpcrBit.FZ16 : FpcrBit.FZ)) !== 0;
}

/** Operations on a scratch area as {@linkcode SoftFloat} has it. */
export class HostPath {
  readonly #words: Uint32Array;
  readonly #singles: Float32Array;
  readonly #doubles: Float64Array;
  /** An exact result is `#value + #residual`; `#value` is that rounded to nearest. Only the residual's sign counts. */
  #value = 0;
  #residual = 0;

  /** @param words The scratch area: operands a, b and c, two words each. */
  constructor(words: Uint32Array) {
    this.#words = words;
    this.#singles = new Float32Array(words.buffer, words.byteOffset, 6);
    this.#doubles = new Float64Array(words.buffer, words.byteOffset, 3);
  }

  /** Executes an operation in place and gives its flags, or changes nothing and gives {@linkcode DECLINED}. */
  op(code: number, fpcr: number): number {
    const format = FORMATS[code >>> 8 & 15];
    if (!format) return DECLINED;
    const operation = code & 0xff;
    if (operation === FpOp.FromFixed) return this.#fromFixed(format, code, fpcr);
    const denormals = format !== F64 && !flushes(format, fpcr);
    if (!this.#ordinary(format, 0, denormals)) return DECLINED;
    const x = this.#load(format, 0);
    switch (operation) {
      case FpOp.Sqrt:
        return x >= 0 && this.#sqrt(format, x) ? this.#finish(format, fpcr) : DECLINED;
      case FpOp.RoundToIntegral:
        return this.#roundToIntegral(format, x, code, fpcr);
      case FpOp.Convert:
        return this.#convert(format, x, code, fpcr);
      case FpOp.ToFixed:
        return this.#toFixed(x, code, fpcr);
    }
    if (!this.#ordinary(format, 2, denormals)) return DECLINED;
    const y = this.#load(format, 1);
    switch (operation) {
      case FpOp.Add:
        return this.#sum(x, y, fpcr) ? this.#finish(format, fpcr) : DECLINED;
      case FpOp.Sub:
        return this.#sum(x, -y, fpcr) ? this.#finish(format, fpcr) : DECLINED;
      case FpOp.Mul:
      case FpOp.MulX:
        return this.#product(format, x, y) ? this.#finish(format, fpcr) : DECLINED;
      case FpOp.Div:
        return this.#quotient(format, x, y) ? this.#finish(format, fpcr) : DECLINED;
      case FpOp.MulAdd:
        if (!this.#ordinary(format, 4, denormals)) return DECLINED;
        return this.#mulAdd(format, x, y, this.#load(format, 2)) ? this.#finish(format, fpcr) : DECLINED;
      case FpOp.RecipStep:
        return this.#mulAdd(format, -x, y, 2) ? this.#finish(format, fpcr) : DECLINED;
      case FpOp.RsqrtStep:
        if (!this.#mulAdd(format, -x, y, 3)) return DECLINED;
        this.#value /= 2;
        return this.#finish(format, fpcr);
      case FpOp.Compare:
      case FpOp.CompareE:
        return this.#store(x === y ? 0b0110 : x < y ? 0b1000 : 0b0010, 0);
      case FpOp.CompareEq:
        return this.#lane(format, x === y);
      case FpOp.CompareGe:
        return this.#lane(format, x >= y);
      case FpOp.CompareGt:
        return this.#lane(format, x > y);
      case FpOp.AbsCompareGe:
        return this.#lane(format, Math.abs(x) >= Math.abs(y));
      case FpOp.AbsCompareGt:
        return this.#lane(format, Math.abs(x) > Math.abs(y));
      case FpOp.Min:
      case FpOp.MinNum:
        return this.#choose(x, y, x < y);
      case FpOp.Max:
      case FpOp.MaxNum:
        return this.#choose(x, y, x > y);
    }
    return DECLINED;
  }

  #store(low: number, high: number): number {
    this.#words[0] = low;
    this.#words[1] = high;
    return 0;
  }

  #lane(format: Format, condition: boolean): number {
    const ones = condition ? 0xffff_ffff : 0;
    return this.#store(format === F16 ? ones & 0xffff : ones, format === F64 ? ones : 0);
  }

  /** Keeps operand a as the result if `first`, else b. Declines two zeros, whose signs may differ. */
  #choose(x: number, y: number, first: boolean): number {
    if (x === 0 && y === 0) return DECLINED;
    return first ? 0 : this.#store(this.#words[2], this.#words[3]);
  }

  #ordinary(format: Format, index: number, denormals: boolean): boolean {
    const word = this.#words[format === F64 ? index + 1 : index] & (format === F16 ? 0x7fff : 0x7fff_ffff);
    const biased = word >>> (format === F64 ? 20 : format.fracBits);
    if (biased === format.maxBiasedExp) return false;
    return biased !== 0 || denormals || (word === 0 && (format !== F64 || this.#words[index] === 0));
  }

  #load(format: Format, operand: number): number {
    if (format === F64) return this.#doubles[operand];
    if (format !== F16) return this.#singles[operand * 2];
    const half = this.#words[operand * 2];
    const biased = half >>> 10 & 31;
    const magnitude = biased === 0 ? (half & 0x3ff) * 2 ** -24 : (0x400 | half & 0x3ff) * powerOfTwo(biased - 25);
    return (half & 0x8000) === 0 ? magnitude : -magnitude;
  }

  #sum(x: number, y: number, fpcr: number): boolean {
    this.#value = x + y;
    this.#residual = sumError(x, y, this.#value);
    // The sign of an exact zero is rounding's choice; the host rounds to nearest.
    return this.#value !== 0 || (fpcr >>> FpcrBit.RMode & 3) !== Rounding.MinusInfinity;
  }

  #product(format: Format, x: number, y: number): boolean {
    this.#value = x * y;
    this.#residual = 0;
    if (format !== F64 || x === 0 || y === 0) return true;
    this.#residual = productError(x, y, this.#value);
    return moderate(x) && moderate(y);
  }

  #quotient(format: Format, x: number, y: number): boolean {
    if (y === 0) return false;
    this.#value = x / y;
    this.#residual = 0;
    if (format !== F64 || x === 0) return true;
    const product = this.#value * y;
    const remainder = (x - product) - productError(this.#value, y, product);
    this.#residual = y > 0 ? remainder : -remainder;
    return moderate(x) && moderate(y);
  }

  #sqrt(format: Format, x: number): boolean {
    this.#value = Math.sqrt(x);
    this.#residual = 0;
    if (format !== F64 || x === 0) return true;
    const square = this.#value * this.#value;
    this.#residual = (x - square) - productError(this.#value, this.#value, square);
    return moderate(x);
  }

  /** `x * y + z`; declines a result of zero, whose sign has many reasons. */
  #mulAdd(format: Format, x: number, y: number, z: number): boolean {
    const high = x * y;
    if (format !== F64) {
      this.#value = high + z;
      this.#residual = sumError(high, z, this.#value);
      return this.#value !== 0;
    }
    if (!moderate(x) || !moderate(y) || !moderateAddend(z)) return false;
    const low = productError(x, y, high);
    const upper = z + low;
    const upperError = sumError(z, low, upper);
    const total = high + upper;
    const totalError = sumError(high, upper, total);
    const rest = upperError + totalError;
    const restError = sumError(upperError, totalError, rest);
    const odd = toOdd(rest, restError);
    this.#value = total + odd;
    this.#residual = sumError(total, odd, this.#value);
    return this.#value !== 0 && (this.#residual !== 0 || restError === 0);
  }

  /** Rounds the exact result to the format, and stores it. */
  #finish(format: Format, fpcr: number): number {
    const rounding = fpcr >>> FpcrBit.RMode & 3;
    if (format !== F64) return this.#storeNarrow(format, toOdd(this.#value, this.#residual), rounding, flushes(format, fpcr));
    const magnitude = Math.abs(this.#value);
    if (!(magnitude < 2 ** 1023) || (magnitude < 2 ** -1021 && magnitude !== 0)) return DECLINED;
    this.#doubles[0] = redirect(this.#value, this.#residual, rounding);
    return this.#residual === 0 ? 0 : FpsrFlag.IXC;
  }

  /** Rounds a double to single or half precision, and stores it. */
  #storeNarrow(format: Format, value: number, rounding: number, flush: boolean): number {
    const { fracBits, minExp, maxBiasedExp } = format;
    const words = this.#words;
    words[1] = 0;
    const sign = value < 0 || Object.is(value, -0) ? 2 ** (format.width - 1) : 0;
    if (value === 0) {
      words[0] = sign;
      return 0;
    }
    const exponent = exponentOf(value);
    const tiny = exponent < minExp;
    if (tiny && flush) {
      words[0] = sign;
      return FpsrFlag.UFC;
    }
    const scaled = value * powerOfTwo(fracBits - (tiny ? minExp : exponent));
    const integer = roundToInteger(scaled, rounding);
    const magnitude = (tiny ? 0 : exponent - minExp) * 2 ** fracBits + Math.abs(integer);
    const infinity = maxBiasedExp * 2 ** fracBits;
    if (magnitude >= infinity) {
      const toInfinity = rounding === Rounding.TieEven || rounding === (sign === 0 ? Rounding.PlusInfinity : Rounding.MinusInfinity);
      words[0] = sign + (toInfinity ? infinity : infinity - 1);
      return FpsrFlag.OFC | FpsrFlag.IXC;
    }
    words[0] = sign + magnitude;
    return integer === scaled ? 0 : tiny ? FpsrFlag.UFC | FpsrFlag.IXC : FpsrFlag.IXC;
  }

  #roundToIntegral(format: Format, x: number, code: number, fpcr: number): number {
    const integer = roundToInteger(x, roundingOf(code, fpcr));
    const signed = integer === 0 ? (x < 0 || Object.is(x, -0) ? -0 : 0) : integer;
    if (format === F64) this.#doubles[0] = signed;
    else this.#storeNarrow(format, signed, Rounding.Zero, false);
    return integer !== x && variantIn(code).exact ? FpsrFlag.IXC : 0;
  }

  #convert(format: Format, x: number, code: number, fpcr: number): number {
    const target = FORMATS[variantIn(code).target];
    if (!target || ((format === F16 || target === F16) && (fpcr & FpcrBit.AHP) !== 0)) return DECLINED;
    if (target !== F64) return this.#storeNarrow(target, x, fpcr >>> FpcrBit.RMode & 3, target !== F16 && flushes(target, fpcr));
    this.#doubles[0] = x;
    return 0;
  }

  #toFixed(x: number, code: number, fpcr: number): number {
    const { size, unsigned, fractionBits } = variantIn(code);
    const scaled = x * powerOfTwo(fractionBits);
    const integer = roundToInteger(scaled, roundingOf(code, fpcr));
    const end = powerOfTwo(unsigned ? size : size - 1);
    if (!(integer < end && integer >= (unsigned ? 0 : -end))) return DECLINED; // NaN, if scaling overflowed.
    const high = Math.floor(integer / 2 ** 32);
    this.#words[0] = integer - high * 2 ** 32 & (size === 16 ? 0xffff : 0xffff_ffff);
    this.#words[1] = size === 64 ? high : 0;
    return integer === scaled ? 0 : FpsrFlag.IXC;
  }

  #fromFixed(format: Format, code: number, fpcr: number): number {
    const { size, unsigned, fractionBits } = variantIn(code);
    const [low, high] = this.#words;
    if (size === 64) {
      const upper = (unsigned ? high : high | 0) * 2 ** 32;
      this.#value = upper + low;
      this.#residual = sumError(upper, low, this.#value);
    } else {
      const narrow = size === 32 ? low : low & 0xffff;
      this.#value = unsigned ? narrow : narrow << (32 - size) >> (32 - size);
      this.#residual = 0;
    }
    this.#value *= powerOfTwo(-fractionBits);
    return this.#finish(format, fpcr);
  }
}

function roundingOf(code: number, fpcr: number): number {
  const { rounding } = variantIn(code);
  return rounding < 0 ? fpcr >>> FpcrBit.RMode & 3 : rounding;
}
