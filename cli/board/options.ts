/** Options of every verb that takes a board: they go over what the manifest says. */
import { resolve } from "@std/path";
import { ValidationError } from "@cliffy/command";
import type { Command } from "@cliffy/command";
import { parseOverride } from "../../core/mod.ts";
import type { Override } from "../../core/mod.ts";
import type { Done } from "../verb.ts";

/** Their values, as the command line gives them. */
export interface BoardOptions {
  set?: string[];
  smp?: number;
  memory?: string;
  kernel?: string;
  initrd?: string;
  append?: string;
  seed?: number;
  parallel?: boolean;
}

/**
 * Makes a verb about one board of a command with its description and its own options: the board's options come behind them, and the exit code
 * is what `run` returns.
 */
export function boardVerb<O extends BoardOptions>(
  done: Done,
  command: unknown,
  run: (options: O, file: string) => Promise<number>,
): Command {
  return addBoardOptions((command as Command).arguments("<board:file>"))
    .action(async (options: O, file: string) => done(await run(options, file))) as unknown as Command;
}

/** Adds the board's options to a command. */
export function addBoardOptions(command: Command): Command {
  return command
    .option("--set <setting:string>", "Set a value of the manifest: domains.0.vcpus=4 or domains.linux.plugins.pl011.at=0xa00_0000.", {
      collect: true,
    })
    .option("--smp <count:integer>", "vCPUs of every domain, and no fewer pCPUs.")
    .option("-m, --memory <size:string>", "Guest RAM of the only domain, such as 512MiB.")
    .option("--kernel <image:string>", "Kernel: a file, an https: URL or deb:PACKAGE#PATH.")
    .option("--initrd <image:string>", "Initial RAM disk, likewise.")
    .option("--append <text:string>", "The kernel's command line.")
    .option("--seed <seed:integer>", "Seeds everything random.")
    .option("--parallel", "Run CPUs at the same time, in threads: faster, and not the same twice.") as unknown as Command;
}

/** The same options again, for a command line of another process. */
export function boardArguments(options: BoardOptions): string[] {
  const { set = [], smp, memory, kernel, initrd, append, seed, parallel } = options;
  const single = Object.entries({ smp, memory, kernel, initrd, append, seed }).filter(([, value]) => value !== undefined);
  const flags = parallel ? ["--parallel"] : [];
  return [...set.map((text) => `--set=${text}`), ...single.map(([name, value]) => `--${name}=${value}`), ...flags];
}

/** What they put over the manifest, later ones last. Throws a `ValidationError`. */
export function overridesOf(options: BoardOptions): Override[] {
  const overrides: Override[] = [];
  if (options.smp !== undefined) overrides.push({ flag: "--smp", vcpus: options.smp });
  if (options.memory !== undefined) overrides.push({ flag: "--memory", memory: options.memory });
  for (const option of ["kernel", "initrd"] as const) {
    const value = options[option];
    if (value !== undefined) overrides.push({ flag: `--${option}`, option, value: absolute(value) });
  }
  if (options.append !== undefined) overrides.push({ flag: "--append", option: "append", value: options.append });
  if (options.seed !== undefined) overrides.push({ flag: "--seed", path: "seed", value: String(options.seed) });
  if (options.parallel) overrides.push({ flag: "--parallel", path: "parallel", value: "true" });
  for (const text of options.set ?? []) {
    try {
      overrides.push(parseOverride("--set", text));
    } catch (error) {
      throw new ValidationError((error as Error).message);
    }
  }
  return overrides;
}

/** A file on the command line is relative to the working directory, not to the manifest. */
function absolute(reference: string): string {
  return /^(deb:|[a-z][a-z0-9+.-]+:\/\/)/.test(reference) ? reference : resolve(reference);
}
