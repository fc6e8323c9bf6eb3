/** The scheduler in a snapshot. */
import type { GuestVcpu } from "../machine/guest_vcpu.ts";
import type { SavedGuard } from "./policy_guard.ts";
import type { Scheduler } from "./scheduler.ts";

/** Plain data; vCPUs by their ids. */
export interface SavedScheduler {
  readonly instructions: number;
  readonly pcpus: { readonly vcpu: number | undefined; readonly sliceEndNs: number; readonly wakes: number; readonly used: number }[];
  readonly vcpus: number[];
  readonly kicked: number[];
  readonly wakes: number;
  readonly left: boolean;
  readonly guards: SavedGuard[];
}

/** Between rounds. */
export function saveScheduler(scheduler: Scheduler): SavedScheduler {
  const ids = (vcpus: Iterable<GuestVcpu>) => [...vcpus].map(({ id }) => id);
  const { pcpus, vcpus, kicked, wakes, left } = scheduler.parts();
  return {
    instructions: scheduler.instructions,
    pcpus: pcpus.map(({ vcpu, sliceEndNs, wakes, used }) => ({ vcpu: vcpu?.id, sliceEndNs, wakes, used })),
    vcpus: ids(vcpus),
    kicked: ids(kicked),
    wakes,
    left,
    guards: scheduler.environment.pools.pools.map(({ guard }) => guard.save()),
  };
}

/** The counterpart of {@linkcode saveScheduler}; `byId` throws for a vCPU that isn't there. The vCPUs' own states come by themselves. */
export function loadScheduler(scheduler: Scheduler, saved: SavedScheduler, byId: (id: number) => GuestVcpu): void {
  const { pcpus, vcpus, kicked } = scheduler.parts(saved.wakes, saved.left);
  scheduler.instructions = saved.instructions;
  pcpus.forEach((pcpu, index) => {
    const { vcpu, sliceEndNs, wakes, used } = saved.pcpus[index];
    Object.assign(pcpu, { vcpu: vcpu === undefined ? undefined : byId(vcpu), sliceEndNs, wakes, used });
  });
  for (const [into, ids] of [[vcpus, saved.vcpus], [kicked, saved.kicked]] as const) {
    into.clear();
    for (const id of ids) into.add(byId(id));
  }
  scheduler.environment.pools.pools.forEach(({ guard }, index) => guard.load(saved.guards[index], byId));
}
