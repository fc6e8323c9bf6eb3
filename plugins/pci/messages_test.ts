import { assert, assertEquals } from "@std/assert";
import { config, DOORBELL, INTX, loggingBar, MEMORY, pciBench } from "../../tests/support/pci_bench.ts";
import type { PciBench } from "../../tests/support/pci_bench.ts";
import type { PciFunction } from "./contract.ts";
import { randomBelow } from "../../tests/support/random.ts";

const COMMAND = 4;
/** The first capability. */
const CAP = 0x40;
const MASTER_AND_MEMORY = 6;

interface Target extends PciBench {
  readonly device: PciFunction;
}

/** A function with MSI whose driver has filled in address and data, bus master, not enabled. */
async function withMsi(vectors: number): Promise<Target> {
  const bench = await pciBench();
  const device = bench.plug({ intx: true, msi: { vectors } });
  bench.kit.write16(config(1, COMMAND), MASTER_AND_MEMORY);
  bench.kit.write32(config(1, CAP + 4), DOORBELL + 0x40);
  bench.kit.write16(config(1, CAP + 0xc), 0x5a70);
  return { ...bench, device };
}

const enableMsi = ({ kit }: Target, granted = 0) => kit.write16(config(1, CAP + 2), granted << 4 | 1);
const data = ({ messages }: PciBench) => messages.splice(0).map((message) => message.data);

/** A function with MSI-X in BAR 0, which lies at the memory window's start; entries are programmed and unmasked. */
async function withMsix(vectors: number): Promise<Target> {
  const bench = await pciBench();
  const device = bench.plug({ intx: true, msix: { vectors, bar: 0 } });
  bench.kit.write16(config(1, COMMAND), MASTER_AND_MEMORY);
  bench.kit.write32(config(1, 0x10), MEMORY);
  for (let vector = 0; vector < vectors; vector++) {
    bench.kit.write64(MEMORY + 16 * vector, DOORBELL + 0x40);
    bench.kit.write64(MEMORY + 16 * vector + 8, 100 + vector);
  }
  return { ...bench, device };
}

const enableMsix = ({ kit }: Target, functionMask = false) => kit.write16(config(1, CAP + 2), 0x8000 | (functionMask ? 0x4000 : 0));
const PBA = MEMORY + 0x800;

Deno.test("msi: a rise sends one message with the requester's number, and INTA# stays low", async () => {
  const target = await withMsi(1);
  const { device, kit, messages } = target;
  enableMsi(target);
  assertEquals(device.signalling, "msi");
  device.setLevel(true);
  device.setLevel(true);
  assertEquals(messages, [{ deviceId: 8, ipa: DOORBELL + 0x40, data: 0x5a70 }]);
  assertEquals(kit.interrupts.level(INTX + 1), false);
  device.setLevel(false);
  device.setLevel(true);
  assertEquals(messages.length, 2);
});

Deno.test("msi: what was asserted before it was enabled isn't forgotten, and comes back on INTA# when it is disabled", async () => {
  const target = await withMsi(1);
  const { device, kit } = target;
  device.setLevel(true);
  assertEquals([kit.interrupts.level(INTX + 1), data(target)], [true, []]);
  enableMsi(target);
  assertEquals([kit.interrupts.level(INTX + 1), data(target)], [false, [0x5a70]]);
  kit.write16(config(1, CAP + 2), 0);
  assertEquals([kit.interrupts.level(INTX + 1), data(target)], [true, []]);
});

Deno.test("msi: a masked message is pending until it is unmasked, or its reason is gone", async () => {
  const target = await withMsi(1);
  const { device, kit } = target;
  enableMsi(target);
  kit.write32(config(1, CAP + 0x10), 1);
  device.setLevel(true);
  assertEquals([data(target), kit.read32(config(1, CAP + 0x14))], [[], 1]);
  kit.write32(config(1, CAP + 0x10), 0);
  assertEquals([data(target), kit.read32(config(1, CAP + 0x14))], [[0x5a70], 0]);
  kit.write32(config(1, CAP + 0x10), 1);
  device.setLevel(false);
  device.setLevel(true);
  device.setLevel(false);
  assertEquals(kit.read32(config(1, CAP + 0x14)), 0);
  kit.write32(config(1, CAP + 0x10), 0);
  assertEquals(data(target), []);
});

