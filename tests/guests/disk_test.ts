/**
 * Disks as users need them: a large file written and read back with the same checksum on both sides, over every kind of image, inline and
 * behind IOREQ; U-Boot and Linux on one disk. PLUGBOARD_DISK_MIB says how large the file is.
 */
import { createHash } from "node:crypto";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertWhole, makeExt4, noFileSystems, readOut, sha256, tool } from "../support/disk_image.ts";
import { missing, qemuImg } from "../support/toolchain.ts";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";
import { diskModules, nameOf, quickly, withDevices, withModules } from "./virtio_board.ts";

const asked = Deno.env.get("PLUGBOARD_DISK_MIB");
const SIZES = [["inline", Number(asked ?? 32)], ["ioreq", Number(asked ?? 8)]] as const;

const board = await debianBoard("debian-cloud", [withModules(diskModules), ...quickly(96)]);
const uBoot = await debianBoard("u-boot");
const ignore = await noFileSystems() || board.images === undefined;

async function inTemporary(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "plugboard-disk-" });
  try {
    await work(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Numbers that look random, and are the same each time. */
async function writeRandom(path: string, mib: number): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true });
  const words = new Uint32Array(2 ** 18);
  for (let n = 0, word = 1; n < mib; n++) {
    for (let i = 0; i < words.length; i++) words[i] = word = Math.imul(word, 1664525) + 1013904223;
    await file.write(new Uint8Array(words.buffer));
  }
}

