import { assert, assertEquals, assertThrows } from "@std/assert";
import { bench } from "../../core/testing.ts";
import { PciBus } from "./contract.ts";
import { pci } from "./mod.ts";
import { config, ECAM, INTX, IO, loggingBar, MEMORY, MEMORY64, pciBench } from "../../tests/support/pci_bench.ts";
import { randomBelow } from "../../tests/support/random.ts";

const COMMAND = 4;
const STATUS = 6;
const BAR = (n: number) => 0x10 + 4 * n;

Deno.test("pci: an absent device reads all ones, at every width, and swallows writes", async () => {
  const { kit } = await pciBench();
  for (const at of [config(0, 0), config(1, 0), config(31, 0xffc, 7)]) {
    kit.write32(at, 0x1234);
    assertEquals([kit.read8(at), kit.read16(at), kit.read32(at)], [0xff, 0xffff, 0xffff_ffff]);
  }
  assertEquals(kit.read64(config(1, 0)), 2n ** 64n - 1n);
});

Deno.test("pci: a function's header, by bytes, halves, words and pairs of words", async () => {
  const { kit, plug } = await pciBench();
  assertEquals(plug({ intx: true }).requesterId, 1 << 3);
  assertEquals(kit.read32(config(1, 0)), 0x5678_1234);
  assertEquals([kit.read16(config(1, 2)), kit.read8(config(1, 1))], [0x5678, 0x12]);
  assertEquals(kit.read32(config(1, 8)), 0x1234_5607);
  assertEquals(kit.read32(config(1, 0x2c)), 0xdef0_9abc);
  assertEquals(kit.read16(config(1, 0x3c)), 0x0100);
  assertEquals(kit.read64(config(1, 0)), 0x0000_0000_5678_1234n);
  assertEquals([kit.read32(config(1, 0x100)), kit.read32(config(1, 0xffc))], [0, 0]); // no extended capabilities
});

Deno.test("pci: writes change exactly the bits that exist: every register, width and value", async () => {
  const { kit, plug, state } = await pciBench();
  plug({
    intx: true,
    msi: { vectors: 4 },
    msix: { vectors: 3, bar: 4 },
    bars: { 0: loggingBar("io", 16, 0), 1: loggingBar("memory32", 4096, 0), 2: loggingBar("memory64", 2 ** 33, 0) },
    capabilities: [{ id: 9, body: Uint8Array.of(1, 2, 3, 4), writable: Uint8Array.of(0, 0xf0, 0, 0) }],
  });
  /** Words of the header and capabilities with the bits that a guest may write. */
  const writable: Record<number, number> = {
    0x04: 0x0547,
    0x0c: 0xff,
    0x10: 0xffff_fff0,
    0x14: 0xffff_f000,
    0x18: 0,
    0x1c: 0xffff_fffe,
    0x20: 0xffff_f000,
    0x3c: 0xff,
    0x40: 0x0071 << 16,
    0x44: 0xffff_fffc,
    0x48: 0xffff_ffff,
    0x4c: 0xffff,
    0x50: 0xf,
    0x58: 0xc000 << 16,
    0x64: 0xf0 << 24 >>> 0, // ID, next pointer and two bytes of the body
  };
  const image = state.functions[8].config.slice();
  for (let word = 0; word < 0x100; word += 4) {
    for (const size of [1, 2, 4, 8]) {
      for (let lane = 0; lane < 4; lane += size) {
        if (size === 8 && word % 8 !== 0) continue;
        for (const value of [0n, 2n ** 64n - 1n, 0x5a5a_a5a5_1234_fedcn]) {
          const before = state.functions[8].config.slice();
          kit.write(config(1, word + lane), size, value & 2n ** BigInt(8 * size) - 1n);
          const after = state.functions[8].config;
          for (let at = 0; at < 0x100; at++) {
            const written = at - word - lane;
            const bits = written < 0 || written >= size ? 0 : (writable[at & ~3] ?? 0) >>> 8 * (at & 3) & 0xff;
            const want = before[at] & ~bits | Number(value >> BigInt(8 * Math.max(0, written)) & 0xffn) & bits;
            assertEquals(after[at], want, `byte ${at.toString(16)} after a write of ${size} at ${(word + lane).toString(16)}`);
          }
        }
      }
    }
  }
  for (let at = 0; at < 0x40; at += 4) if (writable[at] === undefined) assertEquals(state.functions[8].config[at], image[at]);
});

