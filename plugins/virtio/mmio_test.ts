/** The registers of virtio over MMIO: every offset, width and alignment, both versions, against a table that reads like the standard's. */
import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { virtioBlk, virtioRng } from "./mod.ts";
import { AT, INTID, MmioDriver, R, RAM } from "./tests/mmio_driver.ts";

const images = new Map([["disk", new Uint8Array(1 << 20)]]);
const options = { at: AT, interrupt: INTID, legacy: false, packed: true };

async function blk(legacy: boolean, more: object = {}): Promise<Bench> {
  const kit = bench({ images });
  await kit.attach(virtioBlk, { ...options, legacy, image: "disk", queue_size: 64, ...more } as never);
  return kit;
}

const low = 1 << 1 | 1 << 2 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 13 | 1 << 14 | 1 << 28 | 1 << 29;

/** What reads at reset; everything else is zero. */
const modern: ReadonlyMap<number, number> = new Map([
  [0x00, 0x74726976],
  [0x04, 2],
  [0x08, 2],
  [0x0c, 0x47554c50],
  [0x10, low],
  [0x34, 64],
  [0xb0, 0xffff_ffff],
  [0xb4, 0xffff_ffff],
  [0xb8, 0xffff_ffff],
  [0xbc, 0xffff_ffff],
]);
const old: ReadonlyMap<number, number> = new Map([[0x00, 0x74726976], [0x04, 1], [0x08, 2], [0x0c, 0x47554c50], [0x10, low | 1 << 27], [
  0x34,
  64,
]]);

for (const [legacy, table] of [[false, modern], [true, old]] as const) {
  Deno.test(`virtio-mmio version ${legacy ? 1 : 2}: what each offset reads, at each width`, async () => {
    const kit = await blk(legacy);
    for (let offset = 0; offset < 0x100; offset++) {
      for (const size of [1, 2, 4, 8]) {
        if (offset % size !== 0) continue;
        const wanted = size === 4 ? table.get(offset) ?? 0 : 0;
        assertEquals(Number(kit.read(AT + offset, size)), wanted, `${size} bytes at 0x${offset.toString(16)}`);
      }
    }
  });

  Deno.test(`virtio-mmio version ${legacy ? 1 : 2}: narrow and wide writes do nothing, no write throws`, async () => {
    const kit = await blk(legacy);
    const read = () => Array.from({ length: 0x200 / 4 }, (_, n) => kit.read32(AT + 4 * n));
    const before = read();
    for (let offset = 0; offset < 0x100; offset++) {
      for (const size of [1, 2, 8]) if (offset % size === 0) kit.write(AT + offset, size, 2n ** BigInt(8 * size) - 1n);
    }
    assertEquals(read(), before);
    for (let offset = 0; offset < 0x200; offset += 4) for (const value of [0xffff_ffff, 1, 0]) kit.write32(AT + offset, value);
    kit.write32(AT + R.status, 0);
    assertEquals(kit.read32(AT + R.status), 0);
  });

  Deno.test(`virtio-mmio version ${legacy ? 1 : 2}: the configuration takes every width`, async () => {
    const kit = await blk(legacy);
    const bytes = Array.from({ length: 0x100 }, (_, n) => kit.read8(AT + 0x100 + n));
    assertEquals(kit.read64(AT + 0x100), 2048n); // sectors
    for (const size of [2, 4, 8]) {
      for (let offset = 0; offset < 0x100; offset += size) {
        const wanted = bytes.slice(offset, offset + size).reduceRight((all, byte) => all << 8n | BigInt(byte), 0n);
        assertEquals(kit.read(AT + 0x100 + offset, size), wanted);
      }
    }
    assertEquals(bytes.slice(60), new Array(0x100 - 60).fill(0));
  });
}

Deno.test("virtio-mmio: features by halves, and none beyond bit 63", async () => {
  const driver = new MmioDriver(await blk(false, { queues: 2 }));
  assertEquals(driver.offered(), BigInt(low | 1 << 12) | 1n << 32n | 1n << 33n | 1n << 34n | 1n << 40n);
  for (const half of [2, 3, 0xffff_ffff]) {
    driver.set(R.featuresSel, half);
    assertEquals(driver.get(R.features), 0);
  }
  const legacy = new MmioDriver(await blk(true));
  assertEquals(legacy.offered() >> 32n, 0n);
  const split = new MmioDriver(await blk(false, { packed: false }));
  assertEquals(split.offered() >> 34n & 1n, 0n);
});

