/** Virtio over PCI: capabilities, the common configuration at every offset and width, INTA# and MSI-X, configuration access. */
import { assert, assertEquals } from "@std/assert";
import type { Bench } from "../../core/testing.ts";
import { config, DOORBELL, INTX, MEMORY, pciBench } from "../../tests/support/pci_bench.ts";
import type { PciBench } from "../../tests/support/pci_bench.ts";
import { virtioRngPci } from "./mod.ts";
import { GuestRam, SplitDriver } from "./tests/driver.ts";
import { BUFFERS, RAM } from "./tests/mmio_driver.ts";

const [COMMON, ISR, NOTIFY] = [MEMORY, MEMORY + 0x1000, MEMORY + 0x3000];
const TABLE = MEMORY + 0x1_0000;
const LINE = INTX + 1;
const DEVICE = 1;
const areas = { descriptors: RAM, driver: RAM + 0x1000, device: RAM + 0x2000 };

/** Vendor-specific capabilities by `cfg_type`: where they are, and BAR, offset, length. */
function structures(kit: Bench): Map<number, { at: number; where: number[] }> {
  const found = new Map<number, { at: number; where: number[] }>();
  for (let at = kit.read8(config(DEVICE, 0x34)); at !== 0; at = kit.read8(config(DEVICE, at + 1))) {
    if (kit.read8(config(DEVICE, at)) !== 9) continue;
    const where = [kit.read8(config(DEVICE, at + 4)), kit.read32(config(DEVICE, at + 8)), kit.read32(config(DEVICE, at + 12))];
    found.set(kit.read8(config(DEVICE, at + 3)), { at, where });
  }
  return found;
}

async function started(master = true): Promise<PciBench> {
  const bench = await pciBench();
  await bench.kit.attach(virtioRngPci, { packed: true });
  const { kit } = bench;
  kit.write32(config(DEVICE, 0x10), MEMORY);
  kit.write32(config(DEVICE, 0x14), TABLE);
  kit.write16(config(DEVICE, 4), master ? 6 : 2);
  return bench;
}

/** As Linux does it, with the width of each field. */
function bringUp(kit: Bench, vector?: number): SplitDriver {
  for (const status of [0, 1, 3]) kit.write8(COMMON + 20, status);
  kit.write32(COMMON + 8, 1);
  kit.write32(COMMON + 12, 1);
  kit.write8(COMMON + 20, 11);
  assertEquals(kit.read8(COMMON + 20), 11);
  kit.write16(COMMON + 22, 0);
  assertEquals(kit.read16(COMMON + 24), 8);
  if (vector !== undefined) {
    kit.write16(COMMON + 16, 0);
    kit.write16(COMMON + 26, vector);
    assertEquals(kit.read16(COMMON + 26), vector);
  }
  for (const [offset, at] of [[32, areas.descriptors], [40, areas.driver], [48, areas.device]]) {
    kit.write32(COMMON + offset, at);
    kit.write32(COMMON + offset + 4, 0);
    assertEquals(kit.read64(COMMON + offset), BigInt(at));
  }
  kit.write16(COMMON + 28, 1);
  assertEquals(kit.read16(COMMON + 28), 1);
  kit.write8(COMMON + 20, 15);
  return new SplitDriver(new GuestRam(kit), areas, 8);
}

function ask(kit: Bench, queue: SplitDriver): number | undefined {
  queue.add([{ at: BUFFERS, size: 32, write: true }]);
  queue.publish();
  kit.write16(NOTIFY, 0);
  return queue.take()?.written;
}

Deno.test("virtio-pci: identification and structures", async () => {
  const { kit } = await started();
  assertEquals([kit.read16(config(DEVICE, 0)), kit.read16(config(DEVICE, 2))], [0x1af4, 0x1044]);
  assert(kit.read8(config(DEVICE, 8)) >= 1);
  const found = structures(kit);
  assertEquals([1, 2, 3, 4].map((type) => found.get(type)?.where), [[0, 0, 60], [0, 0x3000, 4], [0, 0x1000, 1], [0, 0x2000, 0x1000]]);
  assertEquals(kit.read32(config(DEVICE, found.get(2)!.at + 16)), 4);
});

