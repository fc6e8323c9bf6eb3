/** Results for people. */
import { busy, mips } from "./results.ts";
import type { MmioResult } from "./mmio.ts";
import type { ParallelResult } from "./parallel.ts";
import type { BlkResult } from "./blk.ts";
import type { NetResult } from "./net.ts";
import type { BootResult, KernelResult, Measure } from "./results.ts";
import type { Duration } from "./process.ts";
import type { UserResult } from "./userland.ts";

const WIDTHS = [11, 30, 24, 24, 11];
const NO_QEMU = "not installed";

/** Heading of the kernels' table. */
export function heading(): string {
  return row(["kernel", "", "Plugboard", "QEMU", "ours/QEMU"]);
}

/** A kernel in one line: speeds, and how many times QEMU's speed ours is. */
export function kernelLine({ name, doc, instructions, work, ours, qemu }: KernelResult): string {
  const speed = (time: Duration) => {
    const figures = [`${mips(instructions, busy(time)).toFixed(0)} MIPS`];
    if (work) figures.push(`${significant(work.amount / busy(time))} ${work.unit}`);
    return figures.join(", ");
  };
  return row([name, doc, speed(ours), qemu ? speed(qemu) : NO_QEMU, qemu ? significant(busy(qemu) / busy(ours)) : ""]);
}

/** The boot in one line. */
export function bootLine({ ours, qemu }: BootResult, doc: string): string {
  return row([
    "boot",
    doc,
    times(ours),
    qemu ? times(qemu) : NO_QEMU,
    qemu ? significant(qemu.wall / ours.wall) : "",
  ]);
}

/** A command of the guest's shell in one line. */
export function userLine({ name, doc, ours, qemu }: UserResult): string {
  return row([name, doc, times(ours), qemu ? times(qemu) : NO_QEMU, qemu ? significant(busy(qemu) / busy(ours)) : ""]);
}

/** The start-up in one line. */
export function startUpLine(ours: Duration): string {
  return row(["start-up", "to the guest's first character", times(ours), "", ""]);
}

/** Accesses to a device in one line. */
export function mmioLine({ inline, ioreq }: MmioResult): string {
  return row(["mmio", "one access, with its exit", `inline ${(inline * 1e6).toFixed(2)} µs, IOREQ ${(ioreq * 1e6).toFixed(1)} µs`, "", ""]);
}

/** Two busy CPUs in one line: how much quicker in parallel, by the host's clock, and by CPU time if each had a core to itself. */
export function parallelLine({ inTurn, parallel, load }: ParallelResult): string {
  const byClock = `${(inTurn.wall / parallel.wall).toFixed(2)} times as fast`;
  const byTime = inTurn.cpu && parallel.cpu ? `, ${(2 * inTurn.cpu / parallel.cpu).toFixed(2)} by CPU time` : "";
  return row(["parallel", "two busy CPUs, two threads", `${byClock}${byTime}; load ${load.toFixed(1)}`, "", ""]);
}

/** A download in one line. */
export function netLine({ bytes, ours, qemu }: NetResult): string {
  const speed = (time: Duration) => `${(bytes / 2 ** 20 / busy(time)).toFixed(0)} MiB/s (wall ${(bytes / 2 ** 20 / time.wall).toFixed(0)})`;
  return row([
    "net",
    `a download of ${bytes / 2 ** 20} MiB`,
    speed(ours),
    qemu ? speed(qemu) : NO_QEMU,
    qemu ? significant(busy(qemu) / busy(ours)) : "",
  ]);
}

/** A pass over a disk in one line. */
export function blkLine({ name, bytes, requests, ours, qemu }: BlkResult): string {
  const small = bytes / requests < 2 ** 16;
  const speed = (time: Duration) =>
    `${(bytes / 2 ** 20 / busy(time)).toFixed(small ? 1 : 0)} MiB/s, ${(busy(time) / requests * 1e6).toFixed(0)} µs each`;
  return row([
    "blk",
    `${name}, ${small ? `${bytes / requests / 1024} KiB` : `${bytes / requests / 2 ** 20} MiB`}`,
    speed(ours),
    qemu ? speed(qemu) : NO_QEMU,
    qemu ? significant(busy(qemu) / busy(ours)) : "",
  ]);
}

/** A measure in one line. */
export function measureLine({ name, wanted, found, met }: Measure): string {
  return `${met ? "✓" : "✗"} ${name.padEnd(36)} ${wanted.padEnd(18)} ${found}`;
}

const times = ({ wall, cpu }: Duration) => `${wall.toFixed(2)} s${cpu === undefined ? "" : `, CPU ${cpu.toFixed(2)} s`}`;
const significant = (value: number) => value.toFixed(value < 10 ? 2 : 1);
const row = (cells: string[]) => cells.map((cell, index) => cell.padEnd(WIDTHS[index])).join(" ").trimEnd();
