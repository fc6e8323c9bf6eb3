/**
 * Stage 2: IPA to PA by VTTBR_EL2 and VTCR_EL2.
 * Arm ARM DDI 0487, "The VMSAv8-64 address translation system", pseudocode "AArch64.S2Walk".
 */
import * as d from "./descriptors.ts";
import type { MmuEnvironment, MmuFeatures, RegisterIndices } from "./environment.ts";
import { SCTLR_EE } from "./environment.ts";
import * as c from "./stage2_cache.ts";
import { ACCESS_FLAG, ADDRESS_SIZE, EXTERNAL_ON_WALK, OK, TRANSLATION } from "./faults.ts";

/** A second stage: tables, or an MPU that looks like tables of level 0. Arrays are by slot. */
export interface SecondStage {
  /** PA of the 4 KiB frame, in halves. */
  readonly frameHi: Int32Array;
  readonly frameLo: Int32Array;
  /** Number of the 4 KiB frame in the shared memory, -1 when it isn't RAM. */
  readonly host: Int32Array;
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

/**
 * Walks stage 2 and remembers results per 4 KiB of IPA, tagged by VMID, as a TLB may:
 * each stage 1 table entry costs a stage 2 translation. What a translation found stays in the
 * cache's slot, whose number is the answer, so that callers copy only what they need.
 */
export class Stage2 implements SecondStage {
  readonly from = 0;
  readonly to = 4096;

  readonly frameHi: Int32Array;
  readonly frameLo: Int32Array;
  readonly host: Int32Array;
  readonly leafAddress: Float64Array;
  readonly leafLo: Int32Array;
  readonly leafHi: Int32Array;
  readonly level: Uint8Array;
  readonly sizeBits: Uint8Array;

  /** Two words a slot: IPA bits [43:12]; and with the VMID in [23:8], IPA bits [47:44] in [3:0]. */
  readonly #keys: Int32Array;
  #geometry: Stage2Geometry;

  constructor(
    private readonly env: MmuEnvironment,
    private readonly registers: RegisterIndices,
    private readonly features: MmuFeatures,
  ) {
    const { buffer, address } = env.stage2Cache ?? { buffer: new ArrayBuffer(c.STAGE2_CACHE_BYTES), address: 0 };
    const words = (offset: number, count: number = c.STAGE2_SLOTS) => new Int32Array(buffer, address + offset, count);
    const bytes = (offset: number) => new Uint8Array(buffer, address + offset, c.STAGE2_SLOTS);
    this.#keys = words(c.STAGE2_KEY, 2 * c.STAGE2_SLOTS).fill(c.NO_STAGE2);
    this.frameHi = words(c.STAGE2_FRAME_HI);
    this.frameLo = words(c.STAGE2_FRAME_LO);
    this.host = words(c.STAGE2_HOST);
    this.leafAddress = new Float64Array(buffer, address + c.STAGE2_LEAF_ADDRESS, c.STAGE2_SLOTS);
    this.leafLo = words(c.STAGE2_LEAF_LO);
    this.leafHi = words(c.STAGE2_LEAF_HI);
    this.level = bytes(c.STAGE2_LEVEL);
    this.sizeBits = bytes(c.STAGE2_SIZE);
    this.#geometry = stage2Geometry(0, features.paBits);
  }

  /** VTTBR_EL2.VMID, 8 or 16 bits. */
  vmid(words: Uint32Array): number {
    const vmid = words[this.registers.vttbrEl2 + 1] >>> 16;
    return this.features.vmid16 && words[this.registers.vtcrEl2] & (1 << 19) ? vmid : vmid & 0xff;
  }

  /** Forgets one VMID, or everything. */
  invalidate(vmid?: number): void {
    if (vmid === undefined) {
      this.#keys.fill(c.NO_STAGE2);
      return;
    }
    for (let i = 1; i < 2 * c.STAGE2_SLOTS; i += 2) {
      if (this.#keys[i] >> 8 === vmid) this.#keys[i] = c.NO_STAGE2;
    }
  }

  /**
   * Translates an IPA of at most 48 bits. Returns the slot that holds the result, or a fault as
   * `~status`, which is negative. Rights are the caller's to check. `vmid`: what {@linkcode vmid} said.
   */
  translate(words: Uint32Array, hi: number, lo: number, vmid: number): number {
    const page = (hi << 20) | (lo >>> 12);
    const tag = (vmid << 8) | (hi >>> 12);
    const slot = (page ^ (page >>> 11)) & (c.STAGE2_SLOTS - 1);
    if (this.#keys[2 * slot] === page && this.#keys[2 * slot + 1] === tag) return slot;
    const status = this.#walk(words, hi, lo, slot);
    if (status !== OK) return ~status;
    this.#keys[2 * slot] = page;
    this.#keys[2 * slot + 1] = tag;
    return slot;
  }

  /** Fills a slot; returns {@linkcode OK} or a fault status. */
  #walk(words: Uint32Array, hi: number, lo: number, slot: number): number {
    const vtcr = words[this.registers.vtcrEl2];
    const baseLo = words[this.registers.vttbrEl2];
    const baseHi = words[this.registers.vttbrEl2 + 1];
    if (this.#geometry.vtcr !== vtcr) this.#geometry = stage2Geometry(vtcr, this.features.paBits);
    const { inputSize, granule, stride, outputBits } = this.#geometry;
    let { level, shift, width } = this.#geometry;
    if (inputSize === 0 || !fits(hi, lo, inputSize)) return TRANSLATION;
    if (d.exceeds(baseHi, outputBits)) return ADDRESS_SIZE;
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
        const host = this.env.ramOffset(frameHi * 0x1_0000_0000 + (frameLo >>> 0));
        this.host[slot] = host < 0 ? -1 : host / 4096;
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

/** How VTCR_EL2 shapes a walk. */
export interface Stage2Geometry {
  readonly vtcr: number;
  /** Bits of an IPA; 0 where each walk faults. */
  readonly inputSize: number;
  readonly outputBits: number;
  readonly granule: number;
  readonly stride: number;
  /** The first level, the lowest bit of an IPA that it resolves, and how many it does. */
  readonly level: number;
  readonly shift: number;
  readonly width: number;
}

/** Works it out. */
export function stage2Geometry(vtcr: number, paBits: number): Stage2Geometry {
  const inputSize = 64 - (vtcr & 63);
  const granule = d.granuleOfTg0((vtcr >>> 14) & 3);
  const stride = granule - 3;
  const level = (granule === 12 ? 2 : 3) - ((vtcr >>> 6) & 3);
  const shift = (3 - level) * stride + granule;
  const width = inputSize - shift;
  const isLegal = startIsLegal(level, granule, inputSize, paBits) && width >= 1 && width <= stride + 4;
  return { vtcr, inputSize: isLegal ? inputSize : 0, outputBits: d.outputSize(vtcr >>> 16, paBits), granule, stride, level, shift, width };
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
