/** `disk`: makes the Debian disk that a board names. */
import { Command, ValidationError } from "@cliffy/command";
import { dirname, resolve } from "@std/path";
import { Machine, openDiskFile, OptionError, parseSize } from "../../core/mod.ts";
import type { Board } from "../../core/mod.ts";
import { ImageError, ImagesError, imageUses, resolveImages } from "../../plugins/images/mod.ts";
import { boardVerb, overridesOf } from "../board/options.ts";
import type { BoardOptions } from "../board/options.ts";
import { firstStage, SECOND_STAGE, SECOND_STAGE_DONE } from "./mod.ts";
import { EXIT } from "../exit_codes.ts";
import { loadAndPrint, pathFrom } from "../board/load.ts";
import type { Done } from "../verb.ts";

interface DiskOptions extends BoardOptions {
  size: string;
  packages?: string;
  hostname: string;
  autologin?: boolean;
  force?: boolean;
}

/** Wall-clock time after which the second stage counts as stuck. */
const PATIENCE_MS = 30 * 60_000;

/** The command. */
export function command(done: Done): Command {
  return boardVerb(
    done,
    new Command()
      .description(
        "Make the disk that a board's virtio_blk names: a Debian root file system. Its packages are unpacked here and configured by booting the board.",
      )
      .option("--size <size:string>", "Size of the disk.", { default: "1GiB" })
      .option("--packages <names:string>", "Debian packages over the standard ones, with commas between them.")
      .option("--hostname <name:string>", "Name of the machine.", { default: "plugboard" })
      .option("--autologin", "root is logged in at the console without being asked.")
      .option("--force", "Replace a disk that is there."),
    make,
  );
}

async function make(options: DiskOptions, file: string): Promise<number> {
  const sizeBytes = parseSize(options.size);
  if (sizeBytes === undefined || sizeBytes < 2 ** 28 || sizeBytes % 4096 !== 0) {
    throw new ValidationError(`--size ${options.size}: want a size of 256MiB or more, such as 1GiB`);
  }
  const loaded = await loadAndPrint(file, overridesOf(options));
  if (!loaded) return EXIT.usage;
  const { board } = loaded;
  const disk = diskOf(board);
  const boot = board.domains[0]?.plugins.find(({ plugin }) => plugin.name === "linux_boot")?.options;
  if (disk === undefined || typeof boot?.kernel !== "string" || typeof boot.initrd !== "string") {
    console.error(
      "error: the board's first domain wants a virtio_blk with a raw `file` that can be written, and a linux_boot with kernel and initrd",
    );
    return EXIT.usage;
  }
  const path = pathFrom(board, disk);
  if (!options.force && await Deno.lstat(path).then(() => true, () => false)) {
    console.error(`error: ${path} is there; --force makes it anew`);
    return EXIT.usage;
  }
  const say = (line: string) => console.error(`disk   ${line}`);
  const draft = `${path}.${Deno.pid}.part`;
  try {
    const images = await resolveImages(imageUses(board).map(({ reference }) => reference), dirname(board.file), say);
    const [kernel, initrd] = [images.get(boot.kernel)!, images.get(boot.initrd)!];
    const packages = options.packages?.split(",").map((name) => name.trim()).filter((name) => name !== "") ?? [];
    const { hostname, autologin = false } = options;
    const time = await firstStage({ path: resolve(draft), sizeBytes, packages, hostname, autologin, kernel, initrd }, say);
    say("configuring the packages on the board itself; this takes a while");
    await secondStage(board, path, draft, `${boot.append ?? ""} init=${SECOND_STAGE}`, images, time);
    await Deno.rename(draft, path);
    say(`${path}: done`);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof ImageError || error instanceof ImagesError || error instanceof OptionError)) throw error;
    console.error(`error: ${error.message}`);
    return EXIT.usage;
  } finally {
    await Deno.remove(draft).catch(() => {});
  }
}

function diskOf(board: Board): string | undefined {
  const use = board.domains[0]?.plugins.find(({ plugin }) => /^virtio_blk(_pci)?$/.test(plugin.name));
  const { file, format, readonly } = use?.options ?? {};
  return typeof file === "string" && format === "raw" && readonly === false ? file : undefined;
}

/** Boots the board with the disk that isn't ready yet. Throws an {@linkcode ImageError} with the console's end. */
async function secondStage(
  board: Board,
  path: string,
  draft: string,
  append: string,
  images: ReadonlyMap<string, Uint8Array>,
  time: number,
): Promise<void> {
  let output = "";
  const decoder = new TextDecoder();
  const linux = board.domains[0].plugins.find(({ plugin }) => plugin.name === "linux_boot")!;
  (linux.options as Record<string, unknown>).append = append;
  const machine = await Machine.create(board, {
    images,
    bootTimeSeconds: time,
    openDisk: (file, mode) => openDiskFile(resolve(file) === resolve(path) ? draft : file, mode),
    onSerial(_port, bytes) {
      const text = decoder.decode(bytes, { stream: true });
      output += text;
      if (Deno.env.get("PLUGBOARD_DISK_LOG")) Deno.stderr.writeSync(bytes);
    },
  });
  const end = performance.now() + PATIENCE_MS;
  try {
    while (!machine.runFor(Infinity, 1000) && performance.now() < end);
  } finally {
    machine.dispose();
  }
  if (!output.includes(SECOND_STAGE_DONE)) throw new ImageError(`the packages weren't configured:\n${output.slice(-4000)}`);
}
