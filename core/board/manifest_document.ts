/** The text of a manifest becomes plain data, with limits: what a hostile or broken file can do ends here. */
import { parse } from "@std/yaml/parse";
import type { ManifestPath } from "./manifest_path.ts";

/** Largest manifest, in characters. */
export const MAX_CHARACTERS = 1 << 20;
const MAX_NODES = 50_000;
const MAX_DEPTH = 32;

/** Keys that mean something to JavaScript objects. */
const FORBIDDEN: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** A mistake in the document itself. */
export interface DocumentProblem {
  readonly code: "M0002" | "M0003" | "M0004" | "M0005" | "M0006" | "M0103";
  readonly title: string;
  readonly path?: ManifestPath;
  /** Position, when the parser gave one: line and column from 1. */
  readonly at?: { readonly line: number; readonly column: number };
  readonly help?: string;
}

/** What came of a text. `data` is absent when nothing can be checked further. */
export interface ParsedDocument {
  readonly data?: Readonly<Record<string, unknown>>;
  readonly problems: readonly DocumentProblem[];
}

/** Parses a manifest. Never throws. */
export function parseManifest(text: string): ParsedDocument {
  if (text.length > MAX_CHARACTERS) {
    return { problems: [{ code: "M0004", title: `the manifest has ${text.length} characters; at most ${MAX_CHARACTERS} are taken` }] };
  }
  const problems: DocumentProblem[] = [];
  let data: unknown;
  try {
    data = parse(text, { schema: "core" });
  } catch (error) {
    problems.push(syntaxProblem(error));
    if (problems[0].code !== "M0003") return { problems };
    try {
      data = parse(text, { schema: "core", allowDuplicateKeys: true });
    } catch (second) {
      return { problems: [...problems, syntaxProblem(second)] };
    }
  }
  const limit = checkLimits(data);
  if (limit) return { problems: [...problems, limit] };
  if (typeof data !== "object" || data === null || Array.isArray(data)) {
    return {
      problems: [...problems, { code: "M0103", title: "a manifest is a mapping with the keys board, plugins and domains", path: [] }],
    };
  }
  return { data: unshare(data) as Record<string, unknown>, problems };
}

function syntaxProblem(error: unknown): DocumentProblem {
  if (error instanceof RangeError) return { code: "M0005", title: "the manifest is nested too deeply" };
  const message = error instanceof Error ? error.message : String(error);
  const at = / at line (\d+), column (\d+)/.exec(message);
  const title = message.split(/ at line \d+/)[0].replace(/\n[^]*/, "");
  return {
    code: /duplicated key/i.test(message) ? "M0003" : "M0002",
    title: title.charAt(0).toLowerCase() + title.slice(1),
    at: at ? { line: Number(at[1]), column: Number(at[2]) } : undefined,
  };
}

/** Walks the data as a tree, as every later check does: aliases count as often as they are used. */
function checkLimits(root: unknown): DocumentProblem | undefined {
  let nodes = 0;
  const visit = (value: unknown, path: ManifestPath): DocumentProblem | undefined => {
    if (++nodes > MAX_NODES || path.length > MAX_DEPTH) {
      return {
        code: "M0005",
        title: `the manifest expands to more than ${nodes > MAX_NODES ? `${MAX_NODES} values` : `${MAX_DEPTH} levels`}`,
        path: path.slice(0, 1),
        help: "look for anchors and aliases that multiply",
      };
    }
    if (typeof value !== "object" || value === null) return undefined;
    for (const [key, child] of Object.entries(value)) {
      const at = [...path, Array.isArray(value) ? Number(key) : key];
      if (!Array.isArray(value) && FORBIDDEN.has(key)) return { code: "M0006", title: `${key} can't be a key`, path: at };
      const problem = visit(child, at);
      if (problem) return problem;
    }
    return undefined;
  };
  return visit(root, []);
}

/** A copy in which aliases share nothing, so that an override changes one place. */
function unshare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unshare);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, unshare(child)]));
}

/** True for a key that no path may name. */
export function isForbiddenKey(key: string): boolean {
  return FORBIDDEN.has(key);
}
