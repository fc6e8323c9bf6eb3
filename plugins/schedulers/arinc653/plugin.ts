/**
 * The ARINC 653 scheduler: a table of windows that repeats for ever.
 *
 * A guest can't influence it: nothing that it does makes its own window longer or another one's shorter.
 * @module
 */
import { definePlugin, poolOf, poolOptions, SchedulerPolicy } from "../../../core/mod.ts";
import type { Board, Plugin, PoolOptions, ResourceFinding } from "../../../core/mod.ts";
import { poolLines } from "../by_domain.ts";
import { arinc653Policy } from "./policy.ts";
import type { Arinc653State } from "./policy.ts";
import { placeWindows, readWindows, scheduleFindings } from "./schedule.ts";
import type { Schedule } from "./schedule.ts";

/** Options. */
export interface Arinc653Options extends PoolOptions {
  /** Nanoseconds. */
  readonly frame?: number;
  readonly windows: unknown;
}

/** The plugin. */
export const schedulerArinc653: Plugin<Arinc653Options, Arinc653State> = definePlugin<Arinc653Options, Arinc653State>({
  name: "scheduler_arinc653",
  doc: "Gives each vCPU its windows of a major frame that repeats for ever.",
  options: {
    ...poolOptions,
    frame: {
      kind: "duration",
      doc: "Length of the major frame. Without it, that of all windows of a CPU together.",
      optional: true,
      min: 1,
    },
    windows: {
      kind: "any",
      doc: "Who runs one after the other, on each CPU: `[{ domain: rtos, time: 2ms }, { domain: linux, vcpu: 1, cpu: 1, time: 8ms }]`; " +
        "a window without a domain idles. What the windows leave of the frame idles as well.",
      check: checkWindows,
    },
  },
  provides: [SchedulerPolicy],
  resources(options, { board, domain }) {
    if (domain) return {};
    const found = findings(options, board);
    return { findings: found, report: found.every(({ severity }) => severity === "warning") ? report(options, board) : [] };
  },
  // The board's set-up puts the schedule in: only it knows the pool.
  state: () => ({ schedule: { frameNs: 1, windows: [] }, originNs: 0, next: undefined, lastNs: 0 }),
  setup({ options, state, board, provide }) {
    const [firstCpu] = poolOf(board, options).cpus;
    state.schedule = placeWindows(readWindows(options.windows), options.frame, firstCpu);
    provide(SchedulerPolicy, arinc653Policy(state, (settings) => replacement(settings, options, board)));
  },
});

function checkWindows(value: unknown): string | undefined {
  try {
    readWindows(value);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function findings(options: Arinc653Options, board: Board): ResourceFinding[] {
  const pool = poolOf(board, options);
  const { path } = pool.use;
  try {
    const schedule = placeWindows(readWindows(options.windows), options.frame, pool.cpus[0]);
    return scheduleFindings(schedule, pool, board, (index) => ({ path: [...path, "windows", index] }));
  } catch (error) {
    const places = [{ path: [...path, "windows"] }, ...(options.frame === undefined ? [] : [{ path: [...path, "frame"] }])];
    return [{ title: (error as Error).message, places }];
  }
}

/** The table of windows. */
function report(options: Arinc653Options, board: Board): string[] {
  const { frameNs, windows } = placeWindows(readWindows(options.windows), options.frame, poolOf(board, options).cpus[0]);
  const ms = (ns: number) => `${ns / 1e6}`;
  const lines = windows.map(({ cpu, startNs, endNs, domain, vcpu }) =>
    `CPU ${cpu}, ${ms(startNs)} to ${ms(endNs)} ms: ${domain === undefined ? "nobody" : `${domain}, vCPU ${vcpu}`}`
  );
  return poolLines(board, options, [`frame of ${ms(frameNs)} ms`, ...lines]);
}

/** A schedule that comes at run time, checked as the manifest's is. */
function replacement({ windows, frame, ...others }: Readonly<Record<string, unknown>>, options: Arinc653Options, board: Board): Schedule {
  for (const name of Object.keys(others)) throw new RangeError(`there is no ${name} to set; there is windows and frame`);
  if (frame !== undefined && !(typeof frame === "number" && frame >= 1)) throw new RangeError("the frame is no number of nanoseconds");
  const pool = poolOf(board, options);
  const schedule = placeWindows(readWindows(windows), frame as number | undefined, pool.cpus[0]);
  const wrong = scheduleFindings(schedule, pool, board, () => ({ path: [] })).find(({ severity }) => severity !== "warning");
  if (wrong) throw new RangeError(wrong.title);
  return schedule;
}
