/** EL2's table: what an update may do, and that what it may not do changes nothing. */
import { assertEquals, assertThrows } from "@std/assert";
import { Ram } from "../../../core/memory/ram.ts";
import type { Mapping } from "../../../core/mod.ts";
import { El2Table } from "./table.ts";
import type { El2Leaf } from "./table.ts";
import { layout } from "./layout.ts";
import { El2World } from "./tests/world.ts";
import { El2 } from "./bring_up.ts";
import { randomBelow } from "../../../tests/support/random.ts";

const PAGE = 4096, MIB = 2 ** 20, GIB = 2 ** 30;
const rw: Mapping = { read: true, write: true, execute: false, type: "normal-wb" };
const ro: Mapping = { ...rw, write: false };
const rx: Mapping = { ...ro, execute: true };

/** RAM that fails the test when a live entry changes more than its permissions. */
class WatchedRam extends Ram {
  readonly broken: Set<number> = new Set();
  override write64(pa: number, value: bigint): void {
    const old = this.read64(pa);
    const permissions = 1n << 7n | 1n << 54n;
    if ((old & value & 1n) !== 0n && ((old ^ value) & ~permissions) !== 0n) throw new Error(`entry ${pa.toString(16)} changed while valid`);
    if ((old & 1n) !== 0n && (value & 1n) === 0n) this.broken.add(pa);
    if ((value & 1n) !== 0n && this.broken.has(pa)) throw new Error(`entry ${pa.toString(16)} made before the TLB was invalidated`);
    super.write64(pa, value);
  }
  override release(owner: string, pa: number, size?: number): void {
    if (this.broken.size > 0) throw new Error(`table ${pa.toString(16)} released before the TLB was invalidated`);
    super.release(owner, pa, size);
  }
}

function fresh(size = MIB): { memory: WatchedRam; table: El2Table; flushes: () => number } {
  const memory = new WatchedRam([{ at: 0x4000_0000, size }]);
  let flushes = 0;
  const invalidate = () => {
    flushes++;
    memory.broken.clear();
  };
  return { memory, table: new El2Table({ memory, owner: "tables", invalidate }), flushes: () => flushes };
}

const shape = ({ va, pa, level, contiguous }: El2Leaf) => [va, pa, level, contiguous];

Deno.test("pages by default; blocks and the contiguous hint when asked for", () => {
  const { table, flushes } = fresh();
  table.map(GIB, 5 * GIB, 2 * MIB, rw);
  assertEquals([...table.leaves()].length, 512);
  assertEquals(table.lookup(GIB + 0x1234), { va: GIB + 0x1000, pa: 5 * GIB + 0x1234, level: 3, mapping: rw, contiguous: false });
  table.map(3 * GIB - 0x11_0000, 3 * GIB - 0x11_0000, GIB + 0x11_0000 + 34 * MIB + 0x3000, ro, true);
  const leaves = [...table.leaves()].filter(({ va }) => va >= 2 * GIB);
  assertEquals(leaves.slice(0, 17).map(shape)[0], [3 * GIB - 0x11_0000, 3 * GIB - 0x11_0000, 3, true]);
  // 17 groups of 16 pages, 1 GiB, 16 blocks in a group, one alone, three pages.
  const count = (level: number, contiguous: boolean) =>
    leaves.filter((leaf) => leaf.level === level && leaf.contiguous === contiguous).length;
  assertEquals([count(3, true), count(1, false), count(2, true), count(2, false), count(3, false), leaves.length], [
    17 * 16,
    1,
    16,
    1,
    3,
    17 * 16 + 21,
  ]);
  // Same range, but the PA isn't aligned as the VA is.
  table.map(8 * GIB, 0x1000, 32 * MIB, rw, true);
  assertEquals([...table.leaves()].filter(({ va }) => va >= 8 * GIB).every(({ level, contiguous }) => level === 3 && !contiguous), true);
  assertEquals(flushes(), 0, "an insertion needs none");
});

Deno.test("a table that became empty is used again, and not covered by a block", () => {
  const { memory, table } = fresh();
  table.map(GIB + 6 * MIB, GIB, PAGE, rw);
  table.unmap(GIB + 6 * MIB, PAGE);
  table.map(GIB, GIB, 64 * MIB, rw, true);
  const levels = [...table.leaves()].map(({ level, contiguous }) => `${level}${contiguous ? " contiguous" : ""}`);
  const count = (what: string) => levels.filter((text) => text === what).length;
  assertEquals([count("2"), count("3 contiguous"), count("2 contiguous"), levels.length], [15, 512, 16, 15 + 512 + 16]);
  assertEquals([...table.frames()].length, memory.usage().get("tables"));
  for (const va of [GIB, GIB + 7 * MIB, GIB + 63 * MIB]) assertEquals(table.lookup(va)?.pa, va);
});

