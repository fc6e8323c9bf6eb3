/** Arm Architecture Calls: SMC Calling Convention, Arm DEN 0028, "Arm Architecture Calls". */
import type { Exceptions, SmcccCall, SmcccResult } from "../../core/mod.ts";

/** Function identifiers. */
export const Architecture = {
  VERSION: 0x8000_0000,
  ARCH_FEATURES: 0x8000_0001,
  ARCH_SOC_ID: 0x8000_0002,
  /** Mitigation of CVE-2022-23960. */
  ARCH_WORKAROUND_3: 0x8000_3fff,
  /** Mitigation of CVE-2018-3639. */
  ARCH_WORKAROUND_2: 0x8000_7fff,
  /** Mitigation of CVE-2017-5715. */
  ARCH_WORKAROUND_1: 0x8000_8000,
} as const;

/**
 * 1.2: X0 to X17 may carry arguments and results, and what carries no result is preserved. Both hold: dispatch writes only the
 * registers that a handler returns.
 */
export const SMCCC_VERSION_1_2 = 0x0001_0002n;

/** Return values: signed 32 bits, sign-extended, right for callers that look at W0 and for those that look at X0. */
export const SUCCESS = 0n;
export const NOT_SUPPORTED: bigint = BigInt.asUintN(64, -1n);
export const INVALID_PARAMETER: bigint = BigInt.asUintN(64, -3n);

/** "Safe, and not required on this PE": the CPU doesn't speculate. */
const NOT_REQUIRED = 1n;

/** What a domain knows beyond what is always there. */
export interface ArchitectureOptions {
  /** SoC identification: JEP-106 code in 30:16, the vendor's number in 15:0. Absent: SMCCC_ARCH_SOC_ID isn't there. */
  readonly soc?: number;
  /** SoC revision, 31 bits. */
  readonly socRevision?: number;
  /** What others added says of an identifier; `undefined` when it isn't theirs. */
  features?(functionId: number): bigint | undefined;
}

/** Claims the architecture's calls. They do nothing but answer: the workarounds are for CPUs that speculate. */
export function claimArchitectureCalls(
  exceptions: Exceptions,
  conduits: readonly ("hvc" | "smc")[],
  options: ArchitectureOptions = {},
): void {
  const { VERSION, ARCH_SOC_ID, ARCH_WORKAROUND_1, ARCH_WORKAROUND_2, ARCH_WORKAROUND_3 } = Architecture;
  const handler = (call: SmcccCall) => architectureCall(call, options);
  for (const [from, to] of [[VERSION, ARCH_SOC_ID], [ARCH_WORKAROUND_3, ARCH_WORKAROUND_3], [ARCH_WORKAROUND_2, ARCH_WORKAROUND_1]]) {
    exceptions.claimCalls(from, to, conduits, handler);
  }
}

function architectureCall({ functionId, args }: SmcccCall, options: ArchitectureOptions): SmcccResult {
  switch (functionId) {
    case Architecture.VERSION:
      return SMCCC_VERSION_1_2;
    case Architecture.ARCH_FEATURES:
      return features(Number(args[0]), options);
    case Architecture.ARCH_SOC_ID:
      return socId(args[0], options);
    default:
      return SUCCESS;
  }
}

function features(functionId: number, options: ArchitectureOptions): bigint {
  switch (functionId) {
    case Architecture.VERSION:
    case Architecture.ARCH_FEATURES:
      return SUCCESS;
    case Architecture.ARCH_SOC_ID:
      return options.soc === undefined ? NOT_SUPPORTED : SUCCESS;
    case Architecture.ARCH_WORKAROUND_1:
    case Architecture.ARCH_WORKAROUND_2:
    case Architecture.ARCH_WORKAROUND_3:
      return NOT_REQUIRED;
    default:
      return options.features?.(functionId) ?? NOT_SUPPORTED;
  }
}

function socId(type: bigint, { soc, socRevision = 0 }: ArchitectureOptions): bigint {
  if (soc === undefined) return NOT_SUPPORTED;
  return type === 0n ? BigInt(soc) : type === 1n ? BigInt(socRevision) : INVALID_PARAMETER;
}
