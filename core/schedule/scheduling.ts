/** What a scheduler needs around it, and what can be changed of it while it runs. */
import type { FaultOrigin } from "../arch/cpu_engine.ts";
import type { MaybeParallel } from "../arch/parallel_cpus.ts";
import type { Next } from "../machine/dispatch.ts";
import type { Domain, Outcome, Vcpu } from "../machine/domain.ts";
import type { GuestVcpu } from "../machine/guest_vcpu.ts";
import type { RunHooks } from "../plugin/context.ts";
import type { Hooked } from "../plugin/plugin_host.ts";
import type { CpuPools } from "./cpu_pools.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** Most instructions of a turn beside others: small enough that a CPU sees soon what another one did, large enough that a turn's cost doesn't show. */
export const QUANTUM = 50_000;
/**
 * Where no other CPU has work a turn may have more, as long as virtual time goes on by no more than this, in nanoseconds: input waits for its
 * end, and compiled code loses its place there.
 */
const ALONE_NS = 2_000_000;

/** Most instructions of a turn while so many physical CPUs have work. */
export function quantumOf(cpus: number, nsPerInstruction: number): number {
  return cpus === 1 ? Math.max(QUANTUM, Math.floor(ALONE_NS / nsPerInstruction)) : QUANTUM;
}

/**
 * Most traps of a round where no other CPU waits for its end, or of one of CPUs in parallel: a trap takes this host some microseconds and
 * virtual time one instruction, so a guest that polls a device would keep input waiting for seconds.
 */
export const MOST_TRAPS = 5_000;
/** The same of instructions that the engine itself is slow with, as TLBI: a microsecond each, or several. */
export const MOST_SLOW = 20_000;

/** Of a turn in which no other physical CPU has anything to do. */
export interface Alone {
  /** What a trap takes of it besides its instruction. */
  readonly trapCost: number;
  /** What an instruction takes of it, besides itself, that the engine is slow with. */
  readonly slowCost: number;
  /** The count of who woke, when it began. */
  readonly wakes: number;
}

/** Of a turn of so many instructions. */
export function aloneFor(length: number, wakes: number): Alone {
  return { trapCost: Math.ceil(length / MOST_TRAPS), slowCost: Math.ceil(length / MOST_SLOW), wakes };
}

/** Hooks by scope: the board's, then the domain's. The lists are live. */
export type RunHookLists = readonly (readonly Hooked<RunHooks>[])[];

/** What the scheduler needs around it. */
export interface SchedulerEnvironment {
  readonly clock: VirtualClock;
  readonly engine: MaybeParallel;
  readonly pools: CpuPools;
  readonly pcpus: number;
  readonly nsPerInstruction: number;
  /** Hooks that concern a vCPU. */
  hooks(vcpu: GuestVcpu): RunHookLists;
  /** Answers an exception that was taken to EL2. */
  dispatch(vcpu: GuestVcpu): Next;
  /** A hook threw. */
  failed(owner: string, hook: string, error: unknown, domain: Domain): void;
  /** The guest can't go on. */
  crashed(vcpu: GuestVcpu, what: string, origin?: FaultOrigin): Outcome;
}

/** A physical CPU, as the scheduler sees it. */
export interface Pcpu {
  readonly index: number;
  vcpu: GuestVcpu | undefined;
  /** Virtual time of the next decision. */
  sliceEndNs: number;
  /** How many wake-ups there had been at the latest decision. */
  wakes: number;
  /** Instructions of this turn that its vCPU had and the policy doesn't know of. */
  used: number;
}

/** What can be changed of scheduling while a machine runs. */
export interface Scheduling {
  /** Changes what a domain's policy knows of it: weights, budgets. Throws a `RangeError` that says what is wrong; nothing is changed then. */
  adjust(domain: string, settings: Readonly<Record<string, unknown>>): void;
  /**
   * Changes where a vCPU may run, of its pool's CPUs, as a manifest's `affinity` says it: `2`, `0-3,5`. Its policy takes it for a new one.
   * Throws a `RangeError` that says what is wrong; then it stays where it was.
   */
  move(vcpu: Vcpu, cpus: unknown): void;
}

/** What a scheduler keeps, for snapshots. */
export interface SchedulerParts {
  readonly pcpus: readonly Pcpu[];
  readonly vcpus: Set<GuestVcpu>;
  readonly kicked: Set<GuestVcpu>;
  readonly wakes: number;
  readonly left: boolean;
}
