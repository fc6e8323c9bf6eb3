/** What `test` says: a line for each board, why it failed, and the sum. */
import { stripVTControlCharacters } from "node:util";
import { EXIT } from "../exit_codes.ts";
import type { Tested } from "./case.ts";

/** Lines of a console that a failure shows. */
const TAIL = 25;

/** The last lines of a console, without what only terminals understand. */
export function tail(console: string): string[] {
  const lines = stripVTControlCharacters(console).replaceAll("\r", "").trimEnd().split("\n");
  return lines.slice(-TAIL).filter((line, index, all) => line !== "" || all.slice(0, index).some((before) => before !== ""));
}

/** A board in a line; one that failed in several. */
export function testedLines({ file, code, outcome, wallMs, console, messages, result }: Tested): string[] {
  const figures = result
    ? `, ${(result.virtualNs / 1e9).toFixed(3)} s virtual, ${result.instructions.toLocaleString("en-US")} instructions`
    : "";
  const head = `${code === EXIT.ok ? "ok    " : "FAILED"}  ${file}  ${(wallMs / 1000).toFixed(1)} s${figures}`;
  if (code === EXIT.ok) return [head];
  const printed = tail(console);
  const said = messages.trimEnd().split("\n").filter((line) => line !== "");
  return [
    head,
    `        exit ${code}: ${outcome}`,
    ...said.map((line) => `        ${line}`),
    ...printed.length ? ["        the console's end:", ...printed.map((line) => `        | ${line}`)] : ["        nothing was printed"],
  ];
}

/** The sum. */
export function sumLine(results: readonly Tested[]): string {
  const passed = results.filter(({ code }) => code === EXIT.ok).length;
  return `${passed} passed, ${results.length - passed} failed`;
}

/** Worst first. */
const severity: readonly number[] = [EXIT.interrupted, EXIT.internal, EXIT.usage, EXIT.guestFault, EXIT.timeout, EXIT.expectationFailed];

/** The exit code of them all: that of the one that failed, or of the worst. A guest's own code counts as 1 where others failed as well. */
export function exitCodeOfAll(results: readonly Tested[]): number {
  const codes = new Set(results.map(({ code }) => code).filter((code) => code !== EXIT.ok));
  if (codes.size < 2) return [...codes][0] ?? EXIT.ok;
  return severity.find((code) => codes.has(code)) ?? EXIT.expectationFailed;
}
