/**
 * A fair share policy: the vCPU with the least weighted run time goes next, on any physical CPU.
 *
 * A vCPU that slept starts again no further behind than one slice, so that nobody saves time up to starve the
 * others; one that yields goes behind all that are runnable.
 */
import type { Decision, PoolOptions, Schedulable, SchedulerPolicy } from "../../../core/mod.ts";
import { entryOf } from "../by_domain.ts";

/** Account of a vCPU. */
export interface Account {
  /** Run time divided by weight, in nanoseconds. */
  virtualNs: number;
  weight: number;
}

/** State: the accounts by vCPU id. */
export interface FairState {
  readonly accounts: Record<number, Account>;
}

/** What the board says. */
export interface FairOptions extends PoolOptions {
  /** Nanoseconds until the next decision. */
  readonly slice: number;
  /** Share of each vCPU of a domain relative to others; 1 when absent. */
  readonly weights: Readonly<Record<string, number>>;
}

/** Makes the policy. */
export function fairPolicy(state: FairState, { slice, weights }: Pick<FairOptions, "slice" | "weights">): SchedulerPolicy {
  const vcpus = new Map<number, Schedulable>();
  const awake = new Set<number>();
  const { accounts } = state;

  /** Least and greatest account of those that want to run, `except` left out. */
  function bounds(except: number): [least: number, greatest: number] | undefined {
    let found: [number, number] | undefined;
    for (const id of awake) {
      if (id === except) continue;
      const { virtualNs } = accounts[id];
      found = found ? [Math.min(found[0], virtualNs), Math.max(found[1], virtualNs)] : [virtualNs, virtualNs];
    }
    return found;
  }

  return {
    insert(vcpu) {
      vcpus.set(vcpu.id, vcpu);
      accounts[vcpu.id] = { virtualNs: bounds(vcpu.id)?.[0] ?? 0, weight: entryOf(weights, vcpu.domain) ?? 1 };
    },
    remove(vcpu) {
      vcpus.delete(vcpu.id);
      awake.delete(vcpu.id);
      delete accounts[vcpu.id];
    },
    wake(vcpu) {
      const account = accounts[vcpu.id];
      const others = bounds(vcpu.id);
      if (others) account.virtualNs = Math.max(account.virtualNs, others[0] - slice / account.weight);
      awake.add(vcpu.id);
    },
    sleep(vcpu) {
      awake.delete(vcpu.id);
    },
    yield(vcpu) {
      const others = bounds(vcpu.id);
      if (others) accounts[vcpu.id].virtualNs = Math.max(accounts[vcpu.id].virtualNs, others[1] + 1);
    },
    ran(vcpu, ns) {
      accounts[vcpu.id].virtualNs += ns / accounts[vcpu.id].weight;
    },
    decide(pcpu): Decision {
      let best: Schedulable | undefined;
      for (const vcpu of vcpus.values()) {
        if (!vcpu.runnable || !vcpu.cpus.includes(pcpu)) continue;
        if (best === undefined || accounts[vcpu.id].virtualNs < accounts[best.id].virtualNs) best = vcpu;
      }
      return { vcpu: best, sliceNs: best === undefined ? Infinity : slice };
    },
    adjust(domain, settings) {
      const { weight } = settings;
      if (typeof weight !== "number" || !(weight >= 0.001 && weight <= 1000) || Object.keys(settings).length > 1) {
        throw new RangeError("want a weight from 0.001 to 1000");
      }
      for (const vcpu of vcpus.values()) if (vcpu.domain === domain) accounts[vcpu.id].weight = weight;
    },
  };
}
