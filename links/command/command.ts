/** Cliffy's `Command`, on top of commander. */
// deno-lint-ignore-file no-explicit-any -- Cliffy infers these types from the definitions; here the action's parameters say them
import { Command as Commander, CommanderError, Option } from "commander";
import { convert, parseFlags, parseValues } from "./definitions.ts";
import type { Value } from "./definitions.ts";
import { ValidationError } from "./errors.ts";

/** Options of {@linkcode Command.option}. */
export interface CommandOptions {
  /** The value without the flag. */
  default?: unknown;
  /** The flag may be repeated; its values become a list. */
  collect?: boolean;
  required?: boolean;
  hidden?: boolean;
  /** Names of options that can't be given together with this one. */
  conflicts?: string[];
  /** Converts the parsed value. With `collect`, gets the earlier result too. */
  value?: (value: any, previous?: any) => unknown;
}

/** Options of {@linkcode Command.env}. */
export interface EnvOptions {
  required?: boolean;
  hidden?: boolean;
  /** Left out of the option's name: `PLUGBOARD_SEED` with prefix `PLUGBOARD_` is `seed`. */
  prefix?: string;
  value?: (value: any) => unknown;
}

/** What {@linkcode Command.parse} found. */
export interface CommandResult {
  options: any;
  args: any;
  literal: string[];
  cmd: Command;
}

/** An option as it was declared. */
export interface DeclaredOption {
  /** `["-t", "--timeout"]`. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly args: readonly Value[];
  readonly collect: boolean;
}

interface Env {
  readonly name: string;
  readonly key: string;
  readonly value: Value;
  readonly options: EnvOptions;
}

/**
 * A command. Methods chain; after `.command()` they act on the sub-command, until `.reset()`.
 *
 * ```ts
 * await new Command().name("greet").arguments("<name:string>")
 *   .action((_options, name: string) => console.log(`Hello ${name}`)).parse();
 * ```
 */
export class Command {
  #native = new Commander();
  #target: Command = this;
  #values: Value[] = [];
  #options: DeclaredOption[] = [];
  #env: Env[] = [];
  #children: Command[] = [];
  #action: ((this: Command, options: any, ...args: any[]) => unknown) | undefined;
  #throw = false;
  #result: CommandResult | undefined;

  constructor() {
    this.#native.exitOverride().allowExcessArguments(true).helpCommand(false).configureOutput({ writeErr: () => {} });
    this.#native.action(async () => await this.#run());
  }

  /** The command's name. */
  name(name: string): this {
    this.#target.#native.name(name);
    return this;
  }

  /** The version that `-V, --version` prints. */
  version(version: string): this {
    this.#target.#native.version(
      `${this.#target.#native.name()} ${version}`.trim(),
      "-V, --version",
      "Show the version number for this program.",
    );
    return this;
  }

  /** What the command does. */
  description(text: string): this {
    this.#target.#native.description(text);
    return this;
  }

  /** Replaces the usage line's part after the name. */
  usage(text: string): this {
    this.#target.#native.usage(text);
    return this;
  }

  /** An example, shown by `--help`. */
  example(name: string, text: string): this {
    this.#target.#native.addHelpText("after", `\n${name}:\n${text.split("\n").map((line) => `  ${line}`).join("\n")}`);
    return this;
  }

