/**
 * Tier 1: which code is compiled, and when it goes. The record of a region's head gets the handler
 * {@linkcode ENTER_REGION}; what it had before, and which region it is, lies in a table beside the records.
 */
import type { DecodeEnvironment } from "../../isa/dsl.ts";
import type { Decoder } from "../../isa/decoder.ts";
import * as at from "../../state.ts";
import type { Block } from "../block.ts";
import type { CodeCache } from "../code_cache.ts";
import { ENTER_REGION, type Interpreter } from "../interpreter.ts";
import { RECORD_PAGE_STRIDE, RECORD_SIZE, RECORDS_PER_PAGE } from "../layout.ts";
import { discover, type Graph } from "./discover.ts";
import { Hotness } from "./hotness.ts";
import { PageMap } from "./pages.ts";
import { MAX_PAGES, writeRegion } from "./region.ts";
import { RegionModule } from "./region_module.ts";

/** When code is compiled: never, when it is hot, or at its first execution. */
export type Tier1Mode = "off" | "on" | "force";

/** Most times that a region is made for the same head: code that keeps changing isn't worth it. */
const MAX_ATTEMPTS = 16;
/** Most times that it is made anew with more in it. */
const MAX_EXTENSIONS = 3;
/** Regions of a module. */
const MAX_BATCH = 64;

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
  /** Pages that it was made from: between which indices. */
  readonly parts: ReadonlyMap<number, { first: number; last: number }>;
  readonly graph: Graph;
  /** Slots by distance from the head's page. */
  readonly slotOf: (page: number) => number;
  /** Instructions that it leaves to, numbered as in `#index`. */
  readonly exits: ReadonlySet<number>;
}

/** A region to be. */
interface Plan {
  readonly slot: number;
  readonly head: number;
  readonly graph: Graph;
  readonly slotOf: (page: number) => number;
  readonly wordAt: (index: number) => number;
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
  /** By number of the head's record. */
  readonly #byHead = new Map<number, Region>();
  readonly #free: number[] = [];
  readonly #pages: PageMap;
  /** For each record: whether a trace visited it, and how many regions contain it. */
  readonly #visited: Uint8Array;
  readonly #covered: Uint16Array;
  /** Visited for the first time since the last compilation. */
  #fresh: number[] = [];
  /** How often regions were made for a head. */
  readonly #attempts = new Map<number, number>();
  readonly hotness: Hotness | undefined;
  readonly stats = { regions: 0, modules: 0, instructions: 0, bytes: 0, drops: 0 };

  constructor(readonly mode: Tier1Mode, readonly parts: Tier1Parts) {
    for (let n = MAX_REGIONS - 1; n >= 0; n--) this.#free.push(n);
    const { code, block } = parts;
    this.#pages = new PageMap(code.slots);
    this.#visited = new Uint8Array(code.slots * RECORDS_PER_PAGE);
    this.#covered = new Uint16Array(code.slots * RECORDS_PER_PAGE);
    if (mode === "on") {
      this.hotness = new Hotness({
        wordOf: (record) => block.words[code.hostOf(record) >>> 2] ?? 0,
        isCovered: (record) => this.#covered[this.#index(record)] > 0,
        visit: (record) => {
          const index = this.#index(record);
          this.#pages.seen(Math.floor(index / RECORDS_PER_PAGE), block.get(at.PAGE_VA), block.get(at.PAGE_VA + 4));
          if (this.#visited[index] === 0) this.#fresh.push(index);
          this.#visited[index] = 1;
        },
        compile: (heads) => this.#compileHot(heads),
      });
    }
    parts.code.listener = {
      decoded: (slot, first) => {
        if (mode !== "force") return;
        this.#pages.seen(slot, block.get(at.PAGE_VA), block.get(at.PAGE_VA + 4));
        this.#force(slot, first);
      },
      changed: (slot, first, last) => this.#changed(slot, first, last),
      released: (slot) => {
        this.#changed(slot, 0, RECORDS_PER_PAGE);
        this.#pages.forget(slot);
      },
    };
  }

  /** How many of the `left` instructions to execute before the next look, of which this record's is the first. */
  slice(record: number, left: number): number {
    if (this.hotness === undefined) return left;
    const slice = this.hotness.slice(record, left);
    this.parts.block.set(at.REGION_BUDGET, slice);
    return slice;
  }

  /** They were executed, but those that BUDGET still has. */
  executed(slice: number): void {
    const { block } = this.parts;
    const remaining = block.get(at.BUDGET);
    const since = block.get(at.REGION_BUDGET) - remaining;
    this.hotness?.executed(slice, since, block.get(at.INTERPRETED) + since, remaining, block.get(at.IP));
    block.set(at.INTERPRETED, 0);
  }

  /** Number of a record among all, its page's end not counted. */
  #index(record: number): number {
    const { code } = this.parts;
    const slot = code.slotOf(record);
    return slot * RECORDS_PER_PAGE + (record - code.addressOf(slot)) / RECORD_SIZE;
  }

