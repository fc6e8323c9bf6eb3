/**
 * Where a guest's instructions go: a sample of the PC at even distances, and what code had to ask TypeScript for. It cuts the runs of generated
 * code, which the guest can't see.
 */
import * as at from "../state.ts";
import { encodingName, packedOfInstruction, systemInstruction } from "../sysregs/mod.ts";
import type { Block } from "./block.ts";
import type { Tier1 } from "./tier1/tier1.ts";
import { systemOps } from "./tier0.ts";

/** Instructions from one sample to the next: a prime, or loops would be met at the same place each time. */
const PERIOD = 4999;
/** Bytes of code that are reported together. */
const GRANULE = 256;
/** Lines of each part of the report, and instructions that a piece of code is told by. */
const MOST_GRANULES = 20, MOST_INSTRUCTIONS = 4, MOST_CAUSES = 24;

interface Sample {
  count: number;
  /** The instruction; `undefined` when its page was gone. */
  word: number | undefined;
}

/** Samples and counts of one physical CPU. */
export class Profile {
  readonly #samples = new Map<string, Sample>();
  readonly #causes = new Map<string, number>();
  #due = PERIOD;
  #total = 0;

  constructor(readonly block: Block, readonly disassemble: (word: number, at: bigint) => string) {}

  /** How many of the `left` instructions to execute before the next look. */
  slice(left: number): number {
    return Math.min(left, this.#due);
  }

  /** So many were executed, and the PC in the block is true. */
  executed(count: number, word: number | undefined): void {
    this.#due -= count;
    if (this.#due > 0) return;
    this.#due = PERIOD;
    this.#total++;
    const { block } = this;
    const digits = (offset: number) => block.get(offset).toString(16).padStart(8, "0");
    const key = `EL${block.get(at.EL)} 0x${digits(at.PC + 4)}${digits(at.PC)}`;
    const sample = this.#samples.get(key);
    if (sample) sample.count++;
    else this.#samples.set(key, { count: 1, word });
  }

  /** Counts what generated code calls. */
  watch<T extends Readonly<Record<string, (a: number, b: number) => unknown>>>(functions: T): T {
    const watched: Record<string, (a: number, b: number) => unknown> = {};
    for (const [name, call] of Object.entries(functions)) {
      watched[name] = (a, b) => {
        this.#count(name === "system" ? systemCause(a, b) : name);
        return call(a, b);
      };
    }
    return watched as T;
  }

  #count(cause: string): void {
    this.#causes.set(cause, (this.#causes.get(cause) ?? 0) + 1);
  }

  /** As text: hot code first. */
  report(tier1: Tier1 | undefined): string {
    const lines = [`one sample each ${PERIOD} instructions, ${this.#total} in all`];
    if (tier1) {
      const { regions, modules, instructions, bytes, drops } = tier1.stats;
      lines.push(
        `regions: ${regions} compiled in ${modules} modules of ${instructions} instructions to ${bytes} bytes, ${drops} dropped, ${tier1.stats.bound} bound`,
      );
    }
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
      lines.push(`${String(count).padStart(12)}  ${cause}`);
    }
    return lines.join("\n");
  }
}

/** A `SystemOp` with the register or operation that it concerns. */
function systemCause(op: number, word: number): string {
  const name = systemOps[op];
  if (name !== "mrs" && name !== "msr" && name !== "sys") return name;
  const packed = packedOfInstruction(word);
  return systemInstruction(packed)?.name ?? `${name} ${encodingName(packed, name === "msr")}`;
}
