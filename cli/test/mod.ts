/** `test`: runs boards, each in a process of its own, and says truthfully which of them did what was expected. */
import { Command, ValidationError } from "@cliffy/command";
import { boardFiles } from "../board/files.ts";
import { addBoardOptions, boardArguments } from "../board/options.ts";
import type { BoardOptions } from "../board/options.ts";
import { EXIT } from "../exit_codes.ts";
import { junitXml } from "./junit.ts";
import { Script } from "../expect/script.ts";
import { testBoard } from "./case.ts";
import type { Tested } from "./case.ts";
import { parseShard, shardOf } from "./plan.ts";
import { exitCodeOfAll, sumLine, testedLines } from "./report.ts";
import type { Done } from "../verb.ts";

interface TestOptions extends BoardOptions {
  timeout?: string;
  wallTimeout: string;
  reboot?: boolean;
  jobs?: number;
  shard?: string;
  junit?: string;
  json?: boolean;
}

/** The command. */
export function command(done: Done): Command {
  const script = new Script();
  const base = script.addTo(
    new Command()
      .description(
        "Run boards, each in a process of its own. Passes when a board printed what is expected, by these options or by the manifest's `test`, or, with nothing expected, when its guest powered off by itself.",
      )
      .arguments("<boards...:file>"),
  );
  return addBoardOptions(base)
    .option("--timeout <time:string>", "A board fails after so much virtual time; without it, after what its manifest says, or 60s.")
    .option("--wall-timeout <time:string>", "A board fails after so much time of this machine's clock.", { default: "10min" })
    .option("--no-reboot", "A board fails when a guest asks for a reboot, or is reset.")
    .option("-j, --jobs <count:integer>", "Boards at a time; as many as this machine has cores.")
    .option("--shard <part:string>", "Run only the i-th of n parts of the boards: i/n.")
    .option("--junit <file:string>", "Write the results as JUnit XML.")
    .option("--json", "Print the results as JSON.")
    .action(async (options: TestOptions, ...boards: string[]) => done(await test(options, boards, script))) as unknown as Command;
}

async function test(options: TestOptions, boards: readonly string[], script: Script): Promise<number> {
  const { jobs = navigator.hardwareConcurrency } = options;
  if (jobs < 1) throw new ValidationError(`--jobs ${jobs}: want 1 or more`);
  const all = await boardFiles(boards);
  const files = options.shard === undefined ? all : shardOf(all, parseShard(options.shard));
  const args = [
    ...boardArguments(options),
    ...script.args,
    "--test",
    ...options.timeout === undefined ? [] : [`--timeout=${options.timeout}`],
    `--wall-timeout=${options.wallTimeout}`,
    ...options.reboot === false ? ["--no-reboot"] : [],
  ];
  const say = options.json ? () => {} : (lines: readonly string[]) => console.log(lines.join("\n"));
  const startedAt = new Date();
  const results = await runAll(files, args, jobs, (tested) => say(testedLines(tested)));
  if (options.junit !== undefined) await Deno.writeTextFile(options.junit, junitXml(results, startedAt));
  if (options.json) console.log(JSON.stringify({ ok: exitCodeOfAll(results) === EXIT.ok, boards: results }, null, 2));
  const part = options.shard === undefined ? "" : ` of shard ${options.shard}, which has ${files.length} of ${all.length} boards`;
  say([`${sumLine(results)}${part}`]);
  return exitCodeOfAll(results);
}

/** Runs them, in the order given, so many at a time; the results come in that order too. A signal ends them. */
async function runAll(
  files: readonly string[],
  args: readonly string[],
  jobs: number,
  tell: (tested: Tested) => void,
): Promise<Tested[]> {
  const stop = new AbortController();
  const abort = () => stop.abort();
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, abort);
  const results: Tested[] = [];
  let next = 0;
  const worker = async () => {
    while (next < files.length && !stop.signal.aborted) {
      const index = next++;
      results[index] = await testBoard(files[index], args, stop.signal);
      tell(results[index]);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(jobs, files.length) }, worker));
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, abort);
  }
  // What a signal kept from running didn't pass.
  const missed = (file: string) => ({ file, code: EXIT.interrupted, outcome: "not run", wallMs: 0, console: "", messages: "" });
  return files.map((file, index) => results[index] ?? missed(file));
}
