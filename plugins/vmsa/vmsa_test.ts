/** The tables against a model, against the engine's own walker, and against the rules of break-before-make. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { HypervisorMap, MemoryBackend } from "../../core/mod.ts";
import type { CpuEngine, Mapping, MemoryType, RunHooks, Vcpu, VcpuState } from "../../core/mod.ts";
import { Ram } from "../../core/ram.ts";
import { FakeVcpuState } from "../../core/testing.ts";
import { FETCH, Mmu, READ, WRITE } from "../cpu_a64/engine/mmu/mod.ts";
import { ownerOf, VmsaAddressSpace } from "./address_space.ts";
import { El2World } from "./el2/tests/world.ts";
import { vmsa } from "./mod.ts";
import { newVmids } from "./vmids.ts";

const RAM = { at: 0x4000_0000, size: 0x40_0000 };
const rwx: Mapping = { read: true, write: true, execute: true, type: "normal-wb" };
const GIB = 2 ** 30, MIB = 2 ** 20, PAGE = 4096;

/** RAM that fails the test when a table entry changes while TLBs may hold its old value. */
class WatchedRam extends Ram {
  /** Entries that were valid once and are zero now, without an invalidation since. */
  readonly broken: Set<number> = new Set();
  override write64(pa: number, value: bigint): void {
    const old = this.read64(pa);
    if ((old & 1n) !== 0n && (value & 1n) !== 0n && old !== value) throw new Error(`entry ${pa.toString(16)} changed while valid`);
    if ((old & 1n) !== 0n && value === 0n) this.broken.add(pa);
    if ((value & 1n) !== 0n && this.broken.has(pa)) throw new Error(`entry ${pa.toString(16)} made before the TLB was invalidated`);
    super.write64(pa, value);
  }
  override release(owner: string, pa: number, size?: number): void {
    if (this.broken.size > 0) throw new Error(`table ${pa.toString(16)} released before the TLB was invalidated`);
    super.release(owner, pa, size);
  }
}

/** A world with a real MMU on top of the tables. */
class World {
  readonly memory: WatchedRam;
  readonly mmu: Mmu;
  readonly state = { vmids: newVmids(), vmap: [] };
  readonly engine: CpuEngine;
  readonly invalidated: (number | undefined)[] = [];
  readonly #registers: number;
  readonly #names: string[] = [];

  constructor(ram = RAM) {
    this.memory = new WatchedRam([ram]);
    this.#registers = this.memory.reserve(4096);
    const words = new Uint32Array(this.memory.wasm.buffer);
    const [bank] = this.memory.banks;
    this.mmu = new Mmu({
      words: () => words,
      ramOffset: (pa) => pa >= bank.base && pa < bank.base + bank.size ? bank.hostOffset + pa - bank.base : -1,
      register: (name) => this.#offset(name),
    });
    this.engine = {
      invalidateTlb: (vmid?: number) => {
        this.invalidated.push(vmid);
        this.memory.broken.clear();
        this.mmu.invalidateStage2(vmid);
      },
    } as Partial<CpuEngine> as CpuEngine;
  }

