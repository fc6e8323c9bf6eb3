/** `map`: the memory map and the interrupt routing of a board. */
import { Command } from "@cliffy/command";
import { declareBoardOptions, overridesOf } from "./board_options.ts";
import type { BoardOptions } from "./board_options.ts";
import { EXIT } from "./exit_codes.ts";
import { load, printFindings } from "./load.ts";
import { mapOf } from "./map_layout.ts";
import { mapSvg } from "./map_svg.ts";
import { mapText } from "./map_text.ts";
import type { Done } from "./verb.ts";

interface MapOptions extends BoardOptions {
  json?: boolean;
  svg?: string;
}

/** The command. */
export function command(done: Done): Command {
  const declared = new Command()
    .description("Print the memory map and the interrupt routing of a board: physical addresses, then each guest's.")
    .arguments("<board:file>")
    .option("--json", "Print them as JSON.", { conflicts: ["svg"] })
    .option("--svg <file:file>", "Draw them, into this file; - draws to standard output.") as unknown as Command;
  return declareBoardOptions(declared).action(async (options: MapOptions, file: string) =>
    done(await map(options, file))
  ) as unknown as Command;
}

async function map(options: MapOptions, file: string): Promise<number> {
  const { board, findings } = await load(file, overridesOf(options));
  if (findings.length) printFindings(findings);
  if (!board) return EXIT.usage;
  const spaces = mapOf(board);
  if (options.svg === "-") console.log(mapSvg(board.name, spaces).trimEnd());
  else if (options.svg !== undefined) {
    try {
      await Deno.writeTextFile(options.svg, mapSvg(board.name, spaces));
    } catch (error) {
      console.error(`error: ${options.svg} can't be written: ${(error as Error).message}`);
      return EXIT.usage;
    }
  } else console.log(options.json ? JSON.stringify({ board: board.name, spaces }, null, 2) : mapText(board.name, spaces));
  return EXIT.ok;
}
