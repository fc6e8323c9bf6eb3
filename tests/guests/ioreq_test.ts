/**
 * Devices in Workers behind IOREQ, driven by guests: Linux writes to a disk whose Worker is killed in the middle, and what was acknowledged
 * is there; a program of a few words reboots again and again, and nothing is left. PLUGBOARD_KILLS and PLUGBOARD_REBOOTS make the runs
 * longer (100 and 200 have been run); PLUGBOARD_ORDER says whether the board waits for the disk, `strict`, or only the domain, `free`.
 */
import { assert, assertEquals } from "@std/assert";
import { definePlugin } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { DeviceModels } from "../../plugins/ioreq/contract.ts";
import { good } from "../../plugins/ioreq/tests/devices.ts";
import { BOARD } from "../support/program.ts";
import { assertWhole, makeExt4, noFileSystems, sha256, tool } from "../support/disk_image.ts";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";
import { diskModules, nameOf, withDevices, withModules } from "./virtio_board.ts";

const KILLS = Number(Deno.env.get("PLUGBOARD_KILLS") ?? 10);
const ORDER = Deno.env.get("PLUGBOARD_ORDER") ?? "strict";
const REBOOTS = Number(Deno.env.get("PLUGBOARD_REBOOTS") ?? 10);

/** A plugin that hands a domain's device models out of the machine. */
function spy(): { readonly plugin: Plugin; models: DeviceModels } {
  const own: { plugin: Plugin; models: DeviceModels } = {
    plugin: definePlugin({
      name: "spy",
      doc: "Shows device models to a test.",
      options: {},
      attach: ({ find, onBoot }) => onBoot(() => void (own.models = find(DeviceModels)!)),
    }),
    models: undefined!,
  };
  return own;
}

const devices = (disk: string) =>
  `      - { use: ioreq, on_failure: restart, order: ${ORDER}, virtual_deadline: 10s }\n` +
  `      - { use: spy }\n` +
  `      - { use: virtio_blk, at: 0x0a00_0000, interrupt: spi 16, file: "${disk}", runs: ioreq }\n`;

const plain = await debianBoard("debian-cloud", [withModules(diskModules)]);
const manifest = (disk: string) => changed(plain.manifest, [withDevices(devices(disk))]);

const noDisk = await noFileSystems();

