/** Findings about a manifest, and how they are shown: file, line, column, the source line with a caret, a second place where two things collide. */
import type { ManifestPath } from "./manifest_path.ts";

/** A place that a finding is about. */
export interface Place {
  /** Where the manifest says it. */
  readonly path: ManifestPath;
  /** Point at the key instead of the value. */
  readonly on?: "key";
  /** A few words below the source line. */
  readonly note?: string;
}

/** A place, found in the text. */
export interface Span {
  /** The manifest, or the command line option that gave the value (`--set`). */
  readonly file: string;
  /** From 1; 0 for a command line option. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** Characters to underline, at least 1. */
  readonly length: number;
  /** The whole source line. */
  readonly text: string;
  /** A few words below the source line. */
  readonly note?: string;
}

/** One mistake. */
export interface Finding {
  /** An error keeps the board from starting. */
  readonly severity: "error" | "warning";
  /** Stable: `M0103`. */
  readonly code: string;
  /** One sentence. */
  readonly title: string;
  /** The value found, as text. */
  readonly found?: string;
  /** The value wanted, in words. */
  readonly wanted?: string;
  /** What to do about it. */
  readonly help?: string;
  /** The place, and where two things collide the second one. */
  readonly places: readonly Place[];
  /** The places in the text; filled in by the one who has the text. */
  readonly spans: readonly Span[];
}

const MAX_WIDTH = 160;

// deno-lint-ignore no-control-regex -- a manifest must not drive the terminal
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** Control characters made visible. */
export function printable(text: string): string {
  return text.replace(CONTROL, "\ufffd");
}

/** Renders findings for a terminal, and a last line that counts them. */
export function renderFindings(findings: readonly Finding[], { color = false }: { color?: boolean } = {}): string {
  const paint = (code: string, text: string) => color ? `\x1b[${code}m${text}\x1b[0m` : text;
  const blocks = findings.map((finding) => renderOne(finding, paint));
  const errors = findings.filter((finding) => finding.severity === "error").length;
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? "" : "s"}`;
  const last = `${count(errors, "error")}, ${count(findings.length - errors, "warning")}${errors ? "; nothing was started" : ""}`;
  return [...blocks, last].join("\n\n");
}

function renderOne(finding: Finding, paint: (code: string, text: string) => string): string {
  const tint = finding.severity === "error" ? "1;31" : "1;33";
  const lines = [`${paint(tint, `${finding.severity}[${finding.code}]`)}${paint("1", `: ${printable(finding.title)}`)}`];
  const gutter = Math.max(3, ...finding.spans.map((span) => String(span.line).length + 1));
  const bar = paint("34", "|");
  let file: string | undefined;
  for (const [index, span] of finding.spans.entries()) {
    if (span.file !== file) {
      lines.push(
        `${" ".repeat(gutter - 1)}${paint("34", "-->")} ${printable(span.file)}${span.line ? `:${span.line}:${span.column}` : ""}`,
      );
      file = span.file;
    }
    const { text, column } = crop(span);
    const pad = text.slice(0, column - 1).replace(/[^\t]/g, " ");
    const length = Math.max(1, Math.min(span.length, text.length - column + 1));
    const mark = (index === 0 ? "^" : "-").repeat(length);
    const number = (span.line ? String(span.line) : "").padStart(gutter);
    lines.push(`${paint("34", number)} ${bar} ${printable(text)}`);
    lines.push(
      `${" ".repeat(gutter)} ${bar} ${pad}${paint(index === 0 ? tint : "1;34", span.note ? `${mark} ${printable(span.note)}` : mark)}`,
    );
  }
  if (finding.help) lines.push(`${" ".repeat(gutter - 1)}${paint("1", "help:")} ${printable(finding.help)}`);
  return lines.join("\n");
}

/** Keeps the part of a very long line that the finding is about. */
function crop(span: Span): { text: string; column: number } {
  if (span.text.length <= MAX_WIDTH) return span;
  const start = Math.max(0, Math.min(span.column - 1 - MAX_WIDTH / 4, span.text.length - MAX_WIDTH));
  const cut = span.text.slice(start, start + MAX_WIDTH);
  return start === 0 ? { text: `${cut}…`, column: span.column } : { text: `…${cut}`, column: span.column - start + 1 };
}
