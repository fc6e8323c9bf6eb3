/**
 * The memory management unit: VA to PA through both stages, as the hardware does on a TLB miss.
 * Arm ARM DDI 0487, "The AArch64 Virtual Memory System Architecture", pseudocode "AArch64.FullTranslate".
 *
 * What can a hostile guest do here? It owns the stage 1 tables and registers. Every table entry is read
 * through stage 2 and `ramOffset`, levels only go up, so a walk ends after at most four entries and never
 * reads outside RAM that stage 2 lets it read.
 */
import * as a from "./attributes.ts";
import type { MmuEnvironment, MmuFeatures } from "./environment.ts";
import * as e from "./environment.ts";
import { ADDRESS_SIZE, ALIGNMENT, BACKGROUND, EXTERNAL_ON_WALK, ipaIsValid, OK, PERMISSION, TRANSLATION } from "./faults.ts";
import { Mpu } from "./mpu.ts";
import type { MpuRegions } from "./mpu_regions.ts";
import { checkMpu } from "./mpu_stage1.ts";
import { MpuStage2 } from "./mpu_stage2.ts";
import { ALL_RIGHTS, el2Rights, privilegedRights, stage2Rights, userRights } from "./permissions.ts";
import { parOfFault, parOfTranslation } from "./par.ts";
import type { AddressTranslation } from "./par.ts";
import { PlainWalks } from "./plain.ts";
import { Regime } from "./regime.ts";
import * as r from "./result.ts";
import { HI_CONTIGUOUS, NOT_GLOBAL } from "./descriptors.ts";
import { Stage1 } from "./stage1.ts";
import { type SecondStage, Stage2 } from "./stage2.ts";

/** Range that one translation without tables covers, log2. */
const FLAT_SIZE_BITS = 30;

/** One physical CPU's MMU; of an Armv8-R CPU also its MPUs. */
export class Mmu {
  /** Valid after {@linkcode translate} returned true, until the next call. */
  readonly result: r.Translation = new r.Translation();
  /** Valid after {@linkcode translate} returned false, until the next call. */
  readonly fault: r.TranslationFault = new r.TranslationFault();

  readonly #env: MmuEnvironment;
  readonly #features: MmuFeatures;
  readonly #at: e.RegisterIndices;
  readonly #regime = new Regime();
  readonly #stage1: Stage1;
  readonly #stage2: SecondStage;
  /** The MPUs of an Armv8-R CPU. */
  readonly mpu: Mpu | undefined;
  /** What generated walks know of the registers. */
  readonly plain: PlainWalks | undefined;

