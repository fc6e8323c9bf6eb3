/** A board in a process of its own that is killed while its guest writes, again and again: what the guest was told is on the medium must be there. */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { Random } from "./random.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
/** Wall-clock time until it is killed in any case. */
const PATIENCE_MS = 300_000;

/** What a run got done before it was killed. */
export interface KilledRun {
  /** Numbers that the guest said are on the medium, in its order. */
  readonly acknowledged: readonly number[];
  readonly output: string;
}

/** When to kill: so long after so many acknowledgements. */
export interface KillTime {
  readonly acknowledgements: number;
  readonly delayMs: number;
}

/** Runs a manifest whose guest prints `ack N` for each write, and kills it without warning. */
export async function runAndKill(manifest: string, { acknowledgements, delayMs }: KillTime): Promise<KilledRun> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `${ROOT}mod.ts`, manifest, "--quiet"],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const child = command.spawn();
  const complaints = new Response(child.stderr).text();
  let output = "";
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  };
  const guard = setTimeout(kill, PATIENCE_MS);
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      if (timer === undefined && output.split("ack ").length > acknowledgements) timer = setTimeout(kill, delayMs);
    }
    const { signal } = await child.status;
    assertEquals(signal, "SIGKILL", `it ended by itself\n${await complaints}\n${output}`);
  } finally {
    clearTimeout(guard);
    clearTimeout(timer);
    kill();
  }
  assert(/^ack \d+\r?\n/m.test(output), `nothing was written in ${PATIENCE_MS / 1000} s\n${await complaints}\n${output}`);
  return { acknowledged: [...output.matchAll(/^ack (\d+)\r?\n/gm)].map(([, number]) => Number(number)), output };
}

/** Times of kills, others for each name. */
export function killTimes(name: string, count: number): KillTime[] {
  const random = new Random(name);
  return Array.from({ length: count }, () => ({ acknowledgements: 1 + random.below(12), delayMs: random.below(100) }));
}
