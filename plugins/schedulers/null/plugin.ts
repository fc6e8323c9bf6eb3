/**
 * The null scheduler: one vCPU per physical CPU, no time sharing. What a static partitioning hypervisor does.
 *
 * A guest can't influence it: a vCPU that spins has only its own physical CPU.
 * @module
 */
import { definePlugin, poolOptions, SchedulerPolicy } from "../../../core/mod.ts";
import type { Plugin, PoolOptions } from "../../../core/mod.ts";
import { poolLines } from "../by_domain.ts";
import { nullPolicy } from "./policy.ts";
import type { NullState } from "./policy.ts";

/** The plugin. */
export const schedulerNull: Plugin<PoolOptions, NullState> = definePlugin<PoolOptions, NullState>({
  name: "scheduler_null",
  doc: "Gives each vCPU a physical CPU of its own; vCPUs beyond the number of CPUs wait until one is free.",
  options: poolOptions,
  provides: [SchedulerPolicy],
  resources: (options, { board, domain }) => domain ? {} : { report: poolLines(board, options) },
  state: () => ({ assigned: {}, waiting: [] }),
  setup({ state, provide, trace }) {
    provide(
      SchedulerPolicy,
      nullPolicy(
        state,
        (vcpu) => trace("vCPU without a CPU", () => `vCPU ${vcpu.index} of ${vcpu.domain} waits: all ${vcpu.cpus.length} CPUs are taken`),
      ),
    );
  },
});
