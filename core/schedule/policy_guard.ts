/** Stands between the scheduler and a policy: a policy that throws or decides nonsense is named, and the machine goes on. */
import type { GuestVcpu } from "../machine/guest_vcpu.ts";
import type { Schedulable, SchedulerPolicy } from "./scheduler_policy.ts";

/** A decision that holds. */
export interface Choice {
  readonly vcpu: GuestVcpu | undefined;
  /** Above zero; `Infinity` when the policy wants no second look. */
  readonly sliceNs: number;
}

/** A guard in a snapshot. */
export interface SavedGuard {
  readonly vcpus: number[];
  readonly lastFallback: number;
  readonly short: number;
}

/** Slice of a decision that had to be made for the policy. */
const FALLBACK_NS = 1_000_000;
/** From here on a slice means "forever": about 52 days. */
const FOREVER_NS = 2 ** 52;
/** An idle slice shorter than this one gets no work done, */
const SHORT_NS = 1000;
/** and so many of them in a row, with somebody runnable, no progress. */
const SHORT_LIMIT = 1000;

/** Calls a policy. */
export class PolicyGuard {
  readonly #vcpus = new Map<Schedulable, GuestVcpu>();
  #lastFallback = -1;
  /** Short idle slices in a row. */
  #short = 0;

  /** `name`: the plugin that provides the policy. `misbehaved` gets a sentence each time. */
  constructor(readonly policy: SchedulerPolicy, readonly name: string, readonly misbehaved: (detail: string) => void) {}

  /** For a snapshot. The policy's own state is its plugin's. */
  save(): SavedGuard {
    return { vcpus: [...this.#vcpus.values()].map(({ id }) => id), lastFallback: this.#lastFallback, short: this.#short };
  }

  /** The counterpart of {@linkcode save}. */
  load({ vcpus, lastFallback, short }: SavedGuard, byId: (id: number) => GuestVcpu): void {
    this.#vcpus.clear();
    for (const vcpu of vcpus.map(byId)) this.#vcpus.set(vcpu.schedulable, vcpu);
    this.#lastFallback = lastFallback;
    this.#short = short;
  }

  /** Throws what the policy throws: it may refuse a vCPU. */
  insert(vcpu: GuestVcpu): void {
    this.policy.insert(vcpu.schedulable);
    this.#vcpus.set(vcpu.schedulable, vcpu);
  }

  remove(vcpu: GuestVcpu): void {
    this.#tell("remove", vcpu, (policy) => policy.remove(vcpu.schedulable));
    this.#vcpus.delete(vcpu.schedulable);
  }

  wake(vcpu: GuestVcpu): void {
    this.#tell("wake", vcpu, (policy) => policy.wake(vcpu.schedulable));
  }

  sleep(vcpu: GuestVcpu): void {
    this.#tell("sleep", vcpu, (policy) => policy.sleep(vcpu.schedulable));
  }

  yield(vcpu: GuestVcpu): void {
    this.#tell("yield", vcpu, (policy) => policy.yield(vcpu.schedulable));
  }

  ran(vcpu: GuestVcpu, ns: number): void {
    this.#tell("ran", vcpu, (policy) => policy.ran(vcpu.schedulable, ns));
  }

  /** Who runs next on a physical CPU. */
  decide(pcpu: number, nowNs: number): Choice {
    try {
      const decision = this.policy.decide(pcpu, nowNs);
      const wrong = this.#check(decision, pcpu);
      if (wrong === undefined) {
        const { vcpu, sliceNs } = decision;
        this.#short = vcpu === undefined && sliceNs < SHORT_NS ? this.#short + 1 : 0;
        return { vcpu: vcpu && this.#vcpus.get(vcpu), sliceNs: sliceNs >= FOREVER_NS ? Infinity : sliceNs };
      }
      this.misbehaved(`${this.name}, decide(${pcpu}): ${wrong}`);
    } catch (error) {
      this.misbehaved(`${this.name}, decide(${pcpu}): it threw: ${error instanceof Error ? error.message : String(error)}`);
    }
    return this.#fallback(pcpu);
  }

  #check(decision: unknown, pcpu: number): string | undefined {
    if (typeof decision !== "object" || decision === null || decision instanceof Promise) return "no decision came back";
    const { vcpu, sliceNs } = decision as { vcpu: Schedulable | undefined; sliceNs: number };
    if (typeof sliceNs !== "number" || !(sliceNs >= 1)) return `the slice is ${sliceNs} ns; want more than zero`;
    if (vcpu === undefined) {
      if (this.#short < SHORT_LIMIT) return undefined;
      this.#short = 0;
      return `it idled ${SHORT_LIMIT} times in a row for less than ${SHORT_NS} ns`;
    }
    const known = this.#vcpus.get(vcpu);
    if (known === undefined) return "it chose a vCPU that it doesn't have";
    if (known.power !== "runnable") return `it chose vCPU ${known.index} of ${known.domain.name}, which is ${known.power}`;
    if (!known.cpus.includes(pcpu)) return `it chose vCPU ${known.index} of ${known.domain.name} for CPU ${pcpu}, where it may not run`;
    if (known.pcpu !== undefined) {
      return `it chose vCPU ${known.index} of ${known.domain.name} for CPU ${pcpu}, which runs on CPU ${known.pcpu}`;
    }
    return undefined;
  }

  /** The next runnable vCPU, in turn. */
  #fallback(pcpu: number): Choice {
    const candidates = [...this.#vcpus.values()].filter(({ schedulable, cpus }) => schedulable.runnable && cpus.includes(pcpu));
    const vcpu = candidates.find(({ id }) => id > this.#lastFallback) ?? candidates[0];
    if (vcpu) this.#lastFallback = vcpu.id;
    return { vcpu, sliceNs: FALLBACK_NS };
  }

  #tell(hook: string, vcpu: GuestVcpu, call: (policy: SchedulerPolicy) => void): void {
    if (!this.#vcpus.has(vcpu.schedulable)) return;
    try {
      call(this.policy);
    } catch (error) {
      this.misbehaved(`${this.name}, ${hook}: it threw: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
