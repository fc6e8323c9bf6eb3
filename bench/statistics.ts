/** Several runs of each side, and what is said of them. */
import type { Duration } from "./process.ts";

/** The middle one; the mean of the two middle ones of an even number. `undefined` of nothing. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : sorted.length ? (sorted[middle - 1] + sorted[middle]) / 2 : undefined;
}

/** Runs both sides in turn, `times` times, so that what disturbs the machine disturbs both. Without the other side, ours alone. */
export async function alternate<T, U>(times: number, ours: () => Promise<T>, other?: () => Promise<U>): Promise<{ ours: T[]; other: U[] }> {
  const runs = { ours: [] as T[], other: [] as U[] };
  for (let i = 0; i < times; i++) {
    runs.ours.push(await ours());
    if (other) runs.other.push(await other());
  }
  return runs;
}

/** Medians of wall and CPU time. `cpu` is absent when a run has none. */
export function medianDuration(runs: readonly Duration[]): Duration | undefined {
  const wall = median(runs.map((run) => run.wall));
  const cpu = runs.map((run) => run.cpu).filter((seconds) => seconds !== undefined && seconds > 0) as number[];
  return wall === undefined ? undefined : { wall, cpu: cpu.length === runs.length ? median(cpu) : undefined };
}
