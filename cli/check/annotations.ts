/** Findings as GitHub Actions shows them beside the line of a change: "Workflow commands for GitHub Actions". */
import type { Finding } from "../../core/mod.ts";

/** One line for each finding, of which `file` is the manifest. */
export function annotations(findings: readonly Finding[], file: string): string[] {
  return findings.map(({ severity, code, title, help, spans }) => {
    // A value of the command line has no line of its own.
    const place = spans.find(({ line }) => line > 0);
    const at = place ? `,line=${place.line},col=${place.column},endColumn=${place.column + place.length}` : "";
    const text = [title, ...help === undefined ? [] : [`help: ${help}`]].join("\n");
    return `::${severity} file=${property(place?.file ?? file)}${at},title=${property(code)}::${escaped(text)}`;
  });
}

const escaped = (text: string) => text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
const property = (text: string) => escaped(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
