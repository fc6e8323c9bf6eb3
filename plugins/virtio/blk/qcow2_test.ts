/** qcow2 images against a model disk; images that qemu-img makes, and what it says of ours; images that lie. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { openDiskFile } from "../../../core/mod.ts";
import { Random } from "../../../tests/support/random.ts";
import { missing, qemuImg as tool } from "../../../tests/support/toolchain.ts";
import { Qcow2Disk } from "./qcow2.ts";
import { emptyImage } from "./tests/qcow2_image.ts";

const MIB = 2 ** 20;

const hasQemuImg = !missing(tool);

/** Runs qemu-img; undefined when there is none. */
async function qemuImg(...args: string[]): Promise<{ code: number; text: string } | undefined> {
  if (!hasQemuImg) return undefined;
  const { code, stdout, stderr } = await new Deno.Command(tool.command, { args }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

async function withFile(bytes: Uint8Array | undefined, test: (path: string) => Promise<void> | void): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".qcow2" });
  try {
    if (bytes !== undefined) await Deno.writeFile(path, bytes);
    await test(path);
  } finally {
    await Deno.remove(path);
  }
}

/** Random reads and writes; the image is closed and opened now and then. Returns what the disk must hold. */
function exercise(path: string, sizeBytes: number, seed: string, model = new Uint8Array(sizeBytes)): Uint8Array {
  const random = new Random(seed);
  let disk = new Qcow2Disk(openDiskFile(path, { write: true }));
  assertEquals(disk.sizeBytes, sizeBytes);
  for (let n = 0; n < 400; n++) {
    const offset = 512 * random.below(sizeBytes / 512 - 300);
    const count = 512 * (random.chance(0.9) ? 1 + random.below(16) : 1 + random.below(299));
    if (random.chance(0.1)) {
      disk.zero(offset, count, random.chance(0.5));
      model.fill(0, offset, offset + count);
    } else if (random.chance(0.05)) {
      disk.discard(offset, count);
      // Whatever it reads as now is what it holds.
      disk.read(offset, model.subarray(offset, offset + count));
    } else if (random.chance(0.5)) {
      const bytes = new Uint8Array(count).fill(1 + random.below(255));
      disk.write(offset, bytes);
      model.set(bytes, offset);
    } else {
      const bytes = new Uint8Array(count).fill(0xee);
      disk.read(offset, bytes);
      assertEquals(bytes, model.subarray(offset, offset + count));
    }
    if (random.chance(0.02)) {
      disk.close();
      disk = new Qcow2Disk(openDiskFile(path, { write: true }));
    }
  }
  disk.close();
  return model;
}

/** qemu-img finds nothing wrong, and the same contents. */
async function agreesWithQemu(path: string, model: Uint8Array): Promise<void> {
  if (!hasQemuImg) return;
  const check = await qemuImg("check", "-f", "qcow2", path);
  assertEquals(check?.code, 0, check?.text);
  const raw = `${path}.raw`;
  try {
    assertEquals((await qemuImg("convert", "-f", "qcow2", "-O", "raw", path, raw))?.code, 0);
    assert((await Deno.readFile(raw)).every((byte, at) => byte === model[at]));
  } finally {
    await Deno.remove(raw).catch(() => {});
  }
}

for (const [clusterBits, version] of [[9, 3], [12, 2], [16, 3], [16, 2]] as const) {
  // Clusters of 512 bytes: one block of counts is for 256 clusters, one table of them for 8 MiB.
  const sizeBytes = clusterBits === 9 ? 2 * MIB : 6 * MIB;
  Deno.test(`qcow2: random writes and reads, clusters of 2^${clusterBits}, version ${version}`, () =>
    withFile(emptyImage(sizeBytes, clusterBits, version), async (path) => {
      await agreesWithQemu(path, exercise(path, sizeBytes, `qcow2 ${clusterBits} ${version}`));
    }));
}

for (
  const options of [
    "compat=1.1",
    "compat=0.10",
    "compat=1.1,cluster_size=4k",
    "compat=1.1,preallocation=metadata",
    "compat=1.1,lazy_refcounts=on",
  ]
) {
  Deno.test({
    name: `qcow2: an image that qemu-img made (${options})`,
    ignore: !hasQemuImg,
    fn: () =>
      withFile(undefined, async (path) => {
        const made = await qemuImg("create", "-q", "-f", "qcow2", "-o", options, path, "8M");
        assertEquals(made?.code, 0, made?.text);
        await agreesWithQemu(path, exercise(path, 8 * MIB, options));
      }),
  });
}

