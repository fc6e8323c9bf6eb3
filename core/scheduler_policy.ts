/** Contract of a scheduling policy. */
import { capability } from "./capability.ts";
import type { Capability } from "./capability.ts";

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
}

/** A decision: who runs next on a pCPU, and for how long at most. */
export interface Decision {
  /** `undefined`: the pCPU idles. */
  readonly vcpu: Schedulable | undefined;
  /** Virtual nanoseconds, above zero. */
  readonly sliceNs: number;
}

/** Decides which vCPU runs on which pCPU. Synchronous; keeps its state in plain data. */
export interface SchedulerPolicy {
  /** A vCPU came to the board. Throws a `RangeError` when the policy can't take it. */
  insert(vcpu: Schedulable): void;
  /** It left the board. */
  remove(vcpu: Schedulable): void;
  /** It became runnable. */
  wake(vcpu: Schedulable): void;
  /** It blocked or went offline. */
  sleep(vcpu: Schedulable): void;
  /** It gave the rest of its slice away (WFE, yield). */
  yield(vcpu: Schedulable): void;
  /** It ran for so long. */
  ran(vcpu: Schedulable, ns: number): void;
  /** Who runs next on a pCPU, numbered from 0. `nowNs`: virtual time in nanoseconds. */
  decide(pcpu: number, nowNs: number): Decision;
}

/** The scheduling policy of the board. */
export const SchedulerPolicy: Capability<SchedulerPolicy> = capability("SchedulerPolicy");
