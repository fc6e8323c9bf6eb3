/**
 * The null scheduler: one vCPU per physical CPU, no time sharing. What a static partitioning hypervisor does.
 *
 * A guest can't influence it: a vCPU that spins has only its own physical CPU.
 * @module
 */
import { definePlugin, SchedulerPolicy } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { nullPolicy, nullState } from "./null_policy.ts";
import type { NullState } from "./null_policy.ts";

/** The plugin. It has no options. */
export const schedulerNull: Plugin<Record<string, never>, NullState> = definePlugin<Record<string, never>, NullState>({
  name: "scheduler_null",
  doc: "Gives each vCPU a physical CPU of its own; vCPUs beyond the number of CPUs wait until one is free.",
  options: {},
  provides: [SchedulerPolicy],
  state: () => nullState(),
  setup({ board, state, provide, trace }) {
    while (state.assigned.length < board.pcpus) state.assigned.push(-1);
    provide(
      SchedulerPolicy,
      nullPolicy(
        state,
        (vcpu) => trace("vCPU without a CPU", () => `vCPU ${vcpu.index} of ${vcpu.domain} waits: all ${board.pcpus} CPUs are taken`),
      ),
    );
  },
});

export default schedulerNull;
