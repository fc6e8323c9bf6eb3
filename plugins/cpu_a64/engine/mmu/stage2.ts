/**
 * Stage 2: IPA to PA by VTTBR_EL2 and VTCR_EL2.
 * Arm ARM DDI 0487, "The VMSAv8-64 address translation system", pseudocode "AArch64.S2Walk".
 */
import * as d from "./descriptors.ts";
import type { MmuEnvironment, MmuFeatures, RegisterIndices } from "./environment.ts";
import { SCTLR_EE } from "./environment.ts";
import { ACCESS_FLAG, ADDRESS_SIZE, EXTERNAL_ON_WALK, OK, TRANSLATION } from "./faults.ts";

const CACHE_SIZE = 2048;
const NOTHING = -1;

/**
 * Walks stage 2 and remembers results per 4 KiB of IPA, tagged by VMID, as a TLB may:
 * each stage 1 table entry costs a stage 2 translation.
 */
export class Stage2 {
  /** PA of the 4 KiB frame, in halves. */
  frameHi = 0;
  frameLo = 0;
  /** Host offset of the frame, -1 when it isn't RAM. */
  frameOffset = 0;
  /** log2 of the leaf's size. */
  sizeBits = 12;
  /** Level of the leaf, or of the fault. */
  level = 0;
  /** PA and value of the leaf. */
  leafAddress = 0;
  leafLo = 0;
  leafHi = 0;

  /** IPA bits [43:12]; the rest of the key is in the tag. */
  readonly #pages = new Int32Array(CACHE_SIZE);
  /** VMID in [23:8], IPA bits [47:44] in [3:0]. */
  readonly #tags = new Int32Array(CACHE_SIZE).fill(NOTHING);
  readonly #frameHi = new Int32Array(CACHE_SIZE);
  readonly #frameLo = new Int32Array(CACHE_SIZE);
  readonly #frameOffsets = new Float64Array(CACHE_SIZE);
  readonly #leafAddresses = new Float64Array(CACHE_SIZE);
  readonly #leafLo = new Int32Array(CACHE_SIZE);
  readonly #leafHi = new Int32Array(CACHE_SIZE);
  readonly #sizes = new Uint8Array(CACHE_SIZE);
  readonly #levels = new Uint8Array(CACHE_SIZE);

  constructor(
    private readonly env: MmuEnvironment,
    private readonly registers: RegisterIndices,
    private readonly features: MmuFeatures,
  ) {}

  /** VTTBR_EL2.VMID, 8 or 16 bits. */
  vmid(words: Uint32Array): number {
    const vmid = words[this.registers.vttbrEl2 + 1] >>> 16;
    return this.features.vmid16 && words[this.registers.vtcrEl2] & (1 << 19) ? vmid : vmid & 0xff;
  }

