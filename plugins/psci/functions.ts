/** Numbers of PSCI, Arm DEN 0022, and which version has which function. */

/** Bit 30 of a function identifier: the SMC64 calling convention. */
export const SMC64 = 0x4000_0000;

/** SMC32 function identifiers; those that take addresses or affinities have an SMC64 twin with bit 30 set. */
export const Psci = {
  VERSION: 0x8400_0000,
  CPU_SUSPEND: 0x8400_0001,
  CPU_OFF: 0x8400_0002,
  CPU_ON: 0x8400_0003,
  AFFINITY_INFO: 0x8400_0004,
  MIGRATE: 0x8400_0005,
  MIGRATE_INFO_TYPE: 0x8400_0006,
  MIGRATE_INFO_UP_CPU: 0x8400_0007,
  SYSTEM_OFF: 0x8400_0008,
  SYSTEM_RESET: 0x8400_0009,
  FEATURES: 0x8400_000a,
  SYSTEM_SUSPEND: 0x8400_000e,
  STAT_RESIDENCY: 0x8400_0010,
  STAT_COUNT: 0x8400_0011,
  SYSTEM_RESET2: 0x8400_0012,
} as const;

/** SMCCC_VERSION: PSCI_FEATURES tells whether it may be called. */
export const SMCCC_VERSION = 0x8000_0000;

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
  ON_PENDING: BigInt.asUintN(64, -5n),
  INTERNAL_FAILURE: BigInt.asUintN(64, -6n),
  INVALID_ADDRESS: BigInt.asUintN(64, -9n),
} as const;

/** What AFFINITY_INFO returns. */
export const AffinityState = { ON: 0n, OFF: 1n, ON_PENDING: 2n } as const;

/** Versions that a board may ask for. */
export const versions = ["0.1", "0.2", "1.0", "1.1"] as const;

/** A version of PSCI. */
export type PsciVersion = (typeof versions)[number];

/** Functions, and the version that they came with; those of 0.1 have numbers that the device tree tells. */
const since: readonly (readonly [version: PsciVersion, functions: readonly number[]])[] = [
  ["0.1", [Psci.CPU_SUSPEND, Psci.CPU_OFF, Psci.CPU_ON, Psci.MIGRATE]],
  ["0.2", [
    Psci.VERSION,
    Psci.AFFINITY_INFO,
    Psci.MIGRATE_INFO_TYPE,
    Psci.MIGRATE_INFO_UP_CPU,
    Psci.SYSTEM_OFF,
    Psci.SYSTEM_RESET,
  ]],
  ["1.0", [Psci.FEATURES, Psci.SYSTEM_SUSPEND, Psci.STAT_RESIDENCY, Psci.STAT_COUNT]],
  ["1.1", [Psci.SYSTEM_RESET2]],
];

/** Functions that exist in both conventions; the others in SMC32 only. */
const both: ReadonlySet<number> = new Set([
  Psci.CPU_SUSPEND,
  Psci.CPU_ON,
  Psci.AFFINITY_INFO,
  Psci.MIGRATE,
  Psci.MIGRATE_INFO_UP_CPU,
  Psci.SYSTEM_SUSPEND,
  Psci.STAT_RESIDENCY,
  Psci.STAT_COUNT,
  Psci.SYSTEM_RESET2,
]);

/** There is no Trusted OS, so nothing migrates. */
const absent: ReadonlySet<number> = new Set([Psci.MIGRATE, Psci.MIGRATE_INFO_UP_CPU]);

/** True when `version` is `other` or a later one. */
export function isAtLeast(version: PsciVersion, other: PsciVersion): boolean {
  return versions.indexOf(version) >= versions.indexOf(other);
}

/** What PSCI_VERSION returns. */
export function versionNumber(version: PsciVersion): bigint {
  const [major, minor] = version.split(".").map(BigInt);
  return major << 16n | minor;
}

/** The SMC32 identifier of a function that a version has, or `undefined`. */
export function implemented(functionId: number, version: PsciVersion): number | undefined {
  const id = functionId >>> 0;
  const twin = (id & ~SMC64) >>> 0;
  if (twin !== id && !both.has(twin)) return undefined;
  const known = since.some(([first, functions]) => isAtLeast(version, first) && functions.includes(twin));
  return known && !absent.has(twin) ? twin : undefined;
}

/**
 * Numbers of PSCI 0.1, by the names of the psci node's properties. Free to choose: those of PSCI 0.2, and of the SMC64
 * twins where there are, so that arguments have all their bits.
 */
export const properties01: Readonly<Record<string, number>> = {
  cpu_suspend: Psci.CPU_SUSPEND + SMC64,
  cpu_off: Psci.CPU_OFF,
  cpu_on: Psci.CPU_ON + SMC64,
  migrate: Psci.MIGRATE + SMC64,
};

/** Ranges of function identifiers that are PSCI's. */
export const psciRanges: readonly (readonly [number, number])[] = [
  [Psci.VERSION, Psci.VERSION + 0x1f],
  [Psci.VERSION + SMC64, Psci.VERSION + SMC64 + 0x1f],
];