  #compileHot(heads: readonly number[]): void {
    const { code } = this.parts;
    const wanted = new Set<number>();
    // Regions that leave to what is known to be executed now are made anew, with it, while that isn't too often; then others begin there.
    for (const index of this.#fresh) {
      const slot = Math.floor(index / RECORDS_PER_PAGE);
      for (const region of [...this.#bySlot.get(slot) ?? []]) {
        const head = region.slot * RECORDS_PER_PAGE + region.head;
        if (!region.exits.has(index)) continue;
        if ((this.#attempts.get(head) ?? 0) < MAX_EXTENSIONS) {
          this.#remove(region);
          wanted.add(head);
        } else wanted.add(index);
      }
    }
    this.#fresh = [];
    for (const record of heads) wanted.add(this.#index(record));
    const plans = new Map<number, Plan>();
    for (const index of wanted) {
      const slot = Math.floor(index / RECORDS_PER_PAGE);
      const attempts = this.#attempts.get(index) ?? 0;
      if (plans.size >= MAX_BATCH || code.frameOf(slot) < 0 || attempts >= MAX_ATTEMPTS) continue;
      const plan = this.#plan(slot, index % RECORDS_PER_PAGE, plans);
      if (plan === undefined) continue;
      plans.set(index, plan);
      this.#attempts.set(index, attempts + 1);
      // The loop goes on with these.
      for (const next of this.#absolute(plan.graph.beyond, plan.slotOf)) wanted.add(next);
    }
    this.#compile([...plans.values()]);
  }

  /** A region for each block that may begin in a run. */
  #force(slot: number, first: number): void {
    const none = new Map<number, Plan>();
    const plan = this.#plan(slot, first, none);
    if (plan === undefined) return;
    const others = [...plan.graph.blocks.keys()].filter((index) => index !== first && index >= 0 && index < RECORDS_PER_PAGE);
    this.#compile([plan, ...others.flatMap((index) => this.#plan(slot, index, none) ?? [])]);
  }

  /** What a region that begins at an instruction of a page would be made of; `undefined`: there should be none. */
  #plan(slot: number, head: number, planned: ReadonlyMap<number, Plan>): Plan | undefined {
    const { code, block } = this.parts;
    const handler = block.halves[(code.addressOf(slot) + head * RECORD_SIZE) >>> 1];
    if (handler <= ENTER_REGION || !code.isWhole(slot)) return undefined;
    const slots = new Map<number, number>();
    const slotOf = (page: number): number => {
      let found = slots.get(page);
      if (found === undefined) {
        found = slots.size < MAX_PAGES ? this.#pages.neighbour(slot, page) : -1;
        if (found >= 0 && (code.frameOf(found) < 0 || !code.isWhole(found))) found = -1;
        slots.set(page, found);
      }
      return found;
    };
    const wordAt = (index: number): number => {
      const page = Math.floor(index / RECORDS_PER_PAGE);
      return block.words[(code.frameOf(slotOf(page)) << 10) + index - page * RECORDS_PER_PAGE];
    };
    const isKnown = (index: number): boolean => {
      const number = numberOf(index, slotOf);
      if (number < 0) return false;
      const record = code.addressOf(Math.floor(number / RECORDS_PER_PAGE)) + number % RECORDS_PER_PAGE * RECORD_SIZE;
      // One without a record may have a trap in its place.
      if (block.halves[record >>> 1] === 0) return false;
      return this.hotness === undefined || this.#visited[number] !== 0;
    };
    const own = slot * RECORDS_PER_PAGE + head;
    const isElsewhere = (index: number): boolean => {
      const other = numberOf(index, slotOf);
      if (this.hotness === undefined || other < 0 || other === own) return false;
      const found = planned.get(other) ?? this.#byHead.get(other);
      return found !== undefined && contains(found, own);
    };
    const graph = discover(head, { wordAt: (index) => isKnown(index) ? wordAt(index) : undefined, isElsewhere });
    return graph.instructions < 2 ? undefined : { slot, head, graph, slotOf, wordAt };
  }

  /** Compiles regions, as one module. */
  #compile(plans: readonly Plan[]): void {
    if (plans.length === 0) return;
    const { parts } = this;
    const { code, block, decoder, environment, sideTable } = parts;
    const numbers = plans.map(() => this.#free.pop() ?? this.#evict());
    const module = new RegionModule(parts.limits, { base: block.address, records: code.address, sideTable });
    const exits = plans.map(({ graph, wordAt, slotOf }, i) => {
      const recordsOf = (page: number) => slotOf(page) < 0 ? undefined : code.addressOf(slotOf(page));
      let found: ReadonlySet<number>;
      module.region(numbers[i], (f) => found = writeRegion(f, { graph, wordAt, recordsOf, decoder, environment, module }));
      return found!;
    });
    const bytes = module.finish();
    const { fill, softFloat, interpreter } = parts;
    new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory: block.memory, fill, softFloat, table: interpreter.table } });
    for (const [i, plan] of plans.entries()) this.#enter(plan, numbers[i], exits[i]);
    this.stats.modules++;
    this.stats.bytes += bytes.length;
  }

  /** A region that has been compiled is entered from now on. */
  #enter({ slot, head, graph, slotOf }: Plan, number: number, exits: ReadonlySet<number>): void {
    const { code, block, sideTable } = this.parts;
    const record = code.addressOf(slot) + head * RECORD_SIZE;
    const side = (sideTable + ((record - code.address) >>> 2)) >>> 1;
    block.halves[side] = block.halves[record >>> 1];
    block.halves[side + 1] = number;
    block.halves[record >>> 1] = ENTER_REGION;
    const region = { number, slot, head, graph, slotOf, exits: this.#absolute(exits, slotOf), parts: partsOf(graph, slotOf) };
    this.#cover(region, 1);
    this.#byHead.set(slot * RECORDS_PER_PAGE + head, region);
    for (const part of region.parts.keys()) {
      const list = this.#bySlot.get(part);
      if (list) list.push(region);
      else this.#bySlot.set(part, [region]);
    }
    this.stats.regions++;
    this.stats.instructions += graph.instructions;
  }

  /** Numbers of instructions as `#index` has them. */
  #absolute(indices: Iterable<number>, slotOf: (page: number) => number): ReadonlySet<number> {
    const out = new Set<number>();
    for (const index of indices) {
      const number = numberOf(index, slotOf);
      if (number >= 0) out.add(number);
    }
    return out;
  }

  /** Instructions of a page changed: regions made from them go. */
  #changed(slot: number, first: number, last: number): void {
    const start = slot * RECORDS_PER_PAGE;
    this.#visited.fill(0, start + first, start + Math.min(last + 1, RECORDS_PER_PAGE));
    for (const region of [...this.#bySlot.get(slot) ?? []]) {
      const part = region.parts.get(slot)!;
      if (part.last >= first && part.first <= last) this.#remove(region);
    }
  }

  #remove(region: Region): void {
    this.#drop(region);
    for (const part of region.parts.keys()) {
      const kept = this.#bySlot.get(part)!.filter((other) => other !== region);
      if (kept.length > 0) this.#bySlot.set(part, kept);
      else this.#bySlot.delete(part);
    }
  }

  #cover({ slotOf, graph }: Region, by: number): void {
    for (const { first, count } of graph.blocks.values()) {
      const start = numberOf(first, slotOf);
      for (let index = start; index < start + count; index++) this.#covered[index] += by;
    }
  }

  #drop(region: Region): void {
    const { number, slot, head } = region;
    this.#byHead.delete(slot * RECORDS_PER_PAGE + head);
    this.#cover(region, -1);
    const { block, code, sideTable, interpreter } = this.parts;
    const record = code.addressOf(slot) + head * RECORD_SIZE;
    if (block.halves[record >>> 1] === ENTER_REGION) {
      block.halves[record >>> 1] = block.halves[(sideTable + ((record - code.address) >>> 2)) >>> 1];
    }
    interpreter.dropRegion(number);
    this.#free.push(number);
    this.stats.drops++;
  }

  /** Drops all regions. */
  #evict(): number {
    for (const slot of [...this.#bySlot.keys()]) this.#changed(slot, 0, RECORDS_PER_PAGE);
    return this.#free.pop()!;
  }
}