  /** Forgets one VMID, or everything. */
  invalidate(vmid?: number): void {
    if (vmid === undefined) {
      this.#tags.fill(NOTHING);
      return;
    }
    for (let i = 0; i < CACHE_SIZE; i++) {
      if (this.#tags[i] >> 8 === vmid) this.#tags[i] = NOTHING;
    }
  }

  /** Translates an IPA of at most 48 bits; returns {@linkcode OK} or a fault status. Rights are the caller's to check. */
  translate(words: Uint32Array, hi: number, lo: number): number {
    const page = (hi << 20) | (lo >>> 12);
    const tag = (this.vmid(words) << 8) | (hi >>> 12);
    const slot = (page ^ (page >>> 11)) & (CACHE_SIZE - 1);
    if (this.#pages[slot] === page && this.#tags[slot] === tag) {
      this.frameHi = this.#frameHi[slot];
      this.frameLo = this.#frameLo[slot];
      this.frameOffset = this.#frameOffsets[slot];
      this.sizeBits = this.#sizes[slot];
      this.level = this.#levels[slot];
      this.leafAddress = this.#leafAddresses[slot];
      this.leafLo = this.#leafLo[slot];
      this.leafHi = this.#leafHi[slot];
      return OK;
    }
    const status = this.#walk(words, hi, lo);
    if (status === OK) {
      this.frameOffset = this.env.ramOffset(this.frameHi * 0x1_0000_0000 + (this.frameLo >>> 0));
      this.#pages[slot] = page;
      this.#tags[slot] = tag;
      this.#frameHi[slot] = this.frameHi;
      this.#frameLo[slot] = this.frameLo;
      this.#frameOffsets[slot] = this.frameOffset;
      this.#sizes[slot] = this.sizeBits;
      this.#levels[slot] = this.level;
      this.#leafAddresses[slot] = this.leafAddress;
      this.#leafLo[slot] = this.leafLo;
      this.#leafHi[slot] = this.leafHi;
    }
    return status;
  }

  #walk(words: Uint32Array, hi: number, lo: number): number {
    const vtcr = words[this.registers.vtcrEl2];
    const baseLo = words[this.registers.vttbrEl2];
    const baseHi = words[this.registers.vttbrEl2 + 1];
    const paBits = this.features.paBits;
    const inputSize = 64 - (vtcr & 63);
    const granule = d.granuleOfTg0((vtcr >>> 14) & 3);
    const stride = granule - 3;
    let level = (granule === 12 ? 2 : 3) - ((vtcr >>> 6) & 3);
    let shift = (3 - level) * stride + granule;
    let width = inputSize - shift;
    if (!startIsLegal(level, granule, inputSize, paBits) || width < 1 || width > stride + 4 || !fits(hi, lo, inputSize)) {
      this.level = 0;
      return TRANSLATION;
    }
    const outputBits = d.outputSize(vtcr >>> 16, paBits);
    if (d.exceeds(baseHi, outputBits)) {
      this.level = 0;
      return ADDRESS_SIZE;
    }
    const bigEndian = (words[this.registers.sctlrEl2] & SCTLR_EE) !== 0;
    const blockLevel = d.firstBlockLevel(granule);
    let table = d.addressOf(baseHi, baseLo, 3 + width);
    for (;;) {
      const address = table + d.bitsOf(hi, lo, shift, width) * 8;
      this.level = level;
      const inFrame = address & 4095;
      const offset = this.env.ramOffset(address - inFrame);
      if (offset < 0) return EXTERNAL_ON_WALK + level;
      const index = (offset + inFrame) >>> 2;
      let entryLo = words[index] | 0;
      let entryHi = words[index + 1] | 0;
      if (bigEndian) {
        const first = entryLo;
        entryLo = d.swapBytes(entryHi);
        entryHi = d.swapBytes(first);
      }
      const kind = entryLo & 3;
      if ((kind & 1) === 0 || (kind === 1 && (level === 3 || level < blockLevel))) return TRANSLATION + level;
      if (d.exceeds(entryHi, outputBits)) return ADDRESS_SIZE + level;
      if (kind === 1 || level === 3) {
        if ((entryLo & d.ACCESS_FLAG_BIT) === 0) return ACCESS_FLAG + level;
        this.leafAddress = address;
        this.leafLo = entryLo;
        this.leafHi = entryHi;
        this.sizeBits = shift;
        const mask = -1 << shift;
        this.frameHi = entryHi & 0xffff;
        this.frameLo = ((entryLo & mask) | (lo & ~mask)) & -4096;
        return OK;
      }
      table = d.addressOf(entryHi, entryLo, granule);
      level++;
      shift -= stride;
      width = stride;
    }
  }
}

/** Level 0 exists for the 4 KiB granule only, and a level that the PA size never needs is not implemented. */
function startIsLegal(level: number, granule: number, inputSize: number, paBits: number): boolean {
  if (inputSize > 48 || inputSize < 25 || inputSize > paBits) return false;
  if (granule === 12) return level > 0 || (level === 0 && paBits > 42);
  return level > 1 || (level === 1 && paBits > (granule === 16 ? 42 : 40));
}

/** True when no bit from `size` up is set. */
function fits(hi: number, lo: number, size: number): boolean {
  return size < 32 ? hi === 0 && lo >>> size === 0 : hi >>> (size - 32) === 0;
}
