/** The guest kernels of examples/guests/bench, timed on ours and on QEMU. */
import { fromFileUrl } from "@std/path";
import { boot } from "../mod.ts";
import { runChild } from "./child.ts";
import { cpuSeconds } from "./process.ts";
import type { Duration } from "./process.ts";
import { qemuCommand } from "./qemu.ts";

/** A kernel of the guest's. */
export interface GuestKernel {
  readonly name: string;
  readonly doc: string;
  /** Runs between the guest's "begin" and "end": half a second of ours or more. */
  readonly repeats: number;
  /** QEMU does so many times as many, so that its share is long enough to be timed. */
  readonly qemuFactor: number;
  /** What one run gets done, where that says more than instructions do. */
  readonly work?: { readonly amount: number; readonly unit: string };
  /** Millions of instructions per second to reach. */
  readonly goal?: number;
}

const moved = { amount: 64 * 2 ** 20 / 1e9, unit: "GB/s" } as const;
const multiplied = { amount: 8 * 2 * 64 ** 3 / 1e6, unit: "MFLOPS" } as const;

/** All of them. */
export const guestKernels: readonly GuestKernel[] = [
  { name: "loop", doc: "two instructions", repeats: 60, qemuFactor: 0.5, goal: 150 },
  { name: "alu", doc: "eight ALU instructions", repeats: 150, qemuFactor: 1, goal: 150 },
  { name: "loadstore", doc: "seven loads and stores", repeats: 50, qemuFactor: 1 },
  { name: "callreturn", doc: "a call and its return", repeats: 120, qemuFactor: 0.3 },
  { name: "fp", doc: "double fmadd, fadd, fmul", repeats: 100, qemuFactor: 0.2 },
  { name: "memcpy", doc: "64 MiB by ldp, stp", repeats: 16, qemuFactor: 1.5, work: moved },
  { name: "memset", doc: "64 MiB by dc zva", repeats: 40, qemuFactor: 1, work: moved },
  { name: "tlbmiss", doc: "loads, each from another page", repeats: 15, qemuFactor: 1.5, work: { amount: 0.2, unit: "M loads/s" } },
  { name: "syscall", doc: "EL0 to EL1 and back", repeats: 5, qemuFactor: 1, work: { amount: 0.2, unit: "M calls/s" } },
  { name: "mixed", doc: "C: sort and CRC-32", repeats: 60, qemuFactor: 1.5 },
  { name: "list", doc: "C: lists searched, sorted", repeats: 40, qemuFactor: 1 },
  { name: "matrix", doc: "C: matrices of 16 bits", repeats: 30, qemuFactor: 1 },
  { name: "state", doc: "C: a state machine", repeats: 60, qemuFactor: 1 },
  { name: "matmul", doc: "doubles, 64 by 64", repeats: 200, qemuFactor: 0.2, work: multiplied },
  { name: "matmulneon", doc: "the same, by vectors", repeats: 400, qemuFactor: 0.1, work: multiplied },
];

/** One measurement: what one repeat took, in seconds. */
export interface KernelRun extends Duration {
  /** Instructions of one repeat; only ours counts them. */
  readonly instructions?: number;
}

const BOARD = fromFileUrl(new URL("board.yaml", import.meta.url));
const GUEST = fromFileUrl(new URL("../examples/guests/bench/bench.bin", import.meta.url));
const MEMORY_MIB = 64;
/** Short slices until "begin", so that the count starts within some thousand instructions of it. */
const APPROACH_NS = 20_000;
const SLICE_MS = 100;

/** A run on ours, in this process. `tier1`: as the option of `cpu_a64`. */
export async function runOnOurs({ name, repeats }: GuestKernel, tier1: string): Promise<KernelRun> {
  let console_ = "";
  const machine = await boot(BOARD, {
    set: { "domains.0.plugins.linux_boot.append": `bench=${name}:${repeats}`, "plugins.cpu_a64.tier1": tier1 },
    onSerial: (_port, bytes) => console_ += new TextDecoder().decode(bytes),
  });
  try {
    let reason;
    while (!reason && !console_.includes("begin\n")) reason = machine.runFor(APPROACH_NS, SLICE_MS);
    const before = { wall: performance.now(), cpu: cpuSeconds("self"), instructions: machine.stats.instructions };
    while (!reason) reason = machine.runFor(Infinity, SLICE_MS);
    const after = { wall: performance.now(), cpu: cpuSeconds("self") };
    if (!console_.includes("end\n")) {
      throw new Error(`${name}: the guest ended (${reason.kind}) and printed ${console_}\n${reason.report ?? ""}`);
    }
    return {
      wall: (after.wall - before.wall) / 1000 / repeats,
      cpu: after.cpu && (after.cpu - before.cpu!) / repeats,
      instructions: (machine.stats.instructions - before.instructions) / repeats,
    };
  } finally {
    machine.dispose();
  }
}

/** A run on QEMU. */
export async function runOnQemu({ name, repeats, qemuFactor }: GuestKernel): Promise<KernelRun> {
  const times = Math.max(1, Math.round(repeats * qemuFactor));
  const guest = { kernel: GUEST, append: `bench=${name}:${times}`, memoryMiB: MEMORY_MIB };
  const { marks: [begin, end] } = await runChild(qemuCommand(guest), ["begin\n", "end\n"], "end");
  return { wall: (end.wall - begin.wall) / times, cpu: end.cpu && (end.cpu - begin.cpu!) / times };
}
