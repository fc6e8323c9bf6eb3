/** The round trip of one access to a device: inline, and behind IOREQ. A guest of a few words reads the RTC again and again. */
import { boot, definePlugin } from "../mod.ts";
import { BOARD } from "../tests/support/program.ts";
import { median } from "./statistics.ts";

/** Seconds that one access takes: exception, dispatch, device, back into the guest, and two instructions there. */
export interface MmioResult {
  readonly inline: number;
  /** In a Worker, which sleeps between accesses. */
  readonly ioreq: number;
}

/** Accesses that are timed, after as many that warm up. */
const ACCESSES = 20_000;
/** Accesses between two looks at the clock, each of which takes a tenth of an access's time itself. */
const BATCH = 16;

const program = new Uint8Array(
  new Uint32Array([
    0xd2a12021, // mov x1, #0x09010000
    0xb9400022, // ldr w2, [x1]
    0x91000463, // add x3, x3, #1
    0x17fffffe, // b -2
  ]).buffer,
);

const board = (runs: string) =>
  BOARD.replace(
    "      - use: pl011\n",
    `      - use: ioreq\n      - use: stopwatch\n      - { use: pl031, at: 0x0901_0000, interrupt: spi 2, runs: ${runs} }\n`,
  );

/** The middle of the times between one exit of the guest's and a few later: what else the host does meanwhile doesn't show. */
async function roundTrip(runs: "inline" | "ioreq"): Promise<number> {
  let exits = 0;
  const looks: number[] = [];
  const stopwatch = definePlugin({
    name: "stopwatch",
    doc: "Notes when the guest leaves.",
    options: {},
    attach: ({ onRun }) =>
      onRun({
        exit() {
          if (exits++ % BATCH === 0) looks.push(performance.now());
        },
      }),
  });
  const machine = await boot(board(runs), { plugins: [stopwatch], images: new Map([["program.bin", program]]), onSerial: () => {} });
  try {
    while (exits < 2 * ACCESSES) machine.runFor(1, Infinity);
  } finally {
    machine.dispose();
  }
  const timed = looks.slice(ACCESSES / BATCH);
  return median(timed.slice(1).map((at, n) => at - timed[n]))! / BATCH / 1e3;
}

/** Measures both. */
export async function mmioRoundTrips(): Promise<MmioResult> {
  return { inline: await roundTrip("inline"), ioreq: await roundTrip("ioreq") };
}
