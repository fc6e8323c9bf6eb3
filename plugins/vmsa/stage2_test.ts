/** Changes, merges, references, limits and bounds of stage 2. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { MemoryType } from "../../core/mod.ts";
import { ownerOf } from "./frames.ts";
import { GIB, MIB, PAGE, rwx, types, World } from "./tests/world.ts";

const tablesOf = (world: World) => world.memory.usage().get(ownerOf("guest"))!;
/** What a domain owns: 1 MiB of RAM beside the tables'. */
const OWNED = { at: 2 ** 40, size: MIB };
const references = (world: World, pa: number) => world.memory.ownerOf(pa)?.references;

Deno.test("rights and types change by break-before-make, in blocks and in parts of them", () => {
  const world = new World();
  const space = world.space();
  space.map(GIB, GIB, GIB, rwx);
  space.change(GIB, GIB, { write: false });
  assertEquals([world.walk(GIB)?.mapping, tablesOf(world)], [{ ...rwx, write: false }, 2]);
  space.change(GIB + 3 * MIB, PAGE, { type: "device-ngnre", execute: false });
  assertEquals(tablesOf(world), 4, "one table at level 2, one at level 3");
  const strict = { ...rwx, write: false, execute: false, type: "device-ngnre" as const };
  for (
    const [ipa, mapping] of [[3 * MIB - 1, { ...rwx, write: false }], [3 * MIB, strict], [3 * MIB + PAGE, {
      ...rwx,
      write: false,
    }]] as const
  ) {
    assertEquals(world.walk(GIB + ipa), { pa: GIB + ipa, mapping });
    assertEquals(space.lookup(GIB + ipa), { pa: GIB + ipa, mapping });
  }
  const invalidations = world.invalidated.length;
  space.change(GIB + 3 * MIB, PAGE, { type: "device-ngnre" });
  assertEquals(world.invalidated.length, invalidations, "nothing changed");
  assertThrows(() => space.change(0, GIB + PAGE, { write: true }), RangeError, "IPA 0x0 to 0x4000_0fff: 0x0 isn't mapped");
  assertThrows(() => space.change(2 * GIB - PAGE, 2 * PAGE, { write: true }), RangeError, "0x8000_0000 isn't mapped");
  assertThrows(() => space.change(GIB, 5, {}), RangeError, "isn't aligned");
  assertEquals([space.lookup(2 * GIB - 1)?.mapping.write, tablesOf(world)], [false, 4]);
});

Deno.test("pages become blocks again when they are one, level by level", () => {
  const world = new World();
  const space = world.space();
  space.map(GIB, 5 * GIB, GIB, rwx);
  space.change(GIB + 2 * MIB, PAGE, { write: false });
  space.change(GIB + 700 * MIB, PAGE, { write: false });
  assertEquals(tablesOf(world), 5);
  assertEquals(space.merge(0, 4 * GIB), 0);
  space.change(GIB + 2 * MIB, PAGE, { write: true });
  assertEquals([space.merge(GIB, 2 * MIB), space.merge(GIB + 2 * MIB + PAGE, 4 * MIB)], [0, 0], "only what lies in the range");
  assertEquals([space.merge(GIB, GIB), tablesOf(world)], [1, 4]);
  space.change(GIB + 700 * MIB, PAGE, { write: true });
  assertEquals([space.merge(GIB, GIB), tablesOf(world)], [2, 2], "level 2, then level 1");
  assertEquals(world.walk(2 * GIB - 1), { pa: 6 * GIB - 1, mapping: rwx });
  // Pages that continue one another where no block could begin.
  space.map(4 * MIB, GIB + PAGE, 2 * MIB, rwx);
  assertEquals(space.merge(0, GIB), 0);
  // Mapped page by page.
  for (let page = 0; page < 512; page++) space.map(8 * MIB + page * PAGE, 3 * GIB + page * PAGE, PAGE, rwx);
  assertEquals([space.merge(0, 2 ** 40), space.lookup(10 * MIB - 1)?.pa], [1, 3 * GIB + 2 * MIB - 1]);
});

Deno.test("every frame of RAM that is mapped has a reference for each mapping", () => {
  const world = new World({ other: OWNED });
  world.memory.allocateAt("guest", OWNED.at, 8 * PAGE);
  world.memory.allocateAt("friend", OWNED.at + 8 * PAGE, 8 * PAGE);
  const space = world.space(), other = world.space(40, "other");
  space.map(0, OWNED.at + 4 * PAGE, 8 * PAGE, rwx);
  other.map(0x10_0000, OWNED.at + 7 * PAGE, PAGE, { ...rwx, write: false });
  assertEquals([3, 4, 7, 8, 11, 12].map((n) => references(world, OWNED.at + n * PAGE)), [1, 2, 3, 2, 2, 1]);
  // The owner goes; the mapping keeps the frame.
  world.memory.release("friend", OWNED.at + 8 * PAGE, 8 * PAGE);
  assertEquals([11, 12].map((n) => references(world, OWNED.at + n * PAGE)), [1, undefined]);
  space.unmap(0, 5 * PAGE);
  assertEquals([4, 7, 8, 9].map((n) => references(world, OWNED.at + n * PAGE)), [1, 2, undefined, 1]);
  other.destroy();
  space.destroy();
  assertEquals([...world.memory.usage()], [["guest", 8]]);
  assertEquals(references(world, OWNED.at), 1);
});

