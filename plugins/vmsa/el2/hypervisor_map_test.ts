/** Fixmap, ioremap and vmap with a real CPU: addresses, contents, refusals, and that nothing stays behind. */
import { assertEquals, assertThrows } from "@std/assert";
import { FIXMAP_SLOTS, fixmapSlot, MapRefusedError, PAGE_SIZE } from "../../../core/mod.ts";
import type { Mapping, MmioHandler } from "../../../core/mod.ts";
import { El2 } from "./bring_up.ts";
import { VmsaHypervisorMap } from "./hypervisor_map.ts";
import { layout } from "./layout.ts";
import { El2World } from "./tests/world.ts";
import { givePages, takePages } from "./va_ranges.ts";
import type { PageRange } from "./va_ranges.ts";

const GIB = 2 ** 30, MIB = 2 ** 20;
const rw: Mapping = { read: true, write: true, execute: false, type: "normal-wb" };
const DEVICE = 0x900_0000;

function machine(size = 4 * MIB): { world: El2World; el2: El2; map: VmsaHypervisorMap; ranges: PageRange[]; log: string[] } {
  const log: string[] = [];
  const handler: MmioHandler = {
    read: (offset, size) => (log.push(`read ${size} at ${offset.toString(16)}`), 0xabcdn),
    write: (offset, size, value) => void log.push(`write ${size} at ${offset.toString(16)}: ${value.toString(16)}`),
  };
  const find = (pa: number) => pa >= DEVICE && pa < DEVICE + 0x2000 ? { at: DEVICE, name: "uart", handler } : undefined;
  const world = new El2World([{ at: GIB, size }], "cortex-a57", find);
  const el2 = new El2(world.parts, undefined);
  const ranges: PageRange[] = [];
  return { world, el2, map: new VmsaHypervisorMap({ ...world.parts, el2, ranges, paBits: 44 }), ranges, log };
}

Deno.test("a console in the fixmap: a fixed address, and the device hears it", () => {
  const { map, log, el2 } = machine();
  const console = map.fixmap(fixmapSlot.console, DEVICE, "device-ngnre");
  assertEquals([console.va, console.sizeBytes, console.mapping.type], [BigInt(layout.fixmap.at), PAGE_SIZE, "device-ngnre"]);
  console.write(0x10, 4, 0x1_2345_6789n);
  assertEquals([console.read(0xffc, 2), log], [0xabcdn, ["write 4 at 10: 23456789", "read 2 at ffc"]]);
  assertThrows(() => console.read(0x11, 4), RangeError, "alignment fault");
  assertThrows(() => console.read(0xffd, 4), RangeError, "4 bytes at offset 4093 of a mapping of 4096 bytes");
  assertThrows(() => console.read(-4, 4), RangeError, "offset -4");
  assertThrows(() => console.read(0.5, 4), RangeError, "offset 0.5");
  assertThrows(() => map.fixmap(fixmapSlot.console, DEVICE, "device-ngnre"), RangeError, "slot 0 is in use");
  assertThrows(() => map.fixmap(FIXMAP_SLOTS, DEVICE, "device-ngnre"), RangeError, "slot 64: there are slots 0 to 63");
  assertThrows(() => map.fixmap(0.5, DEVICE, "device-ngnre"), RangeError, "there are slots");
  assertThrows(() => map.fixmap(1, DEVICE + 4, "device-ngnre"), RangeError, "isn't aligned");
  assertEquals(map.fixmap(63, DEVICE, "device-ngnrne").va, BigInt(layout.fixmap.at + 63 * PAGE_SIZE));
  map.unmap(console);
  assertThrows(() => console.read(0, 4), RangeError, "was unmapped");
  assertThrows(() => map.unmap(console), RangeError, "given back already");
  assertEquals(el2.runtime.lookup(layout.fixmap.at), undefined);
  map.fixmap(fixmapSlot.console, DEVICE + 0x1000, "device-ngnre").read(8, 8);
  assertEquals(log.pop(), "read 8 at 1008");
});

Deno.test("ioremap keeps the offset in the page, and maps every page that is touched", () => {
  const { map, log, el2, ranges } = machine();
  const device = map.ioremap(DEVICE + 0xff8, 16, "device-gre");
  assertEquals([device.va, device.sizeBytes], [BigInt(layout.vmap.at + 0xff8), 16]);
  device.read(8, 8);
  assertEquals(log, ["read 8 at 1000"]);
  assertEquals(ranges, [{ first: 0, count: 2 }]);
  const second = map.ioremap(DEVICE, 1, "device-ngnre");
  assertEquals(second.va, BigInt(layout.vmap.at + 3 * PAGE_SIZE), "a page between stays unmapped");
  assertEquals(el2.runtime.lookup(layout.vmap.at + 2 * PAGE_SIZE), undefined);
  assertThrows(() => map.ioremap(0x5000_0000, 4, "device-ngnre").read(0, 4), RangeError, "neither RAM nor a device");
  map.unmap(device);
  assertEquals(map.ioremap(DEVICE, PAGE_SIZE, "normal-nc").va, BigInt(layout.vmap.at));
});

