/** What was measured, as `--json` prints it. Times in seconds, sizes in bytes. */
import { GUEST_MIB } from "./boot.ts";
import type { BootRun } from "./boot.ts";
import type { GuestKernel, KernelRun } from "./kernels.ts";
import type { MmioResult } from "./mmio.ts";
import type { BlkResult } from "./blk.ts";
import type { ParallelResult } from "./parallel.ts";
import type { NetResult } from "./net.ts";
import { median, medianDuration } from "./statistics.ts";
import type { Duration } from "./process.ts";
import type { UserResult } from "./userland.ts";

/** A guest kernel; times are of one repeat. */
export interface KernelResult {
  readonly name: string;
  readonly doc: string;
  readonly instructions: number;
  readonly work?: GuestKernel["work"];
  readonly goal?: number;
  readonly ours: Duration;
  readonly qemu?: Duration;
}

/** Debian's boot. */
export interface BootResult {
  readonly ours: Duration;
  readonly qemu?: Duration;
  readonly instructions?: number;
  readonly peakResidentBytes?: number;
  readonly guestBytes: number;
}

/** Everything. What wasn't asked for is absent. */
export interface Results {
  /** Version, when it is installed. */
  readonly qemu?: string;
  readonly runs: number;
  readonly kernels: KernelResult[];
  boot?: BootResult;
  /** With what runs before it compiled. */
  secondBoot?: BootResult;
  startUp?: Duration;
  userland?: UserResult[];
  isolated?: UserResult[];
  programs?: UserResult[];
  /** With what runs before them compiled. */
  secondPrograms?: UserResult[];
  mmio?: MmioResult;
  parallel?: ParallelResult;
  net?: NetResult;
  blk?: BlkResult[];
}

/** One of issue 2's measures. */
export interface Measure {
  readonly name: string;
  readonly wanted: string;
  readonly found: string;
  readonly met: boolean;
}

const MIB = 2 ** 20;
const GOALS = { bootMips: 80, timesQemu: 6, startUp: 0.5, besidesGuestMiB: 200, inlineUs: 2, ioreqUs: 30 };

/** From runs to medians. */
export function kernelResult(kernel: GuestKernel, ours: readonly KernelRun[], qemu: readonly KernelRun[]): KernelResult {
  const { name, doc, work, goal } = kernel;
  return { name, doc, instructions: ours[0].instructions!, work, goal, ours: medianDuration(ours)!, qemu: medianDuration(qemu) };
}

/** From runs to medians, and the largest resident set of all. */
export function bootResult(ours: readonly BootRun[], qemu: readonly BootRun[]): BootResult {
  const peaks = ours.flatMap(({ peakResidentBytes }) => peakResidentBytes ?? []);
  return {
    ours: medianDuration(ours)!,
    qemu: medianDuration(qemu),
    instructions: median(ours.flatMap(({ instructions }) => instructions ?? [])),
    peakResidentBytes: peaks.length ? Math.max(...peaks) : undefined,
    guestBytes: GUEST_MIB * MIB,
  };
}

/** From runs to medians. */
export function mmioResult(runs: readonly MmioResult[]): MmioResult {
  return { inline: median(runs.map(({ inline }) => inline))!, ioreq: median(runs.map(({ ioreq }) => ioreq))! };
}

/**
 * The time that a speed is computed from: a CPU-bound process on a machine that others use as well
 * gets a share of a core only, and its CPU time says what it would have taken alone.
 */
export function busy({ wall, cpu }: Duration): number {
  return cpu ?? wall;
}

/** Millions of instructions per second. */
export function mips(instructions: number, seconds: number): number {
  return instructions / seconds / 1e6;
}

/** The measures that these results tell of. */
export function measures({ kernels, boot, startUp, mmio }: Results): Measure[] {
  const found: Measure[] = [];
  for (const { name, goal, instructions, ours } of kernels) {
    if (goal === undefined) continue;
    const speed = mips(instructions, busy(ours));
    found.push({ name: `${name}: MIPS`, wanted: `at least ${goal}`, found: speed.toFixed(0), met: speed >= goal });
  }
  if (boot?.instructions !== undefined) {
    const [byCpu, byWall] = [busy(boot.ours), boot.ours.wall].map((seconds) => mips(boot.instructions!, seconds));
    const text = `${byCpu.toFixed(0)} (by wall time ${byWall.toFixed(0)})`;
    found.push({ name: "boot: MIPS", wanted: `at least ${GOALS.bootMips}`, found: text, met: byCpu >= GOALS.bootMips });
  }
  if (boot?.qemu) {
    const ratio = boot.ours.wall / boot.qemu.wall;
    const text = `${ratio.toFixed(1)} times (by CPU time ${(busy(boot.ours) / busy(boot.qemu)).toFixed(1)})`;
    found.push({ name: "boot: QEMU's wall time", wanted: `at most ${GOALS.timesQemu} times`, found: text, met: ratio <= GOALS.timesQemu });
  }
  if (boot?.peakResidentBytes !== undefined) {
    // The total, as the measure says: a guest that touches little of its RAM hides what we take besides.
    const limit = boot.guestBytes / MIB + GOALS.besidesGuestMiB;
    const peak = boot.peakResidentBytes / MIB;
    found.push({ name: "boot: peak resident set", wanted: `at most ${limit} MiB`, found: `${peak.toFixed(0)} MiB`, met: peak <= limit });
  }
  if (startUp) {
    const text = `${startUp.wall.toFixed(2)} s${startUp.cpu === undefined ? "" : ` (CPU time ${startUp.cpu.toFixed(2)} s)`}`;
    found.push({
      name: "start-up to the first instruction",
      wanted: `under ${GOALS.startUp} s`,
      found: text,
      met: startUp.wall < GOALS.startUp,
    });
  }
  if (mmio) {
    for (const [name, seconds, goal] of [["inline", mmio.inline, GOALS.inlineUs], ["behind IOREQ", mmio.ioreq, GOALS.ioreqUs]] as const) {
      const us = seconds * 1e6;
      found.push({ name: `MMIO round trip, ${name}`, wanted: `under ${goal} µs`, found: `${us.toFixed(2)} µs`, met: us < goal });
    }
  }
  return found;
}