Deno.test("every refusal is a RangeError, and nothing changes", () => {
  const { memory, table } = fresh(16 * MIB);
  table.map(GIB, GIB, 4 * MIB, ro);
  table.map(2 * GIB, 2 * GIB, 2 * MIB, rw, true);
  table.map(3 * GIB, 3 * GIB, 0x10000, rw, true);
  table.map(4 * GIB, 4 * GIB, 32 * MIB, rw, true);
  const before = [...table.leaves()], frames = memory.freeFrames;
  const refusals: [() => void, string][] = [
    [() => table.map(0, 0, PAGE, { ...rx, write: true }), "nothing that is both writable and executable"],
    [() => table.map(0, 0, PAGE, { ...rw, read: false }), "are readable"],
    [() => table.map(0, 0, PAGE, { ...rx, type: "device-ngnre" }), "executes no Device memory"],
    [() => table.map(0x800, 0, PAGE, rw), "isn't aligned to 4 KiB"],
    [() => table.map(0, 0x800, PAGE, rw), "isn't aligned to 4 KiB"],
    [() => table.map(0, 0, 0x800, rw), "isn't aligned to 4 KiB"],
    [() => table.map(0, 0, 0, rw), "a range of 0 bytes"],
    [() => table.map(-PAGE, 0, PAGE, rw), "is no VA"],
    [() => table.map(NaN, 0, PAGE, rw), "is no VA"],
    [() => table.map(2 ** 48 - PAGE, 0, 2 * PAGE, rw), "doesn't fit in 48 bits"],
    [() => table.map(0, 2 ** 48 - PAGE, 2 * PAGE, rw), "doesn't fit in 48 bits"],
    [() => table.map(2 ** 53 - 4096, 0, PAGE, rw), "doesn't fit in 48 bits"],
    [() => table.map(GIB - PAGE, 0, 2 * PAGE, rw), "0x4000_0000 is mapped already"],
    [() => table.map(2 * GIB + PAGE, 2 * GIB + PAGE, PAGE, rw), "is mapped already"],
    [() => table.modify(GIB, PAGE, { ...ro, type: "normal-nc" }), "a live mapping doesn't become normal-nc"],
    [() => table.modify(GIB, PAGE, { ...rx, write: true }), "both writable and executable"],
    [() => table.modify(GIB + 3 * MIB, 2 * MIB, ro), "0x4040_0000 isn't mapped"],
    [() => table.modify(2 * GIB, PAGE, ro), "would have to split a block"],
    [() => table.modify(3 * GIB, 0x10000, ro), "contiguous hint"],
    [() => table.unmap(2 * GIB + PAGE, 2 * MIB), "would have to split a block"],
    [() => table.unmap(3 * GIB, PAGE), "contiguous hint"],
    [() => table.unmap(GIB, 4 * GIB), "contiguous hint"],
    [() => table.split(GIB), "no block to split"],
    [() => table.split(0), "no block to split"],
    [() => table.split(4 * GIB), "contiguous hint"],
    [() => table.merge(0), "no table of leaves to merge"],
    [() => table.merge(3 * GIB), "entry 0 of its table doesn't continue the first"],
    [() => table.merge(2 * GIB), "doesn't continue the first"],
    [() => table.merge(2 ** 48), "doesn't fit in 48 bits"],
    [() => table.prepare(2 * GIB + PAGE), "is in a block"],
  ];
  for (const [operation, message] of refusals) {
    assertThrows(operation, RangeError, message);
    assertEquals([...table.leaves()], before, message);
    assertEquals(memory.freeFrames, frames, message);
  }
});

Deno.test("permissions change, also of blocks; ranges go, with a flush each", () => {
  const { table, flushes } = fresh();
  table.map(GIB, GIB, 4 * PAGE, rw);
  table.map(2 * GIB, 2 * GIB, 2 * MIB, rw, true);
  table.modify(GIB + PAGE, PAGE, rx);
  table.modify(2 * GIB, 2 * MIB, ro);
  assertEquals([GIB, GIB + PAGE, 2 * GIB + MIB].map((va) => table.lookup(va)?.mapping), [rw, rx, ro]);
  assertEquals(flushes(), 2);
  table.unmap(GIB - PAGE, 3 * PAGE);
  assertEquals([table.lookup(GIB), table.lookup(GIB + 2 * PAGE)?.pa, flushes()], [undefined, GIB + 2 * PAGE, 3]);
  table.unmap(2 * GIB, 2 * MIB);
  assertEquals(table.lookup(2 * GIB), undefined);
});

