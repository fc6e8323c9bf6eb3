/** What a translation leaves behind: objects that are made once and written over by each walk. */

/** Kinds of access. */
export const READ = 0;
export const WRITE = 1;
export const FETCH = 2;
/** Atomic read-modify-write: needs both rights. */
export const UPDATE = 3;
/** Cache maintenance by VA: needs the right to read at EL0, none above. */
export const MAINTAIN = 4;

/** Flags of an access. */
/** LDTR and STTR (with PSTATE.UAO clear): EL1 acts with EL0's rights. */
export const UNPRIVILEGED = 1;
/** PSTATE.PAN is set. Ignored for fetches and cache maintenance. */
export const PAN = 2;
/** Alignment fault if the memory is Device: set for an unaligned access and for DC ZVA. */
export const UNALIGNED = 4;

/** Bits of {@linkcode Translation.rights}. */
export const RIGHT_READ = 1;
export const RIGHT_WRITE = 2;
export const RIGHT_EXECUTE = 4;

/** Most table entries that one stage 1 walk reads. */
const MAX_LEVELS = 4;

/** A translation that succeeded. */
export class Translation {
  /** PA of the byte asked for. */
  pa = 0;
  /** IPA of that byte: the output of stage 1. Equals `pa` without stage 2. */
  ipa = 0;
  /**
   * log2 of the naturally aligned range around the address for which all of this holds (the smaller of both stages). At least 12,
   * but 6 where MPU regions divide the page: then it holds from byte `from` to byte `to` (exclusive) of the page.
   */
  sizeBits = 12;
  from = 0;
  to = 4096;
  /** The same of stage 1 alone: what one TLBI by VA must drop. */
  stage1Bits = 12;
  /** Rights of this access's privilege (EL, unprivileged, PAN) on the range. */
  rights = 0;
  /** Rights of EL0 on the range: what LDTR may do. */
  userRights = 0;
  /** Rights of EL1 (or EL2) on the range when PAN is clear. */
  privilegedRights = 0;
  /** Memory attribute in MAIR_EL1's format, after both stages: below 0x10 Device (0 nGnRnE, 4 nGnRE, 8 nGRE, 0xc GRE), otherwise Normal. */
  attributes = 0;
  /** 0 non-shareable, 2 outer, 3 inner. */
  shareability = 0;
  /** Stage 1 alone makes it Device: an unaligned access is then a stage 1 fault, otherwise a stage 2 fault. */
  stage1Device = false;
  /** Holds for every ASID (nG clear, or no stage 1). */
  global = true;
  /** The contiguous hint of stage 1. */
  contiguous = false;

  /** Stage 1 table entries that were read; 0 with stage 1 off. */
  entries = 0;
  /** Level of the first of them. */
  startLevel = 0;
  /** PA of each. */
  readonly entryAddress: Float64Array = new Float64Array(MAX_LEVELS);
  /** Value of each, after SCTLR_ELx.EE. */
  readonly entryLo: Uint32Array = new Uint32Array(MAX_LEVELS);
  readonly entryHi: Uint32Array = new Uint32Array(MAX_LEVELS);

  /** Level of the stage 2 leaf; -1 when stage 2 is off. */
  stage2Level = -1;
  /** PA and value of the stage 2 leaf. */
  stage2Address = 0;
  stage2Lo = 0;
  stage2Hi = 0;

  /** True for the four Device types. */
  get device(): boolean {
    return this.attributes < 0x10;
  }
}

/** A translation that failed: what the syndrome needs, whatever its exception class. */
export class TranslationFault {
  /** Exception level that takes it: 1 or 2. */
  toEl = 1;
  /** Stage that found it. */
  stage = 1;
  /** DFSC or IFSC, level included. */
  status = 0;
  /** ISS.S1PTW: stage 2 refused an access of the stage 1 walk. */
  s1ptw = false;
  /** ISS.WnR, for a data abort. */
  write = false;
  /** IPA that stage 2 refused, byte exact: HPFAR_EL2 takes bits [47:12]. 0 for stage 1. */
  ipa = 0;
  /** HPFAR_EL2 is architecturally valid. Where it isn't, `ipa` still tells the truth for a stage 2 fault. */
  ipaValid = false;
}
