/**
 * Tier 1: which code is compiled, and when it goes. The record of a region's head gets the handler
 * {@linkcode ENTER_REGION}; what it had before, and which region it is, lies in a table beside the records.
 */
import type { DecodeEnvironment } from "../../isa/dsl.ts";
import type { Decoder } from "../../isa/decoder.ts";
import { ModuleBuilder } from "../../wasm/mod.ts";
import type { Block } from "../block.ts";
import type { CodeCache } from "../code_cache.ts";
import { ENTER_REGION, type Interpreter } from "../interpreter.ts";
import { RECORD_PAGE_STRIDE, RECORD_SIZE, RECORDS_PER_PAGE } from "../layout.ts";
import { discover } from "./discover.ts";
import { writeRegion } from "./region.ts";

/** When code is compiled: never, when it is hot, or at its first execution. */
export type Tier1Mode = "off" | "on" | "force";

/** Regions that one machine keeps. */
export const MAX_REGIONS = 8192;

/** Bytes of the table beside the records. */
export function sideTableSize(pages: number): number {
  return (pages * RECORD_PAGE_STRIDE) >>> 2;
}

interface Region {
  readonly number: number;
  readonly slot: number;
  readonly head: number;
  /** Indices of the instructions that it was made from lie between these. */
  readonly first: number;
  readonly last: number;
}

/** What the engine gives. */
export interface Tier1Parts {
  readonly limits: { readonly minimum: number; readonly maximum: number };
  /** Address of the table beside the records. */
  readonly sideTable: number;
  readonly block: Block;
  readonly code: CodeCache;
  readonly decoder: Decoder;
  readonly environment: DecodeEnvironment;
  readonly interpreter: Interpreter;
  readonly fill: (size: number, flags: number) => number;
  readonly softFloat: (op: number) => void;
}

/** Regions of one physical CPU. */
export class Tier1 {
  readonly #bySlot = new Map<number, Region[]>();
  readonly #free: number[] = [];
  readonly stats = { regions: 0, instructions: 0, bytes: 0, drops: 0, compileMs: 0 };

  constructor(readonly mode: Tier1Mode, readonly parts: Tier1Parts) {
    for (let n = MAX_REGIONS - 1; n >= 0; n--) this.#free.push(n);
    parts.code.listener = {
      decoded: (slot, first, end) => {
        if (mode === "force") this.#force(slot, first, end);
      },
      changed: (slot, first, last) => this.#changed(slot, first, last),
      released: (slot) => this.#changed(slot, 0, RECORDS_PER_PAGE),
    };
  }

  /** A region for each block that may begin in a run. */
  #force(slot: number, first: number, _end: number): void {
    for (const block of this.compile(slot, first)) this.compile(slot, block);
  }

  /** Compiles the region that begins at an instruction of a page. */
  compile(slot: number, head: number): Iterable<number> {
    const { parts } = this;
    const { code, block } = parts;
    const records = code.addressOf(slot);
    const record = records + head * RECORD_SIZE;
    const handler = block.halves[record >>> 1];
    if (handler <= ENTER_REGION || !code.isWhole(slot)) return [];
    const frame = code.frameOf(slot);
    const wordAt = (index: number) => block.words[(frame << 10) + index];
    const graph = discover(head, (index) => block.halves[(records + index * RECORD_SIZE) >>> 1] === 0 ? undefined : wordAt(index));
    if (graph.instructions < 2) return [];
    const number = this.#free.pop() ?? this.#evict();
    const module = new ModuleBuilder(parts.limits);
    const none = { index: -1, params: [], result: undefined };
    const imports = {
      slowLoad: none,
      slowStore: none,
      slowAtomic: none,
      system: none,
      softFloat: module.importFunction("env", "softFloat", ["i32"]),
      fill: module.importFunction("env", "fill", ["i32", "i32"], "i32"),
    };
    const { decoder, environment } = parts;
    const { memory, address: base } = block;
    module.function(["i32"], "i32", (f) => writeRegion(f, { graph, wordAt, records, base, decoder, environment, imports }), "region");
    const bytes = module.finish();
    const { fill, softFloat } = parts;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory, fill, softFloat } });
    parts.interpreter.setRegion(number, instance.exports.region as () => number);
    const side = (parts.sideTable + ((record - code.address) >>> 2)) >>> 1;
    block.halves[side] = handler;
    block.halves[side + 1] = number;
    block.halves[record >>> 1] = ENTER_REGION;
    let first = head, last = head;
    for (const { first: start, count } of graph.blocks.values()) {
      first = Math.min(first, start);
      last = Math.max(last, start + count - 1);
    }
    const region = { number, slot, head, first, last };
    const list = this.#bySlot.get(slot);
    if (list) list.push(region);
    else this.#bySlot.set(slot, [region]);
    this.stats.regions++;
    this.stats.instructions += graph.instructions;
    this.stats.bytes += bytes.length;
    return graph.blocks.keys();
  }

  /** Instructions of a page changed: regions made from them go. */
  #changed(slot: number, first: number, last: number): void {
    const list = this.#bySlot.get(slot);
    if (list === undefined) return;
    const kept = list.filter((region) => {
      if (region.last < first || region.first > last) return true;
      this.#drop(region);
      return false;
    });
    if (kept.length > 0) this.#bySlot.set(slot, kept);
    else this.#bySlot.delete(slot);
  }

  #drop({ number, slot, head }: Region): void {
    const { block, code, sideTable, interpreter } = this.parts;
    const record = code.addressOf(slot) + head * RECORD_SIZE;
    if (block.halves[record >>> 1] === ENTER_REGION) {
      block.halves[record >>> 1] = block.halves[(sideTable + ((record - code.address) >>> 2)) >>> 1];
    }
    interpreter.setRegion(number, null);
    this.#free.push(number);
    this.stats.drops++;
  }

  /** Drops all regions. */
  #evict(): number {
    for (const slot of [...this.#bySlot.keys()]) this.#changed(slot, 0, RECORDS_PER_PAGE);
    return this.#free.pop()!;
  }
}