Deno.test("virtio-pci: a request, answered with INTA#; reading the ISR lowers it", async () => {
  const { kit } = await started();
  const queue = bringUp(kit);
  assertEquals([ask(kit, queue), kit.interrupts.level(LINE)], [32, true]);
  assertEquals([kit.read8(ISR), kit.interrupts.level(LINE), kit.read8(ISR)], [1, false, 0]);
});

Deno.test("virtio-pci: with MSI-X each queue has its message, and a vector that isn't there is none", async () => {
  const { kit, messages } = await started();
  const msix = 0x40;
  kit.write16(config(DEVICE, msix + 2), 0x8000);
  for (const vector of [0, 1]) {
    kit.write64(TABLE + 16 * vector, DOORBELL + 0x40);
    kit.write64(TABLE + 16 * vector + 8, 100 + vector);
  }
  const queue = bringUp(kit, 1);
  assertEquals(ask(kit, queue), 32);
  assertEquals(messages.splice(0).map(({ data }) => data), [101]);
  kit.write16(COMMON + 26, 2);
  assertEquals(kit.read16(COMMON + 26), 0xffff);
  ask(kit, queue);
  assertEquals([messages.length, kit.interrupts.level(LINE)], [0, false]);
  // A queue beyond repair is a matter of the configuration.
  queue.publish(100);
  kit.write16(NOTIFY, 0);
  assertEquals([kit.read8(COMMON + 20) & 64, messages.map(({ data }) => data)], [64, [100]]);
});

Deno.test("virtio-pci: a function that isn't bus master reaches no memory", async () => {
  const { kit } = await started(false);
  const queue = bringUp(kit);
  const before = new GuestRam(kit).bytes(BUFFERS, 32);
  assertEquals(ask(kit, queue), undefined);
  assertEquals(new GuestRam(kit).bytes(BUFFERS, 32), before);
});

Deno.test("virtio-pci: every offset at every width answers, and only a field's own width says something", async () => {
  const { kit } = await started();
  const wanted = new Map([[4, 0x3000_0000], [18, 1], [24, 8], [16, 0xffff], [26, 0xffff]]);
  const sizes = new Map([[4, 4], [18, 2], [24, 2], [16, 2], [26, 2]]);
  for (let offset = 0; offset < 0x4000; offset++) {
    if (offset >= 64 && offset % 0x1000 > 16) continue;
    for (const size of [1, 2, 4, 8]) {
      if (offset % size !== 0) continue;
      assertEquals(Number(kit.read(MEMORY + offset, size)), sizes.get(offset) === size ? wanted.get(offset) : 0, `${size} at ${offset}`);
    }
  }
  for (let offset = 0; offset < 0x4000; offset++) {
    if (offset >= 64 && offset % 0x1000 > 16) continue;
    for (const size of [1, 2, 4, 8]) {
      if (offset % size === 0) { for (const value of [2n ** BigInt(8 * size) - 1n, 1n, 0n]) kit.write(MEMORY + offset, size, value); }
    }
  }
  bringUp(kit);
});

Deno.test("virtio-pci: configuration access reaches the BAR without it being mapped", async () => {
  const { kit } = await started();
  const { at } = structures(kit).get(5)!;
  const access = (bar: number, offset: number, length: number) => {
    kit.write8(config(DEVICE, at + 4), bar);
    kit.write32(config(DEVICE, at + 8), offset);
    kit.write32(config(DEVICE, at + 12), length);
  };
  access(0, 18, 2);
  assertEquals(kit.read32(config(DEVICE, at + 16)) & 0xffff, 1);
  access(0, 20, 1);
  kit.write32(config(DEVICE, at + 16), 3);
  assertEquals(kit.read8(COMMON + 20), 3);
  for (const [bar, offset, length] of [[1, 20, 1], [0, 0x4000, 1], [0, 0xffff_ffff, 4], [0, 20, 3], [0, 21, 2], [0, 20, 0]]) {
    access(bar, offset, length);
    kit.write32(config(DEVICE, at + 16), 0);
    kit.read32(config(DEVICE, at + 16));
    assertEquals(kit.read8(COMMON + 20), 3);
  }
});
