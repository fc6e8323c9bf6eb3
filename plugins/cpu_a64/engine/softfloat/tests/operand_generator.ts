/** Random operands for the tests: mostly those where something happens. */

import type { Random } from "../../../../../tests/support/random.ts";
import type { Format } from "../format.ts";

/**
 * A source of operands. Signs, special exponents (zero, least, greatest, infinity), exponents near
 * that of the operand before, and fractions with few bits set or clear all come up often.
 */
export class OperandGenerator {
  #exponent = 0;

  constructor(readonly random: Random) {}

  /** Writes an operand's 64 bits, zero-extended, to two words. */
  fill(format: Format, words: Uint32Array, index: number): void {
    const choice = this.random.u32();
    const { width, fracBits, maxBiasedExp } = format;
    const exponent = this.#exponentFor(choice & 15, maxBiasedExp);
    this.#exponent = exponent;
    const sign = choice >>> 31;
    const high = this.#fraction(choice >>> 8 & 7);
    const low = this.#fraction(choice >>> 11 & 7);
    if (width === 64) {
      words[index] = low;
      words[index + 1] = (sign << 31 | exponent << 20 | (high & 0xf_ffff)) >>> 0;
    } else {
      words[index] = (sign << (width - 1) | exponent << fracBits | (high & (2 ** fracBits - 1))) >>> 0;
      words[index + 1] = 0;
    }
  }

  /** Writes 64 bits, from one to all of them significant, to two words. */
  fillInteger(words: Uint32Array, index: number): void {
    const bits = 1 + this.random.below(64);
    const ones = this.random.below(4);
    const value = BigInt.asIntN(bits, BigInt(this.#fraction(ones)) << 32n | BigInt(this.#fraction(ones)));
    words[index] = Number(BigInt.asUintN(32, value));
    words[index + 1] = Number(BigInt.asUintN(32, value >> 32n));
  }

  #exponentFor(choice: number, max: number): number {
    if (choice === 0) return 0;
    if (choice === 1) return max;
    if (choice === 2) return 1 + this.random.below(4);
    if (choice === 3) return max - 1 - this.random.below(4);
    const middle = max >> 1;
    if (choice < 7) return middle + this.random.below(9) - 4;
    if (choice < 9) return Math.min(max, middle + this.random.below(70));
    if (choice < 12) return Math.min(max, Math.max(0, this.#exponent + this.random.below(5) - 2));
    return this.random.below(max + 1);
  }

  #fraction(choice: number): number {
    const random = this.random.u32();
    if (choice === 0) return 0;
    if (choice === 1) return 0xffff_ffff;
    if (choice === 2) return 1 << (random & 31);
    if (choice === 3) return ~(1 << (random & 31));
    return random;
  }
}