  #offset(name: string): number {
    let index = this.#names.indexOf(name);
    if (index < 0) index = this.#names.push(name) - 1;
    return this.#registers + index * 8;
  }

  space(ipaBits = 40, name = "guest"): VmsaAddressSpace {
    const space = new VmsaAddressSpace(this, name, ipaBits);
    this.install(space);
    return space;
  }

  /** Puts it on the MMU. */
  install(space: VmsaAddressSpace): FakeVcpuState {
    const vcpu = vcpuWith(5n);
    space.install(vcpu);
    const view = new DataView(this.memory.wasm.buffer);
    for (const name of ["VTTBR_EL2", "VTCR_EL2"]) view.setBigUint64(this.#offset(name), vcpu.read(name), true);
    // DC: stage 1 is off and Normal Write-Back, so that the type that comes out is stage 2's.
    view.setBigUint64(this.#offset("HCR_EL2"), vcpu.read("HCR_EL2") | (1n << 12n), true);
    return vcpu;
  }

  /** What the MMU says with stage 1 off, in the terms of `lookup`. */
  walk(ipa: number): { pa: number; mapping: Mapping } | undefined {
    const hi = Math.floor(ipa / 2 ** 32), lo = ipa % 2 ** 32;
    const may = [READ, WRITE, FETCH].map((access) => {
      if (this.mmu.translate(hi, lo, 1, access, 0)) return true;
      return this.mmu.fault.status >> 2 === 3 ? false : undefined;
    });
    if (may.includes(undefined)) return undefined;
    const allowed = may.findIndex((answer) => answer !== false);
    this.mmu.translate(hi, lo, 1, [READ, WRITE, FETCH][allowed], 0);
    const type = types[this.mmu.result.attributes];
    return { pa: this.mmu.result.pa, mapping: { read: may[0]!, write: may[1]!, execute: may[2]!, type } };
  }
}

/** By what Write-Back in stage 1 combines to. */
const types: Record<number, MemoryType> = {
  0x00: "device-ngnrne",
  0x04: "device-ngnre",
  0x08: "device-ngre",
  0x0c: "device-gre",
  0x44: "normal-nc",
  0xbb: "normal-wt",
  0xff: "normal-wb",
};

function vcpuWith(paRange: bigint): FakeVcpuState {
  const vcpu = new FakeVcpuState({ mpidr: 0n });
  vcpu.write("ID_AA64MMFR0_EL1", paRange);
  return vcpu;
}

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
  const world = new World({ at: 0x4000_0000, size: 8 * PAGE });
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

Deno.test("VMIDs: 1 to 255, flushed before use, an error that names the domain, back after destroy", () => {
  const world = new World();
  const spaces = Array.from({ length: 255 }, (_, n) => world.space(32, `guest${n}`));
  assertEquals(new Set(spaces.map((space) => world.install(space).read("VTTBR_EL2") >> 48n)).size, 255);
  assertEquals(world.invalidated, Array.from({ length: 255 }, (_, n) => n + 1));
  assertThrows(() => world.space(32, "late"), RangeError, "no VMID is free for domain late: 255 address spaces exist");
  spaces[41].destroy();
  assertEquals(world.install(world.space(32, "late")).read("VTTBR_EL2") >> 48n, 42n);
  assertThrows(() => spaces[41].map(0, 0, PAGE, rwx), Error, "guest41 is destroyed");
  spaces[41].destroy();
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

/** mulberry32. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    let t = state = (state + 0x6d2b79f5) | 0;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * below);
  };
}

interface Range {
  ipa: number;
  end: number;
  delta: number;
  mapping: Mapping;
}

Deno.test("random maps and unmaps: lookup, the CPU's walk and the accounting agree with a model", () => {
  for (let seed = 1; seed <= 24; seed++) {
    const below = random(seed);
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
    assertEquals([world.memory.usage().size, world.memory.freeFrames, [...world.state.vmids]], [0, before, [1, 0, 0, 0, 0, 0, 0, 0]]);
  }
});

/** Tables that can be reached from VTTBR_EL2; an empty one below the root is a leak. */
function countTables(world: World, space: VmsaAddressSpace): number {
  const vcpu: VcpuState = world.install(space);
  const vtcr = Number(vcpu.read("VTCR_EL2"));
  const start = 2 - ((vtcr >> 6) & 3);
  const rootPages = Math.max(1, 2 ** (64 - (vtcr & 63) - 39));
  const visit = (pa: number, level: number, pages: number, isRoot: boolean): number => {
    let count = pages, used = 0;
    for (let at = pa; at < pa + pages * PAGE; at += 8) {
      const entry = world.memory.read64(at);
      if (entry !== 0n) used++;
      if (level < 3 && (entry & 3n) === 3n) count += visit(Number(entry & 0xffff_ffff_f000n), level + 1, 1, false);
    }
    assert(isRoot || used > 0, "an empty table is kept");
    return count;
  };
  return visit(Number(vcpu.read("VTTBR_EL2") & 0xffff_ffff_fffen), start, start === 0 ? 1 : rootPages, true);
}

Deno.test("the plugin: options, and the capabilities it provides", async () => {
  const machine = new El2World([RAM]);
  const provided = new Map<unknown, unknown>();
  const stops: (() => void)[] = [], traced: string[] = [];
  const options = { ipa_bits: 36, image_at: RAM.at + 5 * PAGE, trace_el2: true };
  let reset: ((vcpu: Vcpu) => void) | undefined;
  const context = {
    options,
    state: vmsa.state!(options),
    memory: machine.memory,
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
  assertEquals(traced[0], "EL2: PC 0x4000_5000, MMU off, TTBR0_EL2 0x0, at PA 0x4000_5000");
  assertEquals(traced.at(-1)?.startsWith("EL2: PC 0x1000_0020_1830, MMU on, TTBR0_EL2 0x"), true, traced.at(-1));
  const state = machine.engine.createVcpu({ mpidr: 0n });
  reset!({ state } as Vcpu);
  assertEquals(state.read("SCTLR_EL2") & 1n, 1n);
  const map = provided.get(HypervisorMap) as HypervisorMap;
  assertEquals(map.ioremap(RAM.at + 0x1234, 4, "normal-wb").va & 0xfffn, 0x234n);
  space.destroy();
  for (const stop of stops) stop();
  assertEquals(machine.memory.usage().size, 0);
  assertThrows(() => setup({ image_at: 5 * PAGE }), Error, "image_at: hypervisor (image): 0x5000..0x8fff isn't RAM");
  assertEquals([40, 36, 41, 52].map((bits) => vmsa.options.ipa_bits.check!(bits)), [
    undefined,
    undefined,
    "want one of 32, 36, 40, 42, 44, 48",
    "want one of 32, 36, 40, 42, 44, 48",
  ]);
});