Deno.test("pci: a BAR tells its size, moves, and answers only where COMMAND lets it", async () => {
  const { kit, plug } = await pciBench({ memory64: MEMORY64 });
  const log: string[] = [];
  plug({ bars: { 0: loggingBar("io", 32, 0x11), 1: loggingBar("memory32", 0x2000, 0x22, log), 2: loggingBar("memory64", 2 ** 20, 0x33) } });
  for (let n = 0; n < 4; n++) kit.write32(config(1, BAR(n)), 0xffff_ffff);
  assertEquals([0, 1, 2, 3].map((n) => kit.read32(config(1, BAR(n)))), [0xffff_ffe1, 0xffff_e000, 0xfff0_0004, 0xffff_ffff]);
  kit.write32(config(1, BAR(0)), 0x2000);
  kit.write32(config(1, BAR(1)), MEMORY + 0x4000);
  kit.write32(config(1, BAR(2)), 0x40_0000);
  kit.write32(config(1, BAR(3)), MEMORY64 / 2 ** 32);
  const all = () => [kit.read32(IO + 0x2000), kit.read32(MEMORY + 0x4000), kit.read32(MEMORY64 + 0x40_0000)];
  const none = 0xffff_ffff;
  assertEquals(all(), [none, none, none]);
  kit.write16(config(1, COMMAND), 1);
  assertEquals(all(), [0x11, none, none]);
  kit.write16(config(1, COMMAND), 2);
  assertEquals(all(), [none, 0x22, 0x33]);
  kit.write8(MEMORY + 0x5fff, 0xab);
  kit.write64(MEMORY + 0x4008, 2n ** 64n - 1n);
  kit.write8(MEMORY + 0x6000, 1); // just behind it
  assertEquals(kit.read8(MEMORY + 0x3fff), 0xff); // just before it
  assertEquals(log, ["r4 0", "w1 8191 171", `w8 8 ${2n ** 64n - 1n}`]);
  kit.write32(config(1, BAR(1)), MEMORY + 0x10_0000);
  assertEquals([kit.read32(MEMORY + 0x4000), kit.read32(MEMORY + 0x10_1ffc)], [none, 0x22]);
  kit.write32(config(1, BAR(1)), 0x4000_0000); // outside the window: it is nowhere
  kit.write32(config(1, BAR(3)), 0xffff_ffff);
  assertEquals(all(), [none, none, none]);
});

Deno.test("pci: where BARs overlap, the function with the lowest number answers", async () => {
  const { kit, plug } = await pciBench();
  plug({ bars: { 0: loggingBar("memory32", 0x1000, 3) } }, { device: 3, function: 0 });
  plug({ bars: { 0: loggingBar("memory32", 0x4000, 2) } }, { device: 2, function: 1 });
  plug({ bars: { 0: loggingBar("memory32", 0x1000, 1) } }, { device: 2, function: 0 });
  for (const [device, fn] of [[3, 0], [2, 1], [2, 0]]) {
    kit.write32(config(device, BAR(0), fn), MEMORY);
    kit.write8(config(device, COMMAND, fn), 2);
  }
  assertEquals([kit.read32(MEMORY), kit.read32(MEMORY + 0x1000)], [1, 2]);
  kit.write8(config(2, COMMAND), 0);
  assertEquals(kit.read32(MEMORY), 2);
  kit.write8(config(2, COMMAND, 1), 0);
  assertEquals(kit.read32(MEMORY), 3);
});

Deno.test("pci: functions of one device say so, slots are given once", async () => {
  const { kit, plug } = await pciBench();
  plug({}, { device: 1, function: 0 });
  assertEquals(kit.read8(config(1, 0xe)), 0);
  plug({}, { device: 1, function: 3 });
  assertEquals([kit.read8(config(1, 0xe)), kit.read8(config(1, 0xe, 3))], [0x80, 0x80]);
  assertThrows(() => plug({ name: "late" }, { device: 1, function: 3 }), Error, "PCI slot 1.3: late wants it, probe has it");
  assertEquals(plug().requesterId, 2 << 3);
  for (let n = 3; n < 32; n++) plug();
  assertThrows(() => plug(), Error, "no free PCI device");
});