function loadDrivers(guest: Session): void {
  guest.until("\n# ");
  guest.command("stty columns 300");
  assertMatch(
    guest.command(`for m in ${diskModules.map(nameOf).join(" ")}; do insmod /lib/modules/$m.ko || echo failed; done`),
    /^(\[.*|\s*)*$/,
  );
}

for (const [runs, mib] of SIZES) {
  Deno.test({
    name: `${mib} MiB from one disk to others, raw and qcow2, ${runs}, by two vCPUs; what each keeps is what the host finds`,
    ignore: ignore || missing(qemuImg),
    fn: () =>
      inTemporary(async (directory) => {
        // Room for the file, a journal and the inodes.
        const fileSystemMiB = mib + 24 + mib / 8;
        const file = (name: string) => `${directory}/${name}.img`;
        await writeRandom(file("source"), mib);
        const sum = await sha256(await Deno.readFile(file("source")));
        // The guest's busybox takes three times as long for SHA-256.
        const md5 = createHash("md5").update(await Deno.readFile(file("source"))).digest("hex");
        await makeExt4(file("raw"), `${fileSystemMiB}M`);
        await tool("qemu-img", "create", "-q", "-f", "qcow2", file("qcow2"), `${mib}M`);
        // Not a whole number of logical blocks: what is beyond the last one isn't part of the disk.
        await Deno.writeFile(file("odd"), new Uint8Array(3 * 4096 + 1000).fill(1));
        const disk = (n: number, options: string) =>
          `      - { use: virtio_blk, at: ${0x0a00_0000 + 0x200 * n}, interrupt: spi ${16 + n}, runs: ${runs}, ${options} }\n`;
        const manifest = changed(board.manifest, [withDevices(
          "      - use: ioreq\n" +
            disk(0, `file: "${file("source")}", readonly: true, serial: source, queues: 2`) +
            disk(1, `file: "${file("raw")}", serial: raw, queues: 2`) +
            disk(2, `file: "${file("qcow2")}", format: qcow2, serial: qcow2, queues: 2`) +
            disk(3, `file: "${file("odd")}", block_size: "4096", serial: "twenty-bytes-serial!"`),
        )]);
        {
          using guest = await Session.start(manifest, { images: board.images, checksTables: false, wallLimitMs: 3_600_000 });
          loadDrivers(guest);
          const long = { limitNs: (60 + 2 * mib) * 1e9 };
          assertEquals(guest.command("cat /sys/block/vd*/size"), `${2048 * mib}\n${2048 * fileSystemMiB}\n${2048 * mib}\n24`);
          assertEquals(
            guest.command("for n in a b c d; do echo -n $(cat /sys/block/vd$n/serial)' '; done; echo"),
            "source raw qcow2 twenty-bytes-serial!",
          );
          assertEquals(guest.command("cd /sys/block/vdd/queue; cat logical_block_size physical_block_size; cd"), "4096\n4096");
          assertEquals(guest.command("cd /sys/block/vda/queue; cat logical_block_size physical_block_size; cd"), "512\n4096");
          assertEquals(guest.command("cd /sys/block/vda/mq; echo */cpu?; cd"), "0/cpu0 1/cpu1");

          // Both at once, from both CPUs, and each as it likes it: past the cache, and through a file system.
          guest.command("mkdir /mnt; mount -t ext4 /dev/vdb /mnt");
          const raw = "taskset 1 dd if=/dev/vda of=/mnt/copy bs=1M conv=fsync 2>/dev/null && echo copied";
          const qcow2 = "taskset 2 dd if=/dev/vda of=/dev/vdc bs=1M iflag=direct oflag=direct conv=fsync 2>/dev/null && echo copied";
          assertEquals(guest.command(`{ ${raw}; } & ${qcow2}; wait`, long).match(/^copied$/gm)?.length, 2);
          guest.command("umount /mnt; mount -o ro /dev/vdb /mnt; echo 3 > /proc/sys/vm/drop_caches");
          for (const copy of ["/mnt/copy", "/dev/vdc"]) {
            assertEquals(guest.command(`md5sum ${copy}`, long).split(" ")[0], md5, copy);
          }
          guest.command("umount /mnt");

          // A cache that writes through, as the driver asks for it; room that is given back.
          assertEquals(
            guest.command("cd /sys/block/vdc; cat cache_type; echo write through > cache_type; cat cache_type; cd"),
            "write back\nwrite through",
          );
          guest.command("dd if=/dev/zero of=/dev/vdc bs=64k count=4 oflag=direct 2>/dev/null");
          guest.command("echo write back > /sys/block/vdc/cache_type");
          assertEquals(guest.command("blkdiscard -o 1048576 -l 2097152 /dev/vdc && echo given back"), "given back");
          assertEquals(guest.command("dd if=/dev/vdc bs=1M skip=1 count=2 iflag=direct 2>/dev/null | tr -d '\\000' | wc -c"), "0");
          guest.command("dd if=/dev/vda of=/dev/vdc bs=1M skip=1 seek=1 count=2 oflag=direct conv=fsync 2>/dev/null");
          guest.command("dd if=/dev/vda of=/dev/vdc bs=64k count=4 oflag=direct conv=fsync 2>/dev/null");

          // The last block of the odd one, and nothing behind it.
          assertEquals(
            guest.command("yes | head -c 4096 | dd of=/dev/vdd bs=4096 seek=2 oflag=direct 2>/dev/null && echo written"),
            "written",
          );
          assertMatch(
            guest.command("dd if=/dev/zero of=/dev/vdd bs=4096 seek=3 count=1 oflag=direct 2>&1"),
            /No space left|Invalid argument/,
          );
          assertMatch(guest.command("dd if=/dev/zero of=/dev/vda count=1 2>&1"), /not permitted|Read-only/);
          guest.type("poweroff -f\n");
          assertEquals(guest.finish().kind, "power-off");
          assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /virtio|disk|failure/.test(kind)), []);
        }
        await assertWhole(file("raw"));
        await readOut(file("raw"), "/copy", directory);
        assertEquals(await sha256(await Deno.readFile(`${directory}/copy`)), sum);
        const check = await tool("qemu-img", "check", file("qcow2"));
        assertEquals(check?.code, 0, check?.text);
        await tool("qemu-img", "convert", "-O", "raw", file("qcow2"), file("plain"));
        assertEquals(await sha256(await Deno.readFile(file("plain"))), sum);
        assertEquals(await sha256(await Deno.readFile(file("source"))), sum);
        const odd = await Deno.readFile(file("odd"));
        assertEquals(new TextDecoder().decode(odd.subarray(2 * 4096, 3 * 4096)), "y\n".repeat(2048));
        assert(odd.subarray(3 * 4096).every((byte) => byte === 1) && odd.length === 3 * 4096 + 1000);
      }),
  });
}

