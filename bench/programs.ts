/** Programs of Debian's packages from a disk, one after the other in one boot: Python, OpenSSL, xz. */
import { join } from "@std/path";
import { readManifest } from "../mod.ts";
import { makeProgramDisk } from "../tests/programs/image.ts";
import { runChild } from "./child.ts";
import { ROOT, writeImages } from "./images.ts";
import type { BoardImages } from "./images.ts";
import type { Duration } from "./process.ts";
import { qemuCommand } from "./qemu.ts";
import { medianDuration } from "./statistics.ts";
import type { UserCommand, UserResult } from "./userland.ts";

const BOARD = join(ROOT, "boards/debian-disk.yaml");
const MEMORY_MIB = 512;
const PACKAGES = ["base-files", "coreutils", "dash", "mount", "openssl", "python3.11", "xz-utils"];
const APPEND = "console=ttyAMA0 quiet root=/dev/vda ro init=/bench/run cryptomgr.notests";

/** All of them. What they read has been read before. */
export const programs: readonly UserCommand[] = [
  { name: "python", doc: "start-up, 5 times", command: "for i in 1 2 3 4 5; do python3.11 -c pass; done", before: "python3.11 -c pass" },
  { name: "python", doc: "objects, dictionaries, floats", command: "python3.11 /bench/objects.py" },
  {
    name: "openssl",
    doc: "SHA-256, SHA-512, AES of 16 MiB",
    command: "openssl dgst -sha256 plain; openssl dgst -sha512 plain; openssl enc -aes-128-ctr -K 00 -iv 00 -in plain | cat",
    before: "head -c 16777216 /dev/zero > plain; openssl version",
  },
  {
    name: "xz",
    doc: "1 MB packed, and back",
    command: "xz -T1 -3 < some | xz -d | sha256sum",
    before: "head -c 1000000 /usr/bin/python3.11 > some; xz < /bench/run",
  },
];

/** The first process. */
const RUN = `#!/bin/sh
export PATH=/usr/bin:/bin HOME=/tmp LC_ALL=C PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
mount -t proc proc /proc
mount -t tmpfs tmpfs /tmp
cd /tmp
${
  programs.map(({ command, before }, n) =>
    `{ ${before ?? ":"}; } > /dev/null 2>&1\necho bench: begin ${n}\n{ ${command}; } > /dev/null 2>&1`
  )
    .join("\necho bench: end\n")
}
echo bench: end
echo o > /proc/sysrq-trigger
sleep 60
`;

const MARKS = programs.flatMap((_, n) => [`bench: begin ${n}`, "bench: end"]);

/** The board with its disk, and its images as files. */
export interface ProgramImages extends BoardImages {
  readonly disk: string;
}

/** Writes the board, its images and the disk to `directory`. Throws an `ImageError` where packages can't be had. */
export async function preparePrograms(directory: string): Promise<ProgramImages> {
  const disk = join(directory, "disk.img");
  const objects = await Deno.readTextFile(new URL("guest/objects.py", import.meta.url));
  await makeProgramDisk(disk, PACKAGES, [
    { path: "/bench/run", content: RUN, mode: 0o755 },
    { path: "/bench/objects.py", content: objects, mode: 0o644 },
  ]);
  const manifest = (await readManifest(BOARD)).replace("file: debian-disk.img", `file: "${disk}"\n        readonly: true`);
  return { ...await writeImages(directory, manifest, BOARD), disk };
}

/** Ours, as a user starts it. `cache`: a directory in which runs keep what they compiled; without one each is the guest's first. */
export function programsOnOurs({ board, kernel, initrd }: ProgramImages, tier1: string, cache?: string): Promise<Duration[]> {
  const images = ["--kernel", kernel, "--initrd", initrd, "--append", APPEND];
  const options = ["--smp", "1", "-m", `${MEMORY_MIB}MiB`, ...images, "--set", `plugins.cpu_a64.tier1=${tier1}`];
  return times([Deno.execPath(), "run", "-A", join(ROOT, "mod.ts"), board, ...options], cache);
}

/** QEMU. */
export function programsOnQemu({ kernel, initrd, disk }: ProgramImages): Promise<Duration[]> {
  const drive = ["-drive", `file=${disk},format=raw,if=none,id=disk,readonly=on`, "-device", "virtio-blk-device,drive=disk"];
  return times([
    ...qemuCommand({ kernel, initrd, append: APPEND, memoryMiB: MEMORY_MIB }),
    "-global",
    "virtio-mmio.force-legacy=false",
    ...drive,
  ]);
}

/** From runs to medians. */
export function programResults(ours: readonly Duration[][], qemu: readonly Duration[][]): UserResult[] {
  return programs.map(({ name, doc }, n) => {
    const of = (runs: readonly Duration[][]) => medianDuration(runs.map((run) => run[n]));
    return { name, doc, ours: of(ours)!, qemu: of(qemu) };
  });
}

async function times(command: readonly string[], cache?: string): Promise<Duration[]> {
  // What a run keeps it writes at its end.
  const [atLast, env] = cache === undefined ? ["end" as const, undefined] : ["wait" as const, { PLUGBOARD_CACHE: cache }];
  const { marks } = await runChild(command, MARKS, atLast, env);
  return programs.map((_, n) => {
    const [begin, end] = [marks[2 * n], marks[2 * n + 1]];
    return { wall: end.wall - begin.wall, cpu: begin.cpu === undefined || end.cpu === undefined ? undefined : end.cpu - begin.cpu };
  });
}