Deno.test("qcow2: while it is written it is marked, and read-only use changes nothing", () =>
  withFile(emptyImage(MIB), async (path) => {
    const dirty = async () => (await Deno.readFile(path))[79];
    const disk = new Qcow2Disk(openDiskFile(path, { write: true }));
    assertEquals(await dirty(), 0);
    disk.write(0, new Uint8Array(512).fill(7));
    assertEquals(await dirty(), 1);
    disk.close();
    assertEquals(await dirty(), 0);
    const before = await Deno.readFile(path);
    const fixed = new Qcow2Disk(openDiskFile(path, { write: false }));
    const bytes = new Uint8Array(1024);
    fixed.read(0, bytes);
    assertEquals([bytes[0], bytes[511], bytes[512]], [7, 7, 0]);
    fixed.close();
    assertEquals(await Deno.readFile(path), before);
  }));

for (const version of [2, 3]) {
  Deno.test(`qcow2: what is given back is taken again, but no sooner than the medium knows (version ${version})`, () =>
    withFile(emptyImage(8 * MIB, 16, version), async (path) => {
      const disk = new Qcow2Disk(openDiskFile(path, { write: true }));
      const size = async () => (await Deno.stat(path)).size;
      disk.write(0, new Uint8Array(4 * MIB).fill(1));
      disk.flush();
      const full = await size();
      for (const value of [2, 3, 4]) {
        disk.discard(0, 2 * MIB);
        disk.zero(2 * MIB, 2 * MIB, true);
        const bytes = new Uint8Array(4 * MIB).fill(9);
        disk.read(0, bytes);
        assert(bytes.every((byte) => byte === 0));
        disk.flush();
        disk.write(0, new Uint8Array(4 * MIB).fill(value));
        disk.flush();
        assertEquals(await size(), full);
      }
      disk.discard(0, 4 * MIB);
      disk.write(4 * MIB, new Uint8Array(MIB).fill(5));
      assertEquals(await size(), full + MIB, "the medium doesn't know yet");
      disk.close();
      await agreesWithQemu(path, new Uint8Array(8 * MIB).fill(5, 4 * MIB, 5 * MIB));

      // Somebody else's next time: version 2 has no way to tell whether its counts are right.
      const again = new Qcow2Disk(openDiskFile(path, { write: true }));
      again.write(0, new Uint8Array(MIB).fill(6));
      assertEquals(await size(), full + (version === 3 ? MIB : 2 * MIB));
      again.close();
      await agreesWithQemu(path, new Uint8Array(8 * MIB).fill(6, 0, MIB).fill(5, 4 * MIB, 5 * MIB));
    }));
}

Deno.test("qcow2: headers that can't be used are refused, each with its reason", async () => {
  const rows: readonly (readonly [RegExp, (view: DataView) => void])[] = [
    [/isn't a qcow2/, (view) => view.setUint8(0, 0)],
    [/version 4/, (view) => view.setUint32(4, 4)],
    [/backing file/, (view) => view.setBigUint64(8, 8n)],
    [/encrypted/, (view) => view.setUint32(32, 1)],
    [/clusters of 2\^8/, (view) => view.setUint32(20, 8)],
    [/clusters of 2\^63/, (view) => view.setUint32(20, 63)],
    [/incompatible features 0x10/, (view) => view.setBigUint64(72, 16n)],
    [/first-level table of 1 entries/, (view) => view.setBigUint64(24, 2n ** 40n)],
    [/a size of/, (view) => view.setBigUint64(24, 2n ** 60n)],
    [/outside the file/, (view) => view.setBigUint64(40, 2n ** 40n)],
    [/outside the file/, (view) => view.setBigUint64(48, 2n ** 40n)],
    [/snapshots/, (view) => view.setUint32(60, 1)],
    [/16 bits/, (view) => view.setUint32(96, 3)],
  ];
  for (const [why, change] of rows) {
    const image = emptyImage(MIB);
    change(new DataView(image.buffer));
    await withFile(image, (path) => {
      const file = openDiskFile(path, { write: true });
      assertThrows(() => new Qcow2Disk(file), Error, undefined, why.source);
      try {
        new Qcow2Disk(file);
      } catch (error) {
        assert(why.test((error as Error).message), `${(error as Error).message} isn't ${why.source}`);
      }
      file.close();
    });
  }
});

Deno.test("qcow2: tables that point anywhere: no access outside the image, an error for each", async () => {
  const cluster = 2 ** 16;
  for (const entry of [2n ** 55n, 0x200n, BigInt(100 * cluster), 1n << 62n | BigInt(cluster)]) {
    for (const level of [1, 2]) {
      const image = emptyImage(MIB);
      const view = new DataView(image.buffer);
      // The table of the second level takes the place of nothing: the cluster of counts will do.
      view.setBigUint64(3 * cluster, level === 1 ? entry : BigInt(2 * cluster));
      view.setBigUint64(2 * cluster, entry);
      if (level === 1 && (entry & 1n << 62n) !== 0n) continue;
      await withFile(image, (path) => {
        const disk = new Qcow2Disk(openDiskFile(path, { write: false }));
        assertThrows(() => disk.read(0, new Uint8Array(512)), Error);
        disk.close();
      });
    }
  }
});
