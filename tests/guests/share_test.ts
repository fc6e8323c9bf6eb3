/** Linux mounts a folder of the host by 9P: what each side writes, the other reads. */
import { assertEquals, assertMatch } from "@std/assert";
import { debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

/** The newest generic kernel of Debian 12: the cloud kernel has no 9P. (`??` isn't `-cloud`.) */
const GENERIC = "deb:linux-image-6.1.0-??-arm64#";
/** In the order in which they need each other. */
const modules = ["drivers/virtio/virtio_mmio", "fs/netfs/netfs", "fs/fscache/fscache", "net/9p/9pnet", "fs/9p/9p", "net/9p/9pnet_virtio"];
const nameOf = (module: string) => module.split("/").at(-1);

const busybox = `              - { path: /bin/busybox, from: "deb:busybox-static#/bin/busybox" }\n`;
const moduleFiles = modules.map((module) =>
  `              - { path: /lib/modules/${nameOf(module)}.ko, from: "${GENERIC}/lib/modules/*/kernel/${module}.ko" }\n`
).join("");
const shares = ["", ", readonly: false, tag: work"].map((options, n) =>
  `      - { use: virtio_9p, at: ${0x0a00_0000 + 0x200 * n}, interrupt: spi ${16 + n}, path: /share${options} }\n`
).join("");

const board = await debianBoard("debian-cloud", [
  ["deb:linux-image-6.1.0-*-cloud-arm64#", GENERIC],
  [busybox, busybox + moduleFiles],
  ["vcpus: 2", "vcpus: 1"],
  ["      - use: fdt\n", shares + "      - use: fdt\n"],
]);

const sha256 = async (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();

Deno.test({
  name: "Linux mounts a folder of the host over 9P",
  ignore: board.images === undefined,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "plugboard-share" });
    try {
      await Deno.writeTextFile(`${folder}/hello`, "hello from the host\n");
      using guest = await Session.start(board.manifest.replaceAll("path: /share", `path: "${folder}"`), {
        images: board.images,
        set: { pcpus: "1" },
        checksTables: false,
      });
      guest.until("\n# ");
      guest.command("stty columns 300");
      for (const module of modules) {
        assertEquals(guest.command(`insmod /lib/modules/${nameOf(module)}.ko 2>&1`).replace(/^\[.*\n?/gm, ""), "");
      }
      guest.command("mkdir /fixed /work");
      assertEquals(guest.command("mount -t 9p -o trans=virtio,version=9p2000.L share /fixed && cat /fixed/hello"), "hello from the host");
      assertMatch(guest.command("touch /fixed/new 2>&1"), /Read-only file system/);
      assertEquals(guest.command("mount -t 9p -o trans=virtio,version=9p2000.L work /work && ls -1a /work"), ".\n..\nhello");
      guest.command("cd /work; dd if=/dev/urandom of=big bs=64k count=64");
      assertEquals(guest.command("sha256sum < big").split(" ")[0], await sha256(await Deno.readFile(`${folder}/big`)));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
