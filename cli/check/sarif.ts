/**
 * Findings in the Static Analysis Results Interchange Format (OASIS SARIF 2.1.0): what code hosts show beside the line.
 * The first place of a finding is its location; the second one of a collision is a related location.
 */
import { isAbsolute, normalize, relative, resolve, toFileUrl } from "@std/path";
import type { Finding, Span } from "../../core/mod.ts";
import { rules } from "./rules.ts";

/** What was found of one manifest. */
export interface CheckedFile {
  /** As the user named it. */
  readonly file: string;
  readonly findings: readonly Finding[];
}

/** What {@linkcode sarifLog} is told besides the findings. */
export interface SarifContext {
  /** Version of this program. */
  readonly version: string;
  /** The exit code of the check. */
  readonly exitCode: number;
  /** The working directory: what lies in it is named relative to it. */
  readonly directory: string;
}

/** The log of a check, ready for `JSON.stringify`. The same findings give the same log. */
export function sarifLog(checked: readonly CheckedFile[], context: SarifContext): Record<string, unknown> {
  const used = [...new Set(checked.flatMap(({ findings }) => findings.map(({ code }) => code)))].sort();
  const driver = {
    name: "plugboard",
    semanticVersion: context.version,
    rules: used.map((id) => ({ id, shortDescription: { text: rules[id] ?? "A finding." } })),
  };
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [{
      tool: { driver },
      invocations: [{ executionSuccessful: true, exitCode: context.exitCode }],
      columnKind: "utf16CodeUnits",
      results: checked.flatMap(({ file, findings }) => findings.map((finding) => result(finding, used, { ...context, file }))),
    }],
  };
}

/** Of one manifest. */
type FileContext = SarifContext & Pick<CheckedFile, "file">;

function result({ severity, code, title, help, spans }: Finding, used: readonly string[], context: FileContext) {
  const [first, ...others] = spans;
  return {
    ruleId: code,
    ruleIndex: used.indexOf(code),
    level: severity,
    message: { text: help === undefined ? title : `${title}\nhelp: ${help}` },
    // What the manifest doesn't say, such as that it isn't there, is about the whole file.
    locations: [first ? location(first, context) : { physicalLocation: { artifactLocation: artifact(context.file, context) } }],
    ...others.length > 0 && { relatedLocations: others.map((span, id) => ({ id, ...location(span, context) })) },
  };
}

function location(span: Span, context: FileContext) {
  const message = span.note === undefined ? {} : { message: { text: span.note } };
  // A value that the command line gave has no line; the check was of the manifest all the same.
  if (span.line === 0) {
    return {
      physicalLocation: { artifactLocation: artifact(context.file, context) },
      logicalLocations: [{ fullyQualifiedName: span.text, kind: "parameter" }],
      ...message,
    };
  }
  const { line, column, length, text } = span;
  const region = { startLine: line, startColumn: column, endColumn: column + length, snippet: { text } };
  return { physicalLocation: { artifactLocation: artifact(span.file, context), region }, ...message };
}

/** A file within the working directory by its relative path, so that a code host finds it; another one by its URL. */
function artifact(file: string, { directory }: SarifContext): { uri: string } {
  const path = relative(directory, isAbsolute(file) ? normalize(file) : resolve(directory, file));
  if (path === "" || isAbsolute(path) || /^\.\.([/\\]|$)/.test(path)) return { uri: toFileUrl(resolve(directory, file)).href };
  return { uri: path.split(/[/\\]/).map(encodeURIComponent).join("/") };
}
