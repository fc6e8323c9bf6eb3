/**
 * The address spaces that the vCPU in the block was in lately and their TLB banks, in the shared memory: generated code changes between them
 * by itself. Rows of 16 bytes, one for all ASIDs that are equal in their low bits: the ASID and {@linkcode SPACE_VALID}, then the banks for
 * EL0, EL1 and EL1 with PAN, 0 where none is known.
 */
import type { Block } from "./block.ts";

/** How many, as a power of two. */
export const SPACE_BITS = 6;
export const SPACE_SHIFT = 4;
/** In a row's first word: there is an ASID. */
export const SPACE_VALID = 1 << 16;
/** Bytes of all. */
export const SPACES_SIZE = 1 << (SPACE_BITS + SPACE_SHIFT);

/** The table of one physical CPU. All rows are of one vCPU, VMID and state of SCTLR_EL1. */
export class Spaces {
  /** @param address of the table, a multiple of 4 */
  constructor(readonly block: Block, readonly address: number) {}

  /** Forgets all. */
  clear(): void {
    this.block.bytes.fill(0, this.address, this.address + SPACES_SIZE);
  }

  /** Index of the row of an ASID among the memory's words; one that had another's is empty. */
  row(asid: number): number {
    const { words } = this.block;
    const row = (this.address >>> 2) + ((asid & ((1 << SPACE_BITS) - 1)) << (SPACE_SHIFT - 2));
    if (words[row] !== (asid | SPACE_VALID)) {
      words[row] = asid | SPACE_VALID;
      words.fill(0, row + 1, row + (1 << (SPACE_SHIFT - 2)));
    }
    return row;
  }
}
