/** `schema`: the JSON Schema of manifests, for editors. */
import { Command } from "@cliffy/command";
import { boardSchema } from "../../core/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import type { Done } from "../verb.ts";

/** The command. */
export function command(done: Done): Command {
  return new Command()
    .description(
      "Print the JSON Schema of board manifests, for editors: plugboard schema > board.schema.json. A manifest's first line names it: # yaml-language-server: $schema=board.schema.json",
    )
    .action(() => {
      console.log(JSON.stringify(boardSchema(plugins), null, 2));
      done(0);
    }) as unknown as Command;
}
