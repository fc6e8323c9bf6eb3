/** The round trip of one access to a device: inline, and behind IOREQ. A guest of a few words reads the RTC again and again. */
import { boot } from "../mod.ts";
import { median } from "./statistics.ts";

/** Seconds that one access takes: exception, dispatch, device, and back into the guest. */
export interface MmioResult {
  readonly inline: number;
  /** In a Worker, which sleeps between accesses. */
  readonly ioreq: number;
}

/** Slices whose means are taken; of each the machine makes a turn of thousands of accesses. */
const SLICES = { inline: 20, ioreq: 4 } as const;

const program = new Uint8Array(
  new Uint32Array([
    0xd2a12021, // mov x1, #0x09010000
    0xb9400022, // ldr w2, [x1]
    0x91000463, // add x3, x3, #1
    0x17fffffe, // b -2
  ]).buffer,
);

const board = (runs: string) =>
  `board: round-trip
pcpus: 1
memory:
  - { at: 0x4000_0000, size: 80MiB }
plugins:
  - use: cpu_a64
  - use: vmsa
  - use: scheduler_null
  - use: gicv3
  - use: generic_timer
  - use: psci
domains:
  - name: guest
    vcpus: 1
    memory: [{ at: 0x4000_0000, size: 64MiB }]
    plugins:
      - use: ioreq
      - { use: pl031, at: 0x0901_0000, interrupt: spi 2, runs: ${runs} }
      - use: fdt
      - { use: linux_boot, kernel: program.bin, format: raw, load: 0x4008_0000, entry: 0x4008_0000 }
`;

async function roundTrip(runs: "inline" | "ioreq"): Promise<number> {
  const machine = await boot(board(runs), { images: new Map([["program.bin", program]]), onSerial: () => {} });
  try {
    const times: number[] = [];
    const exits = () => machine.stats.exits.get("mmio") ?? 0;
    for (let slice = 0; slice < SLICES[runs]; slice++) {
      const before = exits();
      const began = performance.now();
      machine.runFor(1, Infinity);
      times.push((performance.now() - began) / 1e3 / (exits() - before));
    }
    // The first ones compile and warm up.
    return median(times.slice(times.length / 4))!;
  } finally {
    machine.dispose();
  }
}

/** Measures both. */
export async function mmioRoundTrips(): Promise<MmioResult> {
  return { inline: await roundTrip("inline"), ioreq: await roundTrip("ioreq") };
}
