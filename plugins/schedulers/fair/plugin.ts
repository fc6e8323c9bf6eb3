/**
 * The fair scheduler: more vCPUs than physical CPUs share them by weight.
 *
 * A guest that spins gets its share and no more; one that sleeps can't save time up; yielding only ever costs the one who yields.
 * @module
 */
import { definePlugin, poolOptions, SchedulerPolicy } from "../../../core/mod.ts";
import type { Plugin } from "../../../core/mod.ts";
import { checkMap, foreignDomains, inRange, poolLines } from "../by_domain.ts";
import { fairPolicy } from "./policy.ts";
import type { FairOptions, FairState } from "./policy.ts";

/** The plugin. */
export const schedulerFair: Plugin<FairOptions, FairState> = definePlugin<FairOptions, FairState>({
  name: "scheduler_fair",
  doc: "Shares the physical CPUs among all vCPUs by weight.",
  options: {
    ...poolOptions,
    slice: { kind: "duration", doc: "Time until the next decision.", default: 1_000_000, min: 10_000 },
    weights: {
      kind: "any",
      doc: "Share of each vCPU by domain, relative to the others: `{ linux: 2, rtos: 1 }`. A domain that isn't named has 1.",
      default: {},
      check: (value) => checkMap(value, inRange(0.001, 1000, "weight"), "weight"),
    },
  },
  provides: [SchedulerPolicy],
  resources: (options, { board, domain }) =>
    domain ? {} : { findings: foreignDomains(board, options, "weights"), report: poolLines(board, options) },
  state: () => ({ accounts: {} }),
  setup: ({ options, state, provide }) => provide(SchedulerPolicy, fairPolicy(state, options)),
});
