/** A CPU comes up: at each instruction the PC is mapped, no table changes under a live MMU, and nothing of the old one is left. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { PAGE_SIZE } from "../../../core/mod.ts";
import type { VcpuState } from "../../../core/mod.ts";
import { El2 } from "./bring_up.ts";
import { identityCode, linkedCode } from "./code.ts";
import { IMAGE_SIZE, linkedAt, sections, symbols } from "./image.ts";
import { layout, layoutProblem, SLOT } from "./layout.ts";
import { El2World } from "./tests/world.ts";

const MIB = 2 ** 20, GIB = 2 ** 30;
const NOP = 0xd503201f;

/** What must hold of EL2 once its CPUs are up. */
function checkAfter(world: El2World, el2: El2, vcpu: VcpuState): void {
  for (const table of [el2.boot, el2.runtime]) {
    const leaves = [...table.leaves()];
    assertEquals(leaves.filter(({ mapping }) => mapping.write && mapping.execute), []);
    assertEquals(leaves.filter(({ va }) => va < layout.identity.size), [], "the identity map is empty");
    // What executes has no writable alias.
    for (const { pa } of leaves.filter(({ mapping }) => mapping.execute)) {
      for (const { va } of leaves.filter((leaf) => leaf.mapping.write)) assert(table.lookup(va)!.pa !== pa);
    }
  }
  assertEquals(vcpu.read("TTBR0_EL2"), BigInt(el2.runtime.root));
  assertEquals(vcpu.read("SCTLR_EL2") & 0x8_1005n, 0x8_1005n, "WXN, I, C, M");
  const text = layout.image.at + PAGE_SIZE;
  for (const va of [text, text - PAGE_SIZE, text + PAGE_SIZE, el2.directVa(el2.imagePa)]) {
    const stop = el2.access(vcpu, BigInt(va), 1n);
    assert(stop.kind === "exception", `a store to ${va.toString(16)}`);
    // Data abort, same level; WnR; permission fault (the direct map's level depends on its blocks).
    assertEquals([stop.esr >> 26n, stop.esr & 0x40n, (stop.esr & 0x3cn) >> 2n, stop.far], [0x25n, 0x40n, 3n, BigInt(va)]);
  }
  assertEquals(el2.access(vcpu, BigInt(text + 2 * PAGE_SIZE), 7n).kind, "returned");
  assertEquals(el2.access(vcpu, BigInt(text)).kind, "returned");
  assertEquals(el2.access(vcpu, BigInt(el2.imagePa)).kind, "exception", "the physical address isn't mapped");
  assertEquals(world.memory.read64(el2.imagePa + 3 * PAGE_SIZE), 7n);
  world.memory.write64(el2.imagePa + 3 * PAGE_SIZE, 0n);
}

Deno.test("the code is what its text says", () => {
  const world = new El2World([{ at: GIB, size: 2 * MIB }]);
  const el2 = new El2(world.parts, undefined);
  for (const [name, rows] of [...identityCode, ...linkedCode]) {
    // EL1's MMU is off: it sees physical addresses.
    const at = el2.imagePa + symbols.get(name)!;
    rows.forEach(([, text], n) => {
      const address = at + n * 4;
      assertEquals(el2.cpu.disassemble(BigInt(address))?.toLowerCase(), text.replace(/\.$/, `0x${address.toString(16)}`));
    });
  }
});

const edges: [ram: number, size: number, image: number][] = [];
for (const image of [2 * MIB + PAGE_SIZE, 3 * MIB, 4 * MIB - IMAGE_SIZE, 4 * MIB - PAGE_SIZE, 4 * MIB]) {
  edges.push([2 * MIB, 6 * MIB, image]);
}
// Around level 0 entries of the identity map, and the last page below its end.
for (const slot of [1, 2, 31]) {
  for (const delta of [-IMAGE_SIZE, -PAGE_SIZE, 0, 2 * MIB + PAGE_SIZE]) edges.push([slot * SLOT - 4 * MIB, 8 * MIB, slot * SLOT + delta]);
}
edges.push([32 * SLOT - 4 * MIB, 4 * MIB, 32 * SLOT - IMAGE_SIZE]);

for (const [at, size, image] of edges) {
  Deno.test(`the image at 0x${image.toString(16)}: the first CPU, and another`, () => {
    const world = new El2World([{ at, size }]);
    const watch = world.watch();
    const el2 = new El2(world.parts, image, watch.onStep);
    assertEquals(watch.problems, []);
    const booted = watch.take();
    assertEquals(el2.imagePa, image);
    const vcpu = world.engine.createVcpu({ mpidr: 1n });
    el2.bringUp(vcpu);
    assertEquals(watch.problems, []);
    const second = watch.take();
    // start 14, switch_ttbr 4 and its identity part 19; the first CPU also turns WXN on.
    assertEquals([booted.length, second.length], [14 + 23 + 9, 14 + 23]);
    assertEquals(new Set(second.map(({ ttbr0 }) => ttbr0)), new Set([0, el2.boot.root, el2.runtime.root]));
    assertEquals(second.filter(({ mmu }) => !mmu).map(({ pc }) => Number(pc)).every((pc) => pc >= image && pc < image + PAGE_SIZE), true);
    checkAfter(world, el2, el2.cpu);
    checkAfter(world, el2, vcpu);
    el2.destroy();
    assertEquals(world.memory.usage().size, 0);
  });
}

