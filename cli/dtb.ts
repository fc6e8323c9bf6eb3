/** `dtb`: the device tree that a guest gets. */
import { Command } from "@cliffy/command";
import { buildDeviceTree, printDeviceTree } from "../plugins/fdt/mod.ts";
import { declareBoardOptions, overridesOf } from "./board_options.ts";
import type { BoardOptions } from "./board_options.ts";
import { load, printFindings } from "./load.ts";
import type { Done } from "./verb.ts";

interface DtbOptions extends BoardOptions {
  domain?: string;
  output?: string;
}

/** The command. */
export function command(done: Done): Command {
  const declared = new Command()
    .description("Print the device tree of a board's guest as source, or write its blob. Where the initrd lies is filled in at boot.")
    .arguments("<board:file>")
    .option("-d, --domain <name:string>", "The guest; without it the first.")
    .option("-o, --output <file:file>", "Write the blob to this file; - writes it to standard output.") as unknown as Command;
  return declareBoardOptions(declared).action(async (options: DtbOptions, file: string) =>
    done(await dtb(options, file))
  ) as unknown as Command;
}

async function dtb(options: DtbOptions, file: string): Promise<number> {
  const { board, findings } = await load(file, overridesOf(options));
  if (findings.length) printFindings(findings);
  if (!board) return 2;
  const domain = board.domains.find(({ name }) => options.domain === undefined || name === options.domain);
  if (!domain) {
    console.error(`error: there is no domain ${options.domain}; there is ${board.domains.map(({ name }) => name).join(", ")}`);
    return 2;
  }
  const blob = buildDeviceTree(board, domain, []);
  if (options.output === undefined) console.log(printDeviceTree(blob));
  else if (options.output === "-") Deno.stdout.writeSync(blob);
  else await Deno.writeFile(options.output, blob);
  return 0;
}
