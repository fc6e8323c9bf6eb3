/**
 * The policy that is asked before anything crosses from one domain to another. Without this plugin, a board's policy is `silo`.
 *
 * What can a hostile guest do here? Ask. Rules are the manifest's, and nothing of a guest's is kept.
 * @module
 */
import { definePlugin } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { DomainPolicy, silo } from "./contract.ts";
import { checkRule, decide, ruleFindings } from "./rules.ts";
import type { Rule } from "./rules.ts";

export { DomainPolicy, isAllowed, silo } from "./contract.ts";
export type { CrossRequest, CrossVerb } from "./contract.ts";

/** Options. */
export interface DomainPolicyOptions {
  readonly mode: "silo" | "open";
  readonly rules: readonly Rule[];
}

/** The plugin. */
export const domainPolicy: Plugin<DomainPolicyOptions, undefined> = definePlugin<DomainPolicyOptions, undefined>({
  name: "domain_policy",
  doc: "Decides what may cross from one domain to another: event channels, grants, foreign pages, shared memory, device models.",
  options: {
    mode: {
      kind: "choice",
      choices: ["silo", "open"],
      default: "silo",
      doc: "What holds where no rule does: silo allows what the manifest declares and nothing else, open allows everything.",
    },
    rules: {
      kind: "any",
      list: true,
      default: [],
      check: (list) => (list as unknown[]).map(checkRule).find((wrong) => wrong !== undefined),
      doc: '{ from: DOMAIN, to: DOMAIN, allow or deny: [event, grant, foreign_map, shared_memory, device_model] }; "*" is every ' +
        "domain. The first that fits decides, also over what the manifest declares elsewhere.",
    },
  },
  provides: [DomainPolicy],
  resources({ rules }, { board, domain }) {
    const use = board.plugins.find(({ plugin }) => plugin.name === "domain_policy");
    return { findings: domain === undefined && use ? ruleFindings(rules, board, [...use.path, "rules"]) : [] };
  },
  setup({ options: { mode, rules }, provide }) {
    provide(DomainPolicy, { allows: (request) => decide(rules, request) ?? (mode === "open" || silo.allows(request)) });
  },
});

export default domainPolicy;
