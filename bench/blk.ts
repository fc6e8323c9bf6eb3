/** Throughput of a virtio disk: one program of Debian's reads and writes the same raw image on both sides, past the guest's cache, one request at a time. */
import { join } from "@std/path";
import { readManifest } from "../mod.ts";
import { runChild } from "./child.ts";
import { ROOT, writeImages } from "./images.ts";
import type { BoardImages } from "./images.ts";
import type { Duration } from "./process.ts";
import { qemuCommand } from "./qemu.ts";
import { medianDuration } from "./statistics.ts";

const BOARD = join(ROOT, "boards/debian-cloud.yaml");
const DRIVERS = "deb:linux-image-6.1.0-*-cloud-arm64#/lib/modules/*/kernel/drivers";
const modules = ["virtio/virtio_ring", "virtio/virtio", "virtio/virtio_mmio", "block/virtio_blk"];
const MEMORY_MIB = 128;
const APPEND = "console=ttyAMA0 quiet cryptomgr.notests";

/** MiB of each sequential pass, and blocks of 4 KiB of each random one. */
const [MIB, REQUESTS] = [128, 4000];
const BLOCK = 4096;

/** What the program says, in this order. */
const MARKS = ["read", "write", "read random", "write random", "done"].map((text) => `blkbench: ${text}`);
/** The four passes. */
export const blkPasses = ["read", "write", "random read", "random write"] as const;

/** One pass: medians of both sides. */
export interface BlkResult {
  readonly name: string;
  readonly bytes: number;
  readonly requests: number;
  readonly ours: Duration;
  readonly qemu?: Duration;
}

/** The board with its disk, and its images as files. */
export interface BlkImages extends BoardImages {
  readonly disk: string;
}

/** Writes the board, its images and a disk to `directory`. */
export async function prepareBlk(directory: string): Promise<BlkImages> {
  const disk = join(directory, "disk.img");
  using file = await Deno.open(disk, { write: true, create: true });
  // Written, not a hole: both sides read what is there.
  for (let n = 0; n < MIB; n++) await file.write(new Uint8Array(2 ** 20).fill(n));
  const names = modules.map((module) => module.split("/")[1]);
  const files = [
    ...modules.map((module, n) => `{ path: /lib/${names[n]}.ko, from: "${DRIVERS}/${module}.ko" }`),
    `{ path: /bin/blkbench, from: "${join(ROOT, "examples/guests/programs/blkbench")}", mode: 0o755 }`,
  ];
  const busybox = `{ path: /bin/busybox, from: "deb:busybox-static#/bin/busybox" }`;
  const manifest = (await readManifest(BOARD))
    .replace(busybox, [busybox, ...files].join("\n              - "))
    .replace("      - use: fdt\n", `      - { use: virtio_blk, file: "${disk}" }\n      - use: fdt\n`)
    .replace("pcpus: 2", "pcpus: 1").replace("vcpus: 2", "vcpus: 1")
    .replace("size: 640MiB", `size: ${MEMORY_MIB + 64}MiB`).replace("size: 512MiB", `size: ${MEMORY_MIB}MiB`)
    .replace(
      /^( +)cd \/root\n[^]*$/m,
      `$1for module in ${names.join(" ")}; do insmod /lib/$module.ko; done\n$1blkbench /dev/vda ${MIB} ${REQUESTS}\n$1poweroff -f\n`,
    );
  return { ...await writeImages(directory, manifest, BOARD), disk };
}

/** Ours, as a user starts it. */
export function blkOnOurs({ board, kernel }: BlkImages, tier1: string): Promise<Duration[]> {
  const options = ["--kernel", kernel, "--append", APPEND, "--set", `plugins.cpu_a64.tier1=${tier1}`, "--expect", MARKS.at(-1)!];
  return passes([Deno.execPath(), "run", "-A", join(ROOT, "mod.ts"), board, ...options]);
}

/** QEMU, with the image in the host's cache, as ours has it. */
export function blkOnQemu({ kernel, initrd, disk }: BlkImages): Promise<Duration[]> {
  const drive = ["-drive", `file=${disk},format=raw,if=none,id=disk,cache=writeback`, "-device", "virtio-blk-device,drive=disk"];
  const guest = { kernel, initrd, append: APPEND, memoryMiB: MEMORY_MIB };
  return passes([...qemuCommand(guest), "-global", "virtio-mmio.force-legacy=false", ...drive]);
}

/** From runs, four passes each, to medians. */
export function blkResults(ours: readonly Duration[][], qemu: readonly Duration[][]): BlkResult[] {
  return blkPasses.map((name, n) => {
    const [bytes, requests] = n < 2 ? [MIB * 2 ** 20, MIB] : [REQUESTS * BLOCK, REQUESTS];
    const of = (runs: readonly Duration[][]) => medianDuration(runs.map((run) => run[n]));
    return { name, bytes, requests, ours: of(ours)!, qemu: of(qemu) };
  });
}

async function passes(command: readonly string[]): Promise<Duration[]> {
  const { marks } = await runChild(command, MARKS, "end");
  return blkPasses.map((_, n) => {
    const [begin, end] = [marks[n], marks[n + 1]];
    return { wall: end.wall - begin.wall, cpu: begin.cpu === undefined || end.cpu === undefined ? undefined : end.cpu - begin.cpu };
  });
}
