/** Drivers that break every rule of their queues: the device says DEVICE_NEEDS_RESET, touches nothing it shouldn't, and works after a reset. */
import { assert, assertEquals } from "@std/assert";
import type { Plugin } from "../../core/mod.ts";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { Random } from "../../tests/support/random.ts";
import { virtioBalloon, virtioBlk, virtioConsole, virtioRng } from "./mod.ts";
import type { PackedDriver, SplitDriver } from "./tests/driver.ts";
import { AT, BUFFERS, INDIRECT_BIT, INTID, MmioDriver, NEEDS_RESET, PACKED_BIT, R, RAM, RAM_END } from "./tests/mmio_driver.ts";

const SIZE = 8;
const TABLE = BUFFERS + 0x1000;
const [NEXT, WRITE, INDIRECT] = [1, 2, 4];
const AVAIL = 1 << 7;
const options = { at: AT, interrupt: INTID, legacy: false, packed: true };

async function rngDriver(features: readonly number[]): Promise<{ kit: Bench; driver: MmioDriver }> {
  const kit = bench();
  await kit.attach(virtioRng, options);
  const driver = new MmioDriver(kit);
  driver.start(features, 1, SIZE);
  return { kit, driver };
}

/** What the traced reason must say, and the deed. */
type Row = readonly [why: RegExp, deed: (queue: SplitDriver, driver: MmioDriver) => void];

const table = (queue: SplitDriver) => queue.areas.descriptors;
const one = (at: number | bigint, size: number, flags = WRITE, next = 0): Row[1] => (queue) => {
  queue.descriptor(table(queue), 0, at, size, flags, next);
  queue.offer(0);
  queue.publish();
};
const indirect = (fill: (queue: SplitDriver) => void, bytes: number, at: number = TABLE, flags = 0): Row[1] => (queue) => {
  fill(queue);
  one(at, bytes, INDIRECT | flags)(queue, undefined!);
};