Deno.test({
  name: `ext4 on virtio-blk behind IOREQ: the Worker is killed ${KILLS} times, and nothing that was acknowledged is lost`,
  ignore: plain.images === undefined || noDisk,
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "plugboard-ioreq" });
    const disk = `${directory}/disk`;
    await makeExt4(disk, "32M");
    const sums: string[] = [];
    const reports: string[] = [];
    const eyes = spy();
    try {
      {
        using guest = await Session.start(manifest(disk), {
          plugins: [eyes.plugin],
          images: plain.images,
          console: "console",
          checksTables: false,
          wallLimitMs: 600_000 + KILLS * 20_000,
          onTrace: (kind, detail) => kind === "device behind IOREQ" && reports.push(detail),
        });
        guest.until("\n# ");
        for (const module of diskModules) guest.command(`insmod /lib/modules/${nameOf(module)}.ko 2>&1`);
        guest.command("mkdir /mnt; dmesg -n 1; mount -t ext4 /dev/vda /mnt");
        const [device] = eyes.models.devices;
        assertEquals(device.owner, "linux/virtio_blk@a000000");
        for (let n = 0; n < KILLS; n++) {
          // Somewhere in the next requests: before a read of guest memory, or when the answer is there and nobody has seen it.
          device.kill(1 + (n * 7) % 31);
          guest.command(`dd if=/dev/urandom of=/mnt/f${n} bs=4k count=${1 + n % 9} conv=fsync 2>/dev/null`);
          sums.push(guest.command(`sha256sum < /mnt/f${n}`).split(" ")[0]);
        }
        guest.command("umount /mnt; mount /dev/vda /mnt");
        for (const [n, sum] of sums.entries()) {
          assertEquals(guest.command(`sha256sum < /mnt/f${n}`).split(" ")[0], sum, `file ${n}, read back`);
        }
        guest.command("umount /mnt");
        guest.type("poweroff -f\n");
        assertEquals(guest.finish().kind, "power-off");
        assert(guest.machine.stats.traced.get("device behind IOREQ")! >= 2 * KILLS - 2, reports.join("\n"));
        assertEquals(reports.filter((text) => !/was killed|goes on/.test(text)), []);
      }
      await assertWhole(disk);
      for (const [n, sum] of sums.entries()) {
        await tool("debugfs", "-R", `dump /f${n} ${directory}/f`, disk);
        assertEquals(await sha256(await Deno.readFile(`${directory}/f`)), sum, `file ${n}, on the host`);
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

/** Adds 1 to what the device keeps, prints it, has 4 KiB copied, arms a timer, and resets the system. */
const program = new Uint8Array(
  new Uint32Array([
    0xd2a14001, // mov x1, #0x0a000000
    0x52800022, // mov w2, #1
    0xb9000022, // str w2, [x1]
    0xb9400023, // ldr w3, [x1]
    0x12001865, // and w5, w3, #0x7f: what comes out is text
    0x3900e025, // strb w5, [x1, #0x38]
    0xd2a80104, // mov x4, #0x40080000
    0xf9000424, // str x4, [x1, #8]
    0x91440085, // add x5, x4, #0x100000
    0xf9000825, // str x5, [x1, #0x10]
    0x52820002, // mov w2, #0x1000
    0xb9001822, // str w2, [x1, #0x18]
    0xb9002822, // str w2, [x1, #0x28]
    0x52800120, // mov w0, #9
    0x72b08000, // movk w0, #0x8400, lsl #16
    0xd4000002, // hvc #0: SYSTEM_RESET
  ]).buffer,
);

for (const order of ["strict", "free"]) {
  Deno.test(`${REBOOTS} reboots with a device behind IOREQ, ${order}: what it keeps is kept, and nothing else is left`, async () => {
    const eyes = spy();
    using guest = await Session.start(withGood(`order: ${order}`), {
      plugins: [eyes.plugin, good],
      images: new Map([["program.bin", program]]),
      wallLimitMs: 120_000 + REBOOTS * 10_000,
    });
    const snapshot = () => ({ usage: [...guest.machine.memory.usage()], ports: guest.machine.serialPorts });
    let first: unknown;
    for (let n = 0; n < REBOOTS; n++) {
      const { models } = eyes;
      assertEquals(guest.finish().kind, "reboot");
      assertEquals(models.devices.map(({ isAlive, frames }) => [isAlive, frames]), [[true, 2]]);
      await guest.reboot();
      first ??= snapshot();
      assertEquals(snapshot(), first);
      assertEquals(models.devices.map(({ isAlive, frames }) => [isAlive, frames]), [[false, 0]], "the one before");
      assertEquals([models.servers.all.length, eyes.models.servers.all.length], [0, 1]);
    }
    guest.finish();
    const printed = [...guest.ports.get("good")!].map((letter) => letter.charCodeAt(0));
    assertEquals(printed, Array.from({ length: REBOOTS + 1 }, (_, n) => n + 1 & 0x7f));
  });
}

/** A board with the program and the device of the tests. */
function withGood(ioreq: string): string {
  const devices =
    `      - { use: ioreq, ${ioreq} }\n      - { use: spy }\n      - { use: good, at: 0x0a00_0000, interrupt: spi 16, runs: ioreq }\n`;
  return changed(BOARD, [withDevices(devices)]);
}

Deno.test("the same board twice is the same run, to the instruction, also when a Worker dies at the same point", async () => {
  const run = async (point: number) => {
    const eyes = spy();
    using guest = await Session.start(withGood("on_failure: restart"), {
      plugins: [eyes.plugin, good],
      images: new Map([["program.bin", program]]),
    });
    if (point > 0) eyes.models.devices[0].kill(point);
    guest.finish();
    const { instructions, exits, traced } = guest.machine.stats;
    assertEquals(traced.get("device behind IOREQ"), point > 0 ? 2 : undefined);
    return [guest.ports.get("good"), guest.machine.nowNs, instructions, [...exits]];
  };
  const plain = await run(0);
  assertEquals(await run(0), plain);
  assertEquals(await run(5), plain, "what dies at the answer to an access leaves no trace in the run");
});

Deno.test("one domain's device hangs: the domain is paused, and its neighbour runs to its end", async () => {
  const hangs = new Uint32Array([
    0xd2a14001, // mov x1, #0x0a000000
    0x52800042, // mov w2, #2: hang
    0xb9005822, // str w2, [x1, #0x58]
    0x14000000, // b .
  ]);
  const counts = new Uint32Array([
    0xd2a14001, // mov x1, #0x0a000000
    0x52800022, // mov w2, #1
    0xb9000022, // str w2, [x1]
    0xb9400023, // ldr w3, [x1]
    0x3900e023, // strb w3, [x1, #0x38]
    0x71000c7f, // cmp w3, #3
    0x54ffff81, // b.ne -4
    0x52800100, // mov w0, #8
    0x72b08000, // movk w0, #0x8400, lsl #16
    0xd4000002, // hvc #0: SYSTEM_OFF
  ]);
  const domain = (name: string) =>
    `  - name: ${name}
    vcpus: 1
    memory: [{ at: 0x4000_0000, size: 16MiB }]
    plugins:
      - { use: ioreq, on_failure: pause, deadline: ${name === "hangs" ? "1s" : "10s"} }
      - { use: good, at: 0x0a00_0000, interrupt: spi 16, runs: ioreq, port: ${name} }
      - use: fdt
      - { use: linux_boot, kernel: ${name}.bin, format: raw, load: 0x4008_0000, entry: 0x4008_0000 }
`;
  const board = BOARD.slice(0, BOARD.indexOf("  - name: guest")).replace("pcpus: 1", "pcpus: 2") + domain("hangs") + domain("counts");
  const reports: string[] = [];
  using guest = await Session.start(board, {
    plugins: [good],
    images: new Map(
      [["hangs.bin", hangs], ["counts.bin", counts]].map((
        [name, words],
      ) => [name as string, new Uint8Array((words as Uint32Array).buffer)]),
    ),
    onTrace: (kind, detail) => kind === "device behind IOREQ" && reports.push(detail),
  });
  const reason = guest.finish();
  assertEquals(guest.ports.get("counts"), "\x01\x02\x03");
  assertEquals(reason.kind, "idle-forever");
  assert(reason.report!.includes("held, by a pause"), reason.report);
  assertEquals(reports.map((text) => text.split(": ").slice(2).join(": ")), ["it didn't answer in 1000 ms", "hangs is paused"]);
});
