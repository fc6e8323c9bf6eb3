/** Linux's virtio drivers: a disk with ext4 that the host checks afterwards, a read-only one, a snapshot; entropy, a console with ports, a balloon. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertWhole, makeExt4, noFileSystems, sha256, tool } from "../support/disk_image.ts";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";
import { nameOf, quickly, withDevices, withModules } from "./virtio_board.ts";

/** In the order in which they need each other. */
const modules = [
  "virtio/virtio_ring",
  "virtio/virtio",
  "virtio/virtio_mmio",
  "virtio/virtio_pci_legacy_dev",
  "virtio/virtio_pci_modern_dev",
  "virtio/virtio_pci",
  "block/virtio_blk",
  "char/hw_random/virtio-rng",
  "char/virtio_console",
  "virtio/virtio_balloon",
];

/** A device each: the n-th one, with its options. */
const device = (name: string, n: number, options: string, transport: string) =>
  transport === "pci"
    ? `      - { use: virtio_${name}_pci${options} }\n`
    : `      - { use: virtio_${name}, at: ${0x0a00_0000 + 0x200 * n}, interrupt: spi ${16 + n}, ${transport}${options} }\n`;

/** Ways to drive the same devices. */
const variants = ["legacy: false", "legacy: true", "pci"];

const devices = (files: Readonly<Record<"main" | "fixed" | "kept", string>>, transport: string) =>
  [
    device("blk", 0, `, file: "${files.main}", serial: main, queues: 2`, transport),
    device("blk", 1, `, file: "${files.fixed}", serial: fixed, readonly: true, block_size: "4096"`, transport),
    device("blk", 2, `, file: "${files.kept}", serial: kept, snapshot: true, packed: false`, transport),
    device("rng", 3, "", transport),
    device("console", 4, ", ports: [hvc, org.plugboard.echo]", transport),
    device("balloon", 5, ", size: 64MiB, statistics: 1s", transport),
  ].join("");

const board = await debianBoard("debian-cloud", [
  withModules(modules),
  ...quickly(192),
  ["  - use: generic_timer\n", "  - use: its\n  - use: generic_timer\n"],
  ["      - use: fdt\n", "      - use: pci\n      - use: fdt\n"],
]);
const ignore = await noFileSystems() || board.images === undefined;

interface Disks {
  readonly directory: string;
  readonly files: Record<"main" | "fixed" | "kept", string>;
  [Symbol.dispose](): void;
}

async function makeDisks(): Promise<Disks> {
  const directory = await Deno.makeTempDir({ prefix: "plugboard-virtio" });
  await Deno.mkdir(`${directory}/tree`);
  await Deno.writeTextFile(`${directory}/tree/hello`, "hello from the host\n");
  const files = { main: `${directory}/main.img`, fixed: `${directory}/fixed.img`, kept: `${directory}/kept.img` };
  for (const file of Object.values(files)) await makeExt4(file, "32M", `${directory}/tree`);
  return { directory, files, [Symbol.dispose]: () => Deno.removeSync(directory, { recursive: true }) };
}

/** Boots, loads the drivers. */
async function start(files: Disks["files"], transport: string): Promise<Session> {
  const manifest = changed(board.manifest, [withDevices(devices(files, transport))]);
  const guest = await Session.start(manifest, {
    images: board.images,
    console: "console",
    checksTables: transport === variants[0],
    wallLimitMs: 600_000,
  });
  guest.until("\n# ");
  guest.command("stty columns 300");
  load(guest);
  return guest;
}

