/** `doctor`: whether this host has what boards need. */
import { Command } from "@cliffy/command";
import { examine } from "./checks.ts";
import type { Diagnosis } from "./checks.ts";
import { thisHost } from "./host.ts";
import { hasColor } from "../color.ts";
import { EXIT } from "../exit_codes.ts";
import type { Done } from "../verb.ts";

/** The command. */
export function command(done: Done): Command {
  return new Command()
    .description("Check this machine: Deno, memory, Workers, the cache, and the programs that some boards and tests need.")
    .option("--json", "Print what was found as JSON.")
    .action(async (options: { json?: boolean }) => {
      const diagnoses = await examine(thisHost());
      const color = hasColor(Deno.stdout);
      console.log(options.json ? JSON.stringify({ ok: isFit(diagnoses), diagnoses }, null, 2) : printDiagnoses(diagnoses, color));
      done(isFit(diagnoses) ? EXIT.ok : EXIT.expectationFailed);
    }) as unknown as Command;
}

/** Boards run here. */
export function isFit(diagnoses: readonly Diagnosis[]): boolean {
  return diagnoses.every(({ result }) => result !== "fail");
}

const tints: Readonly<Record<Diagnosis["result"], string>> = { ok: "32", note: "34", warn: "1;33", fail: "1;31" };

/** One line a check, one more for what to do, and a last one that says how it looks. */
export function printDiagnoses(diagnoses: readonly Diagnosis[], color = false): string {
  const width = Math.max(...diagnoses.map(({ name }) => name.length));
  const lines = diagnoses.flatMap(({ name, result, found, help }) => {
    const mark = color ? `\x1b[${tints[result]}m${result.padEnd(4)}\x1b[0m` : result.padEnd(4);
    return [`${mark}  ${name.padEnd(width)}  ${found}`, ...help === undefined ? [] : [`      ${" ".repeat(width)}  ${help}`]];
  });
  const warned = diagnoses.some(({ result }) => result === "warn");
  const verdict = !isFit(diagnoses) ? "boards don't run here" : warned ? "boards run here, not all of them" : "boards run here";
  return [...lines, "", verdict].join("\n");
}
