/** The block device against a model disk: random requests; refusals; what reaches the host's file and when; snapshots and reboots. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { openDiskFile } from "../../../core/mod.ts";
import type { Disk } from "../../../core/mod.ts";
import { bench } from "../../../core/testing.ts";
import type { Bench } from "../../../core/testing.ts";
import { Random } from "../../../tests/support/random.ts";
import { virtioBlk } from "../mod.ts";
import { AT, BUFFERS, INTID, MmioDriver, PACKED_BIT, R } from "../tests/mmio_driver.ts";

const SECTORS = 256;
const [IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES] = [0, 1, 4, 8, 11, 13];
const [OK, IOERR, UNSUPP] = [0, 1, 2];
const features = { ro: 5, flush: 9, wce: 11, discard: 13, zeroes: 14 };
const all = [features.flush, features.wce, features.discard, features.zeroes];

/** A disk that counts, and can be told to fail. */
class TestDisk implements Disk {
  readonly bytes = new Uint8Array(SECTORS * 512);
  readonly sizeBytes = this.bytes.length;
  readonly writable = true;
  flushes = 0;
  fails = false;
  closed = false;
  read(offset: number, into: Uint8Array): void {
    this.#check();
    into.set(this.bytes.subarray(offset, offset + into.length));
  }
  write(offset: number, bytes: Uint8Array): void {
    this.#check();
    this.bytes.set(bytes, offset);
  }
  flush(): void {
    this.#check();
    this.flushes++;
  }
  close(): void {
    this.closed = true;
  }
  #check(): void {
    if (this.fails) throw new Error("the medium is bad");
  }
}

async function started(
  negotiated: readonly number[] = all,
  more: object = {},
): Promise<{ disk: TestDisk; driver: MmioDriver; kit: Bench }> {
  const disk = new TestDisk();
  const kit = bench({ openDisk: () => disk });
  await kit.attach(virtioBlk, { at: AT, interrupt: INTID, legacy: false, packed: true, file: "x.img", queues: 2, ...more } as never);
  const driver = new MmioDriver(kit);
  driver.start(negotiated, 2, 16);
  return { disk, driver, kit };
}

