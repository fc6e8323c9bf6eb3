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
import type { Stage2 } from "./stage2.ts";

/** Walks stage 1 tables. */
export class Stage1 {
  /** Output address of the byte asked for. */
  output = 0;
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
    private readonly stage2: Stage2,
    private readonly result: Translation,
  ) {}

  /** Walks; returns {@linkcode OK} or a fault status. Rights are the caller's to check. */
  walk(words: Uint32Array, regime: Regime, vaHi: number, vaLo: number, nested: boolean): number {
    const result = this.result;
    this.stage2Fault = false;
    this.hierarchy = 0;
    result.entries = 0;
    const inputSize = regime.inputSize;
    this.level = 0;
    if (inputSize === 0 || regime.disabled || !regime.covers(vaHi, vaLo)) return TRANSLATION;
    const outputBits = d.outputSize(regime.ps, this.features.paBits);
    if (d.exceeds(regime.baseHi, outputBits)) return ADDRESS_SIZE;

    const granule = regime.granule;
    const stride = granule - 3;
    let level = d.stage1StartLevel(inputSize, granule);
    let shift = (3 - level) * stride + granule;
    let width = inputSize - shift;
    let table = d.addressOf(regime.baseHi, regime.baseLo, 3 + width);
    result.startLevel = level;
    for (;;) {
      this.level = level;
      let address = table + d.bitsOf(vaHi, vaLo, shift, width) * 8;
      if (nested) {
        const status = this.#entryThroughStage2(words, address);
        if (status !== OK) {
          this.stage2Fault = true;
          this.faultIpa = address;
          return status;
        }
        address = this.stage2.frame + (address & 4095);
      }
      const inFrame = address & 4095;
      const offset = this.env.ramOffset(address - inFrame);
      if (offset < 0) return EXTERNAL_ON_WALK + level;
      const index = (offset + inFrame) >>> 2;
      let lo = words[index];
      let hi = words[index + 1];
      if (regime.bigEndian) {
        const first = lo;
        lo = d.swapBytes(hi);
        hi = d.swapBytes(first);
      }
      const count = result.entries++;
      result.entryAddress[count] = address;
      result.entryLo[count] = lo;
      result.entryHi[count] = hi;

      const kind = lo & 3;
      if ((kind & 1) === 0 || (kind === 1 && (level === 3 || level < d.firstBlockLevel(granule)))) return TRANSLATION + level;
      if (d.exceeds(hi, outputBits)) return ADDRESS_SIZE + level;
      if (kind === 1 || level === 3) {
        if ((lo & d.ACCESS_FLAG_BIT) === 0) return ACCESS_FLAG + level;
        this.leafLo = lo;
        this.leafHi = hi;
        this.sizeBits = shift;
        this.output = d.addressOf(hi, lo, shift) + ((vaLo & ~(-1 << shift)) >>> 0);
        return OK;
      }
      if (!regime.hierarchyDisabled) this.hierarchy |= hi;
      table = d.addressOf(hi, lo, granule);
      level++;
      shift -= stride;
      width = stride;
    }
  }

  /** Stage 2 of a table entry's address: must be readable, and not Device where HCR_EL2.PTW protects walks. */
  #entryThroughStage2(words: Uint32Array, ipa: number): number {
    const stage2 = this.stage2;
    const status = stage2.translate(words, ipa);
    if (status !== OK) return status;
    if ((stage2.leafLo & d.S2AP_READ) === 0) return PERMISSION + stage2.level;
    if (words[this.registers.hcrEl2] & HCR_PTW) {
      const forced = (words[this.registers.hcrEl2 + 1] & HCR_HI_FWB) !== 0;
      if (stage2IsDevice((stage2.leafLo >>> 2) & 15, forced)) return PERMISSION + stage2.level;
    }
    return OK;
  }
}
