/** Whole processes: Debian's boot to a shell, and the start-up to a guest's first instruction. */
import { fromFileUrl, join, resolve } from "@std/path";
import { checkBoard, ManifestError, plugins, readManifest } from "../mod.ts";
import type { Override } from "../mod.ts";
import { imageUses, resolveImages } from "../plugins/images/mod.ts";
import { runChild } from "./child.ts";
import type { Duration } from "./process.ts";
import { qemuCommand } from "./qemu.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const BOARD = join(ROOT, "boards/debian.yaml");
const READY = "shell ready";
const APPEND = "console=ttyAMA0";

/** RAM of the guest. */
export const GUEST_MIB = 512;

/** The same kernel and initramfs for both sides, as files. */
export interface BootImages {
  readonly kernel: string;
  readonly initrd: string;
}

/** One boot, from the start of the process. */
export interface BootRun extends Duration {
  readonly instructions?: number;
  readonly peakResidentBytes?: number;
}

/** Writes the images that boards/debian.yaml names to `directory`; `kernel` replaces its kernel. */
export async function prepareImages(directory: string, kernel: string | undefined): Promise<BootImages> {
  const overrides: Override[] = kernel === undefined
    ? []
    : [{ flag: "--kernel", option: "kernel", value: /^(deb|https):/.test(kernel) ? kernel : resolve(kernel) }];
  const { board, findings } = await checkBoard(await readManifest(BOARD), BOARD, { plugins, overrides });
  if (!board) throw new ManifestError(BOARD, findings);
  const uses = imageUses(board);
  const images = await resolveImages(uses.map(({ reference }) => reference), join(ROOT, "boards"), (line) => console.error(line));
  const write = async (option: string) => {
    const file = join(directory, option);
    await Deno.writeFile(file, images.get(uses.find(({ path }) => path.at(-1) === option)!.reference)!);
    return file;
  };
  return { kernel: await write("kernel"), initrd: await write("initrd") };
}

/** Ours, as a user starts it. */
export async function bootOnOurs({ kernel }: BootImages, tier1: string): Promise<BootRun> {
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
  const { marks, stderr, peakResidentBytes } = await runChild(plugboard(BOARD, ...options), [READY], "wait");
  const counted = stderr.match(/([\d,]+) instructions/)?.[1];
  return { ...marks[0], peakResidentBytes, instructions: counted === undefined ? undefined : Number(counted.replaceAll(",", "")) };
}

/** QEMU. */
export async function bootOnQemu(images: BootImages): Promise<BootRun> {
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
