/** Values at which instructions go wrong: integer limits, and every kind of floating-point number. */
import type { Random } from "./random.ts";

const ones = (bits: number) => (1n << BigInt(bits)) - 1n;

/** An integer of `bits` bits: limits, powers of two and their neighbours, small ones, random ones. */
export function integer(random: Random, bits: number): bigint {
  const width = BigInt(bits);
  switch (random.below(8)) {
    case 0:
      return random.pick([0n, 1n, ones(bits), 1n << (width - 1n), ones(bits - 1)]);
    case 1:
      return BigInt.asUintN(bits, (1n << BigInt(random.below(bits))) + BigInt(random.below(3)) - 1n);
    case 2: // a small one, of either sign
      return BigInt.asUintN(bits, BigInt(random.below(144) - 72));
    case 3: // as many significant bits as it likes
      return BigInt.asUintN(random.below(bits) + 1, random.u64());
    case 4: // the same in each byte
      return BigInt.asUintN(bits, BigInt(random.below(256)) * 0x0101_0101_0101_0101n);
    default:
      return BigInt.asUintN(bits, random.u64());
  }
}

/** A floating-point format. */
interface Format {
  readonly exponent: number;
  readonly fraction: number;
}

const formats: Readonly<Record<number, Format>> = {
  16: { exponent: 5, fraction: 10 },
  32: { exponent: 8, fraction: 23 },
  64: { exponent: 11, fraction: 52 },
};

/** Bits of a floating-point number of 16, 32 or 64 bits. */
export function float(random: Random, bits: 16 | 32 | 64): bigint {
  const { exponent, fraction } = formats[bits];
  const maxExponent = (1 << exponent) - 1;
  const bias = maxExponent >> 1;
  const sign = BigInt(random.u32() & 1);
  const make = (e: number, f: bigint) => sign << BigInt(bits - 1) | BigInt(e) << BigInt(fraction) | f & ones(fraction);
  const fractionBits = () => fractionPattern(random, fraction);
  switch (random.below(14)) {
    case 0:
      return make(0, 0n);
    case 1: // subnormal
      return make(0, fractionBits());
    case 2:
      return make(random.below(3), random.pick([0n, 1n, ones(fraction)]));
    case 3:
      return make(maxExponent, 0n);
    case 4: // quiet NaN
      return make(maxExponent, 1n << BigInt(fraction - 1) | fractionBits());
    case 5: // signalling NaN
      return make(maxExponent, fractionBits() & ones(fraction - 1) | 1n);
    case 6: // near overflow
      return make(maxExponent - 1 - random.below(2), random.chance(0.5) ? ones(fraction) : fractionBits());
    case 7: // integers and halves: bits below the point are 0 or one half
      return make(Math.min(bias + random.below(fraction + 2), maxExponent - 1), fractionBits() & ~ones(random.below(fraction)));
    case 8: // near the limits of integers
      return make(
        Math.min(bias + random.pick([6, 7, 8, 14, 15, 16, 30, 31, 32, 62, 63, 64]), maxExponent - 1),
        fractionPattern(random, fraction),
      );
    case 9:
      return make(bias, random.pick([0n, 0n, 1n, ones(fraction)]));
    case 10: // products and sums near the smallest normal number
      return make(Math.max(0, (bias >> 1) + random.below(fraction + 4) - (fraction >> 1)), fractionBits());
    case 11:
      return BigInt.asUintN(bits, random.u64());
    default: // about 1: sums and products round
      return make(Math.min(Math.max(bias + random.below(2 * fraction) - fraction, 1), maxExponent - 1), fractionBits());
  }
}

function fractionPattern(random: Random, bits: number): bigint {
  switch (random.below(5)) {
    case 0:
      return 0n;
    case 1:
      return ones(bits);
    case 2:
      return 1n << BigInt(random.below(bits));
    case 3: // ends in zeros, so that results are exact or halves
      return random.u64() & ones(bits) & ~ones(random.below(bits));
    default:
      return random.u64() & ones(bits);
  }
}

/** What the lanes of a vector hold. */
export type LaneKind = "f16" | "f32" | "f64" | "i8" | "i16" | "i32" | "i64";

const laneBits: Readonly<Record<LaneKind, 8 | 16 | 32 | 64>> = { f16: 16, f32: 32, f64: 64, i8: 8, i16: 16, i32: 32, i64: 64 };

/**
 * A few related values for all registers of a case, so that operands are equal,
 * opposite, one apart, or cancel in a fused multiply-add.
 */
export class LanePool {
  readonly bits: 8 | 16 | 32 | 64;
  readonly #values: bigint[] = [];

  constructor(readonly random: Random, readonly kind: LaneKind) {
    this.bits = laneBits[kind];
    for (let i = 0; i < 4; i++) this.#values.push(this.#fresh());
    const [a, b] = this.#values;
    const mask = ones(this.bits);
    this.#values.push((a + 1n) & mask, a ^ 1n << BigInt(this.bits - 1), this.#negatedProduct(a, b));
  }

  value(): bigint {
    return this.random.chance(0.75) ? this.random.pick(this.#values) : this.#fresh();
  }

  /** Fills the 16 bytes of a vector. */
  fill(vector: DataView): void {
    for (let at = 0; at < 16; at += this.bits / 8) {
      const value = this.value();
      if (this.bits === 64) vector.setBigUint64(at, value, true);
      else if (this.bits === 32) vector.setUint32(at, Number(value), true);
      else if (this.bits === 16) vector.setUint16(at, Number(value), true);
      else vector.setUint8(at, Number(value));
    }
  }

  #fresh(): bigint {
    if (this.kind === "i8" && this.random.chance(0.3)) return BigInt(this.random.below(80)); // indices of TBL
    return this.kind[0] === "f" ? float(this.random, this.bits as 16 | 32 | 64) : integer(this.random, this.bits);
  }

  #negatedProduct(a: bigint, b: bigint): bigint {
    const view = new DataView(new ArrayBuffer(16));
    if (this.kind === "f32") {
      view.setUint32(0, Number(a), true);
      view.setUint32(4, Number(b), true);
      view.setFloat32(8, -(view.getFloat32(0, true) * view.getFloat32(4, true)), true);
      return BigInt(view.getUint32(8, true));
    }
    if (this.kind === "f64") {
      view.setBigUint64(0, a, true);
      view.setBigUint64(8, b, true);
      view.setFloat64(0, -(view.getFloat64(0, true) * view.getFloat64(8, true)), true);
      return view.getBigUint64(0, true);
    }
    return BigInt.asUintN(this.bits, -(a * b));
  }
}