Deno.test("msi: a function that isn't bus master waits with its message", async () => {
  const target = await withMsi(1);
  enableMsi(target);
  target.kit.write16(config(1, COMMAND), 2);
  target.device.signal(0);
  assertEquals(data(target), []);
  target.kit.write16(config(1, COMMAND), MASTER_AND_MEMORY);
  assertEquals(data(target), [0x5a70]);
});

Deno.test("msi: vectors share the messages that were granted, at most as many as the function has", async () => {
  const target = await withMsi(4);
  for (const [granted, sent] of [[0, [0, 0, 0, 0, 0]], [1, [0, 1, 0, 1, 0]], [2, [0, 1, 2, 3, 0]], [7, [0, 1, 2, 3, 0]]] as const) {
    enableMsi(target, granted);
    for (let vector = 0; vector < 5; vector++) target.device.signal(vector);
    assertEquals(data(target), sent.map((vector) => 0x5a70 + vector), `2^${granted}`);
  }
  enableMsi(target, 2);
  target.kit.write32(config(1, CAP + 0x10), 0xf);
  for (const vector of [3, 1, 3]) target.device.signal(vector);
  assertEquals(target.kit.read32(config(1, CAP + 0x14)), 0b1010);
  target.kit.write32(config(1, CAP + 0x10), 0);
  assertEquals(data(target), [0x5a71, 0x5a73]);
});

Deno.test("msi: a message elsewhere is a write of four bytes to guest RAM; anywhere else it is lost, and traced", async () => {
  const target = await withMsi(1);
  const { device, kit } = target;
  enableMsi(target);
  const ram = kit.domain.ram[0];
  kit.write32(config(1, CAP + 4), ram.at + 0x10);
  device.signal(0);
  assertEquals(kit.domain.readMemory(ram.at + 0xc, 12), Uint8Array.of(0, 0, 0, 0, 0x70, 0x5a, 0, 0, 0, 0, 0, 0));
  const end = ram.at + ram.size;
  for (const address of [0, DOORBELL - 4, DOORBELL + 0x1_0000, MEMORY, end, 0xffff_fffc]) {
    kit.write32(config(1, CAP + 4), address);
    device.signal(0);
    assertEquals(kit.traced.pop(), `lost PCI message: bench: from probe to 0x${address.toString(16)}`.replace("bench", "guest/pci"));
  }
  kit.write32(config(1, CAP + 8), 0xffff_ffff);
  device.signal(0);
  assertEquals([kit.traced.length, data(target)], [1, []]);
});

Deno.test("msi: without an interrupt controller that takes messages, they are lost", async () => {
  const bench = await pciBench({ doorbell: false });
  const device = bench.plug({ msi: { vectors: 1 } });
  bench.kit.write16(config(1, COMMAND), 4);
  bench.kit.write32(config(1, CAP + 4), DOORBELL + 0x40);
  bench.kit.write16(config(1, CAP + 2), 1);
  device.signal(0);
  assertEquals(bench.kit.traced.length, 1);
});

Deno.test("msi-x: each vector has its message; masks of vector and function hold it in the pending bits", async () => {
  const target = await withMsix(70);
  const { device, kit } = target;
  device.signal(1); // not enabled: nothing is remembered
  enableMsix(target);
  assertEquals([device.signalling, data(target)], ["msix", []]);
  for (const vector of [0, 69, 7]) device.signal(vector);
  assertEquals(data(target), [100, 169, 107]);
  for (const vector of [70, 2048, 2 ** 31, -1, 0.5]) device.signal(vector);
  assertEquals([data(target), kit.read64(PBA), kit.read64(PBA + 8)], [[], 0n, 0n]);
  kit.write32(MEMORY + 16 * 69 + 12, 1);
  device.signal(69);
  device.signal(68);
  assertEquals([data(target), kit.read64(PBA + 8)], [[168], 1n << 5n]);
  enableMsix(target, true);
  kit.write32(MEMORY + 16 * 69 + 12, 0);
  device.signal(3);
  assertEquals([data(target), kit.read64(PBA)], [[], 8n]);
  enableMsix(target);
  assertEquals([data(target), kit.read64(PBA), kit.read64(PBA + 8)], [[103, 169], 0n, 0n]);
});

