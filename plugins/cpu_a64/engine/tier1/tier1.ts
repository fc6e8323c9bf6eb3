/** Tier 1: which code is compiled, and when it goes. */
import * as at from "../../state.ts";
import type { Block } from "../block.ts";
import type { CodeCache } from "../code_cache.ts";
import type { Interpreter } from "../interpreter.ts";
import { hostFusesMultiplyAdd } from "../host_features.ts";
import { RECORD_SIZE, RECORDS_PER_PAGE } from "../layout.ts";
import { type Profile, timed } from "../profile.ts";
import { Detours } from "./detours.ts";
import { writeEmptyWindow } from "./empty_window.ts";
import { Hotness } from "./hotness.ts";
import { Keeper, type TranslationStore } from "./cache/keeper.ts";
import type { Kept } from "./cache/format.ts";
import { type Entry, Library } from "./cache/library.ts";
import { PageMap } from "./pages.ts";
import { type Plan, translate } from "./plan.ts";
import { Planner } from "./planner.ts";
import { type RegionAddresses, RegionModule } from "./region_module.ts";
import { type Region, Regions } from "./regions.ts";
import { MAX_REGIONS, pageTableAt, windowsAt } from "./side_table.ts";
import { isThere, moduleOf } from "./translation.ts";

/** When code is compiled: never, when it is hot, or at its first execution. */
export type Tier1Mode = "off" | "on" | "force";

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
  readonly #planner: Planner;
  readonly #detours: Detours;
  /** What INTERPRETED has from before the present slice. */
  #counted = 0;
  readonly hotness: Hotness | undefined;
  readonly stats = { regions: 0, unrolled: 0, modules: 0, merges: 0, instructions: 0, bytes: 0, drops: 0, bound: 0, refused: 0 };
  /** When what is bound becomes one module: after so many instructions, then twice as many, if there are so many modules more. */
  readonly tuning = { mergeAfter: 4_000_000_000, mergeModules: 64 };
  /** Instructions, and modules that there were, at the last merge. */
  readonly #merged = { done: 0, modules: 0 };

  constructor(readonly mode: Tier1Mode, readonly parts: Tier1Parts) {
    for (let n = MAX_REGIONS - 1; n >= 0; n--) this.#free.push(n);
    const { code, block, sideTable, attention, counterFrequencyHz } = parts;
    this.#pages = new PageMap(code.slots);
    const pageTable = sideTable + pageTableAt(code.slots), windows = sideTable + windowsAt(code.slots);
    writeEmptyWindow(block.words, windows);
    this.#addresses = { base: block.address, records: code.address, sideTable, pageTable, windows, attention, counterFrequencyHz };
    this.#regions = new Regions(block, code, this.#addresses);
    this.#detours = new Detours(block, this.#addresses, this.#regions);
    this.#planner = new Planner({
      block,
      code,
      pages: this.#pages,
      regions: this.#regions,
      isTraced: mode === "on",
      drop: (region) => {
        this.#unbind(region);
        this.#forget(region.entry);
      },
    });
    if (mode === "on") {
      if (parts.store) this.#keeper = new Keeper(parts.store, JSON.stringify([parts.kind, hostFusesMultiplyAdd(), this.#addresses]));
      this.hotness = new Hotness({
        wordOf: (record) => block.words[code.hostOf(record) >>> 2] ?? 0,
        isCovered: (record) => this.#regions.isCovered(this.#index(record)),
        visit: (record) => {
          const index = this.#index(record);
          this.#seen(Math.floor(index / RECORDS_PER_PAGE));
          this.#planner.visit(index);
        },
        isHead: (record) => this.#regions.isHead(record),
        request: (heads, detour) =>
          this.#planner.request(heads.map((record) => this.#index(record)), detour === undefined ? undefined : this.#index(detour)),
        compile: () => this.#make(() => this.#planner.take()),
      });
    }
    parts.code.listener = {
      decoded: (slot, first, end) => {
        this.#seen(slot);
        if (mode === "force") this.#make(() => this.#planner.run(slot, first));
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
    const slow = interpreted + block.get(at.INTERPRETED_EARLIER) - this.#counted;
    profile?.compiled(done - slow);
    this.#counted = hotness?.executed({ done, more, since, interpreted, slow, record: block.get(at.IP) }) ?? 0;
    block.set(at.INTERPRETED, this.#counted);
    block.set(at.INTERPRETED_EARLIER, 0);
    const detour = this.#detours.take();
    if (detour) hotness?.traceDetour(detour.record, detour.isBailed);
    this.#merged.done += done;
    if (this.#merged.done >= this.tuning.mergeAfter && this.mode === "on") this.#merge();
  }

  /**
   * Makes one module of all regions that are bound, under the numbers that they have: side by side the host finds their code sooner. It
   * compiles all of them anew, so this pays in a run that has been long, and is likely to go on as long.
   */
  #merge(): void {
    const { stats, tuning, parts } = this, merged = this.#merged;
    if (stats.modules - merged.modules < tuning.mergeModules) return;
    const entries = [...this.#library.entries].filter(({ isBound }) => isBound);
    timed(parts.profile, "making modules", () => this.#instantiate(moduleOf(entries, parts.limits, this.#addresses)));
    stats.merges++;
    tuning.mergeAfter *= 2;
    Object.assign(merged, { done: 0, modules: stats.modules });
  }

  #make(plan: () => Plan[]): void {
    this.#compile(timed(this.parts.profile, "finding regions", plan));
  }

  /** Number of a record among all, its page's end not counted. */
  #index(record: number): number {
    const { code } = this.parts;
    const slot = code.slotOf(record);
    return slot * RECORDS_PER_PAGE + (record - code.addressOf(slot)) / RECORD_SIZE;
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
  #refuse(plan: Plan, number: number, error: Error): void {
    const { uncompiled, code } = this.parts;
    if (uncompiled === undefined) throw error;
    this.#free.push(number);
    this.#planner.giveUp(plan);
    this.stats.refused++;
    const { slot, head, wordAt } = plan;
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
    const slotOf = this.#planner.slotsAround(slot);
    for (const page of translation.pages) {
      if (slotOf(page) >= 0) continue;
      const missing = this.#pages.pageOf(slot) + page;
      return this.#library.wait(entry, missing, slot);
    }
    if (!isThere(translation, slotOf, code, block)) return;
    this.#regions.bind(entry, slot, slotOf);
    this.stats.bound++;
    this.#planner.found(translation, slot, slotOf);
  }

  /** Instructions of a page changed: regions made from them go. */
  #changed(slot: number, first: number, last: number): void {
    this.#planner.changed(slot, first, last);
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