Deno.test("RAM that is nobody's, and the hypervisor's own, can't be mapped", () => {
  const world = new World({ other: OWNED });
  world.memory.allocateAt("guest", OWNED.at, 2 * PAGE);
  world.memory.allocateAt("hypervisor (image)", OWNED.at + 3 * PAGE, PAGE);
  const space = world.space();
  const refuse = (pa: number, size: number, message: string) => assertThrows(() => space.map(0, pa, size, rwx), RangeError, message);
  refuse(OWNED.at, 3 * PAGE, "PA 0x0100_0000_2000 is RAM that nobody owns");
  refuse(OWNED.at + 3 * PAGE, PAGE, "PA 0x0100_0000_3000 belongs to hypervisor (image)");
  refuse(Number(world.install(space).read("VTTBR_EL2") & 0xffff_ffff_f000n), PAGE, "belongs to guest (stage 2 tables)");
  refuse(0x4000_0000, 2 ** 40, "PA 0x0100_0000_2000 is RAM that nobody owns");
  assertEquals([references(world, OWNED.at), tablesOf(world), space.bounds()], [1, 2, undefined]);
});

Deno.test("a domain's tables have a limit: sparse mappings run into it, and what fails changes nothing", () => {
  const world = new World({ tableFrames: 20 });
  const space = world.space();
  let mapped = 0;
  const message = "guest (stage 2 tables) have 20 frames, the most that they may";
  assertThrows(
    () => {
      for (; mapped < 1000; mapped++) space.map(mapped * 2 * MIB, 0, PAGE, rwx);
    },
    RangeError,
    message,
  );
  assertEquals([mapped, tablesOf(world)], [17, 20], "two frames of root, one at level 2");
  assertEquals(space.lookup(mapped * 2 * MIB), undefined);
  assertThrows(() => space.map(100 * GIB, 0, PAGE, rwx), RangeError, message);
  space.unmap(0, 2 * MIB);
  // One frame is free: a split at one end of a range, and none for the other.
  space.map(200 * MIB, 200 * MIB, 4 * MIB, rwx);
  assertThrows(() => space.unmap(201 * MIB, 2 * MIB), RangeError, message);
  assertThrows(() => space.change(201 * MIB, 2 * MIB, { write: false }), RangeError, message);
  assertEquals([tablesOf(world), world.walk(202 * MIB)], [19, { pa: 202 * MIB, mapping: rwx }], "the first split is undone");
  space.unmap(201 * MIB, MIB);
  assertEquals([space.lookup(201 * MIB - 1)?.pa, space.lookup(201 * MIB), space.lookup(202 * MIB)?.pa], [
    201 * MIB - 1,
    undefined,
    202 * MIB,
  ]);
});

Deno.test("bounds are the first and the last byte", () => {
  const space = new World().space(48);
  assertEquals(space.bounds(), undefined);
  space.map(5 * PAGE, 0, PAGE, rwx);
  assertEquals(space.bounds(), { lowest: 5 * PAGE, highest: 6 * PAGE - 1 });
  space.map(2 ** 48 - GIB, 0, GIB, rwx);
  space.map(2 ** 46, 0, PAGE, rwx);
  assertEquals(space.bounds(), { lowest: 5 * PAGE, highest: 2 ** 48 - 1 });
  space.unmap(0, GIB);
  space.unmap(2 ** 48 - PAGE, PAGE);
  assertEquals(space.bounds(), { lowest: 2 ** 46, highest: 2 ** 48 - PAGE - 1 });
});

Deno.test("with FWB stage 2 decides: types survive lookup, and the CPU makes of a Write-Back stage 1 what it should", () => {
  const world = new World({ forceWriteBack: true });
  const space = world.space();
  const seen: Record<MemoryType, MemoryType> = Object.fromEntries(Object.values(types).map((type) => [type, type])) as Record<
    MemoryType,
    MemoryType
  >;
  // There is no Write-Through to force.
  seen["normal-wt"] = "normal-nc";
  let ipa = GIB;
  for (const type of Object.values(types)) {
    space.map(ipa, 0x5000, PAGE, { ...rwx, type });
    assertEquals(space.lookup(ipa)?.mapping, { ...rwx, type });
    assertEquals(world.walk(ipa)?.mapping, { ...rwx, type: seen[type] });
    space.change(ipa, PAGE, { write: false });
    assertEquals(space.lookup(ipa)?.mapping, { ...rwx, write: false, type });
    ipa += PAGE;
  }
  const vcpu = world.install(space);
  assertEquals(vcpu.read("HCR_EL2") >> 46n & 1n, 1n);
  space.map(8 * GIB, 8 * GIB, GIB, { ...rwx, type: "normal-nc" });
  space.unmap(8 * GIB + PAGE, PAGE);
  assert(space.lookup(8 * GIB)?.mapping.type === "normal-nc", "pieces of a block keep it");
});
