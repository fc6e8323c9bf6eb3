/** Contract of a CPU engine that runs its physical CPUs at the same time, each in a thread of its own. */
import type { CpuEngine, Exit, VcpuState } from "./cpu_engine.ts";

/** A vCPU that came back. */
export interface Returned {
  /** The physical CPU. */
  readonly cpu: number;
  /** Who ran there. */
  readonly vcpu: VcpuState;
  /** Why it came back. */
  readonly exit: Exit;
  /** Instructions of this run. */
  readonly retired: number;
}

/** What all physical CPUs run in: from a virtual time on, for so many instructions at most. */
export interface Round {
  /** Virtual time at which it begins. */
  readonly startNs: number;
  /** Virtual nanoseconds that an instruction takes. */
  readonly nsPerInstruction: number;
  /** Instructions after which a CPU comes back, until {@linkcode ParallelCpus.limit} says otherwise. */
  readonly limit: number;
}

/**
 * Physical CPUs that run while the hypervisor does something else. Positions are instructions since the beginning of the round; virtual time
 * is that of the CPU that is farthest. Whoever looks at the registers of a vCPU that runs gets it back first: it is as if it had been kicked.
 */
export interface ParallelCpus {
  /** A round begins; nobody runs. */
  beginRound(round: Round): void;
  /** How far the farthest CPU is, as far as it has said. */
  readonly position: number;
  /** Where CPUs come back. One that runs learns of a lower limit before long. */
  limit: number;
  /** True while a physical CPU has a vCPU that {@linkcode wait} hasn't given back. */
  isBusy(cpu: number): boolean;
  /** Lets a vCPU run from a position on. The CPU isn't busy. */
  start(cpu: number, vcpu: VcpuState, position: number): void;
  /** Makes a CPU come back before long: whatever is pending for its vCPU is looked at then. */
  kick(cpu: number): void;
  /** Makes it come back now: when this returns, it doesn't run, and {@linkcode wait} will give it back. */
  recall(cpu: number): void;
  /** One that came back, when nobody has yet after some waiting `undefined`. Devices are accessed in here, on behalf of CPUs. */
  wait(): Returned | undefined;
}

/** A CPU engine that may have been started so. */
export interface MaybeParallel extends CpuEngine {
  /** Present when the physical CPUs run at the same time; then {@linkcode CpuEngine.run} isn't called. */
  readonly parallel?: ParallelCpus;
}