Deno.test("pci: declarations that contradict themselves are refused", async () => {
  const { plug } = await pciBench();
  const wrong = [
    { bars: { 0: loggingBar("io", 512, 0) } },
    { bars: { 0: loggingBar("memory32", 0x1001, 0) } },
    { bars: { 0: loggingBar("memory64", 0x1000, 0), 1: loggingBar("io", 8, 0) } },
    { bars: { 5: loggingBar("memory64", 0x1000, 0) } },
    { msi: { vectors: 3 } },
    { msix: { vectors: 0, bar: 0 } },
    { msix: { vectors: 2049, bar: 0 } },
    { msix: { vectors: 2, bar: 0 }, bars: { 0: loggingBar("io", 8, 0) } },
    { msix: { vectors: 256, bar: 0, pba: 0 }, bars: { 0: loggingBar("memory32", 0x1000, 0) } },
    { msix: { vectors: 32, bar: 0, table: 8, pba: 0x1000 }, bars: { 0: loggingBar("memory32", 0x1000, 0) } },
    { capabilities: Array.from({ length: 20 }, () => ({ id: 9, body: new Uint8Array(14) })) },
  ] as const;
  for (const spec of wrong) assertThrows(() => plug(spec), RangeError, "probe");
});

Deno.test("pci: INTA# is a level on the input that the slot selects, shared by wired OR, and COMMAND can hold it back", async () => {
  const { kit, plug } = await pciBench();
  const one = plug({ intx: true }, { device: 1, function: 0 });
  const five = plug({ intx: true }, { device: 5, function: 0 });
  const mute = plug({}, { device: 2, function: 0 });
  const level = (n: number) => kit.interrupts.level(INTX + n);
  one.setLevel(true);
  five.setLevel(true);
  mute.setLevel(true);
  assertEquals([0, 1, 2, 3].map(level), [false, true, false, false]);
  assertEquals(kit.read16(config(1, STATUS)) & 8, 8);
  one.setLevel(false);
  assertEquals([level(1), kit.read16(config(1, STATUS)) & 8], [true, 0]);
  kit.write16(config(5, COMMAND), 0x400);
  assertEquals([level(1), kit.read16(config(5, STATUS)) & 8], [false, 8]);
  kit.write16(config(5, COMMAND), 0);
  assertEquals(level(1), true);
});

Deno.test("pci: capabilities are linked, and their devices see accesses to them", async () => {
  const { kit, plug } = await pciBench();
  const seen: string[] = [];
  plug({
    msi: { vectors: 1 },
    capabilities: [{ id: 9, body: Uint8Array.of(16, 1, 0, 0, 0, 0), writable: Uint8Array.of(0, 0, 0, 0, 0xff, 0xff) }, {
      id: 9,
      body: new Uint8Array(6),
      writable: new Uint8Array(6).fill(255),
      reading: (body, offset, size) => void (seen.push(`r${size} ${offset}`), body[2] = 0x77),
      written: (body, offset, size) => void seen.push(`w${size} ${offset} ${body[offset + 1]}`),
    }],
  });
  assertEquals(kit.read16(config(1, STATUS)) & 0x10, 0x10);
  const ids: number[] = [];
  for (let at = kit.read8(config(1, 0x34)); at !== 0; at = kit.read8(config(1, at + 1))) ids.push(kit.read8(config(1, at)));
  assertEquals(ids, [5, 9, 9]);
  const last = kit.read8(config(1, kit.read8(config(1, kit.read8(config(1, 0x34)) + 1)) + 1));
  seen.length = 0; // what the walk read
  kit.write16(config(1, last + 2), 0x1234);
  assertEquals(kit.read32(config(1, last + 4)), 0x77);
  assertEquals(seen, ["w2 0 18", "r4 2"]);
});

