/** Runs a program and takes the time of what it prints. */
import { cpuSeconds, peakResidentBytes } from "./process.ts";
import type { Duration } from "./process.ts";

/** How often the child's own figures are read: they are gone when it ends. */
const SAMPLE_MS = 25;
/** A child that hasn't printed what it should by then is broken. */
const GIVE_UP_MS = 600_000;

/** What a child did. */
export interface ChildRun {
  /** From the start of the process to the arrival of each text. */
  readonly marks: readonly Duration[];
  readonly stderr: string;
  readonly peakResidentBytes?: number;
}

/** Nothing that another run compiled. */
export const COLD = { PLUGBOARD_TRANSLATIONS: "off" };

/**
 * Runs `command` until its standard output has had each of `texts`, in this order, and then until it ends, or ends it
 * (`atLast`). Throws when it ends or stalls before that.
 */
export async function runChild(
  command: readonly string[],
  texts: readonly string[],
  atLast: "wait" | "end",
  env: Readonly<Record<string, string>> = COLD,
): Promise<ChildRun> {
  const start = performance.now();
  const [program, ...args] = command;
  const child = new Deno.Command(program, { args, env, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
  let peak: number | undefined;
  const sample = () => peak = peakResidentBytes(child.pid) ?? peak;
  const sampler = setInterval(sample, SAMPLE_MS);
  const guard = setTimeout(() => end(child), GIVE_UP_MS);
  const stderr = new Response(child.stderr).text();
  const marks: Duration[] = [];
  let output = "";
  try {
    let from = 0;
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      for (let at = 0; marks.length < texts.length && (at = output.indexOf(texts[marks.length], from)) >= 0;) {
        from = at + texts[marks.length].length;
        marks.push({ wall: (performance.now() - start) / 1000, cpu: cpuSeconds(child.pid) });
        sample();
      }
      if (marks.length === texts.length && atLast === "end") end(child);
    }
    const { code } = await child.status;
    if (marks.length < texts.length) {
      throw new Error(
        `${command.join(" ")}\nended with ${code} and never printed ${JSON.stringify(texts[marks.length])}\n${await stderr}${output}`,
      );
    }
  } finally {
    clearInterval(sampler);
    clearTimeout(guard);
    end(child);
  }
  return { marks, stderr: await stderr, peakResidentBytes: peak };
}

function end(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended.
  }
}
