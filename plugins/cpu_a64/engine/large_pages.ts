/**
 * Translations of whole 2 MiB, beside the TLB's of 4 KiB: a miss there needs no walk here. Any maintenance of the TLB
 * empties it.
 */
import { RIGHT_READ, RIGHT_WRITE, type Translation, UPDATE, WRITE } from "./mmu/mod.ts";
import type { Tlb } from "./tlb.ts";

const BITS = 8, PAGE_BITS = 21;

/** A direct-mapped cache. */
export class LargePages {
  /** VA >> 21 and the address of the TLB bank, together; -1: nothing. */
  readonly #keys = new Float64Array(1 << BITS).fill(-1);
  readonly #banks = new Uint32Array(1 << BITS);
  readonly #pa = new Float64Array(1 << BITS);
  readonly #rights = new Uint8Array(1 << BITS);
  readonly #attributes = new Uint8Array(1 << BITS);
  readonly #global = new Uint8Array(1 << BITS);
  readonly #stage1Bits = new Uint8Array(1 << BITS);
  readonly #sizeBits = new Uint8Array(1 << BITS);
  #generation = -1;

  constructor(readonly tlb: Tlb, readonly result: Translation) {}

  /** Fills the result as a walk would, if the address is known and the access allowed. */
  find(bank: number, vaHi: number, vaLo: number, access: number, isUnaligned: boolean): boolean {
    if (this.#generation !== this.tlb.generation) return false;
    const slot = (vaLo >>> PAGE_BITS) & ((1 << BITS) - 1);
    if (this.#keys[slot] !== vaHi * 2 ** (32 - PAGE_BITS) + (vaLo >>> PAGE_BITS) || this.#banks[slot] !== bank) return false;
    // Device memory refuses what isn't aligned: a walk says how.
    if (isUnaligned && this.#attributes[slot] < 0x10) return false;
    const rights = this.#rights[slot];
    const needed = access === WRITE ? RIGHT_WRITE : access === UPDATE ? RIGHT_READ | RIGHT_WRITE : RIGHT_READ;
    if ((rights & needed) !== needed) return false;
    const { result } = this;
    result.pa = this.#pa[slot] + (vaLo & ((1 << PAGE_BITS) - 1));
    result.rights = rights;
    result.attributes = this.#attributes[slot];
    result.global = this.#global[slot] !== 0;
    result.stage1Bits = this.#stage1Bits[slot];
    result.sizeBits = this.#sizeBits[slot];
    return true;
  }

  /** Keeps the result of a walk for data, if both stages map 2 MiB or more. */
  keep(bank: number, vaHi: number, vaLo: number): void {
    const { result, tlb } = this;
    if (result.sizeBits < PAGE_BITS) return;
    if (this.#generation !== tlb.generation) {
      this.#keys.fill(-1);
      this.#generation = tlb.generation;
    }
    const slot = (vaLo >>> PAGE_BITS) & ((1 << BITS) - 1);
    this.#keys[slot] = vaHi * 2 ** (32 - PAGE_BITS) + (vaLo >>> PAGE_BITS);
    this.#banks[slot] = bank;
    this.#pa[slot] = result.pa - (vaLo & ((1 << PAGE_BITS) - 1));
    this.#rights[slot] = result.rights;
    this.#attributes[slot] = result.attributes;
    this.#global[slot] = result.global ? 1 : 0;
    this.#stage1Bits[slot] = result.stage1Bits;
    this.#sizeBits[slot] = result.sizeBits;
  }
}
