/** `--expect`, `--fail` and `--send`: what is to come on the console, what must not, and what to type, in the order of the command line. */
import type { Command } from "@cliffy/command";
import type { BoardTest } from "../../core/mod.ts";
import type { Expectations, Step } from "./expectations.ts";
import { parsePattern, unescape } from "./patterns.ts";
import type { Pattern } from "./patterns.ts";

/** What a manifest says of its own test. */
export function scriptOf({ steps = [], fail = [] }: BoardTest): Expectations {
  return {
    steps: steps.map((step) => "expect" in step ? { expect: parsePattern("expect", step.expect) } : step),
    refuse: fail.map((text) => parsePattern("fail", text)),
  };
}

/** A command line's script. */
export class Script implements Expectations {
  readonly steps: Step[] = [];
  readonly refuse: Pattern[] = [];
  /** The options as they were given. */
  readonly args: string[] = [];

  /** True when the command line says nothing of it. */
  get isEmpty(): boolean {
    return this.steps.length === 0 && this.refuse.length === 0;
  }

  /** Adds the options to a command. */
  addTo(command: Command): Command {
    const collect = (flag: string, take: (text: string) => void) => ({
      collect: true,
      value: (text: string, previous: string[] = []) => {
        take(text);
        this.args.push(flag, text);
        return [...previous, text];
      },
    });
    return command
      .option(
        "--expect <text:string>",
        "End with 0 when the guest printed this: a text, or an expression such as '/login: $/'. May be repeated: all, in this order.",
        collect("--expect", (text) => this.steps.push({ expect: parsePattern("--expect", text) })),
      )
      .option(
        "--send <text:string>",
        "Type this to the console when what stands before it on the command line has come. Knows \\n, \\r, \\t, \\e, \\xHH and \\\\.",
        collect("--send", (text) => this.steps.push({ send: unescape(text) })),
      )
      .option(
        "--fail <text:string>",
        "End with 1 when the guest prints this, a text or an expression. May be repeated.",
        collect("--fail", (text) => this.refuse.push(parsePattern("--fail", text))),
      ) as unknown as Command;
  }
}
