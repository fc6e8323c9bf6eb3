/** The null policy: each vCPU has a physical CPU of its own, in the order of their coming. Those that come later wait for a free one. */
import type { Decision, Schedulable, SchedulerPolicy } from "../../../core/mod.ts";

/** State: who has which physical CPU. */
export interface NullState {
  /** vCPU id by physical CPU; absent: free. */
  readonly assigned: Record<number, number>;
  /** Ids without a physical CPU, first come first. */
  readonly waiting: number[];
}

/** Makes the policy. `waits` hears of a vCPU that has to wait. */
export function nullPolicy(state: NullState, waits: (vcpu: Schedulable) => void): SchedulerPolicy {
  const vcpus = new Map<number, Schedulable>();
  const isFree = (cpu: number) => state.assigned[cpu] === undefined;
  return {
    insert(vcpu) {
      vcpus.set(vcpu.id, vcpu);
      const free = vcpu.cpus.find(isFree);
      if (free !== undefined) {
        state.assigned[free] = vcpu.id;
      } else {
        state.waiting.push(vcpu.id);
        waits(vcpu);
      }
    },
    remove(vcpu) {
      vcpus.delete(vcpu.id);
      const waiting = state.waiting.indexOf(vcpu.id);
      if (waiting >= 0) state.waiting.splice(waiting, 1);
      for (const cpu of vcpu.cpus) {
        if (state.assigned[cpu] !== vcpu.id) continue;
        delete state.assigned[cpu];
        const next = state.waiting.findIndex((id) => vcpus.get(id)!.cpus.includes(cpu));
        if (next >= 0) state.assigned[cpu] = state.waiting.splice(next, 1)[0];
      }
    },
    wake() {},
    sleep() {},
    yield() {},
    ran() {},
    decide(pcpu): Decision {
      const vcpu = vcpus.get(state.assigned[pcpu]);
      return { vcpu: vcpu?.runnable ? vcpu : undefined, sliceNs: Infinity };
    },
  };
}
