/** What /proc tells of a process; `undefined` where there is none. */

/** Clock ticks per second in /proc/PID/stat: 100 on every Linux that Deno runs on. */
const TICKS_PER_SECOND = 100;

/** What something took, in seconds. */
export interface Duration {
  readonly wall: number;
  /** CPU time of all threads: what busy neighbours disturb least. */
  readonly cpu?: number;
}

/** CPU time of all threads, in seconds. */
export function cpuSeconds(pid: number | "self"): number | undefined {
  const text = read(`/proc/${pid}/stat`);
  // The second field is the program's name in brackets, and may contain anything.
  const fields = text?.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields && (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The largest resident set so far, in bytes. */
export function peakResidentBytes(pid: number): number | undefined {
  const found = read(`/proc/${pid}/status`)?.match(/^VmHWM:\s+(\d+) kB$/m);
  return found ? Number(found[1]) * 1024 : undefined;
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