Deno.test("virtio-mmio: a queue's registers hold still once it is ready; queues that aren't there have no size", async () => {
  const driver = new MmioDriver(await blk(false));
  driver.negotiate([]);
  driver.setUp(0, 16);
  assertEquals(driver.get(R.queueReady), 1);
  driver.set(R.queueNum, 3);
  driver.set(R.areas[0], 0x1234);
  driver.set(R.status, 15);
  assertEquals(driver.get(R.status), 15);
  driver.set(R.queueReady, 0);
  assertEquals(driver.get(R.queueReady), 0);
  driver.set(R.queueReady, 1);
  assertEquals([driver.get(R.queueReady), driver.get(R.status)], [1, 15], "its size or its addresses changed while it was ready");
  for (const index of [1, 2, 0x7fff_ffff, 0xffff_ffff]) {
    driver.set(R.queueSel, index);
    assertEquals([driver.get(R.queueNumMax), driver.get(R.queueReady)], [0, 0]);
    driver.set(R.queueReady, 1);
    driver.set(R.queueReset, 1);
  }
  assertEquals(driver.get(R.status), 15);
});

Deno.test("virtio-mmio: the line is what the status register says, and an acknowledgement lowers it", async () => {
  const kit = bench();
  await kit.attach(virtioRng, options);
  const driver = new MmioDriver(kit);
  driver.start([], 1, 8);
  driver.request(0, new Uint8Array(0), 4);
  assertEquals([driver.get(R.interrupts), kit.interrupts.level(INTID)], [1, true]);
  driver.set(R.ack, 2);
  assertEquals([driver.get(R.interrupts), kit.interrupts.level(INTID)], [1, true]);
  driver.set(R.ack, 1);
  assertEquals([driver.get(R.interrupts), kit.interrupts.level(INTID)], [0, false]);
});

Deno.test("virtio-mmio version 1: one page number gives all three areas", async () => {
  const kit = bench();
  await kit.attach(virtioRng, { ...options, legacy: true });
  const driver = new MmioDriver(kit);
  const [guestPageSize, queueAlign, queuePfn] = [0x28, 0x3c, 0x40];
  driver.set(R.status, 3);
  driver.set(guestPageSize, 4096);
  driver.set(R.queueSel, 0);
  driver.set(R.queueNum, 8);
  driver.set(queueAlign, 4096);
  driver.set(queuePfn, RAM / 4096 + 2);
  assertEquals(driver.get(queuePfn), RAM / 4096 + 2);
  driver.set(R.status, 7);
  const base = RAM + 0x2000;
  driver.ram.put64(base, BigInt(RAM + 0x8000));
  driver.ram.put32(base + 8, 16);
  driver.ram.put16(base + 12, 2);
  driver.ram.put16(base + 8 * 16 + 2, 1);
  driver.set(R.notify, 0);
  assertEquals([driver.ram.get16(base + 4096 + 2), driver.ram.get32(base + 4096 + 8)], [1, 16]);
  driver.set(queuePfn, 0);
  assertEquals([driver.get(queuePfn), driver.get(R.status)], [0, 7]);
  for (const [size, align] of [[0, 4096], [4096, 0], [4096, 3]]) {
    driver.set(R.status, 0);
    driver.set(guestPageSize, 4096);
    driver.set(guestPageSize, size);
    driver.set(queueAlign, align);
    driver.set(queuePfn, 0xffff_ffff);
    assert(driver.get(queuePfn) === 0 && (driver.get(R.status) & 64) !== 0);
  }
});

Deno.test("virtio: declares its window, its interrupt, its node, and what its options contradict", () => {
  const { board } = bench();
  const { windows, interrupts, deviceTree } = virtioRng.resources!({ ...options, at: 0x0a00_0200 }, { board });
  assertEquals(windows, [{ name: "registers", at: 0x0a00_0200, size: 0x200 }]);
  assertEquals(interrupts, [{ name: "interrupt", intid: INTID, trigger: "level" }]);
  assertEquals(deviceTree![0].nodes![0].name, "virtio_mmio@a000200");
  const findings = (more: object) => virtioBlk.resources!({ ...options, ...more } as never, { board }).findings!.length;
  assertEquals([findings({}), findings({ file: "a" }), findings({ image: "a" }), findings({ file: "a", image: "b" })], [1, 0, 0, 1]);
});

Deno.test("virtio: state is plain data", async () => {
  const kit = bench({ images });
  const state = await kit.attach(virtioBlk, { ...options, image: "disk", queue_size: 64 } as never);
  new MmioDriver(kit).start([], 1, 8);
  assertEquals(structuredClone(state), state);
});
