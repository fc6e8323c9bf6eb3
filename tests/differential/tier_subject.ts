/** An engine with a random program, in one of two worlds, and its whole state: for tests that compare engines with each other. */
import { Ram } from "../../core/memory/ram.ts";
import { type Exit, PARTS_PER_NS, type PhysicalBus, type VcpuState } from "../../core/mod.ts";
import { A64Engine } from "../../plugins/cpu_a64/engine/engine.ts";
import type { TranslationStore } from "../../plugins/cpu_a64/engine/tier1/cache/keeper.ts";
import type { Tier1Mode } from "../../plugins/cpu_a64/engine/tier1/tier1.ts";
import * as at from "../../plugins/cpu_a64/state.ts";
import { modelByName, withGic } from "../../plugins/cpu_a64/sysregs/models.ts";
import type { Random } from "../support/random.ts";
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
  STAGE2_TABLES,
  synchronous,
  TABLES,
  userInterrupt,
  userSynchronous,
  VECTORS,
} from "./random_program.ts";

/** Size of the RAM from {@linkcode BASE} on. */
export const SIZE = 0x3_0000;
const DEVICE = 0x9000_0000;

/**
 * `kernel`: at EL1, without stage 2, and interrupts are EL2's doing. `user`: at EL0 under two ASIDs, with stage 2, and interrupts come from list
 * registers.
 */
export type World = "kernel" | "user";

/** The model under test. */
export const model = withGic(modelByName("max"));

const RW = 1n << 31n, VM = 1n, VI = 1n << 7n, IMO = 1n << 4n;
const EC = { abortLower: [0x20, 0x24] };

/** Parts of the state block that the guest can see. */
const visible = [[at.X, at.TRASH], [at.PC, at.INTERPRETED], [at.EXCLUSIVE_SIZE, at.EXCLUSIVE_SIZE], [at.V, at.FAST_ACCESS]] as const;

/** One engine with a program. */
export class Subject {
  readonly engine: A64Engine;
  readonly vcpu: VcpuState;
  readonly ram = new Ram([{ at: BASE, size: SIZE }]);
  /** What the device saw, and gave. */
  readonly device: string[] = [];
  readonly #isUser: boolean;