Deno.test("pci: DMA needs a bus master, and reaches guest RAM only", async () => {
  const { kit, plug } = await pciBench();
  const device = plug();
  const ram = kit.domain.ram[0];
  assertEquals([device.read(ram.at, 4), device.write(ram.at, Uint8Array.of(1))], [undefined, false]);
  kit.write16(config(1, COMMAND), 4);
  assert(device.write(ram.at + 8, Uint8Array.of(1, 2, 3)));
  assertEquals(device.read(ram.at + 8, 3), Uint8Array.of(1, 2, 3));
  for (const at of [0, ram.at - 1, ram.at + ram.size - 1, ECAM, 2 ** 53, 2 ** 64, -4, NaN]) {
    assertEquals([device.read(at, 4), device.write(at, new Uint8Array(4))], [undefined, false], String(at));
  }
});

Deno.test("pci: 100,000 random accesses to configuration space and every window: no throw, no access outside a BAR", async () => {
  const { kit, plug, state } = await pciBench({ memory64: MEMORY64 });
  const bounded = (kind: "io" | "memory32" | "memory64", size: number) => ({
    kind,
    size,
    handler: {
      read(offset: number, width: number) {
        assert(offset >= 0 && offset + width <= size);
        return offset % 251;
      },
      write: (offset: number, width: number) => assert(offset >= 0 && offset + width <= size),
    },
  });
  const devices = [
    plug({ intx: true, msi: { vectors: 32 }, bars: { 0: bounded("memory64", 2 ** 32), 2: bounded("io", 8), 3: bounded("memory32", 16) } }),
    plug({ msix: { vectors: 70, bar: 4 }, bars: { 0: bounded("io", 256), 1: bounded("memory32", 2 ** 28) } }),
    plug({ intx: true, msi: { vectors: 1 }, msix: { vectors: 5, bar: 0, table: 64, pba: 48 }, bars: { 0: bounded("memory64", 1024) } }),
  ];
  const random = randomBelow("pci");
  const windows = [[ECAM + 0x8000, 0x1_8000], [MEMORY, 0x2eff_0000], [IO, 0x1_0000], [MEMORY64, 2 ** 30]];
  const interesting = [0, 1, 2 ** 32 - 1, MEMORY, MEMORY + 0x2eff_0000 - 16, 0x80, 0xfff8, ECAM, 0x4000_0000, 0x0407, 0x8001];
  for (let n = 0; n < 100_000; n++) {
    const [at, length] = windows[random(10) < 6 ? 0 : random(4)];
    const size = 1 << random(4);
    // Most accesses to configuration space go where registers are; others near the ends of windows.
    const offset = at === ECAM + 0x8000
      ? random(3) * 0x8000 + random(random(8) === 0 ? 4096 : 256)
      : random(4)
      ? random(0x400)
      : random(length);
    const where = at + Math.min(length - size, offset - offset % size);
    if (random(2)) {
      kit.write(
        where,
        size,
        BigInt.asUintN(8 * size, random(3) ? BigInt(interesting[random(interesting.length)]) : BigInt(random(2 ** 32))),
      );
    } else assert(kit.read(where, size) < 2n ** BigInt(8 * size));
    const device = devices[random(3)];
    if (random(5) === 0) device.setLevel(random(2) === 0, random(40));
    if (random(9) === 0) device.signal(random(80) - 2);
  }
  assertEquals(structuredClone(state), state);
});

Deno.test("pci: the state carries over: a bridge made from it answers alike", async () => {
  const { kit, plug, state } = await pciBench();
  const spec = { intx: true, msix: { vectors: 2, bar: 2 }, bars: { 0: loggingBar("memory32", 0x1000, 0x42) } } as const;
  plug(spec).setLevel(true);
  kit.write32(config(1, BAR(0)), MEMORY);
  kit.write8(config(1, COMMAND), 2);
  const copy = structuredClone(state);
  const second = bench();
  await second.attach({ ...pci, state: () => copy }, {} as Parameters<NonNullable<typeof pci.resources>>[0]);
  const ids = { name: "probe", vendorId: 0x1234, deviceId: 0x5678, subsystemVendorId: 0, subsystemId: 0, classCode: 0 };
  second.get(PciBus).plug({ ...ids, ...spec });
  assertEquals([second.read32(MEMORY), second.read16(config(1, STATUS)) & 8], [0x42, 8]);
});
