/** Time partitions: the windows of a major frame say who runs, whoever else would like to. A window whose vCPU sleeps idles. */
import type { Decision, Schedulable, SchedulerPolicy } from "../../../core/mod.ts";
import type { Schedule } from "./schedule.ts";

/** State. */
export interface Arinc653State {
  schedule: Schedule;
  /** Virtual time at which a frame of this schedule begins. */
  originNs: number;
  /** What takes its place when the frame that runs is over. */
  next: Schedule | undefined;
  /** Virtual time of the latest decision before it came. */
  lastNs: number;
}

/** Makes the policy. `read` understands a schedule that comes at run time; it throws a `RangeError` when it can't. */
export function arinc653Policy(state: Arinc653State, read: (settings: Readonly<Record<string, unknown>>) => Schedule): SchedulerPolicy {
  const vcpus = new Map<string, Schedulable>();
  const key = (domain: string | undefined, index: number) => `${domain} ${index}`;

  /** A new schedule begins with a frame, not within one. */
  function change(nowNs: number): void {
    if (state.next === undefined) return;
    const { frameNs } = state.schedule;
    const switchNs = state.originNs + (Math.floor((state.lastNs - state.originNs) / frameNs) + 1) * frameNs;
    if (nowNs < switchNs) return;
    state.schedule = state.next;
    state.originNs = switchNs;
    state.next = undefined;
  }

  return {
    insert: (vcpu) => void vcpus.set(key(vcpu.domain, vcpu.index), vcpu),
    remove: (vcpu) => void vcpus.delete(key(vcpu.domain, vcpu.index)),
    wake() {},
    sleep() {},
    yield() {},
    ran() {},
    decide(pcpu, nowNs): Decision {
      change(nowNs);
      if (state.next === undefined) state.lastNs = nowNs;
      const { frameNs, windows } = state.schedule;
      const atNs = (nowNs - state.originNs) % frameNs;
      const window = windows.find(({ cpu, startNs, endNs }) => cpu === pcpu && startNs <= atNs && atNs < endNs);
      const vcpu = vcpus.get(key(window?.domain, window?.vcpu ?? 0));
      return { vcpu: vcpu?.runnable ? vcpu : undefined, sliceNs: (window?.endNs ?? frameNs) - atNs };
    },
    adjust(_domain, settings) {
      state.next = read(settings);
    },
  };
}
