/** Access to the CPU state block as 32-bit words. Offsets are bytes from the block's start, multiples of 4. */

/** A CPU state block inside a larger memory; `state.ts` gives the offsets. */
export interface StateBlock {
  /** The memory that holds the block. */
  readonly words: Uint32Array;
  /** Index in `words` of the block's first word. */
  readonly base: number;
}

/** Reads an unsigned 32-bit word. */
export function getWord(block: StateBlock, offset: number): number {
  return block.words[block.base + (offset >>> 2)];
}

/** Writes a 32-bit word. */
export function setWord(block: StateBlock, offset: number, value: number): void {
  block.words[block.base + (offset >>> 2)] = value;
}

/** Writes a 64-bit value given as two words. */
export function setPair(block: StateBlock, offset: number, lo: number, hi: number): void {
  const index = block.base + (offset >>> 2);
  block.words[index] = lo;
  block.words[index + 1] = hi;
}

/** Copies a 64-bit value within the block. */
export function copyPair(block: StateBlock, from: number, to: number): void {
  const source = block.base + (from >>> 2);
  const target = block.base + (to >>> 2);
  block.words[target] = block.words[source];
  block.words[target + 1] = block.words[source + 1];
}

/** Reads 64 bits as a BigInt: slow, for exits and set-up. */
export function getLong(block: StateBlock, offset: number): bigint {
  const index = block.base + (offset >>> 2);
  return (BigInt(block.words[index + 1]) << 32n) | BigInt(block.words[index]);
}

/** Writes 64 bits from a BigInt, cut to 64 bits: slow, for exits and set-up. */
export function setLong(block: StateBlock, offset: number, value: bigint): void {
  setPair(block, offset, Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
}
