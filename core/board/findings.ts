/** Collects findings while a manifest is checked, and puts them into the order of the file. */
import type { Finding, Place, Span } from "./diagnostics.ts";
import type { ManifestPath } from "./manifest_path.ts";
import type { DocumentProblem } from "./manifest_document.ts";
import type { ValueProblem } from "./option_values.ts";
import { isWithin } from "./manifest_path.ts";

/** What a finding says besides where it is. */
export type FindingText = Omit<Finding, "severity" | "places" | "spans"> & { readonly severity?: Finding["severity"] };

/** A value of the manifest that the command line gave. */
export interface OverrideSource {
  readonly path: ManifestPath;
  /** `--set`, `--smp`. */
  readonly flag: string;
  /** As the user wrote it, without the flag. */
  readonly text: string;
}

/** The findings about one manifest. */
export class Findings {
  #list: Finding[] = [];
  readonly #document: DocumentProblem[] = [];

  /** True when there is an error among them. */
  get failed(): boolean {
    return this.errors > 0;
  }

  /** How many errors there are. */
  get errors(): number {
    return this.#document.length + this.#list.filter((finding) => finding.severity === "error").length;
  }

  /** A finding; the first place is the one it is about. */
  add(text: FindingText, ...places: Place[]): void {
    this.#list.push({ severity: "error", ...text, places, spans: [] });
  }

  /** Those of a check that an earlier one didn't have. */
  addNew(check: Findings, earlier: Findings): void {
    const known = new Set(earlier.#list.map(({ code, title }) => `${code} ${title}`));
    this.#list.push(...check.#list.filter(({ code, title }) => !known.has(`${code} ${title}`)));
  }

  /** The text that is at hand is only a part of a manifest: places are counted from there, and those elsewhere are none. */
  cutPaths(prefix: ManifestPath): void {
    this.#list = this.#list.map((finding) => ({
      ...finding,
      places: finding.places.filter(({ path }) => isWithin(path, prefix)).map((place) => ({
        ...place,
        path: place.path.slice(prefix.length),
      })),
    }));
  }

  /** A value that doesn't fit. `what` names it: `option at of pl011`. */
  addValue(what: string, problem: ValueProblem, path: ManifestPath): void {
    const at = problem.index === undefined ? path : [...path, problem.index];
    const { code, found, wanted, help } = problem;
    this.add({ code, title: `${what} is ${found}; want ${wanted}`, found, wanted, help }, { path: at, note: `want ${wanted}` });
  }

  /** Mistakes in the document itself. */
  addDocument(problems: readonly DocumentProblem[]): void {
    this.#document.push(...problems);
  }

  /** All findings, with their places in the text. Loads the parser that knows positions only when there are some. */
  async locate(text: string, file: string, overrides: readonly OverrideSource[]): Promise<Finding[]> {
    if (this.#list.length === 0 && this.#document.length === 0) return [];
    const { Locator } = await import("./locate.ts");
    const bounded = this.#document.some(({ code }) => code === "M0004" || (code === "M0005"));
    const locator = new Locator(bounded ? "" : text, file);
    const spans = (places: readonly Place[]): Span[] =>
      places.map((place) => {
        const source = overrides.findLast((override) => isWithin(place.path, override.path));
        if (!source) return locator.find(place);
        const length = source.text.length + source.flag.length + 1;
        return { file: "command line", line: 0, column: 1, length, text: `${source.flag} ${source.text}`, note: place.note };
      });
    const document: Finding[] = [];
    for (const problem of this.#document) {
      const places = problem.path ? [{ path: problem.path, on: "key" as const }] : [];
      const found = problem.code === "M0002" ? locator.syntax() : problem.code === "M0003" ? locator.duplicates() : [];
      for (const { message, duplicate, spans: at } of found) {
        const title = duplicate ? `the key ${message} is given twice` : message.charAt(0).toLowerCase() + message.slice(1);
        document.push({ severity: "error", code: problem.code, title, places, spans: at });
      }
      if (found.length > 0) continue;
      const at = problem.at ? [locator.at(problem.at.line, problem.at.column)] : spans(places);
      document.push({ severity: "error", code: problem.code, title: problem.title, help: problem.help, places, spans: at });
    }
    const located = this.#list.map((finding) => ({ ...finding, spans: spans(finding.places) }));
    const position = (finding: Finding) => (finding.spans[0]?.line ?? 0) * 10_000 + (finding.spans[0]?.column ?? 0);
    return [...document, ...located].sort((a, b) => position(a) - position(b));
  }
}
