/** For tests: a command line in this process, with what it prints. */
import { main } from "./mod.ts";

/** How it ended, and each line without the last line break. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it. Not two at a time: both would print into one. */
export async function plugboard(...args: string[]): Promise<Ended> {
  const out: string[] = [];
  const err: string[] = [];
  const { log, error } = console;
  console.log = (line: string) => out.push(line);
  console.error = (line: string) => err.push(line);
  try {
    const code = await main(args);
    return { code, stdout: out.join("\n"), stderr: err.join("\n") };
  } finally {
    Object.assign(console, { log, error });
  }
}
