/**
 * The command line: `plugboard [run] BOARD`, `check`, `dtb`, `devices`, `schema`.
 *
 * @module
 */
import { Command, ValidationError } from "@cliffy/command";
import { nearest, PluginError } from "../core/mod.ts";
import { EXIT } from "./exit_codes.ts";
import { verbs } from "./verbs.ts";
import version from "../deno.json" with { type: "json" };

/** Runs a command line and returns its exit code: 0 fine, 1 expectation failed, 2 manifest or usage, 3 guest fault, 4 timeout or no progress, 70 a plugin's own error. */
export async function main(args: readonly string[]): Promise<number> {
  let code = 0;
  let name = "plugboard";
  try {
    const given = chooseVerb(args);
    const chosen = verbs.filter((verb) => verb.name === given[0]);
    if (chosen.length) name = `${name} ${chosen[0].name}`;
    const root = new Command()
      .name("plugboard")
      .version(version.version)
      .description("Composes an Arm hypervisor from plugins and boots the guests of a board manifest.\nWithout a verb, runs the board.")
      .throwErrors();
    // Only the verb that is asked for is loaded.
    for (const verb of chosen.length ? chosen : verbs) root.command(verb.name, await verb.load((result) => code = result)).reset();
    if (given.length === 0) root.showHelp();
    else await root.parse([...given]);
  } catch (error) {
    // A plugin or we ourselves are at fault, not the user and not the guest: say who, and show the way to the place.
    if (error instanceof PluginError) {
      console.error(`error: ${error.message}\n${(error.cause instanceof Error ? error.cause : error).stack}`);
      return EXIT.internal;
    }
    if (!(error instanceof ValidationError)) throw error;
    console.error(`error: ${error.message}\nTry ${name} --help`);
    return 2;
  }
  return code;
}

/** `board.yaml --smp 4` means `run board.yaml --smp 4`; what is nearly a verb is most likely a slip. */
function chooseVerb(args: readonly string[]): readonly string[] {
  const [first] = args;
  if (first === undefined || ["-h", "--help", "-V", "--version"].includes(first)) return args;
  const names = verbs.map(({ name }) => name);
  if (names.includes(first)) return args;
  const close = /^[a-z]+$/.test(first) ? nearest(first, names) : undefined;
  if (close !== undefined) throw new ValidationError(`Unknown command "${first}". Did you mean command "${close}"?`);
  return ["run", ...args];
}
