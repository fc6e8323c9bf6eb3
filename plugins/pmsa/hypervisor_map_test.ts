/** fixmap, ioremap and vmap on an MPU: the physical address, or a refusal. */
import { assertEquals, assertThrows } from "@std/assert";
import { MapRefusedError } from "../../core/mod.ts";
import type { Mapping, MapRefusal } from "../../core/mod.ts";
import { guestRegions, ownRegions, RAM, UART, World } from "./tests/world.ts";

const rwx: Mapping = { read: true, write: true, execute: true, type: "normal-wb" };
const rw: Mapping = { ...rwx, execute: false };
const A = RAM.at, PAGE = 4096;
const IMAGE = RAM.at + RAM.size - 0x8_0000;
/** Bss: read-write at boot and afterwards. */
const BSS = IMAGE + 0x7_0000;

function assertRefused(call: () => unknown, reason: MapRefusal, message: string): void {
  const error = assertThrows(call, MapRefusedError, message);
  assertEquals(error.reason, reason);
}

Deno.test("a device's address is the physical one, and loads and stores reach it", () => {
  const { map, written } = new World();
  const uart = map.ioremap(UART, 0x1000, "device-ngnre");
  assertEquals(uart.va, BigInt(UART));
  assertEquals([uart.read(0x18, 4), uart.read(0x18, 1)], [0x118n, 0x18n]);
  uart.write(4, 2, 0x1_2345n);
  assertEquals(written, [{ offset: 4, size: 2, value: 0x2345n }]);
  assertThrows(() => uart.read(2, 4), RangeError, "unaligned");
  for (const offset of [-1, 0xffd, 0x1000, NaN]) assertThrows(() => uart.read(offset, 4), RangeError);
  map.unmap(uart);
  assertThrows(() => uart.read(0, 4), RangeError, "given back");
  assertThrows(() => map.unmap(uart), RangeError, "given back");
});

Deno.test("RAM through the map: any alignment", () => {
  const { map, memory } = new World();
  const window = map.vmap([A, A + PAGE], rw);
  window.write(PAGE - 3, 8, 0x1122_3344_5566_7788n);
  assertEquals(window.read(PAGE - 3, 8), 0x1122_3344_5566_7788n);
  assertEquals([...memory.view(A + PAGE - 3, 8)], [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]);
  const readOnly = map.vmap([A + 8 * PAGE], { ...rw, write: false });
  assertThrows(() => readOnly.write(0, 1, 0n), RangeError, "read-only");
  const nowhere = map.ioremap(0x1000, 0x1000, "device-ngnre");
  assertThrows(() => nowhere.read(0, 4), RangeError, "neither RAM nor a device");
});

Deno.test("equal attributes count a reference, others are refused; the region lives as long as its last reference", () => {
  const world = new World();
  const { map, state } = world;
  const first = map.ioremap(UART, 0x1000, "device-ngnre");
  const second = map.ioremap(UART, 0x1000, "device-ngnre");
  const inside = map.ioremap(UART + 0x104, 8, "device-ngnre");
  assertEquals(inside.va, BigInt(UART + 0x104));
  assertRefused(() => map.ioremap(UART, 0x1000, "device-gre"), "attributes", "device-ngnre");
  assertRefused(() => map.ioremap(UART + 0xf00, 0x1000, "normal-nc"), "attributes", "is rw- device-ngnre");
  assertRefused(() => map.vmap([UART], { ...rw, write: false, type: "device-ngnre" }), "attributes", "is rw- device-ngnre");
  map.unmap(first);
  map.unmap(second);
  assertRefused(() => map.ioremap(UART, 0x1000, "device-gre"), "attributes", "device-ngnre");
  map.unmap(inside);
  assertEquals(state.mapped, []);
  map.ioremap(UART, 0x1000, "device-gre");
});

Deno.test("the 256th reference is an error: eight bits count them, and don't wrap", () => {
  const { map } = new World();
  const all = Array.from({ length: 255 }, (_, n) => map.ioremap(UART + n % 2 * 64, 64, "device-ngnre"));
  assertRefused(() => map.ioremap(UART, 64, "device-ngnre"), "references", "255 references");
  assertRefused(() => map.ioremap(UART + 32, 64, "device-ngnre"), "references", "255 references");
  map.ioremap(UART + 0x800, 64, "device-ngnre");
  map.unmap(all[7]);
  map.ioremap(UART, 64, "device-ngnre");
});

