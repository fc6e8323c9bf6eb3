/** `check`: everything that can be known of a board without starting it. */
import { Command } from "@cliffy/command";
import { declareBoardOptions, overridesOf } from "./board_options.ts";
import type { BoardOptions } from "./board_options.ts";
import { load, printFindings } from "./load.ts";
import { reports, summary } from "./summary.ts";
import type { Done } from "./verb.ts";

/** The command. */
export function command(done: Done): Command {
  const declared = new Command()
    .description("Check a board manifest: all findings at once; nothing is started.")
    .arguments("<board:file>")
    .option("--json", "Print the findings as JSON.") as unknown as Command;
  return declareBoardOptions(declared).action(async (options: BoardOptions & { json?: boolean }, file: string) => {
    const { board, findings } = await load(file, overridesOf(options));
    if (options.json) console.log(JSON.stringify({ file, ok: board !== undefined, findings }, null, 2));
    else if (findings.length) printFindings(findings);
    if (board && !options.json) console.log([summary(board), ...reports(board), "check  ok"].join("\n"));
    done(board ? 0 : 2);
  }) as unknown as Command;
}