Deno.test("above the identity map, outside RAM, in somebody's frames: an error, and nothing is left", () => {
  const world = new El2World([{ at: 32 * SLOT - 2 * MIB, size: 8 * MIB }]);
  const refuse = (at: number, message: string) => assertThrows(() => new El2(world.parts, at), Error, message);
  for (const at of [32 * SLOT, 32 * SLOT - PAGE_SIZE, 32 * SLOT + 2 * MIB + PAGE_SIZE]) {
    refuse(at, "is above 0x1000_0000_0000, where its identity map ends");
  }
  refuse(GIB, "isn't RAM");
  refuse(32 * SLOT - 2 * MIB + 0x800, "isn't aligned");
  world.memory.allocateAt("guest", 32 * SLOT - MIB, PAGE_SIZE);
  refuse(32 * SLOT - MIB - PAGE_SIZE, "belongs to guest");
  assertEquals([...world.memory.usage().keys()], ["guest"]);
  const mpu = new El2World([{ at: GIB, size: MIB }], "cortex-r82");
  assertThrows(() => new El2(mpu.parts, undefined), RangeError, "no translation tables but an MPU: use pmsa");
  assertEquals(mpu.memory.usage().size, 0);
  const small = new El2World([{ at: GIB, size: 8 * PAGE_SIZE }]);
  assertThrows(() => new El2(small.parts, undefined), Error, "contiguous frames");
  assertEquals(small.memory.usage().size, 0);
});

/** Mutants of the image: routine, instruction, and what the watch says. */
const mutants: [name: string, routine: string, index: number, problem: RegExp][] = [
  ["TLBI left out", "switch_ttbr_id", 7, /entries of the old table/],
  ["the MMU left on", "switch_ttbr_id", 3, /TTBR0_EL2 changed while the MMU was on/],
];
for (const [name, routine, index, problem] of mutants) {
  Deno.test(`a mutant is caught: ${name}`, () => {
    const world = new El2World([{ at: GIB, size: 4 * MIB }]);
    const watch = world.watch();
    const el2 = new El2(world.parts, GIB + PAGE_SIZE, watch.onStep);
    assertEquals(watch.problems, []);
    world.patch(el2, routine, index, NOP);
    el2.bringUp(world.engine.createVcpu({ mpidr: 1n }));
    assertEquals(watch.problems.some((text) => problem.test(text)), true, watch.problems.join("\n"));
  });
}

Deno.test("a mutant is caught: no identity map", () => {
  const world = new El2World([{ at: GIB, size: 4 * MIB }]);
  const el2 = new El2(world.parts, undefined);
  const vcpu = world.engine.createVcpu({ mpidr: 1n });
  el2.runtime.map = () => {};
  assertThrows(() => el2.bringUp(vcpu), Error, "EL2's switch_ttbr: exception at");
});

Deno.test("a copy of the image elsewhere: the switch moves execution to it", () => {
  const world = new El2World([{ at: GIB, size: 4 * MIB }]);
  const watch = world.watch();
  const el2 = new El2(world.parts, GIB, watch.onStep);
  watch.copies.push(GIB + 2 * MIB);
  const copy = GIB + 2 * MIB;
  world.memory.allocateAt("copy", copy, IMAGE_SIZE);
  world.memory.view(copy, IMAGE_SIZE).set(world.memory.view(GIB, IMAGE_SIZE));
  // `load` of the copy gives 42: whose code executes can be seen.
  const other = world.table();
  for (const { offset, mapping } of sections) other.map(layout.image.at + offset, copy + offset, PAGE_SIZE, mapping);
  other.prepare(GIB);
  world.memory.view(copy + symbols.get("load")!, 4).set(new Uint8Array(new Uint32Array([0xd2800540]).buffer)); // mov x0, #42
  const vcpu = world.engine.createVcpu({ mpidr: 1n });
  el2.bringUp(vcpu);
  const stop = () => el2.access(vcpu, linkedAt("parked"));
  assertEquals(stop(), { kind: "returned", instructions: 2, x0: 0x1400_0000n });
  el2.switchTable(vcpu, other, el2.runtime);
  assertEquals(stop(), { kind: "returned", instructions: 2, x0: 42n });
  el2.switchTable(vcpu, el2.runtime, other);
  assertEquals(stop(), { kind: "returned", instructions: 2, x0: 0x1400_0000n });
  assertEquals(watch.problems, []);
});

Deno.test("the layout: every rule has a layout that breaks it", () => {
  assertEquals(layoutProblem(layout), undefined);
  const broken = (change: Partial<typeof layout>) => layoutProblem({ ...layout, ...change });
  assertEquals(broken({ image: { at: 5 * SLOT, size: 8 * MIB } }), "identity overlaps image");
  assertEquals(broken({ vmap: { at: layout.vmap.at + PAGE_SIZE, size: GIB } })?.includes("isn't aligned to 2 MiB"), true);
  assertEquals(broken({ fixmap: { at: layout.deviceTree.at, size: 2 * MIB } }), "fixmap overlaps deviceTree");
  assertEquals(broken({ fixmap: { at: layout.vmap.at + 2 * GIB, size: 2 * MIB } }), "fixmap isn't in the image's GiB");
  assertEquals(broken({ directMap: { at: 300 * SLOT, size: 256 * SLOT } }), "directMap ends above 48 bits");
});
