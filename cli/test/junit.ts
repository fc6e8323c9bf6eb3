/** Results as JUnit XML, in the form that Jenkins, GitLab and the rest read: test suites, cases, failures and errors. */
import { basename, dirname } from "@std/path";
import { stripVTControlCharacters } from "node:util";
import { EXIT } from "../exit_codes.ts";
import type { Tested } from "./case.ts";
import { tail } from "./report.ts";

/** The names that CI systems show for exit codes. */
const types: Readonly<Record<number, string>> = {
  [EXIT.expectationFailed]: "ExpectationFailed",
  [EXIT.usage]: "ManifestOrUsage",
  [EXIT.guestFault]: "GuestFault",
  [EXIT.timeout]: "TimeoutOrNoProgress",
  [EXIT.reboot]: "Reboot",
  [EXIT.internal]: "InternalError",
  [EXIT.interrupted]: "Interrupted",
};

/** The document. `startedAt`: when the tests began. */
export function junitXml(results: readonly Tested[], startedAt: Date): string {
  const failed = results.filter(isFailure).length;
  const errors = results.filter((result) => result.code !== EXIT.ok && !isFailure(result)).length;
  const time = seconds(results.reduce((sum, { wallMs }) => sum + wallMs, 0));
  const counts = `tests="${results.length}" failures="${failed}" errors="${errors}" skipped="0" time="${time}"`;
  return [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<testsuites name="plugboard" tests="${results.length}" failures="${failed}" errors="${errors}" time="${time}">`,
    `  <testsuite name="plugboard" ${counts} timestamp="${startedAt.toISOString().slice(0, 19)}">`,
    ...results.map(testCase),
    `  </testsuite>`,
    `</testsuites>`,
    "",
  ].join("\n");
}

function testCase(tested: Tested): string {
  const { file, code, outcome, wallMs, console, messages } = tested;
  const name = basename(file).replace(/\.ya?ml$/, "");
  const open = `    <testcase name="${attribute(name)}" classname="${attribute(dirname(file))}" file="${attribute(file)}" time="${
    seconds(wallMs)
  }"`;
  if (code === EXIT.ok) return `${open}/>`;
  const element = isFailure(tested) ? "failure" : "error";
  const type = types[code] ?? "GuestExitCode";
  return [
    `${open}>`,
    `      <${element} message="${attribute(`exit ${code}: ${outcome}`)}" type="${type}">${text(messages)}</${element}>`,
    `      <system-out>${text(tail(console).join("\n"))}</system-out>`,
    `    </testcase>`,
  ].join("\n");
}

/** An expectation that failed or a code of the guest's own: the test says no. Everything else keeps it from saying anything. */
function isFailure({ code }: Tested): boolean {
  return code === EXIT.expectationFailed || (code !== EXIT.ok && types[code] === undefined);
}

const seconds = (ms: number) => (ms / 1000).toFixed(3);
const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

// deno-lint-ignore no-control-regex -- these are what can't stand in XML, not even escaped
const FORBIDDEN = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const name = (character: string) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;

/** Guests print anything; XML 1.0 takes only some of it. */
function text(value: string): string {
  return stripVTControlCharacters(value).replaceAll("\r", "").replace(FORBIDDEN, name).replace(/[&<>"]/g, (found) => escapes[found]);
}

function attribute(value: string): string {
  return text(value).replace(/[\n\t]+/g, " ");
}
