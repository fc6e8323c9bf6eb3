/** Tier 1: which code is compiled, and when it goes. */
import * as at from "../../state.ts";
import type { Block } from "../block.ts";
import type { CodeCache } from "../code_cache.ts";
import type { Interpreter } from "../interpreter.ts";
import { hostFusesMultiplyAdd } from "../host_features.ts";
import { RECORD_SIZE, RECORDS_PER_PAGE } from "../layout.ts";
import { type Profile, timed } from "../profile.ts";
import { Detours } from "./detours.ts";
import { discover } from "./discover.ts";
import { writeEmptyWindow } from "./empty_window.ts";
import { Hotness } from "./hotness.ts";
import { Keeper, type TranslationStore } from "./cache/keeper.ts";
import type { Kept } from "./cache/format.ts";
import { type Entry, Library } from "./cache/library.ts";
import { PageMap } from "./pages.ts";
import { RecordCounts } from "./record_counts.ts";
import { type Plan, translate } from "./plan.ts";
import { type RegionAddresses, RegionModule } from "./region_module.ts";
import { type Region, Regions } from "./regions.ts";
import { MAX_REGIONS, pageTableAt, windowsAt } from "./side_table.ts";
import { contains, isThere, moduleOf, numberOf, numbersOf, type SlotOf } from "./translation.ts";

/** When code is compiled: never, when it is hot, or at its first execution. */
export type Tier1Mode = "off" | "on" | "force";

/** Most times that a region is made for the same head: code that keeps changing isn't worth it. */
const MAX_ATTEMPTS = 16;
/** Most times that it is made anew with more in it. */
const MAX_EXTENSIONS = 3;
/** Regions of a module. */
const MAX_BATCH = 64;
/** Instructions of a region before it ends wherever another begins, and doesn't copy what that has. */
const LARGE = 60;

/** What the engine gives. */
export interface Tier1Parts {
  readonly limits: { readonly minimum: number; readonly maximum: number };
  /** Address of the table beside the records. */
  readonly sideTable: number;
  /** See {@linkcode RegionAddresses}. */
  readonly attention?: number;
  readonly counterFrequencyHz: number;
  readonly block: Block;
  readonly code: CodeCache;
  readonly interpreter: Interpreter;
  readonly fill: (size: number, flags: number) => number;
  readonly softFloat: (op: number) => void;
  /** Where translations are kept from one run to the next; without it they aren't. */
  readonly store?: TranslationStore;
  /** What generated code depends on beside the guest's instructions. */
  readonly kind: string;
  /** Counts what is executed, and the time that compiling takes. */
  readonly profile: Profile | undefined;
  /** Told of code that can't be compiled because of a fault in here; without it, that is thrown. */
  readonly uncompiled?: (text: () => string) => void;
}

/** Regions of one physical CPU. */
export class Tier1 {
  readonly #regions: Regions;
  readonly #library = new Library();
  readonly #keeper: Keeper | undefined;
  /** Something in the library isn't as it was kept. */
  #isNew = false;
  readonly #addresses: RegionAddresses;
  /** Numbers of functions in the table that nobody has. */
  readonly #free: number[] = [];
  readonly #pages: PageMap;
  /** For each record: whether a trace visited it. */
  readonly #visited = new RecordCounts();
  /** Visited for the first time since the last compilation. */
  #fresh: number[] = [];
  /** How often regions were made for a head. */
  readonly #attempts = new Map<number, number>();
  readonly #detours: Detours;
  /** What INTERPRETED has from before the present slice. */
  #counted = 0;
  readonly hotness: Hotness | undefined;
  readonly stats = { regions: 0, unrolled: 0, modules: 0, instructions: 0, bytes: 0, drops: 0, bound: 0, refused: 0 };

