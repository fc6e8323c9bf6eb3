/**
 * Stage 2: IPA to PA by VTTBR_EL2 and VTCR_EL2.
 * Arm ARM DDI 0487, "The VMSAv8-64 address translation system", pseudocode "AArch64.S2Walk".
 */
import * as d from "./descriptors.ts";
import type { MmuEnvironment, MmuFeatures, RegisterIndices } from "./environment.ts";
import { SCTLR_EE } from "./environment.ts";
import { ACCESS_FLAG, ADDRESS_SIZE, EXTERNAL_ON_WALK, OK, TRANSLATION } from "./faults.ts";

/** A second stage: tables, or an MPU that looks like tables of level 0. Arrays are by slot. */
export interface SecondStage {
  /** PA of the 4 KiB frame, in halves. */
  readonly frameHi: Int32Array;
  readonly frameLo: Int32Array;
  /** Host offset of the frame, -1 when it isn't RAM. */
  readonly frameOffset: Float64Array;
  /** PA and value of the leaf, its level, and log2 of its size. */
  readonly leafAddress: Float64Array;
  readonly leafLo: Int32Array;
  readonly leafHi: Int32Array;
  readonly level: Uint8Array;
  readonly sizeBits: Uint8Array;
  /** Bytes of the page for which the latest answer holds, where `sizeBits` is below 12. */
  readonly from: number;
  readonly to: number;
  /** The VMID in force. */
  vmid(words: Uint32Array): number;
  /** Forgets one VMID, or everything. */
  invalidate(vmid?: number): void;
  /**
   * Translates an IPA of at most 48 bits. Returns the slot that holds the result, or a fault as `~status`, which is negative.
   * Rights are the caller's to check. `vmid`: what {@linkcode vmid} said.
   */
  translate(words: Uint32Array, hi: number, lo: number, vmid: number): number;
}

const CACHE_SIZE = 2048;
const NOTHING = -1;

/**
 * Walks stage 2 and remembers results per 4 KiB of IPA, tagged by VMID, as a TLB may:
 * each stage 1 table entry costs a stage 2 translation. What a translation found stays in the
 * cache's slot, whose number is the answer, so that callers copy only what they need.
 */
export class Stage2 implements SecondStage {
  readonly from = 0;
  readonly to = 4096;

  /** PA of the 4 KiB frame, in halves, by slot. */
  readonly frameHi: Int32Array = new Int32Array(CACHE_SIZE);
  readonly frameLo: Int32Array = new Int32Array(CACHE_SIZE);
  /** Host offset of the frame, -1 when it isn't RAM. */
  readonly frameOffset: Float64Array = new Float64Array(CACHE_SIZE);
  /** PA and value of the leaf, its level, and log2 of its size. */
  readonly leafAddress: Float64Array = new Float64Array(CACHE_SIZE);
  readonly leafLo: Int32Array = new Int32Array(CACHE_SIZE);
  readonly leafHi: Int32Array = new Int32Array(CACHE_SIZE);
  readonly level: Uint8Array = new Uint8Array(CACHE_SIZE);
  readonly sizeBits: Uint8Array = new Uint8Array(CACHE_SIZE);

  /** IPA bits [43:12]; the rest of the key is in the tag. */
  readonly #pages = new Int32Array(CACHE_SIZE);
  /** VMID in [23:8], IPA bits [47:44] in [3:0]. */
  readonly #tags = new Int32Array(CACHE_SIZE).fill(NOTHING);

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

  /**
   * Translates an IPA of at most 48 bits. Returns the slot that holds the result, or a fault as
   * `~status`, which is negative. Rights are the caller's to check. `vmid`: what {@linkcode vmid} said.
   */
  translate(words: Uint32Array, hi: number, lo: number, vmid: number): number {
    const page = (hi << 20) | (lo >>> 12);
    const tag = (vmid << 8) | (hi >>> 12);
    const slot = (page ^ (page >>> 11)) & (CACHE_SIZE - 1);
    if (this.#pages[slot] === page && this.#tags[slot] === tag) return slot;
    const status = this.#walk(words, hi, lo, slot);
    if (status !== OK) return ~status;
    this.#pages[slot] = page;
    this.#tags[slot] = tag;
    return slot;
  }

  /** Fills a slot; returns {@linkcode OK} or a fault status. */
  #walk(words: Uint32Array, hi: number, lo: number, slot: number): number {
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
      return TRANSLATION;
    }
    const outputBits = d.outputSize(vtcr >>> 16, paBits);
    if (d.exceeds(baseHi, outputBits)) {
      return ADDRESS_SIZE;
    }
    const bigEndian = (words[this.registers.sctlrEl2] & SCTLR_EE) !== 0;
    const blockLevel = d.firstBlockLevel(granule);
    let table = d.addressOf(baseHi, baseLo, 3 + width);
    for (;;) {
      const address = table + d.bitsOf(hi, lo, shift, width) * 8;
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
        const mask = -1 << shift;
        const frameHi = entryHi & 0xffff;
        const frameLo = ((entryLo & mask) | (lo & ~mask)) & -4096;
        this.frameHi[slot] = frameHi;
        this.frameLo[slot] = frameLo;
        this.frameOffset[slot] = this.env.ramOffset(frameHi * 0x1_0000_0000 + (frameLo >>> 0));
        this.leafAddress[slot] = address;
        this.leafLo[slot] = entryLo;
        this.leafHi[slot] = entryHi;
        this.level[slot] = level;
        this.sizeBits[slot] = shift;
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
