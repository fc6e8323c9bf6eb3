/**
 * The plain case of a walk, worked out for generated code: 4 KiB granule, little-endian, both stages on. TCR_EL1 and VTCR_EL2 are taken apart
 * once for each of their values; generated code compares them, and leaves every other case to `mmu.ts`.
 */
import * as d from "./descriptors.ts";
import type { MmuFeatures, RegisterIndices } from "./environment.ts";
import { Regime } from "./regime.ts";
import { stage2Geometry } from "./stage2.ts";

/** Byte offsets of what is worked out. All have 8 bytes. TCR_EL1 and VTCR_EL2 of which the rest is true: */
export const PLAIN_TCR = 0, PLAIN_VTCR = 8;
/** Output sizes of both stages, in bits. */
export const PLAIN_OUTPUT = 16, PLAIN_OUTPUT2 = 24;
/** Of stage 2 and of each range of EL1&0: bits of an address, 0 where it isn't the plain case; … */
export const PLAIN_STAGE2 = 32, PLAIN_LOWER = 72, PLAIN_UPPER = 112;
/** … bits of an address that count; the lowest bit that the first level resolves; its index, times 8; bits of the base register that count. */
export const RANGE_SIZE = 0, RANGE_COUNTS = 8, RANGE_SHIFT = 16, RANGE_INDEX = 24, RANGE_BASE = 32;
/** Bytes of all. */
export const PLAIN_BYTES = 152;

const ADDRESS = 0xffff_ffff_ffffn;

/** Writes it. */
export class PlainWalks {
  readonly #regime = new Regime();
  readonly #long: BigUint64Array;
  readonly #words: Uint32Array;

  /** @param address of the bytes to write, a multiple of 8 */
  constructor(buffer: ArrayBufferLike, address: number, private readonly at: RegisterIndices, private readonly features: MmuFeatures) {
    this.#long = new BigUint64Array(buffer, address, PLAIN_BYTES / 8);
    this.#words = new Uint32Array(buffer, address, PLAIN_BYTES / 4);
    this.#range(PLAIN_STAGE2, 0, 0, false);
    this.#range(PLAIN_LOWER, 0, 0, false);
    this.#range(PLAIN_UPPER, 0, 0, false);
  }

  /** Makes it true to the registers. */
  update(words: Uint32Array): void {
    const { at } = this;
    const known = this.#words;
    const tcr = words[at.tcrEl1], tcrHi = words[at.tcrEl1 + 1], vtcr = words[at.vtcrEl2];
    if (known[PLAIN_TCR / 4] === tcr && known[PLAIN_TCR / 4 + 1] === tcrHi && known[PLAIN_VTCR / 4] === vtcr) return;
    known[PLAIN_TCR / 4] = tcr;
    known[PLAIN_TCR / 4 + 1] = tcrHi;
    known[PLAIN_VTCR / 4] = vtcr;
    const { paBits, vmid16, xnx, tbid, hpds } = this.features;
    const { inputSize, outputBits, granule, shift, width } = stage2Geometry(vtcr, paBits);
    this.#long[PLAIN_OUTPUT2 / 8] = BigInt(outputBits);
    this.#range(PLAIN_STAGE2, granule === 12 && !vmid16 && !xnx ? inputSize : 0, shift, false, width);
    this.#long[PLAIN_OUTPUT / 8] = BigInt(d.outputSize(tcrHi, paBits));
    const regime = this.#regime;
    for (const [offset, vaHi] of [[PLAIN_LOWER, 0], [PLAIN_UPPER, -1]]) {
      regime.loadEl10(words, at, this.features, vaHi, false);
      const { inputSize: size, granule: bits, disabled, topByteIgnored } = regime;
      const isPlain = size !== 0 && bits === 12 && !disabled && !hpds && !tbid;
      const start = 12 + (3 - d.stage1StartLevel(size, 12)) * 9;
      this.#range(offset, isPlain ? size : 0, start, topByteIgnored);
    }
  }

  #range(offset: number, size: number, shift: number, isTagged: boolean, width: number = size - shift): void {
    const to = this.#long.subarray(offset / 8);
    to[RANGE_SIZE / 8] = BigInt(size);
    to[RANGE_COUNTS / 8] = isTagged ? 0x00ff_ffff_ffff_ffffn : 0xffff_ffff_ffff_ffffn;
    to[RANGE_SHIFT / 8] = BigInt(shift);
    to[RANGE_INDEX / 8] = size === 0 ? 0n : (1n << BigInt(width)) - 1n << 3n;
    to[RANGE_BASE / 8] = size === 0 ? 0n : ADDRESS & -1n << BigInt(3 + width);
  }
}
