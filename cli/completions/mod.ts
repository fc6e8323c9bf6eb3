/** `completions`: what a shell needs to complete our command lines. */
import { Command, ValidationError } from "@cliffy/command";
import type { Value } from "@cliffy/command";
import { plugins } from "../../plugins/mod.ts";
import { shells } from "./scripts.ts";
import type { CompletedValue, CompletedVerb } from "./scripts.ts";
import { EXIT } from "../exit_codes.ts";
import type { Done, Verb } from "../verb.ts";

/** What an argument of that name can be. */
const choices: Readonly<Record<string, readonly string[]>> = {
  what: ["new"],
  plugin: plugins.map(({ name }) => name),
  shell: Object.keys(shells),
};

/** The command. */
export function command(done: Done, verbs: readonly Verb[]): Command {
  return new Command()
    .description(`Print the completions of this program for a shell: ${Object.keys(shells).join(", ")}.`)
    .arguments("<shell:string>")
    .action(async (_options: unknown, shell: string) => {
      if (!Object.hasOwn(shells, shell)) {
        throw new ValidationError(`there is no shell ${shell} here; there is ${Object.keys(shells).join(", ")}`);
      }
      console.log(shells[shell]("plugboard", await completedVerbs(verbs)).trimEnd());
      done(EXIT.ok);
    }) as unknown as Command;
}

/** Verbs as their commands declare them. */
export async function completedVerbs(verbs: readonly Verb[]): Promise<CompletedVerb[]> {
  return await Promise.all(verbs.map(async ({ name, load }) => {
    const command = await load(() => {});
    const options = command.getOptions().map(({ flags, description, args, collect }) => ({
      flags,
      description,
      value: args[0] && completedValue(args[0]),
      repeats: collect,
    }));
    return { name, description: command.getDescription(), options, values: command.getArguments().map(completedValue) };
  }));
}

function completedValue({ name, type, variadic }: Value): CompletedValue {
  // An image may be a file.
  return { name, file: type === "file" || name === "image", choices: choices[name], ...variadic && { repeats: true } };
}
