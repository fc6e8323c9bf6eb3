/** Files of the host as disks: what is beyond the end, who may have them, and where the manifest's paths lead. */
import { assertEquals, assertThrows } from "@std/assert";
import { openDiskFile } from "./disk.ts";
import type { Disk } from "./disk.ts";
import { definePlugin } from "../plugin/plugin.ts";
import { bench } from "../testing/kit.ts";

Deno.test("a disk reads zeroes behind its end, grows by writes there, and is one writer's or many readers'", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, Uint8Array.of(1, 2, 3));
    const disk = openDiskFile(path, { write: true });
    const bytes = new Uint8Array(5).fill(9);
    disk.read(1, bytes);
    assertEquals(bytes, Uint8Array.of(2, 3, 0, 0, 0));
    for (const write of [true, false]) assertThrows(() => openDiskFile(path, { write }), Error, "is in use");
    disk.write(5, Uint8Array.of(7));
    disk.flush();
    assertEquals(disk.sizeBytes, 6);
    disk.close();
    assertEquals(await Deno.readFile(path), Uint8Array.of(1, 2, 3, 0, 0, 7));
    const readers = [1, 2].map(() => openDiskFile(path, { write: false }));
    assertThrows(() => openDiskFile(path, { write: true }), Error, "is in use: somebody has it open");
    assertThrows(() => readers[0].write(0, bytes));
    for (const reader of readers) reader.close();
  } finally {
    await Deno.remove(path);
  }
  assertThrows(() => openDiskFile("/no/such/disk", { write: true }), Error, "there is no file /no/such/disk");
  assertThrows(() => openDiskFile("/tmp", { write: false }), Error, "/tmp is not a plain file");
});

Deno.test("zeroes fill no hole of a file, and clear what isn't zero", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.truncate(path, 0x40_0000);
    const disk = openDiskFile(path, { write: true });
    disk.write(0x10_0000 - 100, new Uint8Array(300).fill(7));
    disk.flush();
    const { blocks } = await Deno.stat(path);
    disk.zero!(0x8_0000, 0x30_0000, false);
    disk.zero!(0, 512, true);
    disk.flush();
    assertEquals((await Deno.stat(path)).blocks! <= blocks! + 2 * 0x1_0000 / 512, true, "only pieces with something in them");
    disk.close();
    assertEquals((await Deno.readFile(path)).every((byte) => byte === 0), true);
    assertEquals((await Deno.stat(path)).size, 0x40_0000);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a disk's path is relative to the manifest", async () => {
  for (
    const [file, path, opened] of [["boards/a.yaml", "b.img", "boards/b.img"], ["a.yaml", "b.img", "b.img"], [
      "/x/a.yaml",
      "/b.img",
      "/b.img",
    ]]
  ) {
    let asked = "";
    const kit = bench({
      board: { file },
      openDisk(path) {
        asked = path;
        return { close() {} } as Disk;
      },
    });
    const plugin = definePlugin({
      name: "disk_user",
      doc: "A test's.",
      options: {},
      attach: ({ host }) => void host.disk(path, { write: true }),
    });
    await kit.attach(plugin, {});
    assertEquals(asked, opened);
  }
});
