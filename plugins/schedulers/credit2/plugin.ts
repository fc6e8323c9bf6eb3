/**
 * The credit2 scheduler: shares by weight, and caps.
 *
 * A guest that spins burns its own credit; one that slept has at most one round of it, and nobody's turn ends sooner than the rate limit
 * by a guest that wakes all the time.
 * @module
 */
import { definePlugin, poolOptions, SchedulerPolicy } from "../../../core/mod.ts";
import type { Plugin, PoolOptions } from "../../../core/mod.ts";
import { checkMap, entryOf, foreignDomains, inRange, poolLines } from "../by_domain.ts";
import { credit2Policy, credit2State, DEFAULT_WEIGHT } from "./policy.ts";
import type { Credit2State } from "./policy.ts";

/** Options. */
export interface Credit2Options extends PoolOptions {
  readonly weights: Readonly<Record<string, number>>;
  readonly caps: Readonly<Record<string, number>>;
  /** Nanoseconds. */
  readonly rate_limit: number;
}

/** The plugin. */
export const schedulerCredit2: Plugin<Credit2Options, Credit2State> = definePlugin<Credit2Options, Credit2State>({
  name: "scheduler_credit2",
  doc: "Shares the physical CPUs among vCPUs by weight, and caps domains.",
  options: {
    ...poolOptions,
    weights: {
      kind: "any",
      doc:
        `Share of each vCPU by domain, relative to the others, 1 to 65535: \`{ linux: 512 }\`. A domain that isn't named has ${DEFAULT_WEIGHT}.`,
      default: {},
      check: (value) => checkMap(value, inRange(1, 65_535, "weight"), "weight"),
    },
    caps: {
      kind: "any",
      doc: "Most time of a domain, in per cent of one physical CPU: `{ linux: 150 }`. A domain that isn't named, or has 0, has no cap.",
      default: {},
      check: (value) => checkMap(value, inRange(0, 6400, "cap"), "cap"),
    },
    rate_limit: { kind: "duration", doc: "Whoever runs isn't preempted for so long.", default: 1_000_000, min: 0, max: 500_000_000 },
  },
  provides: [SchedulerPolicy],
  resources(options, { board, domain }) {
    if (domain) return {};
    const findings = [...foreignDomains(board, options, "weights"), ...foreignDomains(board, options, "caps")];
    return { findings, report: poolLines(board, options) };
  },
  state: () => credit2State(),
  setup({ options: { weights, caps, rate_limit }, state, provide }) {
    const settingsOf = (domain: string) => ({ weight: entryOf(weights, domain), cap: entryOf(caps, domain) });
    provide(SchedulerPolicy, credit2Policy(state, settingsOf, rate_limit));
  },
});