Deno.test("a split and a merge change no translation; frames come back", () => {
  const { memory, table } = fresh();
  table.map(GIB, 3 * GIB, GIB, ro, true);
  const frames = memory.freeFrames;
  table.split(GIB + 5 * MIB);
  table.split(GIB + 5 * MIB);
  assertEquals([table.lookup(GIB + 5 * MIB)?.level, table.lookup(GIB + 6 * MIB)?.level, memory.freeFrames], [3, 2, frames - 2]);
  assertEquals(table.lookup(GIB + 5 * MIB + 7)?.pa, 3 * GIB + 5 * MIB + 7);
  assertThrows(() => table.merge(GIB + 6 * MIB), RangeError, "entry 2 of its table doesn't continue the first");
  table.modify(GIB + 4 * MIB, PAGE, rw);
  assertThrows(() => table.merge(GIB + 5 * MIB), RangeError, "entry 1 of its table doesn't continue the first");
  table.modify(GIB + 4 * MIB, PAGE, ro);
  table.merge(GIB + 5 * MIB);
  table.merge(GIB + 5 * MIB);
  assertEquals([...table.leaves()].map(shape), [[GIB, 3 * GIB, 1, false]]);
  assertEquals(memory.freeFrames, frames);
  assertThrows(() => table.merge(GIB), RangeError, "no table of leaves");
  table.destroy();
  assertEquals(memory.usage().size, 0);
});

Deno.test("out of frames halfway: all of it is taken back", () => {
  const { memory, table } = fresh(6 * PAGE);
  table.map(0, 0, PAGE, rw);
  assertThrows(() => table.map(GIB, GIB, 4 * MIB, rw), Error, "contiguous frames");
  assertEquals([[...table.leaves()].length, memory.freeFrames, [...table.frames()].length], [1, 2, 4]);
  assertThrows(() => table.prepare(2 ** 40), Error, "contiguous frames");
  assertEquals(memory.freeFrames, 2);
});

Deno.test("random updates against a model of pages", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const below = randomBelow(`table ${seed}`);
    const { table, memory } = fresh();
    const model = new Map<number, { pa: number; mapping: Mapping }>();
    for (let step = 0; step < 3000; step++) {
      const first = below(2048), count = 1 + below(below(8) === 0 ? 700 : 20);
      const va = GIB + first * PAGE, size = count * PAGE;
      const pages = Array.from({ length: count }, (_, n) => first + n);
      const mapping = [rw, ro, rx, { ...rw, type: "normal-nc" as const }][below(4)];
      const expected = (isFine: boolean, operation: () => void, effect: (page: number) => void) => {
        if (!isFine) return void assertThrows(operation, RangeError);
        operation();
        pages.forEach(effect);
      };
      switch (below(3)) {
        case 0: {
          const pa = below(1 << 20) * PAGE;
          expected(
            pages.every((page) => !model.has(page)),
            () => table.map(va, pa, size, mapping),
            (page) => model.set(page, { pa: pa + (page - first) * PAGE, mapping }),
          );
          break;
        }
        case 1:
          expected(true, () => table.unmap(va, size), (page) => model.delete(page));
          break;
        default:
          expected(
            pages.every((page) => model.get(page)?.mapping.type === mapping.type),
            () => table.modify(va, size, mapping),
            (page) => model.set(page, { pa: model.get(page)!.pa, mapping }),
          );
      }
      if (step % 300 !== 0) continue;
      const seen = new Map([...table.leaves()].map(({ va, pa, mapping }) => [(va - GIB) / PAGE, { pa, mapping }]));
      assertEquals(
        new Map([...seen].sort(([a], [b]) => a - b)),
        new Map([...model].sort(([a], [b]) => a - b)),
        `seed ${seed}, step ${step}`,
      );
    }
    assertEquals([...table.frames()].length, memory.usage().get("tables"));
    table.destroy();
    assertEquals(memory.usage().size, 0);
  }
});

Deno.test("the runtime map is what the layout says: the CPU's own walker agrees leaf by leaf", () => {
  const world = new El2World([{ at: GIB, size: 5 * MIB }, { at: 2 ** 40, size: 3 * MIB }]);
  const el2 = new El2(world.parts, GIB + MIB + 3 * PAGE);
  el2.cpu.x(0);
  const { mmu } = world.engine.cpu;
  const inside = (va: number, region: { at: number; size: number }) => va >= region.at && va < region.at + region.size;
  for (const { va, pa, mapping } of el2.runtime.leaves()) {
    assertEquals([layout.image, layout.directMap].filter((region) => inside(va, region)).length, 1);
    const may = [0, 1, 2].map((access) => mmu.translate(Math.floor(va / 2 ** 32), va % 2 ** 32, 2, access, 0));
    assertEquals(may, [mapping.read, mapping.write, mapping.execute]);
    mmu.translate(Math.floor(va / 2 ** 32), va % 2 ** 32, 2, 0, 0);
    assertEquals([mmu.result.pa, mmu.result.attributes], [pa, 0xff]);
  }
  for (const { base, size } of world.memory.banks) {
    for (const pa of [base, base + size - 1]) assertEquals(el2.runtime.lookup(el2.directVa(pa))?.pa, pa);
  }
  assertEquals(el2.runtime.lookup(el2.directVa(GIB + 5 * MIB)), undefined);
  // Memory beside the RAM isn't in the direct map: whoever maps it says how.
  const beside = new El2({ ...world.parts, ram: [{ at: GIB, size: 5 * MIB }] }, undefined);
  assertEquals(beside.runtime.lookup(beside.directVa(2 ** 40)), undefined);
});
