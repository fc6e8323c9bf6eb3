/** Contract of a scheduling policy. */
import { capability } from "../plugin/capability.ts";
import type { Capability } from "../plugin/capability.ts";

/** What a policy knows of a vCPU. */
export interface Schedulable {
  /** Unique on the board, from 0. */
  readonly id: number;
  /** Name of its domain. */
  readonly domain: string;
  /** Within its domain, from 0. */
  readonly index: number;
  /** Runnable and not running elsewhere. */
  readonly runnable: boolean;
  /** Physical CPUs that it may run on, ascending: those of its pool, and of these the ones of its affinity. */
  readonly cpus: readonly number[];
}

/** A decision: who runs next on a pCPU, and for how long at most. */
export interface Decision {
  /** `undefined`: the pCPU idles. */
  readonly vcpu: Schedulable | undefined;
  /** Virtual nanoseconds until the next decision, at least 1. An idle pCPU is also asked again when a vCPU wakes. */
  readonly sliceNs: number;
}

/**
 * Decides which vCPU runs on which pCPU. Synchronous; keeps its state in plain data.
 *
 * A slice ends to the instruction. A policy is asked before its slice is over when a vCPU woke, and when the one that it chose blocked or
 * yielded; all the pCPUs of its pool are then asked one after the other, and the vCPU that ran on the one in question counts as runnable.
 */
export interface SchedulerPolicy {
  /** A vCPU came to the pool. Throws a `RangeError` when the policy can't take it. */
  insert(vcpu: Schedulable): void;
  /** It left the pool. */
  remove(vcpu: Schedulable): void;
  /** It became runnable. */
  wake(vcpu: Schedulable): void;
  /** It blocked or went offline. */
  sleep(vcpu: Schedulable): void;
  /** It gave the rest of its slice away (WFE, yield). */
  yield(vcpu: Schedulable): void;
  /** It had a pCPU for so long. Comes before the decision that follows. */
  ran(vcpu: Schedulable, ns: number): void;
  /** Who runs next on a pCPU of the pool, by its number on the board. `nowNs`: virtual time in nanoseconds, which never goes back. */
  decide(pcpu: number, nowNs: number): Decision;
  /**
   * Changes what the policy knows of a domain while it runs (weights, budgets), from the next decisions on. Throws a `RangeError` that says
   * what is wrong, and changes nothing then. Absent: nothing can be changed.
   */
  adjust?(domain: string, settings: Readonly<Record<string, unknown>>): void;
}

/** A scheduling policy: one for the board, or one for each pool of physical CPUs. */
export const SchedulerPolicy: Capability<SchedulerPolicy> = capability("SchedulerPolicy", "board", { many: true });
