/** The null policy: each vCPU has a physical CPU of its own, in the order of their coming. Those that come later wait for a free one. */
import type { Decision, Schedulable, SchedulerPolicy } from "../../core/mod.ts";

/** State: who has which physical CPU. */
export interface NullState {
  /** vCPU id per physical CPU; -1: free. */
  readonly assigned: number[];
  /** Ids without a physical CPU, first come first. */
  readonly waiting: number[];
}

/** Initial state. */
export function nullState(pcpus = 0): NullState {
  return { assigned: new Array<number>(pcpus).fill(-1), waiting: [] };
}

/** Makes the policy. `waits` hears of a vCPU that has to wait. */
export function nullPolicy(state: NullState, waits: (vcpu: Schedulable) => void): SchedulerPolicy {
  const vcpus = new Map<number, Schedulable>();
  return {
    insert(vcpu) {
      vcpus.set(vcpu.id, vcpu);
      const free = state.assigned.indexOf(-1);
      if (free >= 0) {
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
      const pcpu = state.assigned.indexOf(vcpu.id);
      if (pcpu >= 0) state.assigned[pcpu] = state.waiting.shift() ?? -1;
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
