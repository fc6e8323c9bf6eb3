/** Network throughput: Debian downloads from a server of this process, over virtio-net and a user-mode network, on both sides. */
import { join } from "@std/path";
import { readManifest } from "../mod.ts";
import { GUEST_MIB } from "./boot.ts";
import { runChild } from "./child.ts";
import { ROOT, writeImages } from "./images.ts";
import type { BoardImages } from "./images.ts";
import type { Duration } from "./process.ts";
import { qemuCommand } from "./qemu.ts";
import { medianDuration } from "./statistics.ts";

const BOARD = join(ROOT, "boards/debian-net.yaml");
const [UP, DONE] = ["network is up", "download is done"];
/** Bytes of the download. */
const SIZE = 64 * 2 ** 20;
/** The gateway's address leads to this host, on both sides. */
const HOST = "10.0.2.2";

/** Medians of a download. */
export interface NetResult {
  readonly bytes: number;
  readonly ours: Duration;
  readonly qemu?: Duration;
}

/** Serves the download. */
export function serveDownload(): { readonly append: string; close(): Promise<void> } {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response(new Uint8Array(SIZE)));
  // The kernel hands what it doesn't know to init, as variables.
  return { append: `console=ttyAMA0 download=http://${HOST}:${server.addr.port}/`, close: () => server.shutdown() };
}

/** Writes the board, ready to download what the kernel's command line says, and its images to `directory`. */
export async function prepareNet(directory: string): Promise<BoardImages> {
  const manifest = (await readManifest(BOARD))
    .replace(/use: user_network.*}/, "use: user_network, host_access: true }")
    .replace(/^( +)online\n/m, `$1online\n$1echo ${UP}\n$1wget -q -O /dev/null "$download" && echo ${DONE}\n`);
  return writeImages(directory, manifest, BOARD);
}

/** Ours, as a user starts it. */
export function downloadOnOurs({ board, kernel }: BoardImages, append: string, tier1: string): Promise<Duration> {
  const options = ["--kernel", kernel, "--append", append, "--expect", DONE, "--set", `plugins.cpu_a64.tier1=${tier1}`];
  return download([Deno.execPath(), "run", "-A", join(ROOT, "mod.ts"), board, ...options]);
}

/** QEMU, with its own user-mode network. */
export function downloadOnQemu({ kernel, initrd }: BoardImages, append: string): Promise<Duration> {
  const network = ["-global", "virtio-mmio.force-legacy=false", "-netdev", "user,id=net", "-device", "virtio-net-device,netdev=net"];
  return download([...qemuCommand({ kernel, initrd, append, memoryMiB: GUEST_MIB }), ...network]);
}

/** From runs to medians. */
export function netResult(ours: readonly Duration[], qemu: readonly Duration[]): NetResult {
  return { bytes: SIZE, ours: medianDuration(ours)!, qemu: medianDuration(qemu) };
}

async function download(command: readonly string[]): Promise<Duration> {
  const { marks: [up, done] } = await runChild(command, [UP, DONE], "end");
  const cpu = done.cpu === undefined || up.cpu === undefined ? undefined : done.cpu - up.cpu;
  return { wall: done.wall - up.wall, cpu };
}