Deno.test("vmap makes scattered frames one range", () => {
  const { map, world } = machine();
  const frames = [3, 1, 7, 2].map((n) => GIB + 2 * MIB + n * PAGE_SIZE);
  const made = map.vmap(frames, rw);
  made.write(PAGE_SIZE - 4, 8, 0x1122_3344_5566_7788n);
  assertEquals([world.memory.read64(frames[0] + 0xff8) >> 32n, world.memory.read64(frames[1]) & 0xffff_ffffn], [
    0x5566_7788n,
    0x1122_3344n,
  ]);
  assertEquals(made.read(PAGE_SIZE - 4, 8), 0x1122_3344_5566_7788n);
  const readOnly = map.vmap([frames[1]], { ...rw, write: false });
  assertEquals(readOnly.read(0, 4), 0x1122_3344n);
  assertThrows(() => readOnly.write(0, 4, 0n), RangeError, "permission fault, level 3");
  map.unmap(made);
  map.unmap(readOnly);
});

Deno.test("unmapping is seen by code that had it in its TLB", () => {
  const { map, el2, world } = machine();
  const vcpu = world.engine.createVcpu({ mpidr: 1n });
  el2.bringUp(vcpu);
  const made = map.vmap([GIB + 2 * MIB], rw);
  world.memory.write64(GIB + 2 * MIB, 5n);
  const load = () => el2.access(vcpu, made.va);
  assertEquals(load(), { kind: "returned", instructions: 2, x0: 5n });
  map.unmap(made);
  assertEquals(load().kind, "exception");
  assertEquals(map.vmap([GIB + 3 * MIB], rw).va, made.va);
  assertEquals(load(), { kind: "returned", instructions: 2, x0: 0n });
});

Deno.test("refusals: senseless arguments, aliases of RAM, the hypervisor's code, used-up space", () => {
  const { map, el2, world, ranges } = machine();
  const frames = world.memory.freeFrames;
  const senseless: [() => unknown, string][] = [
    [() => map.ioremap(DEVICE, 0, "device-ngnre"), "a range of 0 bytes"],
    [() => map.ioremap(-1, 4, "device-ngnre"), "-1 is no PA"],
    [() => map.ioremap(NaN, 4, "device-ngnre"), "is no PA"],
    [() => map.ioremap(2 ** 44 - 2, 4, "device-ngnre"), "doesn't fit in the CPU's 44 bits"],
    [() => map.vmap([], rw), "no frames"],
    [() => map.vmap([GIB + 1], rw), "isn't aligned"],
    [() => map.vmap([GIB], { ...rw, execute: true }), "for data"],
    [() => map.vmap([GIB], { ...rw, read: false }), "for data"],
  ];
  for (const [operation, message] of senseless) assertThrows(operation, RangeError, message);
  const refused: [() => unknown, string, string][] = [
    [() => map.ioremap(GIB, 4, "device-ngnre"), "attributes", "is RAM, which EL2 maps as normal-wb, not device-ngnre"],
    [() => map.vmap([GIB + 2 * MIB, el2.imagePa + PAGE_SIZE], rw), "attributes", "is the hypervisor's code"],
    [() => map.ioremap(0, GIB + 1, "device-ngnre"), "exhausted", "has no 262145 pages in a row"],
    [() => map.ioremap(2 ** 43, 2 ** 40, "device-ngnre"), "exhausted", "pages in a row"],
  ];
  for (const [operation, reason, message] of refused) {
    assertEquals(assertThrows(operation, MapRefusedError, message).reason, reason);
  }
  map.unmap(map.vmap([el2.imagePa], { ...rw, write: false }));
  assertEquals([ranges, world.memory.freeFrames], [[], frames - 2], "tables for vmap, once");
  // Out of frames for tables.
  while (world.memory.freeFrames > 2) world.memory.allocate("other", 0);
  assertEquals(assertThrows(() => map.ioremap(0x1000_0000, 8 * MIB, "device-ngnre"), MapRefusedError).reason, "exhausted");
  assertEquals([ranges, [...el2.runtime.leaves()].filter(({ va }) => va < layout.directMap.at).length], [[], 4]);
});

Deno.test("virtual pages: first fit, a gap behind each, against a model", () => {
  const ranges: PageRange[] = [];
  assertEquals([takePages(ranges, 3, 10), takePages(ranges, 4, 10), takePages(ranges, 1, 10), takePages(ranges, 1, 10)], [
    0,
    4,
    undefined,
    undefined,
  ]);
  givePages(ranges, 0);
  assertEquals([takePages(ranges, 1, 10), takePages(ranges, 2, 10), takePages(ranges, 1, 10)], [0, undefined, 2]);
  assertEquals(ranges, [{ first: 0, count: 1 }, { first: 2, count: 1 }, { first: 4, count: 4 }]);
  assertThrows(() => givePages(ranges, 5), RangeError);
});
