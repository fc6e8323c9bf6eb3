/** `map`: the memory map and the interrupt routing of a board. */
import { Command } from "@cliffy/command";
import { boardVerb, overridesOf } from "../board/options.ts";
import type { BoardOptions } from "../board/options.ts";
import { EXIT } from "../exit_codes.ts";
import { loadAndPrint } from "../board/load.ts";
import { mapOf } from "./layout.ts";
import { mapSvg } from "./svg.ts";
import { mapText } from "./text.ts";
import type { Done } from "../verb.ts";

interface MapOptions extends BoardOptions {
  json?: boolean;
  svg?: string;
}

/** The command. */
export function command(done: Done): Command {
  return boardVerb(
    done,
    new Command()
      .description("Print the memory map and the interrupt routing of a board: physical addresses, then each guest's.")
      .option("--json", "Print them as JSON.", { conflicts: ["svg"] })
      .option("--svg <file:file>", "Draw them, into this file; - draws to standard output."),
    map,
  );
}

async function map(options: MapOptions, file: string): Promise<number> {
  const loaded = await loadAndPrint(file, overridesOf(options));
  if (!loaded) return EXIT.usage;
  const { board } = loaded;
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
