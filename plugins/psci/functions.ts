/** Numbers of PSCI (Arm DEN 0022) and of the SMC Calling Convention (Arm DEN 0028). */

/** Bit 30 of a function identifier: the SMC64 calling convention. */
export const SMC64 = 0x4000_0000;

/** SMC32 function identifiers; those that take addresses have an SMC64 twin with bit 30 set. */
export const Psci = {
  VERSION: 0x8400_0000,
  CPU_SUSPEND: 0x8400_0001,
  CPU_OFF: 0x8400_0002,
  CPU_ON: 0x8400_0003,
  AFFINITY_INFO: 0x8400_0004,
  MIGRATE_INFO_TYPE: 0x8400_0006,
  SYSTEM_OFF: 0x8400_0008,
  SYSTEM_RESET: 0x8400_0009,
  FEATURES: 0x8400_000a,
  SYSTEM_RESET2: 0x8400_0012,
} as const;

/** Arm Architecture Calls. */
export const Smccc = {
  VERSION: 0x8000_0000,
  ARCH_FEATURES: 0x8000_0001,
  /** Mitigation of CVE-2022-23960. */
  ARCH_WORKAROUND_3: 0x8000_3fff,
  /** Mitigation of CVE-2018-3639. */
  ARCH_WORKAROUND_2: 0x8000_7fff,
  /** Mitigation of CVE-2017-5715. */
  ARCH_WORKAROUND_1: 0x8000_8000,
} as const;

/**
 * Return values: signed 32 bits. X0 carries them sign-extended to 64 bits, as firmware does for both
 * conventions: right for callers that look at W0 and for those that look at X0.
 */
export const Status = {
  SUCCESS: 0n,
  NOT_SUPPORTED: BigInt.asUintN(64, -1n),
  INVALID_PARAMETERS: BigInt.asUintN(64, -2n),
  DENIED: BigInt.asUintN(64, -3n),
  ALREADY_ON: BigInt.asUintN(64, -4n),
  INTERNAL_FAILURE: BigInt.asUintN(64, -6n),
  INVALID_ADDRESS: BigInt.asUintN(64, -9n),
} as const;

/** What AFFINITY_INFO returns. */
export const AffinityState = { ON: 0n, OFF: 1n } as const;

/** PSCI 1.1, as PSCI_VERSION returns it. */
export const PSCI_VERSION_1_1 = 0x0001_0001n;
/** SMCCC 1.1. */
export const SMCCC_VERSION_1_1 = 0x0001_0001n;

/** Functions that take or return addresses exist in both conventions; the others in SMC32 only. */
const both: ReadonlySet<number> = new Set([Psci.CPU_SUSPEND, Psci.CPU_ON, Psci.AFFINITY_INFO, Psci.SYSTEM_RESET2]);
const known: ReadonlySet<number> = new Set(Object.values(Psci));

/** The SMC32 identifier of an implemented PSCI function, or `undefined`. */
export function implemented(functionId: number): number | undefined {
  const id = functionId >>> 0;
  if (known.has(id)) return id;
  const twin = (id & ~SMC64) >>> 0;
  return twin !== id && both.has(twin) ? twin : undefined;
}