function header(type: number, sector: number | bigint, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(16 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  bytes.set(data, 16);
  return bytes;
}

function range(sector: number | bigint, count: number, flags = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigUint64(0, BigInt(sector), true);
  view.setUint32(8, count, true);
  view.setUint32(12, flags, true);
  return new Uint8Array(view.buffer);
}

/** A request's status and its data. */
function ask(
  driver: MmioDriver,
  type: number,
  sector: number | bigint,
  { data, room = 0 }: { data?: Uint8Array; room?: number } = {},
  queue = 0,
) {
  const { bytes, written } = driver.request(queue, header(type, sector, data), room + 1);
  return { status: bytes[room], data: bytes.subarray(0, room), written };
}

for (const packed of [false, true]) {
  Deno.test(`virtio_blk: random requests against a model disk (${packed ? "packed" : "split"})`, async () => {
    const random = new Random(`blk ${packed}`);
    const { disk, driver } = await started([...all, ...packed ? [PACKED_BIT] : []]);
    const model = new Uint8Array(SECTORS * 512);
    for (let n = 0; n < 4000; n++) {
      const sector = random.chance(0.05) ? SECTORS - 1 + random.below(3) : random.below(SECTORS);
      const count = random.chance(0.1) ? 0 : 1 + random.below(8);
      const fits = sector + count <= SECTORS;
      const queue = random.below(2);
      const [from, to] = [sector * 512, (sector + count) * 512];
      switch (random.below(4)) {
        case 0: {
          const { status, data, written } = ask(driver, IN, sector, { room: count * 512 }, queue);
          assertEquals([status, written], fits ? [OK, count * 512 + 1] : [IOERR, count === 0 ? 1 : 0]);
          if (fits) assertEquals(data, model.subarray(from, to));
          break;
        }
        case 1: {
          const data = Uint8Array.from({ length: count * 512 }, () => random.below(256));
          assertEquals(ask(driver, OUT, sector, { data }, queue).status, fits ? OK : IOERR);
          if (fits) model.set(data, from);
          break;
        }
        case 2:
          assertEquals(ask(driver, WRITE_ZEROES, 0, { data: range(sector, count, random.below(2)) }, queue).status, fits ? OK : IOERR);
          if (fits) model.fill(0, from, to);
          break;
        case 3: {
          // What is discarded may be anything: the model takes it over.
          assertEquals(ask(driver, DISCARD, 0, { data: range(sector, count) }, queue).status, fits ? OK : IOERR);
          if (fits) model.set(disk.bytes.subarray(from, to), from);
        }
      }
    }
    assertEquals(disk.bytes, model);
    assertEquals(driver.get(R.status), 15);
  });
}

Deno.test("virtio_blk: what it refuses, and with which status", async () => {
  const { driver, disk, kit } = await started();
  const sector = new Uint8Array(512).fill(1);
  assertEquals(ask(driver, OUT, SECTORS, { data: sector }).status, IOERR);
  assertEquals(ask(driver, OUT, 2n ** 64n - 1n, { data: sector }).status, IOERR);
  assertEquals(ask(driver, OUT, 2n ** 55n, { data: sector }).status, IOERR);
  assertEquals(ask(driver, OUT, 0, { data: sector.subarray(1) }).status, IOERR);
  assertEquals(ask(driver, IN, 0, { room: 100 }).status, IOERR);
  assertEquals(ask(driver, 99, 0).status, UNSUPP);
  assertEquals(ask(driver, DISCARD, 0, { data: range(0, 1, 1) }).status, UNSUPP);
  assertEquals(ask(driver, WRITE_ZEROES, 0, { data: range(0, 1, 2) }).status, UNSUPP);
  assertEquals(ask(driver, WRITE_ZEROES, 0, { data: range(2n ** 64n - 1n, 2) }).status, IOERR);
  assertEquals(ask(driver, DISCARD, 0, { data: range(0, 0xffff_ffff) }).status, IOERR);
  assertEquals(ask(driver, DISCARD, 0, { data: new Uint8Array(15) }).status, IOERR);
  assertEquals(ask(driver, GET_ID, 0, { room: 4 }).status, IOERR);
  const { data } = ask(driver, GET_ID, 0, { room: 20 });
  assertEquals(new TextDecoder().decode(data).replaceAll("\0", ""), "plugboard");
  assertEquals(disk.bytes.every((byte) => byte === 0), true);

  disk.fails = true;
  assertEquals([ask(driver, IN, 0, { room: 512 }).status, ask(driver, OUT, 0, { data: sector }).status, ask(driver, FLUSH, 0).status], [
    IOERR,
    IOERR,
    IOERR,
  ]);
  assert(kit.traced.some((line) => line.includes("the medium is bad")));
  disk.fails = false;
  assertEquals(ask(driver, FLUSH, 0).status, OK);
});

Deno.test("virtio_blk: a request that can't be answered needs a reset", async () => {
  for (const [size, write] of [[15, false], [16, false], [16, true]] as const) {
    const { driver } = await started();
    driver.queues[0].add([{ at: BUFFERS, size, write }]);
    driver.queues[0].publish();
    driver.set(R.notify, 0);
    assertEquals(driver.get(R.status), 15 | 64);
  }
});

Deno.test("virtio_blk: a driver that can't flush relies on each write; one that can, doesn't", async () => {
  const data = new Uint8Array(512);
  const plain = await started([]);
  assertEquals([ask(plain.driver, OUT, 0, { data }).status, plain.disk.flushes], [OK, 1]);
  assertEquals(ask(plain.driver, DISCARD, 0, { data: range(0, 1) }).status, UNSUPP);

  const flushing = await started([features.flush]);
  ask(flushing.driver, OUT, 0, { data });
  assertEquals(flushing.disk.flushes, 0);
  assertEquals([ask(flushing.driver, FLUSH, 0).status, flushing.disk.flushes], [OK, 1]);

  const { driver, disk, kit } = await started();
  kit.write8(AT + R.config + 32, 0); // writethrough: what is written so far goes to the medium as well
  assertEquals([disk.flushes, kit.read8(AT + R.config + 32)], [1, 0]);
  ask(driver, OUT, 0, { data });
  assertEquals(disk.flushes, 2);
  kit.write8(AT + R.config + 32, 1);
  ask(driver, OUT, 0, { data });
  assertEquals(disk.flushes, 2);
  kit.write8(AT + R.config + 32, 2);
  assertEquals(kit.read8(AT + R.config + 32), 1);
});

Deno.test("virtio_blk: a disk that can give room back is asked to", async () => {
  const asked: unknown[] = [];
  const disk = Object.assign(new TestDisk(), {
    zero: (...args: unknown[]) => asked.push(["zero", ...args]),
    discard: (...args: unknown[]) => asked.push(["discard", ...args]),
  });
  const kit = bench({ openDisk: () => disk as unknown as Disk });
  await kit.attach(virtioBlk, { at: AT, interrupt: INTID, legacy: false, packed: true, file: "x.img" } as never);
  const driver = new MmioDriver(kit);
  driver.start([features.discard, features.zeroes], 1, 16);
  ask(driver, DISCARD, 0, { data: range(3, 5) });
  ask(driver, WRITE_ZEROES, 0, { data: range(1, 2) });
  ask(driver, WRITE_ZEROES, 0, { data: range(1, 2, 1) });
  assertEquals(asked, [["discard", 1536, 2560], ["zero", 512, 1024, false], ["zero", 512, 1024, true]]);
  assertEquals(disk.flushes, 3);
});

Deno.test("virtio_blk: read-only disks are never written, snapshots keep writes to themselves, and over a reboot", async () => {
  const data = new Uint8Array(1024).fill(7);
  const fixed = await started([features.ro], { readonly: true });
  for (const type of [OUT, DISCARD, WRITE_ZEROES]) {
    assert(ask(fixed.driver, type, 0, { data: type === OUT ? data : range(0, 1) }).status !== OK);
  }
  assertEquals(fixed.disk.bytes.every((byte) => byte === 0), true);

  const image = new Uint8Array(3 * 0x1_0000 + 512).map((_, n) => n * 7);
  const original = image.slice();
  const kit = bench({ images: new Map([["disk", image]]) });
  const options = { at: AT, interrupt: INTID, legacy: false, packed: true, image: "disk", snapshot_limit: 2 * 0x1_0000 };
  const state = await kit.attach(virtioBlk, options as never);
  const driver = new MmioDriver(kit);
  driver.start(all, 1, 16);
  const border = 0x1_0000 / 512 - 1;
  assertEquals(ask(driver, OUT, border, { data }).status, OK);
  assertEquals(ask(driver, IN, border, { room: 1024 }).data, data);
  assertEquals(ask(driver, IN, border - 1, { room: 512 }).data, original.subarray((border - 1) * 512, border * 512));
  assertEquals(ask(driver, IN, border + 2, { room: 512 }).data, original.subarray((border + 2) * 512, (border + 3) * 512));
  assertEquals(ask(driver, OUT, 3 * 128, { data: data.subarray(512) }).status, IOERR, "beyond what the snapshot may take");
  // Given back, the room is there for others, and what was there reads as zeroes.
  assertEquals(ask(driver, WRITE_ZEROES, 0, { data: range(128, 128, 1) }).status, OK);
  assertEquals(ask(driver, IN, 128, { room: 512 }).data, new Uint8Array(512));
  assertEquals(ask(driver, OUT, 3 * 128, { data: data.subarray(512) }).status, IOERR, "a block of zeroes takes some memory, too");
  assertEquals(ask(driver, DISCARD, 0, { data: range(0, 128) }).status, OK);
  assertEquals(ask(driver, OUT, 3 * 128, { data: data.subarray(512) }).status, OK);
  assertEquals(ask(driver, OUT, 128, { data: data.subarray(512) }).status, IOERR);
  assertEquals(ask(driver, IN, 0, { room: 512 }).data, new Uint8Array(512));
  assertEquals(image, original);

  const kept = virtioBlk.keep!(state);
  assertEquals(kept.model!.overlay, state.model.overlay);
  assertEquals(state.model.overlay.size, 3);
});

Deno.test("virtio_blk: a file of the host: written, flushed, closed, and nobody else's meanwhile", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, new Uint8Array(64 * 512));
    const kit = bench({ board: { file: "/elsewhere/bench.yaml" } });
    await kit.attach(virtioBlk, { at: AT, interrupt: INTID, legacy: false, packed: true, file: path } as never);
    const driver = new MmioDriver(kit);
    driver.start(all, 1, 16);
    const data = new Uint8Array(512).fill(9);
    assertEquals(ask(driver, OUT, 63, { data }).status, OK);
    assertEquals(ask(driver, FLUSH, 0).status, OK);
    assertEquals((await Deno.readFile(path)).subarray(63 * 512), data);
    const other = bench();
    const refused = await assertRejects(
      () => other.attach(virtioBlk, { at: AT, interrupt: INTID, legacy: false, packed: true, file: path } as never),
      Error,
      "is in use",
    );
    assertEquals((refused as Error & { path?: unknown }).path, ["bench", "file"]);
    kit.close();
    const again = openDiskFile(path, { write: true });
    again.close();
    again.close();
  } finally {
    await Deno.remove(path);
  }
  const kit = bench();
  await assertRejects(
    () => kit.attach(virtioBlk, { at: AT, interrupt: INTID, legacy: false, packed: true, file: "/no/such/file" } as never),
    Error,
    "there is no file /no/such/file",
  );
});
