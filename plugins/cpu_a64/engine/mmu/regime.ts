/**
 * Stage 1 parameters of one translation regime and VA range, taken from the
 * registers at each walk: the guest may change them at any time.
 */
import { granuleOfTg0, granuleOfTg1 } from "./descriptors.ts";
import type { MmuFeatures, RegisterIndices } from "./environment.ts";
import { SCTLR_EE, SCTLR_WXN } from "./environment.ts";

/** What `Stage1` walks with. Written over by each {@linkcode loadEl10} or {@linkcode loadEl2}. */
export class Regime {
  /** Bits that the tables resolve, 25 to 48; 0 when TxSZ is out of range. */
  inputSize = 0;
  granule = 12;
  /** TCR_ELx.EPD: no walks for this range. */
  disabled = false;
  /** TTBR1: the address's upper bits must be ones. */
  upper = false;
  /** The top byte of the address doesn't count. */
  topByteIgnored = false;
  /** TCR_ELx.IPS or PS. */
  ps = 0;
  /** Base register. */
  baseLo = 0;
  baseHi = 0;
  /** MAIR_ELx. */
  mairLo = 0;
  mairHi = 0;
  hierarchyDisabled = false;
  bigEndian = false;
  writeImpliesXn = false;
  /** EL2's own regime: no EL0 in it. */
  singlePrivilege = false;

  /** EL1&0, the range that `vaHi` selects. */
  loadEl10(words: Uint32Array, at: RegisterIndices, features: MmuFeatures, vaHi: number, fetch: boolean): void {
    const tcrLo = words[at.tcrEl1];
    const tcrHi = words[at.tcrEl1 + 1];
    // Bit 55 selects, whatever the top byte holds: with the top byte counting, a mismatch above is no legal address of either range.
    const upper = (vaHi & (1 << 23)) !== 0;
    this.upper = upper;
    if (upper) {
      this.inputSize = checkedSize((tcrLo >>> 16) & 63);
      this.granule = granuleOfTg1(tcrLo >>> 30);
      this.disabled = (tcrLo & (1 << 23)) !== 0;
      this.topByteIgnored = (tcrHi & (1 << 6)) !== 0 && !(fetch && features.tbid && (tcrHi & (1 << 20)) !== 0);
      this.hierarchyDisabled = features.hpds && (tcrHi & (1 << 10)) !== 0;
      this.baseLo = words[at.ttbr1El1] | 0;
      this.baseHi = words[at.ttbr1El1 + 1] | 0;
    } else {
      this.inputSize = checkedSize(tcrLo & 63);
      this.granule = granuleOfTg0((tcrLo >>> 14) & 3);
      this.disabled = (tcrLo & (1 << 7)) !== 0;
      this.topByteIgnored = (tcrHi & (1 << 5)) !== 0 && !(fetch && features.tbid && (tcrHi & (1 << 19)) !== 0);
      this.hierarchyDisabled = features.hpds && (tcrHi & (1 << 9)) !== 0;
      this.baseLo = words[at.ttbr0El1] | 0;
      this.baseHi = words[at.ttbr0El1 + 1] | 0;
    }
    this.ps = tcrHi & 7;
    this.mairLo = words[at.mairEl1] | 0;
    this.mairHi = words[at.mairEl1 + 1] | 0;
    const sctlr = words[at.sctlrEl1];
    this.bigEndian = (sctlr & SCTLR_EE) !== 0;
    this.writeImpliesXn = (sctlr & SCTLR_WXN) !== 0;
    this.singlePrivilege = false;
  }

  /** EL2, HCR_EL2.E2H clear: one range, one privilege. */
  loadEl2(words: Uint32Array, at: RegisterIndices, features: MmuFeatures, fetch: boolean): void {
    const tcr = words[at.tcrEl2];
    this.upper = false;
    this.inputSize = checkedSize(tcr & 63);
    this.granule = granuleOfTg0((tcr >>> 14) & 3);
    this.disabled = false;
    this.topByteIgnored = (tcr & (1 << 20)) !== 0 && !(fetch && features.tbid && (tcr & (1 << 29)) !== 0);
    this.hierarchyDisabled = features.hpds && (tcr & (1 << 24)) !== 0;
    this.baseLo = words[at.ttbr0El2] | 0;
    this.baseHi = words[at.ttbr0El2 + 1] | 0;
    this.ps = (tcr >>> 16) & 7;
    this.mairLo = words[at.mairEl2] | 0;
    this.mairHi = words[at.mairEl2 + 1] | 0;
    const sctlr = words[at.sctlrEl2];
    this.bigEndian = (sctlr & SCTLR_EE) !== 0;
    this.writeImpliesXn = (sctlr & SCTLR_WXN) !== 0;
    this.singlePrivilege = true;
  }

  /** True when the bits above the input size are what the range wants: zeros, or ones for TTBR1. */
  covers(vaHi: number, vaLo: number): boolean {
    const size = this.inputSize;
    const flip = this.upper ? -1 : 0;
    let hi = vaHi ^ flip;
    if (this.topByteIgnored) hi &= 0x00ff_ffff;
    return size < 32 ? hi === 0 && (vaLo ^ flip) >>> size === 0 : hi >>> (size - 32) === 0;
  }
}

/** 64 - TxSZ; 0 when out of range, where the architecture allows a level 0 translation fault. */
function checkedSize(tsz: number): number {
  return tsz >= 16 && tsz <= 39 ? 64 - tsz : 0;
}
