/** One board of a `test`: a run in a process of its own, and what came of it. */
import { fromFileUrl } from "@std/path";
import { EXIT } from "../exit_codes.ts";
import type { RunResult } from "../run/result.ts";

/** How much of a console is kept. */
const TAIL_CHARACTERS = 65_536;

/** What came of a board. */
export interface Tested {
  readonly file: string;
  readonly code: number;
  /** The ending in words; of a run that didn't get that far, what it said last. */
  readonly outcome: string;
  readonly wallMs: number;
  /** The end of what the guests printed. */
  readonly console: string;
  /** What the run said besides: findings, reports. */
  readonly messages: string;
  /** Absent when nothing ran. */
  readonly result?: RunResult;
}

/** A program of ours, started as this one was. */
function ourselves(args: readonly string[]): Deno.Command {
  const main = new URL("../../mod.ts", import.meta.url);
  const program = main.protocol === "file:" ? fromFileUrl(main) : main.href;
  return new Deno.Command(Deno.execPath(), {
    // A program from a registry has no deno.json that allows Workers permissions of their own.
    args: Deno.build.standalone ? [...args] : ["run", "-A", "--no-check", "--unstable-worker-options", program, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs a board with the options of `run`. `stop` ends it early. */
export async function testBoard(file: string, options: readonly string[], stop: AbortSignal): Promise<Tested> {
  const resultFile = await Deno.makeTempFile({ prefix: "plugboard-result-" });
  const start = performance.now();
  try {
    const child = ourselves(["run", file, "--quiet", `--result=${resultFile}`, ...options]).spawn();
    const kill = () => child.kill("SIGTERM");
    stop.addEventListener("abort", kill);
    const [console, messages, status] = await Promise.all([end(child.stdout), end(child.stderr), child.status]);
    stop.removeEventListener("abort", kill);
    const text = await Deno.readTextFile(resultFile);
    const result: RunResult | undefined = text === "" ? undefined : JSON.parse(text);
    const died = status.signal === null ? "ended" : `was killed by ${status.signal}`;
    return {
      file,
      // Whoever was killed has no code of its own.
      code: status.signal === null ? status.code : EXIT.internal,
      outcome: result?.outcome ?? (firstError(messages) ?? `the run ${died} without a result`),
      wallMs: performance.now() - start,
      console,
      messages,
      result,
    };
  } finally {
    await Deno.remove(resultFile);
  }
}

function firstError(messages: string): string | undefined {
  return messages.split("\n").find((line) => /^error\b/.test(line))?.replace(/^error(\[\w+\])?: /, "$1 ").trim();
}

/** The end of a stream, as text without what can't be in one. */
async function end(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    text += decoder.decode(bytes, { stream: true });
    if (text.length > 2 * TAIL_CHARACTERS) text = text.slice(-TAIL_CHARACTERS);
  }
  return text.slice(-TAIL_CHARACTERS);
}