Deno.test({
  name: "U-Boot and Linux on one disk: U-Boot loads kernel and initramfs from ext4, Linux writes, U-Boot reads that after a reset",
  ignore: ignore || uBoot.images === undefined,
  fn: () =>
    inTemporary(async (directory) => {
      const cloud = [...board.images!].find(([name]) => name.includes("vmlinuz"))![1];
      const initrd = [...board.images!].find(([name]) => name.includes("initramfs"))![1];
      await Deno.mkdir(`${directory}/tree/boot`, { recursive: true });
      await Deno.writeFile(`${directory}/tree/boot/vmlinuz`, cloud);
      await Deno.writeFile(`${directory}/tree/boot/initrd.img`, initrd);
      const disk = `${directory}/disk.img`;
      await makeExt4(disk, "64M", `${directory}/tree`);
      await Deno.truncate(disk, 64 * 2 ** 20 + 4096);
      const loads = uBoot.manifest.slice(uBoot.manifest.indexOf("      - use: load"));
      const manifest = changed(uBoot.manifest, [
        [loads, ""],
        withDevices(`      - { use: virtio_blk, at: 0x0a00_0000, interrupt: spi 16, file: "${disk}" }\n`),
      ]);
      {
        using guest = await Session.start(manifest, { images: uBoot.images, checksTables: false, wallLimitMs: 600_000 });
        const prompt = "\n=> ";
        const command = (line: string) => guest.command(line, { prompt }).replace(/\s*=$/, "");
        const stop = () => {
          guest.until("Hit any key to stop autoboot");
          guest.type("\n");
          guest.until(prompt);
        };
        stop();
        assertMatch(command("virtio scan; virtio info"), /Device 0: PLUG VirtIO Block Device[^]*Capacity: 64\.0 MB/);
        assertMatch(command("ls virtio 0 boot"), /\d+ initrd.img\n +\d+ vmlinuz/);
        assertMatch(command("load virtio 0 42000000 boot/vmlinuz"), new RegExp(`^${cloud.length} bytes read`));
        assertMatch(command("load virtio 0 48000000 boot/initrd.img"), new RegExp(`^${initrd.length} bytes read`));
        command("setenv bootargs console=ttyAMA0 cryptomgr.notests");
        guest.type("booti 42000000 48000000:${filesize} 40000000\n");
        guest.until("Starting kernel ...");
        guest.until("shell ready");
        loadDrivers(guest);
        guest.command("mkdir /mnt; mount -t ext4 /dev/vda /mnt; echo from Linux > /mnt/message; umount /mnt");
        guest.type("reboot -f\n");
        await guest.reboot();
        stop();
        command("virtio scan; load virtio 0 42000000 message");
        assertMatch(command("md.b 42000000 b"), /66 72 6f 6d 20 4c 69 6e 75 78 0a +from Linux/);
        // U-Boot writes, too: behind the file system.
        assertMatch(command("virtio write 42000000 20000 1"), /1 blocks written: OK/);
        assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /virtio|disk|failure/.test(kind)), []);
      }
      const behind = (await Deno.readFile(disk)).subarray(64 * 2 ** 20);
      assertEquals(new TextDecoder().decode(behind.subarray(0, 11)), "from Linux\n");
      await Deno.truncate(disk, 64 * 2 ** 20);
      await assertWhole(disk);
    }),
});
