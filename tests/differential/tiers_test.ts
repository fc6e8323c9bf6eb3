/**
 * Compiled regions against the interpreter: random programs run on both in slices of random length, with interrupts between
 * them, and the whole state is compared after each slice. PLUGBOARD_SEED and PLUGBOARD_TIER_INSTRUCTIONS choose other and more.
 */
import { assert, assertEquals, fail } from "@std/assert";
import { Ram } from "../../core/memory/ram.ts";
import type { Exit, PhysicalBus, VcpuState } from "../../core/mod.ts";
import { A64Engine } from "../../plugins/cpu_a64/engine/engine.ts";
import type { TranslationStore } from "../../plugins/cpu_a64/engine/tier1/cache/keeper.ts";
import type { Tier1, Tier1Mode } from "../../plugins/cpu_a64/engine/tier1/tier1.ts";
import { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { declarations } from "../../plugins/cpu_a64/isa/mod.ts";
import * as at from "../../plugins/cpu_a64/state.ts";
import { modelByName } from "../../plugins/cpu_a64/sysregs/mod.ts";
import { Random } from "../support/random.ts";
import {
  BASE,
  CODE,
  CODE_WORDS,
  COLLISION_TABLE,
  collisionOf,
  DATA,
  DATA_PAGES,
  interrupt,
  PAGE_TABLE,
  ProgramGenerator,
  synchronous,
  TABLES,
  VECTORS,
} from "./random_program.ts";

const seed = Deno.env.get("PLUGBOARD_SEED") ?? "1";
const INSTRUCTIONS = Number(Deno.env.get("PLUGBOARD_TIER_INSTRUCTIONS") ?? 100_000);
const PER_PROGRAM = 4000;

const SIZE = 0x2_0000, DEVICE = 0x9000_0000;
const model = modelByName("max");
const decoder = new Decoder(declarations, model.features);
const VI = 1n << 7n;

/** Parts of the state block that the guest can see. */
const visible = [[at.X, at.TRASH], [at.PC, at.IP], [at.EXCLUSIVE_SIZE, at.EXCLUSIVE_SIZE], [at.V, at.FAST_ACCESS]] as const;

/** One engine with a program. */
class Subject {
  readonly engine: A64Engine;
  readonly vcpu: VcpuState;
  readonly ram = new Ram([{ at: BASE, size: SIZE }]);
  /** What the device saw, and gave. */
  readonly device: string[] = [];

  constructor(readonly tier1: Tier1Mode, translations?: TranslationStore) {
    const handler = {
      read: (offset: number, size: number) => {
        this.device.push(`read ${offset} ${size}`);
        return BigInt(this.device.length * 0x0101_0101);
      },
      write: (offset: number, size: number, value: bigint) => void this.device.push(`write ${offset} ${size} ${value}`),
    };
    const window = { at: DEVICE, size: 0x1000, handler };
    const bus = { claim() {}, find: (pa: number) => pa >= DEVICE && pa < DEVICE + 0x1000 ? window : undefined } as unknown as PhysicalBus;
    this.engine = new A64Engine({ memory: this.ram, bus, model, counterFrequencyHz: 1_000_000_000, smc: "undefined", tier1, translations });
    const hotness = this.engine.cpu.tier1?.hotness;
    if (hotness) {
      Object.assign(hotness.tuning, { period: 100, firstThreshold: 1, leastInterpreted: 0, interpretedShare: 0 });
    }
    this.vcpu = this.engine.createVcpu({ mpidr: 0n });
    const words = new Uint32Array(512);
    for (let entry = 0; entry < 16; entry++) words.set(entry & 3 ? interrupt : synchronous, entry * 32);
    this.#put(VECTORS, words);
  }

  #put(pa: number, words: Uint32Array): void {
    this.ram.view(pa, words.length * 4).set(new Uint8Array(words.buffer, 0, words.length * 4));
    this.engine.memoryWritten(pa, words.length * 4);
  }

  /** Three levels of tables: code and data in pages, all of it in a large page, and pages that share the data's TLB entries. */
  #map(): void {
    this.#put(TABLES, new Uint32Array(4 * 1024));
    const entry = (table: number, index: number, value: bigint) => this.ram.write64(table + index * 8, value);
    entry(TABLES, 1, BigInt(TABLES + 0x1000) | 3n);
    const page = 0x703n, readOnly = 1n << 7n, neverExecute = 1n << 53n, deviceMemory = 1n << 2n;
    entry(TABLES + 0x1000, 0, BigInt(PAGE_TABLE) | 3n);
    entry(TABLES + 0x1000, 1, BigInt(BASE) | 0x701n | neverExecute);
    entry(TABLES + 0x1000, 2, BigInt(COLLISION_TABLE) | 3n);
    const map = (va: number, attributes: bigint, pa = va) => entry(PAGE_TABLE, (va - BASE) >> 12, BigInt(pa) | attributes);
    for (let va = BASE; va < DATA; va += 0x1000) map(va, page);
    // Neighbours by VA are none by PA, or an access that crosses would find the right bytes by accident.
    map(DATA, page | neverExecute, DATA + 0x2000);
    map(DATA + 0x1000, page | neverExecute);
    map(DATA + 0x2000, page | neverExecute | readOnly, DATA);
    map(DATA + 0x4000, page | neverExecute | deviceMemory, DEVICE);
    map(DATA + 0x5000, page | neverExecute);
    for (let n = 0; n < DATA_PAGES; n++) {
      const pa = BigInt(DATA + [5, 0, 1, 2, 1, 0][n] * 0x1000);
      entry(COLLISION_TABLE, collisionOf(n) >> 12 & 511, pa | page | neverExecute | (n === 1 ? readOnly : 0n));
    }
  }

  start(first: number, words: readonly number[], data: Uint8Array): void {
    const { vcpu } = this;
    vcpu.reset();
    const code = new Uint32Array(CODE_WORDS);
    code.set(words, first);
    this.#put(CODE, code);
    this.#map();
    for (const page of [0, 1, 2, 5]) this.ram.view(DATA + page * 0x1000, 0x1000).set(data);
    this.device.length = 0;
    const write = (name: string, value: bigint) => vcpu.write(name, value);
    write("HCR_EL2", 1n << 31n);
    write("CPTR_EL2", 0x33ffn & ~(1n << 10n));
    write("CPACR_EL1", 3n << 20n);
    write("MAIR_EL1", 0x00ffn);
    write("TCR_EL1", 25n | 1n << 23n | 2n << 32n);
    write("TTBR0_EL1", BigInt(TABLES));
    write("VBAR_EL1", BigInt(VECTORS));
    write("TPIDR_EL1", BigInt(CODE + first * 4));
    write("SCTLR_EL1", 0x30d0_0809n);
    vcpu.pstate = 0x305n;
    vcpu.pc = BigInt(CODE + first * 4);
  }

  /** A slice, with an interrupt pending or not. EL2 takes a pending one back when asked. */
  run(budget: number, pend: boolean, startNs: number): Exit {
    if (pend) this.vcpu.write("HCR_EL2", 1n << 31n | VI);
    const exit = this.engine.run(this.vcpu, { budget, startNs, nsPerInstruction: 1 });
    if (exit.kind === "exception") this.vcpu.write("HCR_EL2", 1n << 31n);
    return exit;
  }

  get state(): Uint32Array {
    const { block } = this.engine.cpu;
    return new Uint32Array(visible.flatMap(([from, to]) => [...block.words.subarray(block.base + from / 4, block.base + to / 4)]));
  }
}