Deno.test("within the image: its own attributes only, and only what stays when booting is over", () => {
  const world = new World();
  const { map } = world;
  assertEquals(map.vmap([BSS], rw).va, BigInt(BSS));
  assertRefused(() => map.ioremap(BSS, PAGE, "device-ngnre"), "attributes", "the hypervisor's region");
  assertRefused(() => map.vmap([IMAGE], rw), "attributes", "the hypervisor's region");
  assertRefused(() => map.vmap([BSS - PAGE], rw), "overlap", "changes here");
  assertRefused(() => map.vmap([BSS + 0xf000, BSS + 0x1_0000], rw), "overlap", "reaches beyond");
  world.finishBoot();
  assertEquals(map.vmap([BSS - PAGE], rw).va, BigInt(BSS - PAGE));
  assertEquals(world.state.mapped.length, 2);
});

Deno.test("what takes translation is refused", () => {
  const { map } = new World();
  assertRefused(() => map.vmap([A, A + 2 * PAGE], rw), "translation", "doesn't follow");
  assertRefused(() => map.vmap([A + PAGE, A], rw), "translation", "doesn't follow");
});

Deno.test("mistakes of the caller are RangeErrors", () => {
  const { map } = new World();
  const other = new World().map.fixmap(0, UART, "device-ngnre");
  map.fixmap(1, UART, "device-ngnre");
  for (
    const [call, message] of [
      [() => map.fixmap(1, UART, "device-ngnre"), "slot 1 is in use"],
      [() => map.fixmap(64, UART, "device-ngnre"), "0 to 63"],
      [() => map.fixmap(-1, UART, "device-ngnre"), "0 to 63"],
      [() => map.fixmap(2, UART + 4, "device-ngnre"), "4 KiB"],
      [() => map.ioremap(UART, 0, "device-ngnre"), "not a range"],
      [() => map.ioremap(-64, 64, "device-ngnre"), "not a range"],
      [() => map.ioremap(2 ** 48 - 64, 128, "device-ngnre"), "above 48 bits"],
      [() => map.vmap([], rw), "no frames"],
      [() => map.vmap([A + 64], rw), "4 KiB"],
      [() => map.vmap([A], { ...rw, write: false, execute: true }), "executable"],
      [() => map.vmap([A], { ...rw, read: false }), "unreadable"],
      [() => map.unmap(other), "another map's"],
    ] as const
  ) {
    assertEquals(assertThrows(call, RangeError, message) instanceof MapRefusedError, false);
  }
});

Deno.test("regions used up: a refusal, nothing changed, and room again after an unmap", () => {
  const world = new World(16);
  const { space } = world.domain("a");
  world.finishBoot();
  for (let n = 0; n < 6; n++) space.map(A + n * 0x2000, A + n * 0x2000, PAGE, rwx);
  const windows = Array.from({ length: 6 }, (_, n) => world.map.ioremap(0x1000_0000 + n * 0x2000, PAGE, "device-ngnre"));
  assertRefused(() => world.map.ioremap(UART, PAGE, "device-ngnre"), "exhausted", "17 MPU regions would be needed, and MPUIR_EL2 has 16");
  assertThrows(() => space.map(A + 0x10_0000, A + 0x10_0000, PAGE, rwx), RangeError, "the hypervisor has 10 of the 16");
  // What touches a region and is like it needs none.
  const joined = world.map.ioremap(0x1000_1000, PAGE, "device-ngnre");
  world.map.unmap(joined);
  world.map.unmap(windows[0]);
  world.map.unmap(world.map.ioremap(UART, PAGE, "device-ngnre"));
  space.map(A + 0x10_0000, A + 0x10_0000, PAGE, rwx);
  for (let round = 0; round < 20_000; round++) world.map.unmap(world.map.ioremap(windows[1].sizeBytes * 0x1_0002, 64, "device-ngnre"));
  assertEquals(world.state.mapped.length, 5);
});

Deno.test("what only EL2 uses is off while a guest runs, so it may lie over a guest's memory; it is reached all the same", () => {
  const world = new World();
  const { space, vcpu } = world.domain("a");
  const uart = world.map.ioremap(UART, 0x1000, "device-ngnre");
  assertEquals(ownRegions(vcpu).some(([base]) => base === UART), true, "on while booting");
  world.finishBoot();
  space.map(A, A, 0x1_0000, rwx);
  space.map(UART, UART, 0x1000, { ...rw, type: "device-ngnre" });
  const copy = world.map.vmap([A + PAGE], rw);
  copy.write(0, 4, 0x1234n);
  assertEquals([copy.read(0, 4), uart.read(0, 4)], [0x1234n, 0x100n]);
  assertEquals(guestRegions(vcpu), [[UART, UART + 0xfff], [A, A + 0xffff]]);
  assertEquals(ownRegions(vcpu).length, 4, "the image's alone");
  // One location has one type.
  assertRefused(() => world.map.ioremap(A, PAGE, "device-ngnre"), "attributes", "domain a's region");
  world.map.ioremap(0x1000_0000, PAGE, "device-ngnre");
  assertThrows(() => space.map(0x1000_0000, 0x1000_0000, PAGE, rwx), RangeError, "the hypervisor uses");
});
