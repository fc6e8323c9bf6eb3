/**
 * A whole Debian from its disk: systemd to the login prompt, a session, a clean end. PLUGBOARD_DEBIAN_DISK names the image that
 * `disk boards/debian-disk.yaml` made; making one and booting it takes minutes, so CI leaves this out.
 */
import { assertEquals, assertMatch } from "@std/assert";
import { resolve } from "@std/path";
import { assertWhole, tool } from "../support/disk_image.ts";
import { missing, qemuImg } from "../support/toolchain.ts";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const image = Deno.env.get("PLUGBOARD_DEBIAN_DISK");
const board = image === undefined ? undefined : await debianBoard("debian-disk");

Deno.test({
  name: "Debian boots from its disk to a login prompt, everything it starts runs, and it ends with a file system that is whole",
  ignore: board?.images === undefined || missing(qemuImg),
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "plugboard-debian-" });
    try {
      const [root, extra] = [`${directory}/root.img`, `${directory}/extra.img`];
      await Deno.copyFile(resolve(image!), root);
      await tool("qemu-img", "create", "-q", "-f", "qcow2", extra, "64M");
      const manifest = changed(board!.manifest, [
        ["file: debian-disk.img", `file: "${root}"`],
        [
          "      - use: fdt\n",
          `      - { use: virtio_blk, at: 0x0a00_0400, interrupt: spi 18, file: "${extra}", format: qcow2, serial: extra }\n      - use: fdt\n`,
        ],
      ]);
      {
        using guest = await Session.start(manifest, { images: board!.images, checksTables: false, wallLimitMs: 1_800_000 });
        guest.until("plugboard login: ", 60e9);
        guest.type("root\n");
        guest.until("root@plugboard:~# ", 60e9);
        // A prompt and an editor that a test can read.
        guest.type("exec env TERM=dumb PS1='# ' sh\n");
        guest.until("\r# "); // behind what ends bracketed paste
        assertEquals(guest.command("systemctl is-system-running --wait", { limitNs: 60e9 }), "running");
        assertEquals(guest.command("systemctl --failed --no-legend --plain"), "");
        assertEquals(guest.command("ls -1 /dev/disk/by-id"), "virtio-extra\nvirtio-root");
        assertEquals(guest.command("dpkg -l | tail -n +6 | grep -vc '^ii'"), "0");
        assertMatch(guest.command("findmnt -no SOURCE,FSTYPE,OPTIONS /"), /^\/dev\/vda ext4 +rw,/);
        assertMatch(guest.command("cat /etc/machine-id"), /^[0-9a-f]{32}$/);

        // What busybox can't ask for: zeroes.
        const write = "head -c 8M /dev/urandom | dd of=/dev/vdb bs=1M iflag=fullblock oflag=direct conv=fsync 2>/dev/null";
        assertEquals(guest.command(`${write}; blkdiscard -z -o 1M -l 6M /dev/vdb; echo $?`, { limitNs: 60e9 }), "0");
        assertEquals(guest.command("dd if=/dev/vdb bs=1M skip=1 count=6 iflag=direct 2>/dev/null | tr -d '\\000' | wc -c"), "0");
        // Those keep their room; what is discarded doesn't.
        assertEquals(guest.command("blkdiscard -o 1M -l 6M /dev/vdb; echo $?"), "0");
        guest.type("poweroff\n");
        assertEquals(guest.finish(60e9).kind, "power-off");
        assertEquals([...guest.machine.stats.traced.keys()].filter((kind) => /virtio|disk|failure/.test(kind)), []);
      }
      await assertWhole(root);
      const check = await tool("qemu-img", "check", "--output=json", extra);
      assertEquals(check?.code, 0, check?.text);
      assertEquals(JSON.parse(check!.text)["allocated-clusters"], 2 * 16, "what was discarded takes no room");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
