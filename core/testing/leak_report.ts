/** For tests of life cycles: what a machine holds now, and what it holds more than before. */
import type { Machine } from "../machine/machine.ts";

/** Numbers above zero, by what they count: `frames of linux`, `timer linux/generic_timer/vCPU 0`. */
export type LeakReport = Readonly<Record<string, number>>;

/** Everything that a machine holds, sorted by name: equal to an earlier one when nothing was left behind. */
export function leakReport(machine: Machine): LeakReport {
  return Object.fromEntries([...machine.holdings()].sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
}

/** What differs, a line each: `frames of linux: 4, before 0`. */
export function leaks(before: LeakReport, after: LeakReport): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.filter((name) => before[name] !== after[name]).map((name) => `${name}: ${after[name] ?? 0}, before ${before[name] ?? 0}`);
}
