/** `devices`: the catalogue of plugins with their options. */
import { Command } from "@cliffy/command";
import { nearest } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import { specText } from "./option_text.ts";
import type { Done } from "../verb.ts";

/** The command. */
export function command(done: Done): Command {
  return new Command()
    .description("List the built-in plugins with their options.")
    .arguments("[plugin:string]")
    .option("--json", "Print the catalogue as JSON.")
    .action((options: { json?: boolean }, name?: string) => {
      const chosen = plugins.filter((plugin) => name === undefined || plugin.name === name);
      if (chosen.length === 0) {
        const names = plugins.map((plugin) => plugin.name);
        const close = nearest(name!, names);
        console.error(
          `error: there is no plugin ${name}; ${close === undefined ? `there is ${names.join(", ")}` : `did you mean ${close}?`}`,
        );
        return done(2);
      }
      console.log(options.json ? JSON.stringify(chosen.map(describePlugin), null, 2) : chosen.map(printPlugin).join("\n\n"));
      done(0);
    }) as unknown as Command;
}

function describePlugin({ name, doc, options, needs = [], provides = [] }: Plugin) {
  return { name, doc, options, needs: needs.map((key) => key.name), provides: provides.map((key) => key.name) };
}

function printPlugin({ name, doc, options, needs = [], provides = [] }: Plugin): string {
  const lines = [`${name}: ${doc}`];
  const width = Math.max("provides".length, ...Object.keys(options).map((option) => option.length));
  const line = (what: string, text: string) => lines.push(`  ${what.padEnd(width)}  ${text}`);
  if (provides.length) line("provides", provides.map((key) => key.name).join(", "));
  if (needs.length) line("needs", needs.map((key) => key.name).join(", "));
  for (const [option, spec] of Object.entries(options)) line(option, `${spec.doc} (${specText(spec)})`);
  return lines.join("\n");
}
