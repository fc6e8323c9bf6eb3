/** Two busy vCPUs on two CPUs, in turn and in parallel: examples/guests/litmus/busy, from where it begins to compute to where it is done. */
import { boot } from "../mod.ts";
import { BOARD } from "../tests/support/program.ts";
import { cpuSeconds } from "./process.ts";
import type { Duration } from "./process.ts";
import { medianDuration } from "./statistics.ts";

/** What both took. */
export interface ParallelResult {
  readonly inTurn: Duration;
  readonly parallel: Duration;
  /** Load of the last minute: with more than a process or two the host's clock says little. */
  readonly load: number;
}

const program = new URL("../examples/guests/litmus/busy.bin", import.meta.url);
const board = BOARD.replace("pcpus: 1", "pcpus: 2").replace("vcpus: 1", "vcpus: 2").replace("program.bin", "busy.bin");
/** Virtual time between two looks at the console, in nanoseconds. */
const SLICE_NS = 5e6;

/** One run. */
async function run(parallel: boolean): Promise<Duration> {
  const images = new Map([["busy.bin", await Deno.readFile(program)]]);
  let text = "";
  const onSerial = (_: string, bytes: Uint8Array) => void (text += new TextDecoder().decode(bytes));
  const machine = await boot(board, { images, onSerial, set: { parallel: String(parallel) } });
  const until = (what: string) => {
    while (!text.includes(what) && machine.runFor(SLICE_NS, Infinity) === undefined);
    if (!text.includes(what)) throw new Error(`the guest ended and printed ${JSON.stringify(text)}`);
  };
  try {
    until("busy");
    const began = performance.now(), before = cpuSeconds("self");
    until("done");
    const after = cpuSeconds("self");
    const wall = (performance.now() - began) / 1e3;
    return { wall, cpu: before === undefined || after === undefined ? undefined : after - before };
  } finally {
    machine.dispose();
  }
}

/** Runs both. */
export async function busyPair(): Promise<ParallelResult> {
  const inTurn = await run(false);
  const parallel = await run(true);
  return { inTurn, parallel, load: Deno.loadavg()[0] };
}

/** From runs to medians. */
export function parallelResult(runs: readonly ParallelResult[]): ParallelResult {
  return {
    inTurn: medianDuration(runs.map(({ inTurn }) => inTurn))!,
    parallel: medianDuration(runs.map(({ parallel }) => parallel))!,
    load: Math.max(...runs.map(({ load }) => load)),
  };
}
