/**
 * The PSCI functions of one domain (Arm DEN 0022, "PSCI functions"). A hostile guest can start and stop its own
 * vCPUs and end its own domain, nothing else: targets are matched exactly against the domain's vCPUs, and entry points
 * must be executable in the domain's own address space.
 */
import type { Domain, SmcccCall, SmcccResult, Vcpu } from "../../core/mod.ts";
import { AffinityState, implemented, Psci, PSCI_VERSION_1_1, SMC64, Smccc, SMCCC_VERSION_1_1, Status } from "./functions.ts";

/** Aff3 and Aff2 to Aff0 of MPIDR_EL1. */
const AFFINITY = 0xff_00ff_ffffn;

/** Answers the PSCI and SMCCC calls of a domain. */
export class PowerController {
  constructor(private readonly domain: Domain) {}

  /** A PSCI call. Unknown functions return NOT_SUPPORTED. */
  call(call: SmcccCall): SmcccResult {
    const [a, b, c] = call.args;
    switch (implemented(call.functionId)) {
      case Psci.VERSION:
        return PSCI_VERSION_1_1;
      case Psci.FEATURES:
        return features(Number(BigInt.asUintN(32, a)));
      case Psci.CPU_ON:
        return this.cpuOn(a, b, c);
      case Psci.CPU_OFF:
        call.vcpu.stop();
        return "stopped";
      case Psci.CPU_SUSPEND:
        return this.cpuSuspend(call.vcpu, a, b);
      case Psci.AFFINITY_INFO:
        return this.affinityInfo(a, b);
      case Psci.MIGRATE_INFO_TYPE:
        return 2n; // no Trusted OS, so nothing to migrate
      case Psci.SYSTEM_OFF:
        return this.end(call.vcpu, { kind: "power-off" });
      case Psci.SYSTEM_RESET:
        return this.end(call.vcpu, { kind: "reboot" });
      case Psci.SYSTEM_RESET2:
        // Architectural warm reset; the types with bit 31 set are the vendor's, and this vendor has none.
        return BigInt.asUintN(32, a) === 0n ? this.end(call.vcpu, { kind: "reboot" }) : Status.INVALID_PARAMETERS;
      default:
        return Status.NOT_SUPPORTED;
    }
  }

  private cpuOn(target: bigint, entry: bigint, contextId: bigint): SmcccResult {
    const vcpu = this.find(target);
    if (!vcpu) return Status.INVALID_PARAMETERS;
    if (!this.executable(entry)) return Status.INVALID_ADDRESS;
    // Power-up takes no time, so nobody ever sees ON_PENDING.
    if (vcpu.power !== "off") return Status.ALREADY_ON;
    vcpu.start(entry, contextId);
    return Status.SUCCESS;
  }

  private cpuSuspend(vcpu: Vcpu, powerState: bigint, entry: bigint): SmcccResult {
    const state = Number(BigInt.asUintN(32, powerState));
    // "Original format": StateID 15:0, StateType 16, PowerLevel 25:24, the rest zero.
    if ((state & 0xfcfe_0000) !== 0) return Status.INVALID_PARAMETERS;
    const powerDown = (state & 0x1_0000) !== 0;
    if (powerDown && !this.executable(entry)) return Status.INVALID_ADDRESS;
    // A power-down request may be answered by standby: the caller then finds its context intact.
    vcpu.state.setX(0, Status.SUCCESS);
    return "wait";
  }

  private affinityInfo(target: bigint, level: bigint): SmcccResult {
    if (BigInt.asUintN(32, level) !== 0n) return Status.INVALID_PARAMETERS; // optional since PSCI 1.0
    const vcpu = this.find(target);
    if (!vcpu) return Status.INVALID_PARAMETERS;
    return vcpu.power === "off" ? AffinityState.OFF : AffinityState.ON;
  }

  private end(vcpu: Vcpu, outcome: { kind: "power-off" } | { kind: "reboot" }): "stopped" {
    vcpu.state.setX(0, Status.INTERNAL_FAILURE); // what the caller would see, should it ever come back
    this.domain.end(outcome);
    return "stopped";
  }

  private find(target: bigint): Vcpu | undefined {
    if ((target & ~AFFINITY) !== 0n) return undefined;
    return this.domain.vcpus.find((vcpu) => (vcpu.state.read("VMPIDR_EL2") & AFFINITY) === target);
  }

  private executable(entry: bigint): boolean {
    if (entry >> 48n !== 0n || (entry & 3n) !== 0n) return false;
    return this.domain.space.lookup(Number(entry))?.mapping.execute === true;
  }
}

/** PSCI_FEATURES: 0 for what is there (for CPU_SUSPEND: original format, no OS-initiated mode). */
function features(functionId: number): bigint {
  return functionId === Smccc.VERSION || implemented(functionId) !== undefined ? Status.SUCCESS : Status.NOT_SUPPORTED;
}

/** Arm Architecture Calls. This CPU doesn't speculate, so the workarounds exist, do nothing, and say so. */
export function architectureCall(call: SmcccCall): SmcccResult {
  switch (call.functionId >>> 0) {
    case Smccc.VERSION:
      return SMCCC_VERSION_1_1;
    case Smccc.ARCH_FEATURES:
      return architectureFeatures(Number(BigInt.asUintN(32, call.args[0])));
    case Smccc.ARCH_WORKAROUND_1:
    case Smccc.ARCH_WORKAROUND_2:
    case Smccc.ARCH_WORKAROUND_3:
      return Status.SUCCESS;
    default:
      return Status.NOT_SUPPORTED;
  }
}

function architectureFeatures(functionId: number): bigint {
  switch (functionId) {
    case Smccc.VERSION:
    case Smccc.ARCH_FEATURES:
      return Status.SUCCESS;
    case Smccc.ARCH_WORKAROUND_1:
    case Smccc.ARCH_WORKAROUND_2:
    case Smccc.ARCH_WORKAROUND_3:
      return 1n; // "not required on this PE"
    default:
      return Status.NOT_SUPPORTED;
  }
}

/** Ranges of function identifiers that this plugin answers: PSCI in both conventions, and Arm Architecture Calls. */
export const psciRanges: readonly (readonly [number, number])[] = [
  [Psci.VERSION, Psci.VERSION + 0x1f],
  [Psci.VERSION + SMC64, Psci.VERSION + SMC64 + 0x1f],
];

/** Arm Architecture Calls that are answered. */
export const architectureRanges: readonly (readonly [number, number])[] = [
  [Smccc.VERSION, Smccc.ARCH_FEATURES],
  [Smccc.ARCH_WORKAROUND_3, Smccc.ARCH_WORKAROUND_3],
  [Smccc.ARCH_WORKAROUND_2, Smccc.ARCH_WORKAROUND_1],
];
