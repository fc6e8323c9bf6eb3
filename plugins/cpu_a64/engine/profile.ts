/**
 * Where a guest's instructions go, and the host's time: a sample of the PC at even distances, what code had to ask TypeScript for, and what
 * compiling took. It cuts the runs of generated code, which the guest can't see.
 */
import * as at from "../state.ts";
import { encodingName, packedOfInstruction, systemInstruction } from "../sysregs/mod.ts";
import type { Block } from "./block.ts";
import { HostTime } from "./host_time.ts";
import { systemOps } from "./tier0.ts";

/** Instructions from one sample to the next: a prime, or loops would be met at the same place each time. */
const PERIOD = 4999;
/** Places that are told apart: a guest may execute at any number of addresses. */
const MOST_PLACES = 1 << 20;
/** Bytes of code that are reported together. */
const GRANULE = 256;
/** Lines of each part of the report, and instructions that a piece of code is told by. */
const MOST_GRANULES = 20, MOST_INSTRUCTIONS = 4, MOST_CAUSES = 24;

/** What the host's time is counted for, beside the causes for which generated code was left. */
export type Work = "generated code" | "finding regions" | "writing" | "making modules" | "binding";

/** What was compiled. */
export interface Compiled {
  /** Instructions that tier 0 made records of. */
  readonly decoded: number;
  /** By tier 1, where it is on. */
  readonly regions: CompiledRegions | undefined;
}

/** Counts of tier 1's. */
export interface CompiledRegions {
  readonly regions: number;
  readonly modules: number;
  readonly instructions: number;
  /** Of WebAssembly. */
  readonly bytes: number;
  readonly drops: number;
  /** From earlier runs. */
  readonly bound: number;
}

interface Sample {
  count: number;
  /** The instruction; `undefined` when its page was gone. */
  word: number | undefined;
}

/** Samples and counts of one physical CPU. */
export class Profile {
  readonly #samples = new Map<string, Sample>();
  readonly #causes = new Map<string, number>();
  readonly #time = new HostTime();
  #due = PERIOD;
  #total = 0;
  #retired = 0;
  #compiled = 0;

  constructor(readonly block: Block, readonly disassemble: (word: number, at: bigint) => string) {}

  /** How many of the `left` instructions to execute before the next look. */
  slice(left: number): number {
    return Math.min(left, this.#due);
  }

  /** So many were executed, and the PC in the block is true. */
  executed(count: number, word: number | undefined): void {
    this.#due -= count;
    this.#retired += count;
    if (this.#due > 0) return;
    this.#due = PERIOD;
    this.#total++;
    const { block } = this;
    const digits = (offset: number) => block.get(offset).toString(16).padStart(8, "0");
    const key = `EL${block.get(at.EL)} 0x${digits(at.PC + 4)}${digits(at.PC)}`;
    const sample = this.#samples.get(key);
    if (sample) sample.count++;
    else if (this.#samples.size < MOST_PLACES) this.#samples.set(key, { count: 1, word });
  }

  /** Tier 1 executed so many of them. */
  compiled(count: number): void {
    this.#compiled += count;
  }

  /** Does something, and counts the time that it takes. */
  of<T>(work: Work, body: () => T): T {
    return this.#time.of(work, body);
  }

  /** Counts what generated code calls, and the time that it takes. */
  watch<T extends Readonly<Record<string, (a: number, b: number) => unknown>>>(functions: T): T {
    const watched: Record<string, (a: number, b: number) => unknown> = {};
    for (const [name, call] of Object.entries(functions)) {
      watched[name] = (a, b) => {
        const cause = name === "system" ? systemCause(a, b) : name;
        this.#causes.set(cause, (this.#causes.get(cause) ?? 0) + 1);
        return this.#time.of(cause, () => call(a, b));
      };
    }
    return watched as T;
  }

  /** As text: hot code first. */
  report(compiled: Compiled): string {
    const lines = [`one sample each ${PERIOD} instructions, ${this.#total} in all`, ...this.#tiers(compiled)];
    const granules = new Map<string, { count: number; instructions: { key: string; sample: Sample }[] }>();
    for (const [key, sample] of this.#samples) {
      const start = (BigInt(key.slice(4)) / BigInt(GRANULE)) * BigInt(GRANULE);
      const name = `${key.slice(0, 4)}0x${start.toString(16).padStart(16, "0")}`;
      const granule = granules.get(name) ?? { count: 0, instructions: [] };
      granule.count += sample.count;
      granule.instructions.push({ key, sample });
      granules.set(name, granule);
    }
    const share = (count: number) => `${(count / this.#total * 100).toFixed(1).padStart(5)} %`;
    const most = <T>(items: Iterable<T>, count: (item: T) => number, limit: number) =>
      [...items].sort((a, b) => count(b) - count(a)).slice(0, limit);
    lines.push("hot code:");
    for (const [name, { count, instructions }] of most(granules, ([, { count }]) => count, MOST_GRANULES)) {
      lines.push(`${share(count)}  ${name}`);
      for (const { key, sample } of most(instructions, ({ sample }) => sample.count, MOST_INSTRUCTIONS)) {
        const text = sample.word === undefined ? "" : this.disassemble(sample.word, BigInt(key.slice(4)));
        lines.push(`        ${share(sample.count)}  ${key.slice(4)}  ${text}`);
      }
    }
    lines.push("what generated code left for:");
    for (const [cause, count] of most(this.#causes, ([, count]) => count, MOST_CAUSES)) {
      lines.push(`${String(count).padStart(12)}  ${this.#seconds(cause)}  ${cause}`);
    }
    return lines.join("\n");
  }

  /** What each tier executed, and what compiling took. */
  #tiers({ decoded, regions: tier1 }: Compiled): string[] {
    const share = (this.#compiled / Math.max(1, this.#retired) * 100).toFixed(1);
    const lines = [
      `generated code: ${this.#seconds("generated code")}` +
      (tier1 ? `; tier 1 executed ${share} % of ${grouped(this.#retired)} instructions` : ""),
      "compiling, but for what the host compiles when it first executes it, and once more in threads of its own:",
      `  tier 0:  ${this.#seconds("decode")}  decoding: ${grouped(decoded)} instructions`,
    ];
    if (tier1 === undefined) return lines;
    const { regions, modules, instructions, bytes, drops, bound } = tier1;
    return [
      ...lines,
      `  tier 1:  ${this.#seconds("finding regions")}  finding regions: ${grouped(regions)}, of which ${grouped(drops)} dropped`,
      `           ${this.#seconds("writing")}  writing them: ${grouped(instructions)} instructions`,
      `           ${this.#seconds("making modules")}  making modules of them: ${grouped(modules)}, of ${grouped(bytes)} bytes`,
      `           ${this.#seconds("binding")}  loading and binding those of earlier runs: ${grouped(bound)}`,
    ];
  }

  #seconds(what: string): string {
    return `${(this.#time.spent(what) / 1000).toFixed(3).padStart(7)} s`;
  }
}

/** Counts the time that something takes, if somebody wants to know. */
export function timed<T>(profile: Profile | undefined, work: Work, body: () => T): T {
  return profile ? profile.of(work, body) : body();
}

/** With a comma behind thousands. */
const grouped = (count: number) => count.toLocaleString("en-US");

/** A `SystemOp` with the register or operation that it concerns. */
function systemCause(op: number, word: number): string {
  const name = systemOps[op];
  if (name !== "mrs" && name !== "msr" && name !== "sys") return name;
  const packed = packedOfInstruction(word);
  return systemInstruction(packed)?.name ?? `${name} ${encodingName(packed, name === "msr")}`;
}
