/** `dtb`: the device tree that a guest gets. */
import { Command } from "@cliffy/command";
import { buildDeviceTree, printDeviceTree } from "../../plugins/fdt/mod.ts";
import { boardVerb, overridesOf } from "./options.ts";
import type { BoardOptions } from "./options.ts";
import { EXIT } from "../exit_codes.ts";
import { loadAndPrint } from "./load.ts";
import type { Done } from "../verb.ts";

interface DtbOptions extends BoardOptions {
  domain?: string;
  output?: string;
}

/** The command. */
export function command(done: Done): Command {
  return boardVerb(
    done,
    new Command()
      .description("Print the device tree of a board's guest as source, or write its blob. Where the initrd lies is filled in at boot.")
      .option("-d, --domain <name:string>", "The guest; without it the first.")
      .option("-o, --output <file:file>", "Write the blob to this file; - writes it to standard output."),
    dtb,
  );
}

async function dtb(options: DtbOptions, file: string): Promise<number> {
  const loaded = await loadAndPrint(file, overridesOf(options));
  if (!loaded) return EXIT.usage;
  const { board } = loaded;
  const domain = board.domains.find(({ name }) => options.domain === undefined || name === options.domain);
  if (!domain) {
    console.error(`error: there is no domain ${options.domain}; there is ${board.domains.map(({ name }) => name).join(", ")}`);
    return EXIT.usage;
  }
  const blob = buildDeviceTree(board, domain, []);
  if (options.output === undefined) console.log(printDeviceTree(blob));
  else if (options.output === "-") Deno.stdout.writeSync(blob);
  else await Deno.writeFile(options.output, blob);
  return EXIT.ok;
}
