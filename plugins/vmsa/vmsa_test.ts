/** The tables against a model, against the engine's own walker, and against the rules of break-before-make. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { HypervisorMap, MemoryBackend } from "../../core/mod.ts";
import type { Board, Mapping, RunHooks, Vcpu } from "../../core/mod.ts";
import { El2World } from "./el2/tests/world.ts";
import { ownerOf } from "./frames.ts";
import { vmsa } from "./mod.ts";
import { countTables, GIB, MIB, PAGE, RAM, rwx, types, vcpuWith, World } from "./tests/world.ts";
import { randomBelow } from "../../tests/support/random.ts";

Deno.test("registers: VTCR_EL2, VTTBR_EL2, HCR_EL2 by IPA size", () => {
  // [IPA bits, T0SZ, SL0, root pages].
  for (const [bits, t0sz, sl0, pages] of [[32, 32, 1, 1], [36, 28, 1, 1], [40, 24, 1, 2], [42, 22, 1, 8], [44, 20, 2, 1], [48, 16, 2, 1]]) {
    const world = new World();
    const space = world.space(bits);
    const vcpu = world.install(space);
    const vtcr = Number(vcpu.read("VTCR_EL2"));
    assertEquals([vtcr & 63, (vtcr >> 6) & 3, (vtcr >> 14) & 3, (vtcr >> 16) & 7, (vtcr >> 19) & 1], [t0sz, sl0, 0, 5, 0]);
    const vttbr = vcpu.read("VTTBR_EL2");
    assertEquals(vttbr >> 48n, 1n);
    assertEquals(Number(vttbr & 0xffff_ffff_ffffn) % (pages * PAGE), 0);
    assertEquals(world.memory.usage().get(ownerOf("guest")), pages);
    assertEquals(vcpu.read("HCR_EL2"), 0x8018_603fn);
    space.destroy();
    assertEquals(world.memory.usage().get(ownerOf("guest")), undefined);
  }
});

Deno.test("install keeps what others set in HCR_EL2, and refuses a CPU whose addresses are too small", () => {
  const world = new World();
  const space = world.space(44);
  const vcpu = vcpuWith(4n);
  vcpu.write("HCR_EL2", 1n << 26n);
  space.install(vcpu);
  assertEquals(vcpu.read("HCR_EL2"), 0x8418_603fn);
  assertThrows(() => space.install(vcpuWith(2n)), RangeError, "domain guest: 44 bits of IPA, but the CPU's physical addresses have 40");
});

Deno.test("blocks where alignment allows, pages elsewhere", () => {
  const world = new World();
  const space = world.space();
  const tables = () => world.memory.usage().get(ownerOf("guest"))! - 2;
  space.map(4 * GIB, 8 * GIB, 2 * GIB, rwx);
  assertEquals(tables(), 0, "two 1 GiB blocks in the root");
  space.map(GIB, 2 * MIB, 64 * MIB, rwx);
  assertEquals(tables(), 1, "2 MiB blocks: the PA isn't 1 GiB aligned");
  space.map(2 * GIB - PAGE, 0x5000, 2 * PAGE, rwx);
  assertEquals(tables(), 4, "two pages on both sides of 2 GiB: one table more at level 3 below, two above");
  space.map(10 * GIB, 0x1000, 4 * MIB, rwx);
  assertEquals(tables(), 7, "no common alignment: pages");
  assertEquals(space.lookup(5 * GIB + 0x1234)?.pa, 9 * GIB + 0x1234);
  assertEquals(space.lookup(10 * GIB + 3 * MIB + 5)?.pa, 3 * MIB + 0x1005);
});

Deno.test("partial unmap splits a block all the way down, and freed tables come back", () => {
  const world = new World();
  const space = world.space();
  space.map(GIB, GIB, GIB, rwx);
  assert(world.walk(GIB + 0x20_3000) !== undefined);
  space.unmap(GIB + 0x20_3000, PAGE);
  assertEquals(world.memory.usage().get(ownerOf("guest")), 4);
  assertEquals(world.walk(GIB + 0x20_3000), undefined, "the TLB forgot it");
  for (const ipa of [GIB, GIB + 0x20_2fff, GIB + 0x20_4000, 2 * GIB - 1]) assertEquals(space.lookup(ipa), { pa: ipa, mapping: rwx });
  space.unmap(GIB, 0x20_0000);
  space.unmap(GIB + 0x20_0000, GIB - 0x20_0000);
  assertEquals(world.memory.usage().get(ownerOf("guest")), 2);
});

Deno.test("refusals: overlap, misfit, misalignment; nothing changes", () => {
  const world = new World();
  const space = world.space(36);
  space.map(0x8000_0000, 0, 4 * MIB, rwx);
  const frames = world.memory.usage().get(ownerOf("guest"));
  const refuse = (ipa: number, pa: number, size: number, message: string) =>
    assertThrows(() => space.map(ipa, pa, size, rwx), RangeError, message);
  refuse(0x8020_0000 - PAGE, 0, PAGE * 2, "0x801f_f000 is mapped already");
  refuse(0x7fff_f000, 0x1000, 3 * PAGE, "0x8000_0000 is mapped already");
  refuse(0x7000_0000, 0, GIB, "0x8000_0000 is mapped already");
  refuse(2 ** 36 - PAGE, 0, 2 * PAGE, "doesn't fit in 36 bits");
  refuse(2 ** 36, 0, PAGE, "doesn't fit in 36 bits");
  refuse(0, 2 ** 48 - PAGE, 2 * PAGE, "doesn't fit in 48 bits");
  refuse(0x800, 0, PAGE, "isn't aligned to 4 KiB");
  refuse(0, 0x800, PAGE, "isn't aligned to 4 KiB");
  refuse(0, 0, 0x800, "isn't aligned to 4 KiB");
  refuse(0, 0, 0, "a range of 0 bytes");
  refuse(-PAGE, 0, PAGE, "is no IPA");
  refuse(NaN, 0, PAGE, "is no IPA");
  assertEquals(world.memory.usage().get(ownerOf("guest")), frames);
  assertEquals([space.lookup(2 ** 36), space.lookup(-1), space.lookup(2 ** 52)], [undefined, undefined, undefined]);
  space.unmap(0, 2 ** 36);
  assertEquals(space.lookup(0x8000_0000), undefined);
});

Deno.test("running out of frames halfway takes everything back", () => {
  const world = new World({ ram: { at: RAM.at, size: 8 * PAGE } });
  const space = world.space(36);
  assertThrows(() => space.map(0x1000, 0x2000, 32 * MIB, rwx), Error, "guest (stage 2 tables) asked for 1 contiguous frames");
  assertEquals([world.memory.usage().get(ownerOf("guest")), space.lookup(0x1000)], [1, undefined]);
  space.map(0, 0, GIB, rwx);
  world.memory.allocate("other", 2);
  world.memory.allocate("other", 1);
  assertThrows(() => space.unmap(0x1000, PAGE), Error, "asked for 1 contiguous frames");
  assertEquals(space.lookup(0x1000)?.pa, 0x1000, "a split that can't be had changes nothing");
  space.destroy();
  assertEquals(world.memory.freeFrames, 2);
});

Deno.test("every memory type and right survives lookup, and means the same to the CPU", () => {
  const world = new World();
  const space = world.space();
  let ipa = 0x1_0000_0000;
  for (const type of Object.values(types)) {
    for (let rights = 0; rights < 8; rights++, ipa += PAGE) {
      const mapping = { read: (rights & 1) !== 0, write: (rights & 2) !== 0, execute: (rights & 4) !== 0, type };
      space.map(ipa, 0x9_8765_4000, PAGE, mapping);
      assertEquals(space.lookup(ipa + 0xabc), { pa: 0x9_8765_4abc, mapping });
      // The CPU shows what it maps only where it lets some access through.
      if (rights !== 0) assertEquals(world.walk(ipa + 0xabc), { pa: 0x9_8765_4abc, mapping });
    }
  }
});

interface Range {
  ipa: number;
  end: number;
  delta: number;
  mapping: Mapping;
}

Deno.test("random maps and unmaps: lookup, the CPU's walk and the accounting agree with a model", () => {
  for (let seed = 1; seed <= 24; seed++) {
    const below = randomBelow(`maps ${seed}`);
    const pick = <T>(list: readonly T[]): T => list[below(list.length)];
    const bits = pick([32, 36, 40, 42, 44, 48]);
    const world = new World();
    const before = world.memory.freeFrames;
    const space = world.space(bits);
    let model: Range[] = [];
    const find = (at: number) => model.find((range) => range.ipa <= at && at < range.end);
    const anchors = [0, GIB - 2 * MIB, 3 * GIB, 2 ** bits - GIB, 2 ** (bits - 1) - MIB];
    for (let step = 0; step < 40; step++) {
      const unit = pick([PAGE, PAGE, 2 * MIB, 2 * MIB, GIB]);
      const size = unit * (1 + below(unit === PAGE ? 600 : 3));
      let at = pick(anchors) + unit * below(4) + (unit !== GIB && below(4) === 0 ? PAGE * below(512) : 0);
      if (unit === GIB) at -= at % (2 * MIB); // By pages it would need more tables than there is RAM.
      const context = `seed ${seed}, step ${step}, ${bits} bits, 0x${at.toString(16)}, 0x${size.toString(16)} bytes`;
      if (below(5) < 3) {
        const pa = below(2) === 0 ? at % 2 ** 40 : pick([0, GIB, 5 * GIB]) + (unit === GIB ? 2 * MIB : pick([PAGE, 2 * MIB])) * below(1024);
        const mapping = { ...rwx, write: below(2) === 0, type: pick(Object.values(types)) };
        const fits = at + size <= 2 ** bits && !model.some((range) => range.ipa < at + size && at < range.end);
        if (fits) {
          space.map(at, pa, size, mapping);
          model.push({ ipa: at, end: at + size, delta: pa - at, mapping });
        } else {
          assertThrows(() => space.map(at, pa, size, mapping), RangeError, undefined, context);
        }
      } else if (at + size <= 2 ** bits) {
        space.unmap(at, size);
        model = model.flatMap((range) => {
          const parts: Range[] = [];
          if (range.ipa < at) parts.push({ ...range, end: Math.min(range.end, at) });
          if (range.end > at + size) parts.push({ ...range, ipa: Math.max(range.ipa, at + size) });
          return parts;
        });
      }
      const probes = [at - 1, at, at + size - 1, at + size, at + below(size)];
      for (const range of model) probes.push(range.ipa, range.end - 1, range.ipa + below(range.end - range.ipa));
      for (const probe of probes.filter((probe) => probe >= 0 && probe < 2 ** bits)) {
        const range = find(probe);
        const expected = range && { pa: probe + range.delta, mapping: range.mapping };
        assertEquals(space.lookup(probe), expected, `${context}: lookup 0x${probe.toString(16)}`);
        assertEquals(world.walk(probe), expected, `${context}: walk 0x${probe.toString(16)}`);
      }
      assertEquals(countTables(world, space), world.memory.usage().get(ownerOf("guest")), `${context}: table frames`);
    }
    space.destroy();
    assertEquals([world.memory.usage().size, world.memory.freeFrames, [...world.vmids.taken]], [0, before, [1, 0, 0, 0, 0, 0, 0, 0]]);
  }
});

Deno.test("check sees an image that isn't in RAM", () => {
  const board = { memory: [{ at: GIB, size: MIB }] } as unknown as Board;
  const options = { ipa_bits: 40, table_frames: 4096, trace_el2: false };
  const found = (image_at?: number) => vmsa.resources!({ ...options, image_at }, { board }).findings?.map(({ found }) => found);
  assertEquals([undefined, GIB, GIB + MIB - 4 * PAGE].map((at) => found(at)), [undefined, undefined, undefined]);
  assertEquals([0, GIB + MIB - 3 * PAGE].map((at) => found(at)), [["0x0 to 0x3fff"], ["0x400f_d000 to 0x4010_0fff"]]);
});

Deno.test("the plugin: options, and the capabilities it provides", async () => {
  const machine = new El2World([RAM]);
  const provided = new Map<unknown, unknown>();
  const stops: (() => void)[] = [], traced: string[] = [];
  const options = { ipa_bits: 36, image_at: RAM.at + 5 * PAGE, table_frames: 4096, trace_el2: true };
  let reset: ((vcpu: Vcpu) => void) | undefined;
  const context = {
    options,
    state: vmsa.state!(options),
    memory: machine.memory,
    board: { memory: [RAM] },
    get: () => machine.engine,
    provide: (key: unknown, value: unknown) => provided.set(key, value),
    onRun: (hooks: RunHooks) => reset = hooks.reset,
    onStop: (hook: () => void) => stops.push(hook),
    trace: (kind: string, detail: () => string) => traced.push(`${kind}: ${detail()}`),
    fail: (option: string, message: string) => {
      throw new Error(`${option}: ${message}`);
    },
  };
  const setup = (changed: Partial<typeof options> = {}) =>
    vmsa.setup!({ ...context, options: { ...options, ...changed } } as unknown as Parameters<NonNullable<typeof vmsa.setup>>[0]);
  await setup();
  const backend = provided.get(MemoryBackend) as MemoryBackend;
  assertEquals([backend.name, backend.directMapOnly], ["vmsa", false]);
  const space = backend.createAddressSpace("guest");
  space.map(0, GIB, PAGE, rwx);
  assertEquals(space.lookup(0)?.pa, GIB);
  assertEquals(structuredClone(context.state), context.state);
  assertEquals(traced[0], "EL2 start: PC 0x0200_0000_5000, MMU off, TTBR0_EL2 0x0, at PA 0x0200_0000_5000");
  assertEquals(traced.at(-1)?.startsWith("EL2 set_wxn: PC 0x1000_0020_1830, MMU on, TTBR0_EL2 0x"), true, traced.at(-1));
  const state = machine.engine.createVcpu({ mpidr: 0n });
  reset!({ state } as Vcpu);
  assertEquals(state.read("SCTLR_EL2") & 1n, 1n);
  const map = provided.get(HypervisorMap) as HypervisorMap;
  assertEquals(map.ioremap(RAM.at + 0x1234, 4, "normal-wb").va & 0xfffn, 0x234n);
  space.destroy();
  for (const stop of stops) stop();
  assertEquals(machine.memory.usage().size, 0);
  assertThrows(() => setup({ image_at: 5 * PAGE }), Error, "image_at: hypervisor (image): 0x5000..0x8fff isn't RAM");
  assertEquals([16 * GIB * 1024 - 4 * PAGE, 16 * GIB * 1024].map((at) => vmsa.options.image_at.check!(at)?.slice(-27)), [
    undefined,
    "where its identity map ends",
  ]);
  assertEquals([40, 36, 41, 52].map((bits) => vmsa.options.ipa_bits.check!(bits)), [
    undefined,
    undefined,
    "want one of 32, 36, 40, 42, 44, 48",
    "want one of 32, 36, 40, 42, 44, 48",
  ]);
});
