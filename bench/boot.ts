/** Whole processes: Debian's boot to a shell, and the start-up to a guest's first instruction. */
import { fromFileUrl, join, resolve } from "@std/path";
import { readManifest } from "../mod.ts";
import type { Override } from "../mod.ts";
import { runChild } from "./child.ts";
import { ROOT, writeImages } from "./images.ts";
import type { BoardImages } from "./images.ts";
import type { Duration } from "./process.ts";
import { qemuCommand } from "./qemu.ts";

const BOARD = join(ROOT, "boards/debian.yaml");
const READY = "shell ready";
const APPEND = "console=ttyAMA0";

/** RAM of the guest. */
export const GUEST_MIB = 512;

/** One boot, from the start of the process. */
export interface BootRun extends Duration {
  readonly instructions?: number;
  readonly peakResidentBytes?: number;
}

/** Writes the images that boards/debian.yaml names to `directory`; `kernel` replaces its kernel. */
export async function prepareImages(directory: string, kernel: string | undefined): Promise<BoardImages> {
  const overrides: Override[] = kernel === undefined
    ? []
    : [{ flag: "--kernel", option: "kernel", value: /^(deb|https):/.test(kernel) ? kernel : resolve(kernel) }];
  return await writeImages(directory, await readManifest(BOARD), BOARD, overrides);
}

/** Ours, as a user starts it. `cache`: a directory in which runs keep what they compiled; without one each is the guest's first. */
export async function bootOnOurs({ kernel }: BoardImages, tier1: string, cache?: string): Promise<BootRun> {
  const options = [
    "--smp",
    "1",
    "-m",
    `${GUEST_MIB}MiB`,
    "--kernel",
    kernel,
    "--append",
    APPEND,
    "--expect",
    READY,
    "--set",
    `plugins.cpu_a64.tier1=${tier1}`,
  ];
  const { marks, stderr, peakResidentBytes } = await runChild(
    plugboard(BOARD, ...options),
    [READY],
    "wait",
    cache === undefined ? undefined : { PLUGBOARD_CACHE: cache },
  );
  const counted = stderr.match(/([\d,]+) instructions/)?.[1];
  return { ...marks[0], peakResidentBytes, instructions: counted === undefined ? undefined : Number(counted.replaceAll(",", "")) };
}

/** QEMU. */
export async function bootOnQemu(images: BoardImages): Promise<BootRun> {
  const { marks, peakResidentBytes } = await runChild(qemuCommand({ ...images, append: APPEND, memoryMiB: GUEST_MIB }), [READY], "end");
  return { ...marks[0], peakResidentBytes };
}

/** From the start of the process to the first character of a guest whose first instructions print it. */
export async function startUp(): Promise<Duration> {
  const { marks } = await runChild(plugboard(fromFileUrl(new URL("board.yaml", import.meta.url)), "--quiet"), ["+"], "wait");
  return marks[0];
}

function plugboard(...args: string[]): string[] {
  return [Deno.execPath(), "run", "-A", join(ROOT, "mod.ts"), ...args];
}
