/**
 * The stage 1 walk. Each table entry's address goes through stage 2 where that is on.
 * Arm ARM DDI 0487, pseudocode "AArch64.S1Walk".
 */
import * as d from "./descriptors.ts";
import { stage2IsDevice } from "./attributes.ts";
import type { MmuEnvironment, MmuFeatures, RegisterIndices } from "./environment.ts";
import { HCR_HI_FWB, HCR_PTW } from "./environment.ts";
import { ACCESS_FLAG, ADDRESS_SIZE, EXTERNAL_ON_WALK, OK, PERMISSION, TRANSLATION } from "./faults.ts";
import type { Regime } from "./regime.ts";
import type { Translation } from "./result.ts";
import type { SecondStage } from "./stage2.ts";

/** Walks stage 1 tables. */
export class Stage1 {
  /** Output address of the byte asked for. */
  outputHi = 0;
  outputLo = 0;
  /** log2 of the leaf's size. */
  sizeBits = 12;
  /** Level of the leaf, or of the fault. */
  level = 0;
  /** The leaf. */
  leafLo = 0;
  leafHi = 0;
  /** Table attributes on the way, ORed; high halves of table descriptors. */
  hierarchy = 0;
  /** The fault is stage 2's, on the access to this IPA. */
  stage2Fault = false;
  faultIpa = 0;

  constructor(
    private readonly env: MmuEnvironment,
    private readonly registers: RegisterIndices,
    private readonly features: MmuFeatures,
    private readonly stage2: SecondStage,
    private readonly result: Translation,
  ) {}

  /** Walks; returns {@linkcode OK} or a fault status. Rights are the caller's to check. */
  walk(words: Uint32Array, regime: Regime, vaHi: number, vaLo: number, nested: boolean): number {
    const { result, stage2 } = this;
    this.stage2Fault = false;
    this.hierarchy = 0;
    result.entries = 0;
    const inputSize = regime.inputSize;
    this.level = 0;
    if (inputSize === 0 || regime.disabled || !regime.covers(vaHi, vaLo)) return TRANSLATION;
    const outputBits = d.outputSize(regime.ps, this.features.paBits);
    if (d.exceeds(regime.baseHi, outputBits)) return ADDRESS_SIZE;

    // From here on the small functions of `descriptors.ts` are written out and addresses stay 32-bit halves:
    // a boot walks millions of times, and each conversion from a floating-point number costs.
    const excess = outputBits - 32;
    const granule = regime.granule;
    const granuleMask = -1 << granule;
    const stride = granule - 3;
    const blockLevel = d.firstBlockLevel(granule);
    let level = d.stage1StartLevel(inputSize, granule);
    let shift = (3 - level) * stride + granule;
    let width = inputSize - shift;
    let tableHi = regime.baseHi & 0xffff;
    let tableLo = regime.baseLo & (-1 << (3 + width));
    result.startLevel = level;
    const vmid = nested ? stage2.vmid(words) : 0;
    for (let count = 0;; count++) {
      this.level = level;
      const bits = shift < 32 ? (vaHi << (32 - shift)) | (vaLo >>> shift) : vaHi >>> (shift - 32);
      let addressHi = tableHi;
      let addressLo = tableLo | ((bits & ((1 << width) - 1)) << 3);
      let offset;
      if (nested) {
        const slot = this.#entryThroughStage2(words, addressHi, addressLo, vmid);
        if (slot < 0) {
          this.stage2Fault = true;
          this.faultIpa = addressHi * 0x1_0000_0000 + (addressLo >>> 0);
          return ~slot;
        }
        addressHi = stage2.frameHi[slot];
        addressLo = stage2.frameLo[slot] | (addressLo & 4095);
        offset = stage2.host[slot] * 4096;
      } else {
        offset = this.env.ramOffset(addressHi * 0x1_0000_0000 + ((addressLo & -4096) >>> 0));
      }
      if (offset < 0) return EXTERNAL_ON_WALK + level;
      const index = (offset + (addressLo & 4095)) >>> 2;
      // Signed, so that the fields stay small integers.
      let lo = words[index] | 0;
      let hi = words[index + 1] | 0;
      if (regime.bigEndian) {
        const first = lo;
        lo = d.swapBytes(hi);
        hi = d.swapBytes(first);
      }
      result.entries = count + 1;
      result.entryAddress[count] = addressHi * 0x1_0000_0000 + (addressLo >>> 0);
      result.entryLo[count] = lo;
      result.entryHi[count] = hi;

      const kind = lo & 3;
      if ((kind & 1) === 0 || (kind === 1 && (level === 3 || level < blockLevel))) return TRANSLATION + level;
      if ((hi & 0xffff) >>> excess !== 0) return ADDRESS_SIZE + level;
      if (kind === 1 || level === 3) {
        if ((lo & d.ACCESS_FLAG_BIT) === 0) return ACCESS_FLAG + level;
        this.leafLo = lo;
        this.leafHi = hi;
        this.sizeBits = shift;
        const mask = -1 << shift;
        this.outputHi = hi & 0xffff;
        this.outputLo = (lo & mask) | (vaLo & ~mask);
        return OK;
      }
      if (!regime.hierarchyDisabled) this.hierarchy |= hi;
      tableHi = hi & 0xffff;
      tableLo = lo & granuleMask;
      level++;
      shift -= stride;
      width = stride;
    }
  }

  /** Stage 2 of a table entry's address: must be readable, and not Device where HCR_EL2.PTW protects walks. A slot or `~status`. */
  #entryThroughStage2(words: Uint32Array, ipaHi: number, ipaLo: number, vmid: number): number {
    const stage2 = this.stage2;
    const slot = stage2.translate(words, ipaHi, ipaLo, vmid);
    if (slot < 0) return slot;
    const leafLo = stage2.leafLo[slot];
    if ((leafLo & d.S2AP_READ) === 0) return ~(PERMISSION + stage2.level[slot]);
    if ((words[this.registers.hcrEl2] & HCR_PTW) !== 0) {
      const forced = (words[this.registers.hcrEl2 + 1] & HCR_HI_FWB) !== 0;
      if (stage2IsDevice((leafLo >>> 2) & 15, forced)) return ~(PERMISSION + stage2.level[slot]);
    }
    return slot;
  }
}