const split: readonly Row[] = [
  [/loop/, one(BUFFERS, 8, WRITE | NEXT, 0)],
  [/loop/, (queue) => {
    for (let n = 0; n < SIZE; n++) queue.descriptor(table(queue), n, BUFFERS, 8, WRITE | NEXT, (n + 1) % SIZE);
    queue.offer(3);
    queue.publish();
  }],
  [/descriptor 8 of a queue of 8/, one(BUFFERS, 8, WRITE | NEXT, SIZE)],
  [/descriptor 65535 of a queue of 8/, one(BUFFERS, 8, WRITE | NEXT, 0xffff)],
  [/descriptor 9 of a queue of 8/, (queue) => {
    queue.offer(9);
    queue.publish();
  }],
  [/length 0/, one(BUFFERS, 0)],
  [/not all of it is guest RAM/, one(0xffff_ffff_ffff_fff8n, 16)],
  [/not all of it is guest RAM/, one(2n ** 48n, 16)],
  [/not all of it is guest RAM/, one(AT, 4)],
  [/not all of it is guest RAM/, one(0, 8)],
  [/not all of it is guest RAM/, one(RAM - 1, 8)],
  [/not all of it is guest RAM/, one(RAM_END - 7, 8)],
  [/not all of it is guest RAM/, one(RAM, 0xffff_ffff)],
  [/no room/, one(BUFFERS, 8, 0)],
  [/readable descriptor behind/, (queue) => {
    queue.descriptor(table(queue), 0, BUFFERS, 8, WRITE | NEXT, 1);
    queue.descriptor(table(queue), 1, BUFFERS, 8, 0, 0);
    queue.offer(0);
    queue.publish();
  }],
  [/jumped by 9, the queue has 8/, (queue) => queue.publish(9)],
  [/jumped by 65535/, (queue) => queue.publish(0xffff)],
  [/an indirect descriptor in an indirect table/, indirect((queue) => queue.descriptor(TABLE, 0, TABLE, 16, INDIRECT, 0), 16)],
  [/with a next one/, indirect(() => {}, 16, TABLE, NEXT)],
  [/indirect table of 0 bytes/, indirect(() => {}, 0)],
  [/indirect table of 24 bytes/, indirect(() => {}, 24)],
  [/indirect table of 1025/, indirect(() => {}, 1025 * 16)],
  [/can't be read/, indirect(() => {}, 16, RAM_END - 8)],
  [/can't be read/, indirect(() => {}, 16, 0)],
  [/indirect table that is a loop/, indirect((queue) => queue.descriptor(TABLE, 0, BUFFERS, 1, WRITE | NEXT, 0), 16)],
  [/descriptor 2 of an indirect table of 2/, indirect((queue) => queue.descriptor(TABLE, 0, BUFFERS, 1, WRITE | NEXT, 2), 32)],
];

for (const [n, [why, deed]] of split.entries()) {
  Deno.test(`virtio, hostile split queue ${n}: ${why.source}`, async () => {
    const { kit, driver } = await rngDriver([INDIRECT_BIT]);
    const before = driver.ram.bytes(BUFFERS, 0x1000);
    deed(driver.queues[0] as SplitDriver, driver);
    driver.set(R.notify, 0);
    stopped(kit, driver, why);
    assertEquals(driver.ram.bytes(BUFFERS, 0x1000), before, "it wrote although the chain was refused");
    recovers(driver, [INDIRECT_BIT]);
  });
}

/** NEEDS_RESET, with an interrupt for the configuration; it serves nothing more. */
function stopped(kit: Bench, driver: MmioDriver, why: RegExp): void {
  assertEquals(driver.get(R.status), 15 | NEEDS_RESET);
  assertEquals([driver.get(R.interrupts) & 2, kit.interrupts.level(INTID)], [2, true]);
  assert(kit.traced.some((line) => line.startsWith("virtio device needs reset") && why.test(line)), kit.traced.join("\n"));
  const events = kit.traced.length;
  for (let n = 0; n < 100; n++) driver.set(R.notify, 0);
  assertEquals(kit.traced.length, events);
}

function recovers(driver: MmioDriver, features: readonly number[]): void {
  driver.set(R.status, 0);
  assertEquals([driver.get(R.status), driver.get(R.interrupts), driver.kit.interrupts.level(INTID)], [0, 0, false]);
  driver.start(features, 1, SIZE);
  assertEquals(driver.request(0, new Uint8Array(0), 32).written, 32);
}

type PackedRow = readonly [why: RegExp, deed: (queue: PackedDriver) => void];
const put = (index: number, at: number | bigint, size: number, flags: number) => (queue: PackedDriver) =>
  queue.descriptor(queue.areas.descriptors, index, at, size, 1, flags);
const packed: readonly PackedRow[] = [
  [/longer than its queue/, (queue) => {
    for (let n = 0; n < SIZE; n++) put(n, BUFFERS, 8, AVAIL | WRITE | NEXT)(queue);
  }],
  [/length 0/, put(0, BUFFERS, 0, AVAIL | WRITE)],
  [/not all of it is guest RAM/, put(0, 0xffff_ffff_ffff_fff8n, 16, AVAIL | WRITE)],
  [/not all of it is guest RAM/, put(0, RAM_END - 7, 8, AVAIL | WRITE)],
  [/an indirect descriptor in an indirect table/, (queue) => {
    queue.descriptor(TABLE, 0, TABLE, 16, 0, INDIRECT);
    put(0, TABLE, 16, AVAIL | INDIRECT)(queue);
  }],
  [/with a next one/, put(0, TABLE, 16, AVAIL | INDIRECT | NEXT)],
  [/within a chain/, (queue) => {
    put(0, BUFFERS, 8, AVAIL | NEXT)(queue);
    put(1, TABLE, 16, AVAIL | INDIRECT)(queue);
  }],
  [/readable descriptor behind/, (queue) => {
    put(0, BUFFERS, 8, AVAIL | NEXT | WRITE)(queue);
    put(1, BUFFERS, 8, AVAIL)(queue);
  }],
];
for (const [n, [why, deed]] of packed.entries()) {
  Deno.test(`virtio, hostile packed queue ${n}: ${why.source}`, async () => {
    const { kit, driver } = await rngDriver([INDIRECT_BIT, PACKED_BIT]);
    deed(driver.queues[0] as PackedDriver);
    driver.set(R.notify, 0);
    stopped(kit, driver, why);
    recovers(driver, [INDIRECT_BIT, PACKED_BIT]);
  });
}

Deno.test("virtio: an indirect table that wasn't negotiated is refused", async () => {
  const { kit, driver } = await rngDriver([]);
  indirect((queue) => queue.descriptor(TABLE, 0, BUFFERS, 1, WRITE, 0), 16)(driver.queues[0] as SplitDriver, driver);
  driver.set(R.notify, 0);
  stopped(kit, driver, /wasn't negotiated/);
});

Deno.test("virtio: a queue that can't be one is refused when it is handed over", async () => {
  const areas = { descriptors: RAM, driver: RAM + 0x5000, device: RAM + 0x6000 };
  const rows: readonly (readonly [number, Partial<typeof areas>, RegExp])[] = [
    [0, {}, /a size of 0/],
    [6, {}, /not a power of two/],
    [16, {}, /a size of 16, at most 8/],
    [0xffff_ffff, {}, /at most 8/],
    [8, { descriptors: 0 }, /descriptor area .* guest RAM/],
    [8, { descriptors: RAM + 8 }, /descriptor area .* aligned to 16/],
    [8, { driver: RAM + 1 }, /driver area .* aligned to 2/],
    [8, { device: RAM + 2 }, /device area .* aligned to 4/],
    [8, { device: RAM_END - 8 }, /device area .* guest RAM/],
    [8, { descriptors: 2 ** 52 }, /guest RAM/],
    [8, { driver: 0xffff_ffff * 2 ** 32 }, /guest RAM/],
  ];
  for (const [size, change, why] of rows) {
    const kit = bench();
    await kit.attach(virtioRng, options);
    const driver = new MmioDriver(kit);
    driver.negotiate([]);
    driver.setUp(0, size, { ...areas, ...change });
    assertEquals([driver.get(R.queueReady), driver.get(R.status)], [0, 11 | NEEDS_RESET], why.source);
    assert(why.test(kit.traced.at(-1)!), kit.traced.at(-1));
  }
});

Deno.test("virtio: status bits out of order, features that weren't offered, notifications of no queue", async () => {
  const kit = bench();
  await kit.attach(virtioRng, options);
  const driver = new MmioDriver(kit);
  driver.set(R.status, 4);
  assertEquals(driver.get(R.status), 0, "DRIVER_OK without FEATURES_OK");
  driver.set(R.status, 8);
  assertEquals(driver.get(R.status), 0, "FEATURES_OK without VERSION_1");
  driver.set(R.driverFeaturesSel, 1);
  driver.set(R.driverFeatures, 0xffff_ffff);
  driver.set(R.status, 11);
  assertEquals(driver.get(R.status), 3, "FEATURES_OK with more than was offered");
  driver.set(R.driverFeatures, 1);
  driver.set(R.status, 11);
  assertEquals(driver.get(R.status), 11);
  driver.set(R.driverFeatures, 0xffff_ffff);
  driver.set(R.status, 1);
  assertEquals(driver.get(R.status), 11, "bits don't go");
  for (const queue of [0, 1, 0xffff_ffff]) driver.set(R.notify, queue);
  driver.set(R.status, 15);
  for (const queue of [0, 1, 0xffff_ffff]) driver.set(R.notify, queue);
  assertEquals(driver.get(R.status), 15);
  driver.set(R.status, 15 | 128);
  assertEquals(driver.get(R.status), 15 | 128);
});

Deno.test("virtio: random registers and random rings: no throw, no hang, and every device works after a reset", async () => {
  const random = new Random("hostile virtio");
  const devices: readonly { plugin: Plugin; extra: object; queues: number }[] = [
    { plugin: virtioRng, extra: {}, queues: 1 },
    { plugin: virtioBlk, extra: { image: "disk", queues: 2 }, queues: 2 },
    { plugin: virtioConsole, extra: { ports: ["a", "b"] }, queues: 6 },
    { plugin: virtioBalloon, extra: { statistics: 1e6 }, queues: 3 },
  ];
  const interesting = [
    0,
    1,
    2,
    3,
    7,
    8,
    11,
    15,
    16,
    0x80,
    0x40000000,
    0x40001000,
    0x40005000,
    0x40006000,
    0x7fffffff,
    0x80000000,
    0xffffffff,
  ];
  for (const legacy of [false, true]) {
    for (const { plugin, extra, queues } of devices) {
      const kit = bench({ images: new Map([["disk", new Uint8Array(2 ** 16)]]) });
      await kit.attach(plugin, { ...options, legacy, ...extra });
      const driver = new MmioDriver(kit);
      for (let round = 0; round < 60; round++) {
        const features = random.chance(0.5) ? [PACKED_BIT, INDIRECT_BIT] : [INDIRECT_BIT];
        if (!legacy && random.chance(0.8)) driver.start(features, queues, random.pick([4, 8]));
        for (let queue = 0; queue < queues; queue++) {
          // Rings of small numbers hit more than noise does.
          const words = Uint32Array.from({ length: 64 }, () => random.chance(0.5) ? random.below(16) : random.pick(interesting));
          const { descriptors, driver: area } = driver.areas(queue);
          driver.ram.put(descriptors, new Uint8Array(words.buffer));
          driver.ram.put(area, new Uint8Array(words.buffer, 0, 64));
        }
        for (let n = 0; n < 60; n++) {
          const at = AT + (random.chance(0.8) ? 4 * random.below(0x200 / 4) : random.below(0x1f8));
          const size = random.chance(0.8) ? 4 : random.pick([1, 2, 8]);
          if (at % size !== 0) continue;
          if (random.chance(0.3)) kit.read(at, size);
          else kit.write(at, size, BigInt.asUintN(8 * size, BigInt(random.pick(interesting))));
          if (random.chance(0.3)) driver.set(R.notify, random.below(queues));
        }
        kit.advance(100_000);
      }
      if (legacy) continue;
      const before = driver.ram.bytes(RAM, 0x100);
      driver.set(R.status, 0);
      assertEquals(driver.get(R.status), 0);
      assertEquals(driver.ram.bytes(RAM, 0x100), before);
      driver.start([], queues, 8);
      assertEquals(driver.get(R.status), 15);
    }
  }
});