Deno.test("msi-x: entries are masked after reset, keep the bits that exist, and pending bits can't be written", async () => {
  const bench = await pciBench();
  bench.plug({ msix: { vectors: 3, bar: 0 } });
  const { kit } = bench;
  assertEquals(kit.read16(config(1, CAP + 2)), 2);
  kit.write16(config(1, COMMAND), MASTER_AND_MEMORY);
  kit.write32(config(1, 0x10), MEMORY);
  for (let vector = 0; vector < 3; vector++) assertEquals(kit.read32(MEMORY + 16 * vector + 12), 1);
  for (let at = MEMORY; at < MEMORY + 48; at += 8) kit.write64(at, 2n ** 64n - 1n);
  for (let at = MEMORY; at < MEMORY + 48; at += 16) {
    assertEquals([kit.read64(at), kit.read64(at + 8)], [0xffff_ffff_ffff_fffcn, 0x0000_0001_ffff_ffffn]);
  }
  kit.write8(MEMORY + 16 + 9, 0);
  assertEquals(kit.read32(MEMORY + 16 + 8), 0xffff_00ff);
  kit.write64(PBA, 2n ** 64n - 1n);
  assertEquals([kit.read64(PBA), kit.read64(PBA + 8), kit.read32(MEMORY + 48)], [0n, 0n, 0]);
});

Deno.test("msi-x: table and pending bits share a BAR with the device's registers", async () => {
  const bench = await pciBench();
  const log: string[] = [];
  const device = bench.plug({
    msix: { vectors: 2, bar: 2, table: 0x100, pba: 0x180 },
    bars: { 2: loggingBar("memory32", 0x1000, 7, log) },
  });
  const { kit } = bench;
  kit.write16(config(1, COMMAND), MASTER_AND_MEMORY);
  kit.write32(config(1, 0x18), MEMORY);
  assertEquals([kit.read32(config(1, CAP + 4)), kit.read32(config(1, CAP + 8))], [0x102, 0x182]);
  kit.write32(MEMORY + 0x108, 55);
  kit.write16(config(1, CAP + 2), 0x8000);
  device.signal(0);
  assertEquals([kit.read32(MEMORY + 0x108), kit.read32(MEMORY + 0x180), kit.read32(MEMORY + 0xfc), kit.read32(MEMORY + 0x120)], [
    55,
    1,
    7,
    7,
  ]);
  assertEquals(log, ["r4 252", "r4 288"]);
});

Deno.test("msi-x: random programming and events against a model: each event is sent once, when nothing holds it", async () => {
  const vectors = 9;
  const target = await withMsix(vectors);
  const { device, kit } = target;
  const random = randomBelow("msi-x");
  let [enabled, functionMasked, master] = [false, false, true];
  const masked = new Array<boolean>(vectors).fill(false);
  const pending = new Array<boolean>(vectors).fill(false);
  const message = Array.from({ length: vectors }, (_, n) => 100 + n);
  let total = 0;
  for (let n = 0; n < 30_000; n++) {
    const vector = random(vectors);
    const event = random(7);
    if (event === 0) {
      [enabled, functionMasked] = [random(4) > 0, random(3) === 0];
      kit.write16(config(1, CAP + 2), (enabled ? 0x8000 : 0) | (functionMasked ? 0x4000 : 0));
    } else if (event === 1) {
      master = random(4) > 0;
      kit.write16(config(1, COMMAND), master ? 6 : 2);
    } else if (event === 2) {
      masked[vector] = random(2) === 0;
      kit.write32(MEMORY + 16 * vector + 12, random(2 ** 31) * 2 + (masked[vector] ? 1 : 0));
    } else if (event === 3) {
      message[vector] = random(2 ** 32);
      kit.write32(MEMORY + 16 * vector + 8, message[vector]);
    } else {
      device.signal(vector);
      if (enabled) pending[vector] = true;
    }
    const free = pending.map((is, v) => is && enabled && master && !functionMasked && !masked[v]);
    const sent = data(target);
    assertEquals(sent, message.filter((_, v) => free[v]));
    total += sent.length;
    free.forEach((is, v) => pending[v] &&= !is);
    if (n % 16 === 0) assertEquals(kit.read64(PBA), BigInt(pending.reduce((bits, is, v) => bits | (is ? 1 << v : 0), 0)));
  }
  assert(total > 1000);
});
