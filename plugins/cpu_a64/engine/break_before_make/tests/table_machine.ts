/** vCPUs with small translation tables, and programs that change them one store at a time. */
import type { VcpuState } from "../../../../../core/mod.ts";
import { Ram } from "../../../../../core/memory/ram.ts";
import { modelByName } from "../../../sysregs/mod.ts";
import { A64Engine } from "../../engine.ts";
import type { Violation } from "../report.ts";

const RAM = 0x4000_0000, RAM_SIZE = 0x100_0000;
const CODE = 0x4000_0000, TABLES = 0x4010_0000;

/** Entries of the tables, by table and index: `at("L3", 1)`. L1 is the root. The S tables are stage 2's, SL1 the root. */
const tables = {
  L1: 0,
  L2: 1,
  L3: 2,
  otherL3: 3,
  otherL2: 4,
  otherL1: 5,
  SL1: 8,
  SL2: 9,
  SL3: 10,
  otherSL3: 11,
  EL2L1: 12,
  EL2L2: 13,
} as const;
export type Table = keyof typeof tables;

export function table(name: Table): bigint {
  return BigInt(TABLES + tables[name] * 0x1000);
}

export function at(name: Table, index: number): number {
  return TABLES + tables[name] * 0x1000 + index * 8;
}

/** Stage 1: table; Normal Write-Back, inner shareable, AF; non-global unless `GLOBAL`. */
export const TABLE = 3n, PAGE = 0xf03n, BLOCK = 0xf01n;
export const GLOBAL = 1n << 11n, READ_ONLY = 1n << 7n, ACCESSED = 1n << 10n, CONTIGUOUS = 1n << 52n, PXN = 1n << 53n, DBM = 1n << 51n;
/** Stage 2: Normal Write-Back, inner shareable, readable and writable. */
export const S2_PAGE = 0x7ffn, S2_BLOCK = 0x7fdn;

/** Pages of the guest's first 2 MiB are these; its second 2 MiB a block. */
export const DATA = 0x4020_0000n, OTHER = 0x4040_0000n, BIG = 0x4060_0000n;

/** What a program does, one step at a time. */
export type Step =
  | { readonly do: "read"; readonly va: number }
  | { readonly do: "write"; readonly at: number; readonly value: bigint; readonly by?: "str" | "stxr" | "stp" | "swp" }
  | { readonly do: "word"; readonly word: number; readonly x?: bigint }
  /** The vCPU that goes on. */
  | { readonly do: "on"; readonly vcpu: 0 | 1 }
  | { readonly do: "el2 write"; readonly at: number; readonly value: bigint }
  | { readonly do: "el2 invalidate" };

export const read = (va: number): Step => ({ do: "read", va });
export const write = (at: number, value: bigint, by?: "str" | "stxr" | "stp" | "swp"): Step => ({ do: "write", at, value, by });
export const word = (word: number, x?: bigint): Step => ({ do: "word", word, x });
export const on = (vcpu: 0 | 1): Step => ({ do: "on", vcpu });
export const el2Write = (at: number, value: bigint): Step => ({ do: "el2 write", at, value });
export const el2Invalidate: Step = { do: "el2 invalidate" };

const DSB = { sy: 15, ish: 11, ishst: 10, ishld: 9, nsh: 7, osh: 3 } as const;
export const dsb = (kind: keyof typeof DSB = "ish"): Step => word(0xd503_309f | DSB[kind] << 8);
const TLBI = {
  vmalle1is: 0xd508_831f,
  vmalle1: 0xd508_871f,
  vae1is: 0xd508_8320,
  vae1: 0xd508_8720,
  aside1is: 0xd508_8340,
  vaae1is: 0xd508_8360,
  vale1is: 0xd508_83a0,
  vaale1is: 0xd508_83e0,
  rvae1is: 0xd508_8220,
} as const;
/** `x`: the argument, X0. */
export const tlbi = (name: keyof typeof TLBI, x = 0n): Step => word(TLBI[name], x);
/** A VA as TLBI wants it. */
export const argument = (va: number, asid = 1n): bigint => asid << 48n | BigInt(va) >> 12n;
/** MSR TTBR0_EL1, X0; ISB. */
export const setTtbr0 = (x: bigint): Step[] => [word(0xd518_2000, x), word(0xd503_3fdf)];

/** MOVZ and MOVK. */
function constant(rd: number, value: bigint): number[] {
  return [0n, 16n, 32n, 48n].map((shift, n) =>
    ((n ? 0xf280_0000 : 0xd280_0000) | n << 21 | Number(value >> shift & 0xffffn) << 5 | rd) >>> 0
  );
}

const STORES: Record<"str" | "stxr" | "stp" | "swp", readonly number[]> = {
  str: [0xf900_0001],
  stxr: [0xc85f_7c02, 0xc803_7c01],
  stp: [0xa900_0801],
  swp: [0xf821_8002],
};

function wordsOf(step: Step): number[] {
  switch (step.do) {
    case "read":
      return [...constant(0, BigInt(step.va)), 0xf940_0002];
    case "write": {
      // STP writes X2 to the next entry, which stays what it is.
      const by = step.by ?? "str";
      return [...constant(0, BigInt(step.at)), ...constant(1, step.value), ...(by === "stp" ? [0xf940_0402] : []), ...STORES[by]];
    }
    case "word":
      return [...(step.x === undefined ? [] : constant(0, step.x)), step.word];
    default:
      return [];
  }
}

