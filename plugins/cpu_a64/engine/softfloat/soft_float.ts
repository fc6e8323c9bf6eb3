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
import { DECLINED, HostPath } from "./host_path.ts";

/** Soft-float on operands in a scratch area of the shared memory. */
export class SoftFloat {
  readonly #memory: () => Uint32Array;
  readonly #scratchByteOffset: number;
  #scratch: Uint32Array;
  #host: HostPath;

  /**
   * @param words The memory, as it is now; asked at each operation, because a memory that grows changes its buffer.
   * @param scratchByteOffset Where the scratch area of 24 bytes lies, a multiple of 8: operands a, b, c, 64 bits each,
   * zero-extended, and at the end of the operation the result, 64 bits, zero-extended, over a.
   */
  constructor(words: () => Uint32Array, scratchByteOffset: number) {
    this.#memory = words;
    this.#scratchByteOffset = scratchByteOffset;
    this.#scratch = this.#view(words());
    this.#host = new HostPath(this.#scratch);
  }

  /**
   * Executes an operation of {@linkcode fpOpCode} under an FPCR.
   *
   * @returns The FPSR flags that it raises, to be accumulated by the caller.
   */
  op(code: number, fpcr: number): number {
    const memory = this.#memory();
    if (memory.buffer !== this.#scratch.buffer) {
      this.#scratch = this.#view(memory);
      this.#host = new HostPath(this.#scratch);
    }
    const raised = this.#host.op(code, fpcr);
    if (raised !== DECLINED) return raised;
    const scratch = this.#scratch;
    const { result, flags } = evaluate(code, fpcr, operand(scratch, 0), operand(scratch, 2), operand(scratch, 4));
    scratch[0] = Number(result & 0xffff_ffffn);
    scratch[1] = Number(result >> 32n);
    return flags;
  }

  #view(memory: Uint32Array): Uint32Array {
    return new Uint32Array(memory.buffer, memory.byteOffset + this.#scratchByteOffset, 6);
  }
}

function operand(scratch: Uint32Array, index: number): bigint {
  return BigInt(scratch[index + 1]) << 32n | BigInt(scratch[index]);
}