/** An instruction's number as `#index` has it, by where it is in a region; -1: on none of its pages. */
function numberOf(index: number, slotOf: (page: number) => number): number {
  const page = Math.floor(index / RECORDS_PER_PAGE);
  const slot = slotOf(page);
  return slot < 0 ? -1 : (slot - page) * RECORDS_PER_PAGE + index;
}

/** Whether an instruction is in a region. */
function contains({ graph, slotOf }: Pick<Plan, "graph" | "slotOf">, index: number): boolean {
  for (const { first, count } of graph.blocks.values()) {
    const start = numberOf(first, slotOf);
    if (index >= start && index < start + count) return true;
  }
  return false;
}

/** From the first instruction of each page to the last. */
function partsOf(graph: Graph, slotOf: (page: number) => number): Map<number, { first: number; last: number }> {
  const parts = new Map<number, { first: number; last: number }>();
  for (const { first, count } of graph.blocks.values()) {
    const page = Math.floor(first / RECORDS_PER_PAGE);
    const start = first - page * RECORDS_PER_PAGE;
    const part = parts.get(slotOf(page));
    if (part === undefined) parts.set(slotOf(page), { first: start, last: start + count - 1 });
    else {
      part.first = Math.min(part.first, start);
      part.last = Math.max(part.last, start + count - 1);
    }
  }
  return parts;
}
