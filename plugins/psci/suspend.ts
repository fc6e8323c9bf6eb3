/**
 * CPU_SUSPEND and SYSTEM_SUSPEND (Arm DEN 0022). A suspended vCPU waits for an interrupt, masked or not, as in WFI. After standby it goes on
 * behind its call; after a power-down it has lost its context and starts at its entry point.
 */
import type { SmcccResult, Vcpu } from "../../core/mod.ts";
import { Status } from "./functions.ts";
import type { PowerState, SuspendKind } from "./state.ts";

/** What it is made from. */
export interface SuspendParts {
  readonly state: PowerState;
  /** What a power-down request gets: standby is always allowed, and cheaper. */
  readonly powerDown: SuspendKind;
  /** Virtual time. */
  nowNs(): number;
  /** True when the interrupt controller asks to wake a vCPU that is powered down, whose CPU interface may be off. */
  wakeRequest(vcpu: Vcpu): boolean;
  /** Powers a vCPU down that was woken from a power-down, and up again. */
  resume(vcpu: Vcpu, entry: bigint, contextId: bigint): void;
}

/** Suspends and resumes the vCPUs of a domain. */
export class Suspender {
  constructor(private readonly parts: SuspendParts) {}

  /** CPU_SUSPEND, its parameters checked. Returns SUCCESS after standby. */
  suspend(vcpu: Vcpu, isPowerDown: boolean, entry: bigint, contextId: bigint): SmcccResult {
    return this.#wait(vcpu, isPowerDown ? this.parts.powerDown : "standby", entry, contextId);
  }

  /** SYSTEM_SUSPEND, its parameters checked. Always loses the context. */
  suspendSystem(vcpu: Vcpu, entry: bigint, contextId: bigint): SmcccResult {
    return this.#wait(vcpu, "powerdown", entry, contextId);
  }

  /** A vCPU is about to run, or was kicked while it waits: if it was suspended and has been woken, sees to it. */
  look(vcpu: Vcpu): void {
    const { state, nowNs, resume, wakeRequest } = this.parts;
    const suspension = state.suspended[vcpu.index];
    if (suspension === undefined) return;
    if (vcpu.power !== "runnable" && !(suspension.kind === "powerdown" && wakeRequest(vcpu))) return;
    delete state.suspended[vcpu.index];
    const statistics = this.#statisticsOf(vcpu)[suspension.kind];
    statistics.count++;
    statistics.ns += nowNs() - suspension.sinceNs;
    if (suspension.kind === "powerdown") resume(vcpu, suspension.entry, suspension.contextId);
  }

  /** PSCI_STAT_RESIDENCY (microseconds) and PSCI_STAT_COUNT, of standby or of power-down; StateIDs aren't told apart. */
  statistics(vcpu: Vcpu | undefined, powerState: bigint, what: "count" | "ns"): bigint {
    if (vcpu === undefined) return 0n; // "returns zero for invalid parameters"
    const { count, ns } = this.#statisticsOf(vcpu)[(powerState & 0x1_0000n) === 0n ? "standby" : "powerdown"];
    return what === "count" ? BigInt(count) : BigInt(Math.floor(ns / 1000));
  }

  #wait(vcpu: Vcpu, kind: SuspendKind, entry: bigint, contextId: bigint): "wait" {
    this.parts.state.suspended[vcpu.index] = { kind, sinceNs: this.parts.nowNs(), entry, contextId };
    vcpu.state.setX(0, Status.SUCCESS);
    return "wait";
  }

  #statisticsOf({ index }: Vcpu) {
    return this.parts.state.statistics[index] ??= { standby: { count: 0, ns: 0 }, powerdown: { count: 0, ns: 0 } };
  }
}
