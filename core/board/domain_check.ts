/** A domain that comes while others run: checked as an entry of the manifest's `domains`, against those that are there. */
import type { Board, DomainSpec } from "./board.ts";
import { checkBoardSemantics } from "./board_check.ts";
import type { Finding } from "./diagnostics.ts";
import { Findings } from "./findings.ts";
import { parseManifest } from "./manifest_document.ts";
import { shapeDomain } from "./manifest_shape.ts";
import type { Plugin } from "../plugin/plugin.ts";

/** What a domain is checked against. */
export interface DomainCheckOptions {
  /** The plugins that `use` may name. */
  readonly plugins: readonly Plugin[];
  /** The board that it comes to. */
  readonly board: Board;
  /** Domains that are there. */
  readonly running: readonly DomainSpec[];
}

/** What came of the check. */
export interface CheckedDomain {
  /** Absent when a finding is an error. */
  readonly spec?: DomainSpec;
  /** In the order of the text, with their places. */
  readonly findings: readonly Finding[];
}

/** Checks the text of a domain: `name: probe`, `memory: 8MiB`, `plugins: ...`. `file`: what it is called in messages. Never throws for what it says. */
export async function checkDomain(text: string, file: string, { plugins, board, running }: DomainCheckOptions): Promise<CheckedDomain> {
  const findings = new Findings();
  const { data, problems } = parseManifest(text);
  findings.addDocument(problems);
  let spec: DomainSpec | undefined;
  if (data) {
    const known = new Map(plugins.map((plugin) => [plugin.name, plugin]));
    const at = ["domains", running.length];
    spec = shapeDomain(data, at, known, findings);
    if (!findings.failed) check(board, running, spec, known, findings);
    findings.cutPaths(at);
  }
  return { spec: findings.failed ? undefined : spec, findings: await findings.locate(text, file, []) };
}

/** What keeps a domain from coming to those that run: errors without places in a text. */
export async function domainClashes(board: Board, running: readonly DomainSpec[], spec: DomainSpec): Promise<Finding[]> {
  const findings = new Findings();
  check(board, running, spec, new Map(), findings);
  return (await findings.locate("", "", [])).filter(({ severity }) => severity === "error");
}

function check(
  board: Board,
  running: readonly DomainSpec[],
  spec: DomainSpec,
  available: ReadonlyMap<string, Plugin>,
  findings: Findings,
): void {
  // Paths of their own: what a manifest said of a domain that runs says nothing of the new one's text.
  const others = running.map((domain, index) => ({
    ...domain,
    plugins: domain.plugins.map((use) => ({ ...use, path: ["running", index, ...use.path] })),
  }));
  const checked = (domains: readonly DomainSpec[], into: Findings) =>
    checkBoardSemantics({ board: { ...board, domains }, incomplete: new Set(), meant: [], isUnread: false }, available, into);
  // What is wrong without the new one, such as a channel to a domain that is gone, is none of its mistakes.
  const before = new Findings();
  if (others.length > 0) checked(others, before);
  const all = new Findings();
  checked([...others, spec], all);
  findings.addNew(all, before);
}