/** What a run left. */
export interface Outcome {
  /** `"break: output address"`, in order. */
  readonly found: string[];
  readonly violations: readonly Violation[];
  readonly lines: readonly string[];
  /** PCs of the stores to tables, in order. */
  readonly stores: readonly number[];
}

/** Runs a program on a fresh machine. */
export function run(steps: readonly Step[], { model = "cortex-a57", stage2 = false } = {}): Outcome {
  const ram = new Ram([{ at: RAM, size: RAM_SIZE }]);
  const lines: string[] = [];
  const cpu = modelByName(model);
  const engine = new A64Engine({
    memory: ram,
    bus: { claim() {}, find: () => undefined },
    model: { ...cpu, features: new Set([...cpu.features, "TLBIRANGE"]) },
    counterFrequencyHz: 62_500_000,
    smc: "trap",
    breakBeforeMake: (text) => void lines.push(text()),
  });
  const put = (address: number, value: bigint) => ram.write64(address, value);
  for (const root of ["L1", "otherL1"] as const) {
    put(at(root, 0), table(root === "L1" ? "L2" : "otherL2") | TABLE);
    put(at(root, 1), BigInt(RAM) | BLOCK & ~GLOBAL);
  }
  put(at("L2", 0), table("L3") | TABLE);
  put(at("otherL2", 0), table("otherL3") | TABLE);
  for (const level2 of ["L2", "otherL2"] as const) put(at(level2, 1), BIG | BLOCK);
  for (let i = 0; i < 16; i++) {
    put(at("L3", i), DATA + BigInt(i) * 0x1000n | PAGE);
    put(at("otherL3", i), DATA + BigInt(i) * 0x1000n | PAGE);
  }
  put(at("SL1", 1), table("SL2") | TABLE);
  for (let i = 0; i < 8; i++) put(at("SL2", i), BigInt(RAM + i * 0x20_0000) | S2_BLOCK);
  put(at("SL2", 1), table("SL3") | TABLE);
  for (let i = 0; i < 512; i++) {
    put(at("SL3", i), DATA + BigInt(i) * 0x1000n | S2_PAGE);
    put(at("otherSL3", i), DATA + BigInt(i) * 0x1000n | S2_PAGE);
  }
  // The second 2 MiB of the data differ from the first.
  ram.view(Number(OTHER), 0x1000).fill(0x55);

  const vcpus = [0, 1].map((n) => newVcpu(engine, BigInt(n), stage2, n === 0 || steps.some((step) => step.do === "on")));
  const stores: number[] = [];
  let code = CODE;
  let current = 0;
  let words: number[] = [];
  const runSegment = () => {
    if (words.length === 0) return;
    const start = code;
    const all = [...words, 0xd400_0002];
    ram.view(start, all.length * 4).set(new Uint8Array(new Uint32Array(all).buffer));
    engine.memoryWritten(start, all.length * 4);
    code += all.length * 4;
    words = [];
    const vcpu = vcpus[current];
    vcpu.pc = BigInt(start);
    const exit = engine.run(vcpu, { budget: 10_000, startNs: 0, nsPerInstruction: 1 });
    const ec = Number(vcpu.read("ESR_EL2") >> 26n);
    if (exit.kind !== "exception" || ec !== 0x16) {
      throw new Error(`the program ended with ${exit.kind}, EC ${ec}, PC ${vcpu.pc.toString(16)}`);
    }
  };
  for (const step of steps) {
    const more = wordsOf(step);
    if (more.length > 0) {
      words.push(...more);
      if (step.do === "write") stores.push(code + words.length * 4 - 4);
      continue;
    }
    runSegment();
    if (step.do === "on") current = step.vcpu;
    else if (step.do === "el2 write") ram.write64(step.at, step.value);
    else engine.invalidateTlb();
  }
  runSegment();
  const { violations } = engine.cpu.accesses.checker!;
  return { found: violations.map(({ missing, reason }) => `${missing}: ${reason}`), violations, lines, stores };
}

function newVcpu(engine: A64Engine, mpidr: bigint, stage2: boolean, isOn: boolean): VcpuState {
  const vcpu = engine.createVcpu({ mpidr });
  vcpu.write("HCR_EL2", 1n << 31n | (stage2 && isOn ? 1n : 0n));
  // 32 bits of IPA from level 1.
  vcpu.write("VTCR_EL2", 32n | 1n << 6n | 1n << 31n);
  vcpu.write("VTTBR_EL2", table("SL1") | 7n << 48n);
  vcpu.write("MAIR_EL1", 0x00_ffn | 0x44n << 16n);
  vcpu.write("TCR_EL1", 25n | 1n << 23n | 2n << 32n | 1n << 36n);
  vcpu.write("TTBR0_EL1", table("L1") | 1n << 48n);
  vcpu.write("SCTLR_EL1", 0x30d0_0800n | (isOn ? 1n : 0n));
  vcpu.write("SPSR_EL2", 0x3c5n);
  return vcpu;
}
