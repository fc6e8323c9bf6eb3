/**
 * The PSCI functions of one domain (Arm DEN 0022, "PSCI functions"). A hostile guest can start and stop its own
 * vCPUs and end its own domain, nothing else: targets are matched exactly against the domain's vCPUs, and entry points
 * must be executable in the domain's own address space.
 */
import type { Domain, SmcccCall, SmcccResult, Vcpu } from "../../core/mod.ts";
import { AffinityState, implemented, isAtLeast, Psci, SMCCC_VERSION, Status, versionNumber } from "./functions.ts";
import type { PsciVersion } from "./functions.ts";
import type { PowerState } from "./state.ts";
import type { Suspender } from "./suspend.ts";
import { atAffinity, isEntryPoint } from "./targets.ts";

/** What a controller is made from. */
export interface PowerParts {
  readonly domain: Domain;
  readonly version: PsciVersion;
  readonly state: PowerState;
  readonly suspender: Suspender;
  /** Starts a vCPU that is off, now or when its power-up time is over. */
  powerUp(vcpu: Vcpu, entry: bigint, contextId: bigint): void;
  trace(kind: string, detail: () => string): void;
}

/** Answers the PSCI calls of a domain. */
export class PowerController {
  constructor(private readonly parts: PowerParts) {}

  /** A PSCI call. Functions that the version doesn't have return NOT_SUPPORTED. */
  call(call: SmcccCall): SmcccResult {
    const { version, suspender } = this.parts;
    const [a, b, c] = call.args;
    switch (implemented(call.functionId, version)) {
      case Psci.VERSION:
        return versionNumber(version);
      case Psci.FEATURES:
        return this.features(Number(BigInt.asUintN(32, a)));
      case Psci.CPU_ON:
        return this.cpuOn(a, b, c);
      case Psci.CPU_OFF:
        return this.cpuOff(call.vcpu);
      case Psci.CPU_SUSPEND:
        return this.cpuSuspend(call.vcpu, a, b, c);
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
      case Psci.SYSTEM_SUSPEND:
        return this.systemSuspend(call.vcpu, a, b);
      case Psci.STAT_RESIDENCY:
        return suspender.statistics(atAffinity(this.parts.domain, a, 0)[0], b, "ns");
      case Psci.STAT_COUNT:
        return suspender.statistics(atAffinity(this.parts.domain, a, 0)[0], b, "count");
      default:
        return Status.NOT_SUPPORTED;
    }
  }

  /** PSCI_FEATURES: 0 for what is there (for CPU_SUSPEND: original format, no OS-initiated mode). */
  private features(functionId: number): bigint {
    const isThere = functionId === SMCCC_VERSION || implemented(functionId, this.parts.version) !== undefined;
    return isThere ? Status.SUCCESS : Status.NOT_SUPPORTED;
  }

  private cpuOn(target: bigint, entry: bigint, contextId: bigint): SmcccResult {
    const { domain, state, version } = this.parts;
    const [vcpu] = atAffinity(domain, target, 0);
    if (!vcpu) return Status.INVALID_PARAMETERS;
    if (!isEntryPoint(domain, entry)) return this.invalidAddress();
    const pending = state.pending[vcpu.index]?.why === "on";
    if (vcpu.power !== "off" || state.pending[vcpu.index] !== undefined) {
      if (version === "0.1") return Status.INVALID_PARAMETERS;
      return pending ? Status.ON_PENDING : Status.ALREADY_ON;
    }
    this.parts.powerUp(vcpu, entry, contextId);
    return Status.SUCCESS;
  }

  /** The last CPU may go as well: DENIED is for a Trusted OS that can't migrate. Nobody is left then to call CPU_ON. */
  private cpuOff(vcpu: Vcpu): "stopped" {
    const { domain, state, trace } = this.parts;
    vcpu.stop();
    if (domain.vcpus.every(({ power, index }) => power === "off" && state.pending[index] === undefined)) {
      trace("last vCPU off", () => `vCPU ${vcpu.index} of ${domain.name} was the last one that was on; nothing can start one again`);
    }
    return "stopped";
  }

  private cpuSuspend(vcpu: Vcpu, powerState: bigint, entry: bigint, contextId: bigint): SmcccResult {
    const state = Number(BigInt.asUintN(32, powerState));
    // "Original format": StateID 15:0, StateType 16, PowerLevel 25:24, the rest zero.
    if ((state & 0xfcfe_0000) !== 0) return Status.INVALID_PARAMETERS;
    const isPowerDown = (state & 0x1_0000) !== 0;
    if (isPowerDown && !isEntryPoint(this.parts.domain, entry)) return this.invalidAddress();
    return this.parts.suspender.suspend(vcpu, isPowerDown, entry, contextId);
  }

  private systemSuspend(vcpu: Vcpu, entry: bigint, contextId: bigint): SmcccResult {
    const { domain, state, suspender } = this.parts;
    const othersOff = domain.vcpus.every((other) => other === vcpu || (other.power === "off" && state.pending[other.index] === undefined));
    if (!othersOff) return Status.DENIED;
    if (!isEntryPoint(domain, entry)) return Status.INVALID_ADDRESS;
    return suspender.suspendSystem(vcpu, entry, contextId);
  }

  /** Levels above 0 are mandatory in PSCI 0.2 and optional since 1.0: on when any of them is. */
  private affinityInfo(target: bigint, level: bigint): SmcccResult {
    const { domain, state } = this.parts;
    const vcpus = atAffinity(domain, target, Number(BigInt.asUintN(32, level)));
    if (vcpus.length === 0) return Status.INVALID_PARAMETERS;
    const pending = vcpus.map(({ index }) => state.pending[index]?.why);
    if (vcpus.some((vcpu, n) => vcpu.power !== "off" || pending[n] === "resume")) return AffinityState.ON;
    return pending.includes("on") ? AffinityState.ON_PENDING : AffinityState.OFF;
  }

  private end(vcpu: Vcpu, outcome: { kind: "power-off" } | { kind: "reboot" }): "stopped" {
    vcpu.state.setX(0, Status.INTERNAL_FAILURE); // what the caller would see, should it ever come back
    this.parts.domain.end(outcome);
    return "stopped";
  }

  /** INVALID_ADDRESS came with PSCI 1.0. */
  private invalidAddress(): bigint {
    return isAtLeast(this.parts.version, "1.0") ? Status.INVALID_ADDRESS : Status.INVALID_PARAMETERS;
  }
}