function differences(one: Subject, other: Subject): string[] {
  const a = one.state, b = other.state;
  const lines: string[] = [];
  let index = 0;
  for (const [from, to] of visible) {
    for (let offset = from; offset < to; offset += 4, index++) {
      if (a[index] !== b[index]) lines.push(`state 0x${offset.toString(16)}: 0x${a[index].toString(16)}, 0x${b[index].toString(16)}`);
    }
  }
  return lines;
}

for (const tier1 of ["force", "on"] as const) {
  Deno.test(`tier 1 ${tier1} leaves the same state as tier 0 at every instruction count`, () => {
    const { stats } = compare(tier1, INSTRUCTIONS);
    assert(stats.regions > 50, "the programs compare nothing");
  });
}

Deno.test("so does tier 1 with what it kept of a run before", () => {
  const kept = new Map<string, Uint8Array>();
  const store = { read: (key: string) => kept.get(key), write: (key: string, bytes: Uint8Array) => void kept.set(key, bytes), say: fail };
  compare("on", INSTRUCTIONS / 4, store).save();
  assertEquals(kept.size, 2);
  const { stats } = compare("on", INSTRUCTIONS / 4, store);
  assert(stats.bound > 50, `the programs compare nothing: ${stats.bound}`);
});

/** Runs programs on both. Returns the compiler. */
function compare(tier1: "force" | "on", instructions: number, translations?: TranslationStore): Tier1 {
  const generator = new ProgramGenerator(decoder);
  const subjects = [new Subject("off"), new Subject(tier1, translations)] as const;
  const [expected, got] = subjects;
  let faults = 0;
  for (let done = 0, n = 0; done < instructions; n++) {
    const random = new Random(`${seed} tiers ${n}`);
    const { first, words } = generator.program(random);
    const data = new Uint8Array(0x1000).map(() => random.chance(0.3) ? random.below(256) : 0);
    for (const subject of subjects) subject.start(first, words, data);
    const end = done + PER_PROGRAM;
    while (done < end) {
      const budget = random.chance(0.3) ? 1 + random.below(4) : random.below(200);
      const pend = random.chance(0.1);
      // Programs find small loops: now and then they are put elsewhere.
      if (random.chance(0.15)) {
        const pc = BigInt(CODE + (first + random.below(words.length)) * 4);
        for (const { vcpu } of subjects) vcpu.pc = pc;
      }
      const startPc = expected.vcpu.pc;
      const exits = subjects.map((subject) => subject.run(budget, pend, done));
      const context = () => `seed ${seed}, program ${n}, ${budget} from 0x${startPc.toString(16)} (instruction ${done})`;
      const report = differences(...subjects);
      if (report.length > 0) {
        const listing = words.map((_, i) => {
          const word = new DataView(expected.ram.view(CODE + (first + i) * 4, 4).slice().buffer).getUint32(0, true);
          return `  ${(CODE + (first + i) * 4).toString(16)} ${decoder.disassemble(word)}`;
        });
        assertEquals(report.length, 0, [context(), ...report, ...listing].join("\n"));
      }
      assertEquals(exits[1], exits[0], context());
      assertEquals(got.engine.lastRetired, expected.engine.lastRetired, context());
      if (exits[0].kind === "fault-loop") break;
      faults += expected.vcpu.read("ESR_EL1") !== 0n ? 1 : 0;
      done += Math.max(1, expected.engine.lastRetired);
    }
    assertEquals(got.device, expected.device, `program ${n}`);
    const [ram, other] = subjects.map((subject) => subject.ram.view(BASE, SIZE));
    const same = ram.every((byte, i) => byte === other[i]);
    assertEquals(same, true, `seed ${seed}, program ${n}: RAM differs`);
  }
  assert(faults > 0, "the programs compare nothing");
  return got.engine.cpu.tier1!;
}
