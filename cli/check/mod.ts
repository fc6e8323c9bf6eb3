/** `check`: everything that can be known of a board without starting it. */
import { Command } from "@cliffy/command";
import { addBoardOptions, overridesOf } from "../board/options.ts";
import type { BoardOptions } from "../board/options.ts";
import { checkImageContents } from "./images.ts";
import { annotations } from "./annotations.ts";
import { sarifLog } from "./sarif.ts";
import type { CheckedFile } from "./sarif.ts";
import type { Board } from "../../core/mod.ts";
import { boardFiles } from "../board/files.ts";
import { EXIT } from "../exit_codes.ts";
import { load, printFindings } from "../board/load.ts";
import { reports, summary } from "../board/summary.ts";
import type { Done } from "../verb.ts";
import version from "../../deno.json" with { type: "json" };

interface CheckOptions extends BoardOptions {
  json?: boolean;
  sarif?: boolean;
}

/** The command. */
export function command(done: Done): Command {
  const base = new Command()
    .description("Check board manifests: all findings at once; nothing is started.")
    .arguments("<boards...:file>")
    .option("--json", "Print the findings as JSON: an object, or with several boards a list of them.", { conflicts: ["sarif"] })
    .option("--sarif", "Print the findings as SARIF 2.1.0, which code hosts show beside the line.") as unknown as Command;
  return addBoardOptions(base)
    .action(async (options: CheckOptions, ...boards: string[]) => done(await check(options, boards))) as unknown as Command;
}

/** What came of one board. */
interface Checked extends CheckedFile {
  /** Absent when a finding is an error. */
  readonly board?: Board;
}

async function check(options: CheckOptions, given: readonly string[]): Promise<number> {
  const files = await boardFiles(given);
  const checked: Checked[] = [];
  for (const file of files) checked.push(await checkFile(file, options));
  const exitCode = checked.every(({ board }) => board) ? EXIT.ok : EXIT.usage;
  if (options.sarif) {
    console.log(JSON.stringify(sarifLog(checked, { version: version.version, exitCode, directory: Deno.cwd() }), null, 2));
  } else if (options.json) {
    const results = checked.map(({ file, board, findings }) => ({ file, ok: board !== undefined, findings }));
    console.log(JSON.stringify(results.length === 1 ? results[0] : results, null, 2));
  } else {
    for (const one of checked) print(one);
    if (checked.length > 1) {
      const wrong = checked.filter(({ board }) => !board).map(({ file }) => file);
      console.log(
        `${checked.length - wrong.length} of ${checked.length} boards are fine${wrong.length ? `; not ${wrong.join(", ")}` : ""}`,
      );
    }
  }
  return exitCode;
}

async function checkFile(file: string, options: CheckOptions): Promise<Checked> {
  const loaded = await load(file, overridesOf(options));
  const contents = loaded.board ? await checkImageContents(loaded.board) : [];
  const findings = [...loaded.findings, ...await Promise.all(contents.map((finding) => loaded.locateAll(finding)))];
  return { file, findings, board: contents.some(({ severity }) => severity === "error") ? undefined : loaded.board };
}

function print({ file, findings, board }: Checked): void {
  if (findings.length) {
    printFindings(findings);
    if (Deno.env.get("GITHUB_ACTIONS") === "true") console.log(annotations(findings, file).join("\n"));
  }
  if (board) console.log([summary(board), ...reports(board), "check  ok"].join("\n"));
}