function load(guest: Session): void {
  for (const module of modules) assertEquals(guest.command(`insmod /lib/modules/${nameOf(module)}.ko 2>&1`).replace(/^\[.*\n?/gm, ""), "");
}

for (const transport of variants) {
  // The first one does all of it, the others what differs.
  const whole = transport === variants[0];
  const legacy = transport === "legacy: true";
  Deno.test({
    name: `Linux mounts ext4 on virtio-blk, writes, syncs; the host finds it whole (${transport})`,
    ignore,
    async fn() {
      using disks = await makeDisks();
      const fixed = await sha256(await Deno.readFile(disks.files.fixed));
      const kept = await sha256(await Deno.readFile(disks.files.kept));
      let sum: string;
      {
        using guest = await start(disks.files, transport);
        assertEquals(guest.command("for n in a b c; do echo $(cat /sys/block/vd$n/serial); done"), "main\nfixed\nkept");
        assertEquals(guest.command("cat /sys/block/vda/ro /sys/block/vdb/ro; ls /sys/block/vda/mq | wc -l"), "0\n1\n2");
        assertMatch(guest.command("mkdir /mnt; mount -t ext4 /dev/vda /mnt && cat /mnt/hello"), /hello from the host$/);
        guest.command(`dd if=/dev/urandom of=/root/big bs=64k count=${whole ? 6 : 2}; cp /root/big /bin/busybox /mnt/; sync`);
        sum = guest.command("sha256sum < /mnt/big").split(" ")[0];
        for (const size of whole ? ["512", "3k", "4k", "192k"] : ["512"]) {
          guest.command(`dd if=/mnt/big of=/mnt/direct bs=${size} oflag=direct`);
          assertEquals(guest.command("cmp /mnt/direct /root/big && echo same"), "same", size);
        }
        guest.command("umount /mnt; echo 3 > /proc/sys/vm/drop_caches");

        // What is read without the cache, in every size, is what was written.
        guest.command("mount -o ro /dev/vda /mnt");
        for (const size of whole ? ["512", "1k", "3k", "4k", "64k", "384k"] : ["4k", "192k"]) {
          const read = `dd if=/mnt/big bs=${size} iflag=direct 2>/dev/null | cmp - /root/big && echo same`;
          assertEquals(guest.command(read), "same", size);
        }
        guest.command("umount /mnt");

        // A snapshot takes writes, a read-only disk doesn't.
        guest.command("mount -t ext4 /dev/vdc /mnt && rm /mnt/hello && echo other > /mnt/other && umount /mnt && mount /dev/vdc /mnt");
        assertEquals(guest.command("ls -1 /mnt"), "lost+found\nother");
        guest.command("umount /mnt");
        assertMatch(guest.command("dd if=/dev/zero of=/dev/vdb count=8 2>&1"), /not permitted|Read-only/);

        assertEquals(guest.command("cat /sys/class/misc/hw_random/rng_current"), "virtio_rng.0");
        assertEquals(guest.command("dd if=/dev/hwrng bs=16 count=4 2>/dev/null | wc -c"), "64");

        // The first port is a console; what comes to the other one waits until somebody opens it.
        const ports = "cat /sys/class/virtio-ports/*/name; ls -1 /dev/vport4p*";
        assertEquals(guest.command(ports), "hvc\norg.plugboard.echo\n/dev/vport4p0\n/dev/vport4p1");
        guest.machine.serialInput("org.plugboard.echo", new TextEncoder().encode("one\ntwo\n"));
        guest.command("echo to the console > /dev/hvc0");
        assertEquals(guest.command("exec 5<> /dev/vport4p1; head -n 2 <&5"), "one\ntwo");
        guest.command("echo heard >&5");
        assertEquals(guest.ports.get("org.plugboard.echo"), "heard\n");
        assertEquals(guest.ports.get("hvc"), "to the console\r\n");

        // The balloon has what it asked for.
        const free = Number(/MemFree: +(\d+)/.exec(guest.command("grep MemFree /proc/meminfo"))?.[1]);
        assert(free > 50_000 && free < 110_000, `${free} KiB are free of 192 MiB, without 64 MiB`);

        // VERSION_1 and RING_PACKED, where they are on offer.
        const negotiated = (n: number) =>
          [32, 34].map((bit) => guest.command(`cat /sys/bus/virtio/devices/virtio${n}/features`)[bit]).join("");
        assertEquals([negotiated(0), negotiated(2)], legacy ? ["00", "00"] : ["11", "10"]);

        if (whole) {
          guest.type("reboot -f\n");
          await guest.reboot();
          guest.until("\n# ");
          guest.command("stty columns 300");
          load(guest);
          guest.command("mkdir /mnt; mount -o ro /dev/vda /mnt");
          assertEquals(guest.command("sha256sum < /mnt/big").split(" ")[0], sum, "the disk after a reboot");
          guest.command("umount /mnt; mount -o ro /dev/vdc /mnt");
          assertEquals(guest.command("ls -1 /mnt"), "lost+found\nother", "the snapshot after a reboot");
          guest.command("umount /mnt");
        }
        guest.type("poweroff -f\n");
        assertEquals(guest.finish().kind, "power-off");
        assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /virtio|disk|failure/.test(kind)), []);
      }
      await assertWhole(disks.files.main);
      await tool("debugfs", "-R", `dump /big ${disks.directory}/big`, disks.files.main);
      assertEquals(await sha256(await Deno.readFile(`${disks.directory}/big`)), sum);
      assertEquals(await sha256(await Deno.readFile(disks.files.fixed)), fixed);
      assertEquals(await sha256(await Deno.readFile(disks.files.kept)), kept);
    },
  });
}
