/** `check`: everything that can be known of a board without starting it. */
import { Command } from "@cliffy/command";
import { boardVerb, overridesOf } from "../board/options.ts";
import type { BoardOptions } from "../board/options.ts";
import { checkImageContents } from "./images.ts";
import { sarifLog } from "./sarif.ts";
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
  return boardVerb(
    done,
    new Command()
      .description("Check a board manifest: all findings at once; nothing is started.")
      .option("--json", "Print the findings as JSON.", { conflicts: ["sarif"] })
      .option("--sarif", "Print the findings as SARIF 2.1.0, which code hosts show beside the line."),
    check,
  );
}

async function check(options: CheckOptions, file: string): Promise<number> {
  const loaded = await load(file, overridesOf(options));
  const contents = loaded.board ? await checkImageContents(loaded.board) : [];
  const findings = [...loaded.findings, ...await Promise.all(contents.map((finding) => loaded.locateAll(finding)))];
  const board = contents.some(({ severity }) => severity === "error") ? undefined : loaded.board;
  const exitCode = board ? EXIT.ok : EXIT.usage;
  if (options.sarif) {
    console.log(JSON.stringify(sarifLog(findings, { file, version: version.version, exitCode, directory: Deno.cwd() }), null, 2));
  } else if (options.json) {
    console.log(JSON.stringify({ file, ok: board !== undefined, findings }, null, 2));
  } else {
    if (findings.length) printFindings(findings);
    if (board) console.log([summary(board), ...reports(board), "check  ok"].join("\n"));
  }
  return exitCode;
}
