/** Exception classes and syndromes. Arm ARM DDI 0487, "ESR_EL1, Exception Syndrome Register (EL1)". */

/** ESR_ELx.EC. Where two names end in Lower and Same, the second is for exceptions that stay at their level. */
export const EC = {
  unknown: 0x00,
  wfx: 0x01,
  floatingPoint: 0x07,
  illegalState: 0x0e,
  svc: 0x15,
  hvc: 0x16,
  smc: 0x17,
  systemRegister: 0x18,
  instructionAbortLower: 0x20,
  instructionAbortSame: 0x21,
  pcAlignment: 0x22,
  dataAbortLower: 0x24,
  dataAbortSame: 0x25,
  spAlignment: 0x26,
  serror: 0x2f,
  breakpointLower: 0x30,
  breakpointSame: 0x31,
  stepLower: 0x32,
  stepSame: 0x33,
  watchpointLower: 0x34,
  watchpointSame: 0x35,
  brk: 0x3c,
} as const;

/** ISS.DFSC and IFSC of debug exceptions. */
const DEBUG_STATUS = 0x22;

/** What an abort's ISS is made of, beside the access syndrome. */
export interface AbortFields {
  /** DFSC or IFSC, 6 bits. */
  readonly status: number;
  /** WnR: a write, or a cache maintenance or address translation instruction. */
  readonly isWrite?: boolean;
  /** CM: cache maintenance or address translation instruction (not DC ZVA). */
  readonly isMaintenance?: boolean;
  /** S1PTW: stage 2 refused a stage 1 table walk. */
  readonly isTableWalk?: boolean;
  /** EA: an external abort, IMPLEMENTATION DEFINED kind. */
  readonly isExternal?: boolean;
  /** FnV: FAR isn't valid. */
  readonly isFarInvalid?: boolean;
  /** Bits 24 to 14 as {@linkcode accessSyndrome} builds them; only for stage 2 faults outside of table walks. */
  readonly access?: number;
}

/** ISS of a data abort. */
export function dataAbortIss(fields: AbortFields): number {
  return (fields.isTableWalk ? 0 : fields.access ?? 0) | (fields.isFarInvalid ? 1 << 10 : 0) | (fields.isExternal ? 1 << 9 : 0) |
    (fields.isMaintenance ? 1 << 8 : 0) | (fields.isTableWalk ? 1 << 7 : 0) | (fields.isWrite ? 1 << 6 : 0) | fields.status;
}

/** ISS of an instruction abort. */
export function instructionAbortIss(fields: Pick<AbortFields, "status" | "isTableWalk" | "isExternal" | "isFarInvalid">): number {
  return (fields.isFarInvalid ? 1 << 10 : 0) | (fields.isExternal ? 1 << 9 : 0) | (fields.isTableWalk ? 1 << 7 : 0) | fields.status;
}

/** ISS of a trapped WFI or WFE: condition "always". */
export function waitIss(isWfe: boolean): number {
  return 0x1e0_0000 | (isWfe ? 1 : 0);
}

/** What a software step executed: nothing when an exception or a return came between, else an instruction. */
export const Stepped = { nothing: 0, instruction: 1, loadExclusive: 2 } as const;

/** ISS of a software step, from a value of `Stepped`: ISV and EX. */
export function stepIss(stepped: number): number {
  return (stepped !== Stepped.nothing ? 1 << 24 : 0) | (stepped === Stepped.loadExclusive ? 1 << 6 : 0) | DEBUG_STATUS;
}

/** ISS of a hardware breakpoint. */
export const BREAKPOINT_ISS = DEBUG_STATUS;

/** ISS of a watchpoint. */
export function watchpointIss(isWrite: boolean, isMaintenance = false): number {
  return (isMaintenance ? 1 << 8 : 0) | (isWrite ? 1 << 6 : 0) | DEBUG_STATUS;
}

function syndrome(size: number, isSigned: boolean, register: number, is64: boolean, isOrdered = false): number {
  return 1 << 24 | size << 22 | (isSigned ? 1 << 21 : 0) | register << 16 | (is64 ? 1 << 15 : 0) | (isOrdered ? 1 << 14 : 0);
}

/**
 * ISV, SAS, SSE, SRT, SF and AR of a load or store instruction: bits 24 to 14 of
 * the ISS. Zero (ISV = 0) for everything but loads and stores of a single
 * general-purpose register without writeback: pairs, exclusives, atomics, SIMD,
 * prefetches and DC ZVA have no syndrome.
 */
export function accessSyndrome(instruction: number): number {
  const size = instruction >>> 30, register = instruction & 31, opc = instruction >>> 22 & 3;
  // Load register (literal).
  if ((instruction & 0x3f00_0000) === 0x1800_0000) {
    if (size === 3) return 0;
    return syndrome(size === 1 ? 3 : 2, size === 2, register, size !== 0);
  }
  // LDAR, LDARB, LDARH, STLR, STLRB, STLRH.
  if ((instruction & 0x3fa0_8000) === 0x0880_8000) return syndrome(size, false, register, size === 3, true);
  // LDAPR, LDAPRB, LDAPRH.
  if ((instruction & 0x3fff_fc00) === 0x38bf_c000) return syndrome(size, false, register, size === 3, true);
  if (!isPlainLoadStore(instruction) || (opc >= 2 && size === 3) || (opc === 3 && size === 2)) return 0;
  return syndrome(size, opc >= 2, register, opc === 2 || (opc < 2 && size === 3));
}

/** Load/store register: unscaled, unprivileged, register offset, unsigned immediate; not SIMD, no writeback. */
function isPlainLoadStore(instruction: number): boolean {
  if ((instruction & 0x3f00_0000) === 0x3900_0000) return true;
  const mode = instruction & 0x3f20_0c00;
  return mode === 0x3800_0000 || mode === 0x3800_0800 || mode === 0x3820_0800;
}

/** HPFAR_EL2 of an IPA, as two words: FIPA, IPA bits 47 to 12, in bits 39 to 4. */
export function hpfarOf(ipa: number): readonly [lo: number, hi: number] {
  const value = Math.floor(ipa / 4096) * 16;
  return [value >>> 0, Math.floor(value / 2 ** 32)];
}

/** LDXR, LDAXR, LDXP and LDAXP are told apart in the syndrome: a debugger that steps through one loses its monitor. */
export function steppedBy(word: number): number {
  const isExclusive = (word & 0x3fe0_0000) === 0x0840_0000 || (word & 0xbfe0_0000) >>> 0 === 0x8860_0000;
  return isExclusive ? Stepped.loadExclusive : Stepped.instruction;
}