  /** Hides the command from the help. */
  hidden(): this {
    const parent = this.#target.#native.parent as unknown as { commands: (Commander & { _hidden?: boolean })[] } | null;
    for (const child of parent?.commands ?? []) if (child === this.#target.#native) child._hidden = true;
    return this;
  }

  /** Positional arguments: `<board:file> [more...:string]`. */
  arguments(definition: string): this {
    const target = this.#target;
    target.#values = parseValues(definition);
    for (const value of target.#values) {
      const name = value.variadic ? `${value.name}...` : value.name;
      target.#native.argument(value.optional ? `[${name}]` : `<${name}>`);
    }
    return this;
  }

  /** An option: `-t, --timeout <time:string>`. */
  option(definition: string, description: string, options: CommandOptions = {}): this {
    const { flags, values } = parseFlags(definition);
    const [value] = values;
    const label = flags.find((flag) => flag.startsWith("--")) ?? flags[0];
    const argument = value && (value.optional ? `[${value.name}]` : `<${value.name}>`);
    const option = new Option([flags.join(", "), argument].filter(Boolean).join(" "), description);
    let given = false;
    const once = (next: unknown, previous: unknown) => {
      if (options.collect) {
        if (options.value) return options.value(next, given ? previous : undefined);
        return given ? [...previous as unknown[], next] : [next];
      }
      if (given) throw new ValidationError(`Option "${label}" can only occur once, but was found several times.`);
      return options.value ? options.value(next) : next;
    };
    if (value) {
      option.argParser((text, previous) => {
        const result = once(convert(value, text, "Option", label), previous);
        given = true;
        return result;
      });
    }
    if (options.default !== undefined) option.default(options.default);
    if (options.required) option.makeOptionMandatory();
    if (options.hidden) option.hideHelp();
    if (options.conflicts) option.conflicts(options.conflicts);
    this.#target.#native.addOption(option);
    if (!options.hidden) this.#target.#options.push({ flags, description, args: values, collect: Boolean(options.collect) });
    return this;
  }

  /** An environment variable that gives an option its value: `PLUGBOARD_SEED=<seed:integer>`. The command line wins. */
  env(definition: string, description: string, options: EnvOptions = {}): this {
    const [name, rest] = definition.split("=", 2);
    const [value] = rest ? parseValues(rest) : [{ name, type: "boolean", optional: false, variadic: false, list: false }];
    const bare = options.prefix && name.startsWith(options.prefix) ? name.slice(options.prefix.length) : name;
    const key = bare.toLowerCase().replace(/_+(\w)/g, (_, letter: string) => letter.toUpperCase());
    const target = this.#target;
    if (!options.hidden) {
      target.#native.addHelpText("after", `${target.#env.length ? "" : "\nEnvironment variables:\n"}  ${name}  ${description}`);
    }
    target.#env.push({ name, key, value, options });
    return this;
  }

  /** What to do. */
  action(handler: (this: Command, options: any, ...args: any[]) => unknown): this {
    this.#target.#action = handler;
    return this;
  }

  /** Adds a sub-command, by description or as an instance. Later calls of the chain act on it. */
  command(nameAndArguments: string, child: string | Command = ""): this {
    const [name, ...values] = nameAndArguments.split(/\s+/);
    const command = typeof child === "string" ? new Command().description(child) : child;
    command.#native.name(name);
    if (values.length) command.arguments(values.join(" "));
    this.#children.push(command);
    this.#native.addCommand(command.#native);
    this.#target = command;
    return this;
  }

  /** Makes the chain act on this command again. */
  reset(): this {
    this.#target = this;
    return this;
  }

  /** Makes {@linkcode parse} throw errors instead of printing them and exiting. */
  throwErrors(): this {
    this.#throw = true;
    return this;
  }

  /** Prints the help. */
  showHelp(): void {
    this.#native.outputHelp();
  }

  /** The help text. */
  getHelp(): string {
    return this.#native.helpInformation();
  }

  /** What the command does. */
  getDescription(): string {
    return this.#native.description();
  }

  /** Its options without the hidden ones, in the order of the help. */
  getOptions(): readonly DeclaredOption[] {
    return this.#options;
  }

  /** Its positional arguments. */
  getArguments(): readonly Value[] {
    return this.#values;
  }

  /** Parses a command line and runs the action of the command that it names. */
  async parse(args: string[] = Deno.args): Promise<CommandResult> {
    try {
      await this.#native.parseAsync(args, { from: "user" });
    } catch (error) {
      const failure = translate(error);
      if (failure === undefined) Deno.exit(0);
      if (this.#throw || !(failure instanceof ValidationError)) throw failure;
      console.error(`${this.#native.helpInformation()}\n  error: ${failure.message}\n`);
      Deno.exit(failure.exitCode);
    }
    return this.#found() ?? { options: {}, args: [], literal: [], cmd: this };
  }

  #found(): CommandResult | undefined {
    return this.#result ?? this.#children.map((child) => child.#found()).find(Boolean);
  }

  async #run(): Promise<void> {
    const native = this.#native;
    const options: Record<string, unknown> = { ...native.opts() };
    for (const { name, key, value, options: settings } of this.#env) {
      const text = Deno.env.get(name);
      if (text === undefined) {
        if (settings.required) throw new ValidationError(`Missing required environment variable "${name}".`);
      } else if (native.getOptionValueSource(key) === undefined || native.getOptionValueSource(key) === "default") {
        const converted = convert(value, text, "Environment variable", name);
        options[key] = settings.value ? settings.value(converted) : converted;
      }
    }
    const args: unknown[] = [];
    for (const [index, value] of this.#values.entries()) {
      const given = value.variadic ? native.args.slice(index) : native.args.slice(index, index + 1);
      args.push(...given.map((text) => convert(value, text, "Argument", value.name)));
    }
    const rest = native.args.slice(this.#values.length);
    if (rest.length > 0 && !this.#values.at(-1)?.variadic) {
      throw new ValidationError(this.#children.length ? `Unknown command "${rest[0]}".` : `Too many arguments: ${rest.join(" ")}`);
    }
    this.#result = { options, args, literal: [], cmd: this };
    if (this.#action) await this.#action.call(this, options, ...args);
    else native.outputHelp();
  }
}

/** commander's errors, in Cliffy's words. `undefined`: help or version was shown. */
function translate(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  if (["commander.help", "commander.helpDisplayed", "commander.version"].includes(error.code)) return undefined;
  const message = error.message.replace(/^error: /, "");
  const name = /'([^']*)'/.exec(message)?.[1] ?? "";
  const flag = name.split(/[ ,]+/).find((part) => part.startsWith("--")) ?? name;
  const hint = /\(Did you mean ([^?]*)\?\)/.exec(message)?.[1];
  const kind = error.code === "commander.unknownCommand" ? "command" : "option";
  const suffix = hint ? ` Did you mean ${kind} "${hint.replace(/^one of /, "")}"?` : "";
  switch (error.code) {
    case "commander.unknownOption":
      return new ValidationError(`Unknown option "${name}".${suffix}`);
    case "commander.unknownCommand":
      return new ValidationError(`Unknown command "${name}".${suffix}`);
    case "commander.missingArgument":
      return new ValidationError(`Missing argument(s): ${name}`);
    case "commander.missingMandatoryOptionValue":
      return new ValidationError(`Missing required option "${flag}".`);
    case "commander.optionMissingArgument":
      return new ValidationError(`Missing value for option "${flag}".`);
    default:
      return new ValidationError(message);
  }
}