  constructor(readonly mode: Tier1Mode, readonly parts: Tier1Parts) {
    for (let n = MAX_REGIONS - 1; n >= 0; n--) this.#free.push(n);
    const { code, block, sideTable, attention, counterFrequencyHz } = parts;
    this.#pages = new PageMap(code.slots);
    const pageTable = sideTable + pageTableAt(code.slots), windows = sideTable + windowsAt(code.slots);
    writeEmptyWindow(block.words, windows);
    this.#addresses = { base: block.address, records: code.address, sideTable, pageTable, windows, attention, counterFrequencyHz };
    this.#regions = new Regions(block, code, this.#addresses);
    this.#detours = new Detours(block, this.#addresses);
    if (mode === "on") {
      if (parts.store) this.#keeper = new Keeper(parts.store, JSON.stringify([parts.kind, hostFusesMultiplyAdd(), this.#addresses]));
      this.hotness = new Hotness({
        wordOf: (record) => block.words[code.hostOf(record) >>> 2] ?? 0,
        isCovered: (record) => this.#regions.isCovered(this.#index(record)),
        visit: (record) => {
          const index = this.#index(record);
          this.#seen(Math.floor(index / RECORDS_PER_PAGE));
          if (this.#visited.get(index) > 0) return;
          this.#fresh.push(index);
          this.#visited.mark(index);
        },
        isHead: (record) => this.#regions.isHead(record),
        compile: (heads, detour) =>
          timed(parts.profile, "finding regions", () => this.#compileHot(heads, detour === undefined ? undefined : this.#index(detour))),
      });
    }
    parts.code.listener = {
      decoded: (slot, first, end) => {
        this.#seen(slot);
        if (mode === "force") timed(parts.profile, "finding regions", () => this.#force(slot, first));
        else timed(parts.profile, "binding", () => this.#bindAny(slot, first, end));
      },
      changed: (slot, first, last) => this.#changed(slot, first, last),
      released: (slot) => {
        this.#changed(slot, 0, RECORDS_PER_PAGE);
        this.#pages.forget(slot);
      },
    };
  }

  /** How many of the `left` instructions to execute before the next look, of which this record's is the first; `goesOn`: regions may take more. */
  slice(record: number, left: number, goesOn: boolean): number {
    const { hotness, parts: { block } } = this;
    const slice = hotness?.slice(record, left) ?? left;
    block.set(at.REGION_BUDGET, slice);
    block.set(at.PERIOD, goesOn && hotness ? hotness.period : 0);
    return slice;
  }

  /** They were executed, but those that BUDGET still has, and so many more that regions took. */
  executed(slice: number, more: number): void {
    const { hotness, parts: { block, profile } } = this;
    const remaining = block.get(at.BUDGET), since = block.get(at.REGION_BUDGET) - remaining;
    const interpreted = block.get(at.INTERPRETED) + since, done = slice + more - remaining;
    profile?.compiled(done + this.#counted - interpreted);
    this.#counted = hotness?.executed({ done, more, since, interpreted, record: block.get(at.IP) }) ?? 0;
    block.set(at.INTERPRETED, this.#counted);
    const detour = this.#detours.take();
    if (detour) hotness?.traceDetour(detour.record, detour.isBailed);
  }

  /** Number of a record among all, its page's end not counted. */
  #index(record: number): number {
    const { code } = this.parts;
    const slot = code.slotOf(record);
    return slot * RECORDS_PER_PAGE + (record - code.addressOf(slot)) / RECORD_SIZE;
  }

  #compileHot(heads: readonly number[], detour: number | undefined): void {
    const { code } = this.parts;
    const wanted = new Set<number>();
    // Regions that leave to what is known to be executed now are made anew, with it, while that isn't too often; then others begin there.
    // What a detour visits is rare for the regions around it: they don't grow by it.
    for (const index of detour === undefined ? this.#fresh : []) {
      const slot = Math.floor(index / RECORDS_PER_PAGE);
      for (const region of this.#regions.in(slot)) {
        if (!region.exits.has(index)) continue;
        if ((this.#attempts.get(region.head) ?? 0) < MAX_EXTENSIONS) {
          this.#unbind(region);
          this.#forget(region.entry);
          wanted.add(region.head);
        } else wanted.add(index);
      }
    }
    this.#fresh = [];
    for (const record of heads) wanted.add(this.#index(record));
    if (detour !== undefined) wanted.add(detour);
    const plans = new Map<number, Plan>();
    // These end where others begin, and copy nothing of them.
    const rests = new Set(detour === undefined ? [] : [detour]);
    for (const index of wanted) {
      const slot = Math.floor(index / RECORDS_PER_PAGE);
      const attempts = this.#attempts.get(index) ?? 0;
      if (plans.size >= MAX_BATCH || code.frameOf(slot) < 0 || attempts >= MAX_ATTEMPTS) continue;
      const plan = this.#plan(slot, index % RECORDS_PER_PAGE, plans, rests.has(index));
      if (plan === undefined) continue;
      plans.set(index, plan);
      this.#attempts.set(index, attempts + 1);
      // The loop goes on with what lies beyond; beyond a detour it is as rare.
      if (index === detour) continue;
      for (const next of numbersOf(plan.graph.beyond, plan.slotOf)) wanted.add(next);
      for (const next of numbersOf(plan.graph.cut, plan.slotOf)) {
        if (!wanted.has(next)) rests.add(next);
        wanted.add(next);
      }
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

  /** Slots of the pages around one. */
  #slotsAround(slot: number): SlotOf {
    const { code } = this.parts;
    return this.#pages.around(slot, (found) => code.frameOf(found) >= 0 && code.isWhole(found));
  }

  /** What a region that begins at an instruction of a page would be made of; `undefined`: there should be none. */
  #plan(slot: number, head: number, planned: ReadonlyMap<number, Plan>, copiesNothing = false): Plan | undefined {
    const { code, block } = this.parts;
    if (!this.#regions.isFree(slot, head)) return undefined;
    const slotOf = this.#slotsAround(slot);
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
      return this.hotness === undefined || this.#visited.get(number) > 0;
    };
    const own = slot * RECORDS_PER_PAGE + head;
    const isElsewhere = (index: number, size: number): boolean => {
      const other = numberOf(index, slotOf);
      if (this.hotness === undefined || other < 0 || other === own) return false;
      const plan = planned.get(other), region = this.#regions.at(other);
      if (copiesNothing || size > LARGE) return plan !== undefined || region !== undefined;
      if (plan) return contains(plan.graph.blocks.values(), plan.slotOf, own);
      return region !== undefined && contains(region.entry.translation.spans, region.slotOf, own);
    };
    const graph = discover(head, { wordAt: (index) => isKnown(index) ? wordAt(index) : undefined, isElsewhere });
    return graph.instructions < 2 ? undefined : { slot, head, graph, slotOf, wordAt };
  }

  /** Compiles regions, as one module. */
  #compile(plans: readonly Plan[]): void {
    if (plans.length === 0) return;
    const { limits, interpreter, profile } = this.parts;
    const numbers = plans.map(() => this.#number());
    const module = new RegionModule(limits, this.#addresses);
    const made = plans.flatMap((plan, i) => {
      try {
        return { ...plan, number: numbers[i], ...timed(profile, "writing", () => translate(plan, numbers[i], module, interpreter)) };
      } catch (error) {
        this.#refuse(plan, numbers[i], error as Error);
        return [];
      }
    });
    try {
      if (made.length > 0) timed(profile, "making modules", () => this.#instantiate(module.finish()));
    } catch (error) {
      for (const plan of made) this.#refuse(plan, plan.number, error as Error);
      return;
    }
    for (const { slot, slotOf, graph, translation, unrolled, number } of made) {
      const entry: Entry = { translation, number, isBound: false, isUsed: false, age: 0 };
      if (this.mode === "on") this.#library.add(entry);
      this.#isNew = true;
      this.#regions.bind(entry, slot, slotOf);
      this.stats.regions++;
      this.stats.unrolled += unrolled;
      this.stats.instructions += graph.instructions;
    }
  }

  /** This compiler has a fault: the interpreter keeps the code, and whoever runs the guest hears of it. */
  #refuse({ slot, head, wordAt }: Plan, number: number, error: Error): void {
    const { uncompiled, code } = this.parts;
    if (uncompiled === undefined) throw error;
    this.#free.push(number);
    this.#attempts.set(slot * RECORDS_PER_PAGE + head, MAX_ATTEMPTS);
    this.stats.refused++;
    const place = (code.frameOf(slot) * RECORDS_PER_PAGE + head) * 4;
    uncompiled(() => `code at 0x${place.toString(16)} of the memory (0x${wordAt(head).toString(16)}, …) isn't compiled: ${error.message}`);
  }

  #instantiate(bytes: Uint8Array<ArrayBuffer>): void {
    const { fill, softFloat, interpreter, block } = this.parts;
    const env = { memory: block.memory, fill, softFloat, table: interpreter.table };
    new WebAssembly.Instance(new WebAssembly.Module(bytes), { env });
    this.stats.modules++;
    this.stats.bytes += bytes.length;
  }

  /** Takes what was kept of the guest with this first page: the translations are compiled, as one module. */
  #load(keeper: Keeper, page: Uint32Array): void {
    const { code } = this.parts;
    keeper.open(page);
    keeper.loadDecoding(code, this.parts.interpreter);
    const found = keeper.load();
    if (found === undefined || found.kept.length > this.#free.length) return;
    const entries = found.kept.map(({ translation, age }): Entry => {
      return { translation, number: this.#number(), isBound: false, isUsed: false, age };
    });
    try {
      const isAsWritten = entries.every(({ number }, i) => number === i);
      this.#instantiate(isAsWritten ? found.module : moduleOf(entries, this.parts.limits, this.#addresses));
    } catch (error) {
      this.parts.store?.say(`the kept translations are refused: ${(error as Error).message}`);
      for (const entry of entries) this.#forget(entry);
      return;
    }
    for (const entry of entries) this.#library.add(entry);
  }

  /** Keeps translations for the next run. */
  save(): void {
    const keeper = this.#keeper;
    if (!keeper?.isOpen) return;
    const numbered = (kept: readonly Kept[]) => kept.map(({ translation }, number) => ({ translation, number }));
    keeper.save([...this.#library.entries], this.#isNew, (kept) => moduleOf(numbered(kept), this.parts.limits, this.#addresses));
    keeper.saveDecoding(this.parts.code, this.parts.interpreter);
  }

  /** The page that executes is in a slot. */
  #seen(slot: number): void {
    const { block } = this.parts;
    const page = this.#pages.seen(slot, block.get(at.PAGE_VA), block.get(at.PAGE_VA + 4));
    if (page === undefined) return;
    for (const [entry, head] of this.#library.arrived(page)) this.#tryBind(entry, head);
  }

  /** Binds what was compiled earlier to instructions that have just been decoded. */
  #bindAny(slot: number, first: number, end: number): void {
    const { code, block } = this.parts;
    const start = code.frameOf(slot) << 10;
    if (this.#keeper?.isOpen === false) this.#load(this.#keeper, block.words.subarray(start, start + RECORDS_PER_PAGE));
    for (let index = first; index < end; index++) {
      for (const entry of this.#library.at(index, block.words[start + index]) ?? []) this.#tryBind(entry, slot);
    }
  }

  /** Binds a translation to the page in a slot, if all of its instructions are there. */
  #tryBind(entry: Entry, slot: number): void {
    const { code, block } = this.parts;
    const { translation, isBound, number } = entry;
    if (isBound || number < 0 || code.frameOf(slot) < 0 || !this.#regions.isFree(slot, translation.head)) return;
    const slotOf = this.#slotsAround(slot);
    for (const page of translation.pages) {
      if (slotOf(page) >= 0) continue;
      const missing = this.#pages.pageOf(slot) + page;
      return this.#library.wait(entry, missing, slot);
    }
    if (!isThere(translation, slotOf, code, block)) return;
    this.#regions.bind(entry, slot, slotOf);
    this.stats.bound++;
    // It has grown before: what it leaves to begins regions.
    this.#attempts.set(slot * RECORDS_PER_PAGE + translation.head, MAX_EXTENSIONS);
    for (const { first, count } of translation.spans) {
      const from = numberOf(first, slotOf);
      for (let index = from; index < from + count; index++) this.#visited.mark(index);
    }
  }

  /** Instructions of a page changed: regions made from them go. */
  #changed(slot: number, first: number, last: number): void {
    this.#visited.clear(slot, first, last);
    for (const region of this.#regions.in(slot)) {
      const part = region.parts.get(slot)!;
      if (part.last >= first && part.first <= last) this.#unbind(region);
    }
  }

  #unbind(region: Region): void {
    this.#regions.unbind(region);
    this.stats.drops++;
    // What is forced isn't kept.
    if (this.mode === "force") this.#forget(region.entry);
  }

  /** A translation's function goes. */
  #forget(entry: Entry): void {
    this.#library.delete(entry);
    this.#isNew = true;
    if (entry.number < 0) return;
    this.parts.interpreter.dropRegion(entry.number);
    this.#free.push(entry.number);
    entry.number = -1;
  }

  /** A number for a function. When there is none, what isn't bound goes, and then everything. */
  #number(): number {
    if (this.#free.length === 0) {
      for (const entry of [...this.#library.entries]) if (!entry.isBound) this.#forget(entry);
    }
    if (this.#free.length === 0) {
      for (const slot of this.#regions.slots) {
        for (const region of this.#regions.in(slot)) {
          this.#unbind(region);
          this.#forget(region.entry);
        }
      }
    }
    return this.#free.pop()!;
  }
}
