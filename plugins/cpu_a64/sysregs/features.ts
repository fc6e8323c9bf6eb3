/**
 * Optional parts of the architecture. A model owns a set of them: the decoder
 * and the register tables are gated by it, and the ID registers advertise it.
 */

/** Every name that a table may ask for, with what it stands for. */
export const FEATURES = {
  CRC32: "CRC32 instructions",
  AES: "AESE, AESD, AESMC, AESIMC",
  PMULL: "PMULL of 64-bit polynomials",
  SHA1: "SHA1 instructions",
  SHA256: "SHA256 instructions",
  LSE: "Large System Extensions: CAS, SWP, LDADD and their kin",
  RDM: "SQRDMLAH, SQRDMLSH",
  DotProd: "SDOT, UDOT",
  FP16: "half-precision arithmetic",
  LRCPC: "LDAPR",
  LRCPC2: "LDAPUR, STLUR and their kin",
  PAN: "PSTATE.PAN and SCTLR_EL1.SPAN",
  PAN2: "AT S1E1RP, AT S1E1WP",
  UAO: "PSTATE.UAO",
  DPB: "DC CVAP",
  FlagM: "CFINV, RMIF, SETF8, SETF16",
  TLBIOS: "TLB maintenance in the Outer Shareable domain",
  TLBIRANGE: "TLB maintenance by range",
  MixedEndian: "big-endian data accesses: SCTLR_EL1.EE and E0E",
  NonSecure: "Non-secure state beside the Secure one: CNTHP, the timer of its EL2, and CNTPS, which Secure EL1 has to itself",
  SEL2: "Secure EL2 and its timers, CNTHPS and CNTHVS (the A profile has CNTHVS with VHE only)",
  VHE: "EL2 virtual timer (the rest of the Virtualization Host Extensions is for later)",
  GIC: "GICv3 system register interface",
  PMSA: "PMSAv8-64: an MPU at EL2, an MPU or page tables at EL1 (Armv8-R AArch64)",
} as const;

/** A feature's name, close to Arm's FEAT_ names. */
export type Feature = keyof typeof FEATURES;