  constructor(readonly tier1: Tier1Mode, world: World = "kernel", translations?: TranslationStore) {
    this.#isUser = world === "user";
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
    const { hotness, tuning } = this.engine.cpu.tier1 ?? {};
    if (hotness) {
      Object.assign(hotness.tuning, { period: 100, firstThreshold: 1, leastInterpreted: 0, interpretedShare: 0, patience: 100 });
      Object.assign(tuning!, { mergeAfter: 500, mergeModules: 2 });
    }
    this.vcpu = this.engine.createVcpu({ mpidr: 0n });
    const words = new Uint32Array(512);
    for (let entry = 0; entry < 16; entry++) {
      const fromEl0 = this.#isUser && entry >= 8;
      words.set(entry & 3 ? (this.#isUser ? userInterrupt : interrupt) : fromEl0 ? userSynchronous : synchronous, entry * 32);
    }
    this.#put(VECTORS, words);
    if (this.#isUser) this.#mapStage2();
  }

  /** Leaves alone what is there already, so that code which was compiled stays. */
  #put(pa: number, words: Uint32Array): void {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.length * 4);
    for (let from = 0; from < bytes.length; from += 0x1000) {
      const page = bytes.subarray(from, from + 0x1000);
      const there = this.ram.view(pa + from, page.length);
      if (there.every((byte, n) => byte === page[n])) continue;
      there.set(page);
      this.engine.memoryWritten(pa + from, page.length);
    }
  }

  /** Three levels of tables: code and data in pages, all of it in a large page, and pages that share the data's TLB entries. */
  #map(): void {
    const tables = new BigUint64Array(4 * 512);
    const entry = (table: number, index: number, value: bigint) => tables[(table - TABLES) / 8 + index] = value;
    entry(TABLES, 1, BigInt(TABLES + 0x1000) | 3n);
    // EL0 may do with pages what EL1 may, but execute vectors; there they are of an ASID.
    const page = this.#isUser ? 0xf43n : 0x703n;
    const readOnly = 1n << 7n, neverExecute = (this.#isUser ? 3n : 1n) << 53n, deviceMemory = 1n << 2n;
    entry(TABLES + 0x1000, 0, BigInt(PAGE_TABLE) | 3n);
    entry(TABLES + 0x1000, 1, BigInt(BASE) | 0x701n | neverExecute);
    entry(TABLES + 0x1000, 2, BigInt(COLLISION_TABLE) | 3n);
    const map = (va: number, attributes: bigint, pa = va) => entry(PAGE_TABLE, (va - BASE) >> 12, BigInt(pa) | attributes);
    for (let va = BASE; va < DATA; va += 0x1000) map(va, va === VECTORS ? 0x703n : page);
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
    this.#put(TABLES, new Uint32Array(tables.buffer));
  }

  /** Three levels: the RAM in pages, one of which is read-only, and devices in a block. */
  #mapStage2(): void {
    const tables = new BigUint64Array(3 * 512);
    const page = 0xf << 2 | 3 << 6 | 3 << 8 | 1 << 10 | 3, device = 1 << 2 | 3 << 6 | 1 << 10 | 1;
    tables[1] = BigInt(STAGE2_TABLES + 0x1003);
    tables[2] = BigInt(0x8000_0000 + device);
    tables[512] = BigInt(STAGE2_TABLES + 0x2003);
    for (let n = 0; n < SIZE >> 12; n++) {
      const pa = BASE + n * 0x1000;
      tables[1024 + n] = BigInt(pa + page) & ~(pa === DATA + 0x5000 ? 1n << 7n : 0n);
    }
    this.#put(STAGE2_TABLES, new Uint32Array(tables.buffer));
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
    write("HCR_EL2", RW | IMO);
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
    if (!this.#isUser) return;
    write("HCR_EL2", RW | VM | IMO);
    write("VTTBR_EL2", 5n << 48n | BigInt(STAGE2_TABLES));
    write("VTCR_EL2", 1n << 31n | 2n << 16n | 3n << 12n | 1n << 10n | 1n << 8n | 1n << 6n | 25n);
    // DZE, UCT, UCI.
    write("SCTLR_EL1", 0x34d0_c809n);
    // The virtual CPU interface: on, group 1, any priority.
    write("ICC_SRE_EL2", 15n);
    write("ICC_SRE_EL1", 7n);
    write("ICH_HCR_EL2", 1n);
    write("ICH_VMCR_EL2", 0xff00_0002n);
    vcpu.pstate = 0x300n;
  }

  /** A slice, with an interrupt pending from its start or not. What comes to EL2 is taken back or skipped. */
  run(budget: number, pend: boolean, startNs: number, stopAfter?: number): Exit {
    const { vcpu } = this;
    if (pend && this.#isUser) vcpu.write("ICH_LR0_EL2", 1n << 62n | 1n << 60n | 0x80n << 48n | 40n);
    else if (pend) vcpu.write("HCR_EL2", RW | IMO | VI);
    // Without the exact time the clock is asked, in TypeScript.
    const exact = this.tier1 === "off" ? undefined : { ns: startNs, parts: 0, partsPerInstruction: PARTS_PER_NS };
    const exit = this.engine.run(vcpu, { budget, startNs, nsPerInstruction: 1, exact, stopAfter });
    if (exit.kind !== "exception") return exit;
    if (!this.#isUser) vcpu.write("HCR_EL2", RW | IMO);
    // Stage 2 refused a page: the program goes on behind the instruction.
    if (EC.abortLower.includes(Number(vcpu.read("ESR_EL2") >> 26n))) vcpu.write("ELR_EL2", vcpu.read("ELR_EL2") + 4n);
    return exit;
  }

  /** The same, but a debugger looks in after every few instructions. Gives the last exit, and what was retired. */
  runInPieces(budget: number, pend: boolean, startNs: number, random: Random): { exit: Exit; retired: number } {
    let exit = this.run(budget, pend, startNs, 1 + random.below(3)), retired = this.engine.lastRetired;
    while (exit.kind === "breakpoint") {
      exit = this.run(budget - retired, false, startNs + retired, 1 + random.below(3));
      retired += this.engine.lastRetired;
    }
    return { exit, retired };
  }

  get state(): Uint32Array {
    const { block } = this.engine.cpu;
    return new Uint32Array(visible.flatMap(([from, to]) => [...block.words.subarray(block.base + from / 4, block.base + to / 4)]));
  }
}

/** One line for each word of the state that differs. */
export function differences(one: Subject, other: Subject): string[] {
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

/** True when both have the same memory. */
export function haveSameRam(one: Subject, other: Subject): boolean {
  const [a, b] = [one, other].map(({ ram }) => ram.view(BASE, SIZE));
  return a.every((byte, n) => byte === b[n]);
}
