/** Rules of a policy, in a manifest's words. */
import { nearest } from "../../core/mod.ts";
import type { Board, ResourceFinding } from "../../core/mod.ts";
import { crossVerbs } from "./contract.ts";
import type { CrossRequest, CrossVerb } from "./contract.ts";

/** One rule: for whom, with whom, and what is allowed or denied. */
export interface Rule {
  /** A domain, or `*`. */
  readonly from: string;
  /** Likewise. */
  readonly to: string;
  readonly allow?: readonly CrossVerb[];
  readonly deny?: readonly CrossVerb[];
}

/** What is wrong with a rule's shape, or nothing. */
export function checkRule(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "{ from, to, allow: [...] } or { from, to, deny: [...] }";
  const rule = value as Record<string, unknown>;
  const other = Object.keys(rule).find((key) => !["from", "to", "allow", "deny"].includes(key));
  if (other !== undefined) return `a rule without ${JSON.stringify(other)}`;
  for (const end of ["from", "to"]) if (typeof rule[end] !== "string") return `a rule that says ${end} whom: a domain, or "*"`;
  if ((rule.allow === undefined) === (rule.deny === undefined)) return "a rule with either allow or deny";
  const verbs = rule.allow ?? rule.deny;
  if (!Array.isArray(verbs) || verbs.length === 0) return `a list of ${crossVerbs.join(", ")}`;
  const bad = verbs.find((verb) => !crossVerbs.includes(verb));
  if (bad === undefined) return undefined;
  const close = nearest(String(bad), crossVerbs);
  return `one of ${crossVerbs.join(", ")}, not ${JSON.stringify(bad)}${close ? ` (${close}?)` : ""}`;
}

/** Rules that speak of domains that there aren't. */
export function ruleFindings(rules: readonly Rule[], board: Board, path: readonly (string | number)[]): ResourceFinding[] {
  const known = board.domains.map(({ name }) => name);
  return rules.flatMap((rule, index) =>
    (["from", "to"] as const).filter((end) => rule[end] !== "*" && !known.includes(rule[end])).map((end) => ({
      title: `the rule is about ${rule[end]}, which isn't a domain of this board`,
      found: rule[end],
      wanted: `${known.join(", ")} or "*"`,
      places: [{ path: [...path, index, end] }],
    }))
  );
}

/** The first rule that speaks of a request decides; `undefined`: none does. */
export function decide(rules: readonly Rule[], { subject, object, verb }: CrossRequest): boolean | undefined {
  const fits = (name: string, who: string) => name === "*" || name === who;
  for (const { from, to, allow, deny } of rules) {
    if (!fits(from, subject) || !fits(to, object)) continue;
    if (allow?.includes(verb)) return true;
    if (deny?.includes(verb)) return false;
  }
  return undefined;
}
