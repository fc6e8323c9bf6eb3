/**
 * The engine's slow path for floating point: what generated code calls for
 * whatever the host's arithmetic can't tell (flags, NaNs, rounding modes, fused operations, half precision).
 *
 * A guest chooses operands and FPCR, all of which are valid; codes come from the engine. Nothing here can
 * throw for, or be delayed by, a guest's choice: the largest intermediate number has some 4,000 bits.
 *
 * @module
 */

import { evaluate } from "./evaluate.ts";

/** Soft-float on operands in a scratch area of the shared memory. */
export class SoftFloat {
  readonly #words: () => Uint32Array;
  readonly #index: number;

  /**
   * @param words The memory, as it is now; asked at each operation, because a memory that grows changes its buffer.
   * @param scratchByteOffset Where the scratch area of 24 bytes lies, a multiple of 8: operands a, b, c, 64 bits each,
   * zero-extended, and at the end of the operation the result, 64 bits, zero-extended, over a.
   */
  constructor(words: () => Uint32Array, scratchByteOffset: number) {
    this.#words = words;
    this.#index = scratchByteOffset >>> 2;
  }

  /**
   * Executes an operation of {@linkcode fpOpCode} under an FPCR.
   *
   * @returns The FPSR flags that it raises, to be accumulated by the caller.
   */
  op(code: number, fpcr: number): number {
    const words = this.#words();
    const { result, flags } = evaluate(code, fpcr, this.#operand(words, 0), this.#operand(words, 2), this.#operand(words, 4));
    words[this.#index] = Number(result & 0xffff_ffffn);
    words[this.#index + 1] = Number(result >> 32n);
    return flags;
  }

  #operand(words: Uint32Array, offset: number): bigint {
    return BigInt(words[this.#index + offset + 1]) << 32n | BigInt(words[this.#index + offset]);
  }
}