  constructor(env: MmuEnvironment) {
    this.#env = env;
    this.mpu = env.mpu && new Mpu(() => env.words(), env.mpu);
    this.#features = { ...e.defaultFeatures, ...env.features, ...(this.mpu ? { xnx: true } : {}) };
    this.#at = new e.RegisterIndices(env);
    this.#stage2 = this.mpu ? new MpuStage2(env, this.#at, this.mpu) : new Stage2(env, this.#at, this.#features);
    this.plain = env.plain && new PlainWalks(env.plain.buffer, env.plain.address, this.#at, this.#features);
    this.#stage1 = new Stage1(env, this.#at, this.#features, this.#stage2, this.result);
  }

  /**
   * Translates one access of at most a page. `el`: PSTATE.EL; `access` and `flags`: see `result.ts`.
   * True: {@linkcode result} holds. False: {@linkcode fault} holds.
   */
  translate(vaHi: number, vaLo: number, el: number, access: number, flags: number): boolean {
    const words = this.#env.words();
    return el === 2
      ? this.#translateEl2(words, vaHi, vaLo, access, flags)
      : this.#first(words, vaHi, vaLo, el, access, flags) && this.#second(words, el, access, flags);
  }

  /**
   * An AT instruction: the value of PAR_EL1, or `undefined` when it takes an exception instead
   * ({@linkcode fault} holds): an external abort on a walk, or, run at EL1, a stage 2 fault on a stage 1 walk.
   */
  addressTranslate(operation: AddressTranslation, vaHi: number, vaLo: number, executedAtEl: number): bigint | undefined {
    const words = this.#env.words();
    const { el, write, pan, stage1Only } = operation;
    const access = write ? r.WRITE : r.READ;
    const flags = pan ? r.PAN : 0;
    const { result, fault } = this;
    const done = el === 2
      ? this.#translateEl2(words, vaHi, vaLo, access, flags)
      : this.#first(words, vaHi, vaLo, el, access, flags) && (stage1Only || this.#second(words, el, access, flags));
    if (done) return parOfTranslation(stage1Only ? result.ipa : result.pa, result.attributes, result.shareability, this.mpu !== undefined);
    const external = (fault.status & ~3) === EXTERNAL_ON_WALK;
    if (external || (executedAtEl === 1 && fault.stage === 2)) {
      fault.write = true; // ISS.WnR is 1 for address translation instructions.
      return undefined;
    }
    return parOfFault(fault);
  }

  /** Forgets cached stage 2 results: of one VMID, or all. Owed to every TLBI that reaches stage 2. */
  invalidateStage2(vmid?: number): void {
    this.#stage2.invalidate(vmid);
  }

  /** The ASID in force: TTBR0_EL1's or TTBR1_EL1's by TCR_EL1.A1, 8 or 16 bits by TCR_EL1.AS. */
  asid(): number {
    const words = this.#env.words();
    const at = this.#at;
    const ttbr = words[at.tcrEl1] & (1 << 22) ? at.ttbr1El1 : at.ttbr0El1;
    const asid = words[ttbr + 1] >>> 16;
    return this.#features.asid16 && words[at.tcrEl1 + 1] & (1 << 4) ? asid : asid & 0xff;
  }

  /** The VMID in force; 0 while stage 2 is off. */
  vmid(): number {
    const words = this.#env.words();
    return words[this.#at.hcrEl2] & (e.HCR_VM | e.HCR_DC) ? this.#stage2.vmid(words) : 0;
  }

  /** Stage 1 of EL1&0, or flat. Leaves IPA, rights and attributes in the result. */
  #first(words: Uint32Array, vaHi: number, vaLo: number, el: number, access: number, flags: number): boolean {
    const result = this.result;
    const at = this.#at;
    const hcr = words[at.hcrEl2];
    const sctlr = words[at.sctlrEl1];
    const regime = this.#regime;
    regime.loadEl10(words, at, this.#features, vaHi, access === r.FETCH);
    result.stage2Level = -1;
    if ((sctlr & e.SCTLR_M) === 0 || (hcr & (e.HCR_DC | e.HCR_TGE)) !== 0) {
      return this.#flat(vaHi, vaLo, el, access, flags, (sctlr & e.SCTLR_I) !== 0, (hcr & e.HCR_DC) !== 0);
    }
    const { mpu } = this;
    if (mpu && (words[at.vtcrEl2] & e.VTCR_MSA) === 0) {
      return this.#protect(words, mpu.el1, sctlr, at.mairEl1, vaHi, vaLo, el, access, flags);
    }

    const stage1 = this.#stage1;
    const status = stage1.walk(words, regime, vaHi, vaLo, (hcr & e.HCR_VM) !== 0);
    if (status !== OK) {
      return stage1.stage2Fault ? this.#failStage2(status, access, true, stage1.faultIpa) : this.#failStage1(status, el, access);
    }
    const { leafLo, leafHi, hierarchy } = stage1;
    const wxn = regime.writeImpliesXn;
    this.#stage1Result(leafLo, leafHi);
    result.userRights = userRights(leafLo, leafHi, hierarchy, wxn);
    result.privilegedRights = privilegedRights(leafLo, leafHi, hierarchy, wxn);
    result.global = (leafLo & NOT_GLOBAL) === 0;
    this.#chooseRights(el, flags);
    return this.#checkStage1(el, access, flags);
  }

  /** The rights of this access in EL1&0. */
  #chooseRights(el: number, flags: number): void {
    const { result } = this;
    if (el === 0 || (flags & r.UNPRIVILEGED) !== 0) result.rights = result.userRights;
    else if ((flags & r.PAN) !== 0 && (result.userRights & r.RIGHT_READ) !== 0) result.rights = result.privilegedRights & r.RIGHT_EXECUTE;
    else result.rights = result.privilegedRights;
  }

  /** An MPU's own regime: EL1&0, or EL2. Every fault is one of level 0. */
  #protect(
    words: Uint32Array,
    regions: MpuRegions,
    sctlr: number,
    mair: number,
    vaHi: number,
    vaLo: number,
    el: number,
    access: number,
    flags: number,
  ): boolean {
    const { result } = this;
    const hi = this.#regime.topByteIgnored ? vaHi & 0x00ff_ffff : vaHi >>> 0;
    if (hi >>> 16 !== 0) return this.#failStage1(TRANSLATION, el, access);
    const control = { hasBackground: (sctlr & e.SCTLR_BR) !== 0, writeImpliesXn: (sctlr & e.SCTLR_WXN) !== 0, mair };
    const isPrivileged = el !== 0 && (flags & r.UNPRIVILEGED) === 0;
    const status = checkMpu(words, regions, control, hi * 0x1_0000_0000 + (vaLo >>> 0), isPrivileged, result);
    if (status === BACKGROUND) {
      const { sizeBits, from, to } = result;
      if (!this.#flat(vaHi, vaLo, el, access, flags, (sctlr & e.SCTLR_I) !== 0, false)) return false;
      result.sizeBits = result.stage1Bits = sizeBits;
      result.from = from;
      result.to = to;
      return true;
    }
    if (status !== OK) return this.#failStage1(status, el, access);
    this.#stage1.level = 0;
    if (el === 2) result.rights = result.privilegedRights;
    else this.#chooseRights(el, flags);
    return this.#checkStage1(el, access, flags);
  }

  /** EL2's own regime: no stage 2. */
  #translateEl2(words: Uint32Array, vaHi: number, vaLo: number, access: number, flags: number): boolean {
    const result = this.result;
    const sctlr = words[this.#at.sctlrEl2];
    const regime = this.#regime;
    regime.loadEl2(words, this.#at, this.#features, access === r.FETCH);
    result.stage2Level = -1;
    if ((sctlr & e.SCTLR_M) === 0) return this.#flat(vaHi, vaLo, 2, access, flags, (sctlr & e.SCTLR_I) !== 0, false);
    const { mpu } = this;
    if (mpu) return this.#protect(words, mpu.el2, sctlr, this.#at.mairEl2, vaHi, vaLo, 2, access, flags);
    const stage1 = this.#stage1;
    const status = stage1.walk(words, regime, vaHi, vaLo, false);
    if (status !== OK) return this.#failStage1(status, 2, access);
    this.#stage1Result(stage1.leafLo, stage1.leafHi);
    result.rights = el2Rights(stage1.leafLo, stage1.leafHi, stage1.hierarchy, regime.writeImpliesXn);
    result.privilegedRights = result.rights;
    result.userRights = 0;
    result.global = true;
    return this.#checkStage1(2, access, flags);
  }

  /** What a stage 1 leaf gives in every regime. */
  #stage1Result(leafLo: number, leafHi: number): void {
    const result = this.result;
    const index = (leafLo >>> 2) & 7;
    const mair = index < 4 ? this.#regime.mairLo : this.#regime.mairHi;
    const attributes = a.decodeMair((mair >>> ((index & 3) * 8)) & 0xff);
    result.ipa = result.pa = this.#stage1.outputHi * 0x1_0000_0000 + (this.#stage1.outputLo >>> 0);
    result.sizeBits = result.stage1Bits = this.#stage1.sizeBits;
    result.from = 0;
    result.to = 4096;
    result.attributes = attributes;
    result.shareability = a.effectiveShareability(attributes, (leafLo >>> 8) & 3);
    result.stage1Device = attributes < 0x10;
    result.contiguous = (leafHi & HI_CONTIGUOUS) !== 0;
  }

  /** Stage 1 off: the address goes through unchanged, with fixed attributes. */
  #flat(vaHi: number, vaLo: number, el: number, access: number, flags: number, cacheFetch: boolean, defaultCacheable: boolean): boolean {
    const result = this.result;
    const hi = this.#regime.topByteIgnored ? vaHi & 0x00ff_ffff : vaHi >>> 0;
    if (hi >>> (this.#features.paBits - 32) !== 0) return this.#failStage1(ADDRESS_SIZE, el, access);
    result.ipa = result.pa = hi * 0x1_0000_0000 + (vaLo >>> 0);
    result.sizeBits = result.stage1Bits = FLAT_SIZE_BITS;
    result.from = 0;
    result.to = 4096;
    result.entries = 0;
    result.global = true;
    result.contiguous = false;
    result.rights = result.privilegedRights = result.userRights = ALL_RIGHTS;
    result.shareability = a.OUTER_SHAREABLE;
    if (defaultCacheable) {
      result.attributes = a.NORMAL_WRITE_BACK;
      result.shareability = 0;
    } else if (access !== r.FETCH) {
      result.attributes = 0;
    } else {
      result.attributes = cacheFetch ? a.NORMAL_WRITE_THROUGH : a.NORMAL_NON_CACHEABLE;
    }
    result.stage1Device = result.attributes < 0x10;
    return this.#checkStage1(el, access, flags);
  }

  /** Alignment comes before permission. */
  #checkStage1(el: number, access: number, flags: number): boolean {
    const result = this.result;
    if ((flags & r.UNALIGNED) !== 0 && access !== r.FETCH && result.stage1Device) return this.#failStage1(ALIGNMENT, el, access);
    const missing = rightsNeeded(access, el) & ~result.rights;
    if (missing === 0) return true;
    this.#failStage1(PERMISSION + this.#stage1.level, el, access);
    if (access === r.UPDATE && (missing & r.RIGHT_READ) !== 0) this.fault.write = false;
    return false;
  }

  /** Stage 2, where it is on, of the IPA that stage 1 left in the result. */
  #second(words: Uint32Array, el: number, access: number, flags: number): boolean {
    const hcr = words[this.#at.hcrEl2];
    if ((hcr & (e.HCR_VM | e.HCR_DC)) === 0) return true;
    const { result } = this;
    const stage2 = this.#stage2;
    const ipa = result.ipa;
    const slot = stage2.translate(words, (ipa / 0x1_0000_0000) | 0, ipa | 0, stage2.vmid(words));
    if (slot < 0) return this.#failStage2(~slot, access, false, ipa);

    const leafLo = stage2.leafLo[slot];
    const leafHi = stage2.leafHi[slot];
    const hcrHi = words[this.#at.hcrEl2 + 1];
    const memAttr = (leafLo >>> 2) & 15;
    const forced = (hcrHi & e.HCR_HI_FWB) !== 0;
    if ((flags & r.UNALIGNED) !== 0 && access !== r.FETCH && a.stage2IsDevice(memAttr, forced)) {
      return this.#failStage2(ALIGNMENT, access, false, ipa);
    }
    const userMask = stage2Rights(leafLo, leafHi, this.#features.xnx, 0);
    const privilegedMask = stage2Rights(leafLo, leafHi, this.#features.xnx, 1);
    const mask = el === 0 ? userMask : privilegedMask;
    const missing = rightsNeeded(access, el) & ~mask;
    if (missing !== 0) {
      this.#failStage2(PERMISSION + stage2.level[slot], access, false, ipa);
      if (access === r.UPDATE && (missing & r.RIGHT_READ) !== 0) this.fault.write = false;
      return false;
    }

    result.rights &= mask;
    result.userRights &= userMask;
    result.privilegedRights &= privilegedMask;
    result.pa = stage2.frameHi[slot] * 0x1_0000_0000 + ((stage2.frameLo[slot] | (ipa & 4095)) >>> 0);
    const sizeBits = stage2.sizeBits[slot];
    if (sizeBits < result.sizeBits) result.sizeBits = sizeBits;
    if (sizeBits < 12) {
      result.from = Math.max(result.from, stage2.from);
      result.to = Math.min(result.to, stage2.to);
    }
    const nonCacheable = (hcrHi & (access === r.FETCH ? e.HCR_HI_ID : e.HCR_HI_CD)) !== 0;
    result.attributes = forced
      ? a.combineForced(result.attributes, memAttr)
      : a.combine(result.attributes, a.decodeStage2(memAttr, nonCacheable));
    result.shareability = a.combineShareability(result.shareability, (leafLo >>> 8) & 3, result.attributes);
    result.stage2Level = stage2.level[slot];
    result.stage2Address = stage2.leafAddress[slot];
    result.stage2Lo = leafLo;
    result.stage2Hi = leafHi;
    return true;
  }

  #failStage1(status: number, el: number, access: number): false {
    const { fault } = this;
    const words = this.#env.words();
    const at = this.#at;
    let toEl = el === 0 ? 1 : el;
    if (el !== 2) {
      if (words[at.hcrEl2] & e.HCR_TGE) toEl = 2;
      else if ((status & ~3) === EXTERNAL_ON_WALK && (words[at.hcrEl2 + 1] & e.HCR_HI_TEA) !== 0) toEl = 2;
    }
    fault.toEl = toEl;
    fault.stage = 1;
    fault.status = status;
    fault.s1ptw = false;
    fault.write = access !== r.READ && access !== r.FETCH;
    fault.ipa = 0;
    fault.ipaValid = false;
    return false;
  }

  #failStage2(status: number, access: number, s1ptw: boolean, ipa: number): false {
    const { fault } = this;
    fault.toEl = 2;
    fault.stage = 2;
    fault.status = status;
    fault.s1ptw = s1ptw;
    fault.write = access !== r.READ && access !== r.FETCH && !(s1ptw && (status & ~3) === PERMISSION);
    fault.ipa = ipa;
    fault.ipaValid = ipaIsValid(status, s1ptw);
    return false;
  }
}

/** Rights that an access needs, as a mask. */
function rightsNeeded(access: number, el: number): number {
  switch (access) {
    case r.READ:
      return r.RIGHT_READ;
    case r.WRITE:
      return r.RIGHT_WRITE;
    case r.FETCH:
      return r.RIGHT_EXECUTE;
    case r.UPDATE:
      return r.RIGHT_READ | r.RIGHT_WRITE;
    default:
      return el === 0 ? r.RIGHT_READ : 0;
  }
}
