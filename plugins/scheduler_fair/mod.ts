/**
 * The fair scheduler: more vCPUs than physical CPUs share them by weight.
 *
 * A guest that spins gets its share and no more; one that sleeps can't save time up; yielding only ever costs the one who yields.
 * @module
 */
import { definePlugin, SchedulerPolicy } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { fairPolicy } from "./fair_policy.ts";
import type { FairOptions, FairState } from "./fair_policy.ts";

/** The plugin. */
export const schedulerFair: Plugin<FairOptions, FairState> = definePlugin<FairOptions, FairState>({
  name: "scheduler_fair",
  doc: "Shares the physical CPUs among all vCPUs by weight.",
  options: {
    slice: { kind: "duration", doc: "Time until the next decision.", default: 1_000_000, min: 10_000 },
    weights: {
      kind: "any",
      doc: "Share of each vCPU by domain, relative to the others: `{ linux: 2, rtos: 1 }`. A domain that isn't named has 1.",
      default: {},
      check: checkWeights,
    },
  },
  provides: [SchedulerPolicy],
  state: () => ({ accounts: {} }),
  setup({ board, options, state, provide, fail }) {
    for (const name of Object.keys(options.weights)) {
      if (!board.domains.some((domain) => domain.name === name)) fail("weights", `there is no domain ${JSON.stringify(name)}`);
    }
    provide(SchedulerPolicy, fairPolicy(state, options));
  },
});

export default schedulerFair;

function checkWeights(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "want a map from domain to weight";
  for (const [name, weight] of Object.entries(value)) {
    if (typeof weight !== "number" || !(weight >= 0.001 && weight <= 1000)) return `the weight of ${name} is ${weight}; want 0.001 to 1000`;
  }
  return undefined;
}
