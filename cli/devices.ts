/** `devices`: the catalogue of plugins with their options. */
import { Command } from "@cliffy/command";
import { hex, printSize, wanted } from "../core/mod.ts";
import type { OptionSpec, Plugin } from "../core/mod.ts";
import { plugins } from "../plugins/mod.ts";
import type { Done } from "./verb.ts";

/** The command. */
export function command(done: Done): Command {
  return new Command()
    .description("List the built-in plugins with their options.")
    .arguments("[plugin:string]")
    .option("--json", "Print the catalogue as JSON.")
    .action((options: { json?: boolean }, name?: string) => {
      const chosen = plugins.filter((plugin) => name === undefined || plugin.name === name);
      if (chosen.length === 0) {
        console.error(`error: there is no plugin ${name}; there is ${plugins.map((plugin) => plugin.name).join(", ")}`);
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
  if (provides.length) lines.push(`  provides  ${provides.map((key) => key.name).join(", ")}`);
  if (needs.length) lines.push(`  needs     ${needs.map((key) => key.name).join(", ")}`);
  const width = Math.max(0, ...Object.keys(options).map((option) => option.length));
  for (const [option, spec] of Object.entries(options)) lines.push(`  ${option.padEnd(width)}  ${spec.doc} ${printSpec(spec)}`);
  return lines.join("\n");
}

function printSpec(spec: OptionSpec): string {
  const want = spec.list ? `a list, each ${wanted(spec)}` : wanted(spec);
  const rest = spec.default !== undefined ? `; default ${printDefault(spec)}` : spec.optional ? "; optional" : "; required";
  return `(${want}${rest})`;
}

/** A default, as a manifest would write it. */
function printDefault({ kind, default: value }: OptionSpec): string {
  if (typeof value !== "number") return typeof value === "string" && kind !== "text" ? value : JSON.stringify(value);
  if (kind === "address") return hex(value);
  if (kind === "size") return printSize(value);
  if (kind === "interrupt") return value >= 32 ? `spi ${value - 32}` : `ppi ${value - 16}`;
  return kind === "duration" ? `${value}ns` : String(value);
}
