/**
 * The whole program is killed while Linux writes to its disk: what was flushed is there, and the file system is whole. PLUGBOARD_KILLS
 * says how often: half of them while the image is raw, the others while it is qcow2.
 */
import { assert, assertEquals } from "@std/assert";
import { killTimes, runAndKill } from "../support/kill.ts";
import { assertWhole, makeExt4, noFileSystems, readOut, tool } from "../support/disk_image.ts";
import { missing, qemuImg } from "../support/toolchain.ts";
import { changed, debianBoard } from "./debian_images.ts";
import { diskModules, nameOf, quickly, withDevices, withModules } from "./virtio_board.ts";

const KILLS = Number(Deno.env.get("PLUGBOARD_KILLS") ?? 5);
/** Files that stay; older ones are removed, so that blocks are freed and taken again. */
const KEPT = 12;
/** Blocks of the second disk are written as a whole, and never read as something between. */
const BLOCK = 0x4000;

/** What file N holds, and how much of it. Sizes cross blocks and sectors. */
const sizeOf = (n: number) => 1 + n * 7919 % 50_000;
const contentOf = (n: number) => `record ${n}\n`.repeat(Math.ceil(sizeOf(n) / `record ${n}\n`.length)).slice(0, sizeOf(n));

/** Writes file after file, each to the medium before it says so; and now and then a block of the other disk, past all caches. */
const writer = `
for module in ${diskModules.map(nameOf).join(" ")}; do insmod /lib/modules/$module.ko; done
mkdir /mnt
mount -t ext4 /dev/vda /mnt
n=FIRST
while :; do
  rm -f /mnt/f$((n - ${KEPT}))
  yes "record $n" | head -c $((1 + n * 7919 % 50000)) | dd of=/mnt/f$n bs=64k conv=fsync 2> /dev/null || break
  yes "block $n" | head -c ${BLOCK} > /root/block
  dd if=/root/block of=/dev/vdb bs=${BLOCK} seek=$((n % 8)) oflag=direct conv=fsync,notrunc 2> /dev/null || break
  echo "ack $n"
  n=$((n + 1))
done
echo "writing failed"
`;

const board = await debianBoard("debian-cloud", [
  withModules(diskModules),
  ...quickly(96),
  ["cryptomgr.notests", "cryptomgr.notests quiet"],
  ["pcpus: 2", "pcpus: 1"],
  ["    vcpus: 2", "    vcpus: 1"],
]);
const ignore = await noFileSystems() || board.images === undefined;

function manifest(first: number, disk: string, format: string, blocks: string): string {
  const devices = `      - { use: virtio_blk, at: 0x0a00_0000, interrupt: spi 16, file: "${disk}", format: ${format} }
      - { use: virtio_blk, at: 0x0a00_0200, interrupt: spi 17, file: "${blocks}" }\n`;
  const script = writer.replace("FIRST", String(first)).trim().replaceAll("\n", "\n                  ");
  return changed(board.manifest, [withDevices(devices)])
    .replace(/cd \/root\n[^]*$/, `mkdir -p /root\n                  ${script}\n`);
}

/** Each sector of a block is the old one or the new one: more than that no disk promises for what wasn't acknowledged. */
function assertSectors(bytes: Uint8Array, latest: number): void {
  for (let n = Math.max(1, latest - 7); n <= latest; n++) {
    const at = n % 8 * BLOCK;
    const whole = new TextEncoder().encode(`block ${n}\n`.repeat(BLOCK));
    const next = new TextEncoder().encode(`block ${n + 8}\n`.repeat(BLOCK));
    for (let sector = 0; sector < BLOCK; sector += 512) {
      const found = bytes.subarray(at + sector, at + sector + 512).join();
      const wanted = [whole, ...n + 8 === latest + 1 ? [next] : []].map((text) => text.subarray(sector, sector + 512).join());
      assert(wanted.includes(found), `the sector at 0x${(at + sector).toString(16)} isn't of block ${n}`);
    }
  }
}

for (const [format, kills] of [["raw", Math.ceil(KILLS / 2)], ["qcow2", Math.floor(KILLS / 2)]] as const) {
  Deno.test({
    name: `killed ${kills} times while Linux writes to a ${format} image: all that it was told is on the medium is there`,
    ignore: ignore || format === "qcow2" && missing(qemuImg),
    async fn() {
      const directory = await Deno.makeTempDir({ prefix: "plugboard-kill-" });
      try {
        const [raw, disk, blocks] = [`${directory}/raw.img`, `${directory}/disk.img`, `${directory}/blocks.img`];
        await makeExt4(raw, "24M");
        if (format === "raw") await Deno.rename(raw, disk);
        else assertEquals((await tool("qemu-img", "convert", "-O", "qcow2", raw, disk))?.code, 0);
        await Deno.writeFile(blocks, new Uint8Array(8 * BLOCK));
        let latest = 0;
        for (const time of killTimes(`kills ${format}`, kills)) {
          await Deno.writeTextFile(`${directory}/board.yaml`, manifest(latest + 1, disk, format, blocks));
          const { acknowledged, output } = await runAndKill(`${directory}/board.yaml`, time);
          assertEquals(acknowledged, acknowledged.map((_, n) => latest + 1 + n), output);
          latest += acknowledged.length;
          if (format === "qcow2") {
            const said = await tool("qemu-img", "check", disk);
            // 3: clusters that nobody uses; the file system in it is checked below.
            assert(said !== undefined && (said.code === 0 || said.code === 3), said?.text);
            assertEquals((await tool("qemu-img", "convert", "-O", "raw", disk, raw))?.code, 0);
          } else await Deno.copyFile(disk, raw);
          await assertWhole(raw);
          await Deno.mkdir(`${directory}/out`);
          await readOut(raw, "/", `${directory}/out`);
          for (let n = Math.max(1, latest - KEPT + 2); n <= latest; n++) {
            assert(await Deno.readTextFile(`${directory}/out/f${n}`) === contentOf(n), `file ${n} of ${latest}`);
          }
          await Deno.remove(`${directory}/out`, { recursive: true });
          assertSectors(await Deno.readFile(blocks), latest);
        }
        console.log(`${format}: ${latest} acknowledged writes`);
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
}
