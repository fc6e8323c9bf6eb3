/** Which regions there should be, and what each is made of. */
import type { Block } from "../block.ts";
import type { CodeCache } from "../code_cache.ts";
import { RECORD_SIZE, RECORDS_PER_PAGE } from "../layout.ts";
import { discover } from "./discover.ts";
import type { PageMap } from "./pages.ts";
import type { Plan } from "./plan.ts";
import { RecordCounts } from "./record_counts.ts";
import type { Region, Regions } from "./regions.ts";
import { contains, numberOf, numbersOf, type SlotOf, type Translation } from "./translation.ts";

/** Most times that a region is made for the same head: code that keeps changing isn't worth it. */
const MAX_ATTEMPTS = 16;
/** Most times that it is made anew with more in it. */
const MAX_EXTENSIONS = 3;
/** Most regions that are made at once. */
const MAX_BATCH = 64;
/** Instructions of a region before it ends wherever another begins, and doesn't copy what that has. */
const LARGE = 60;
/** What one trace led to. Instructions by their numbers among all. */
interface Request {
  /** Where regions should begin. */
  readonly heads: readonly number[];
  /** Where one should begin that ends where another does. */
  readonly detour: number | undefined;
  /** Visited for the first time. */
  readonly fresh: readonly number[];
}

/** What it asks. */
export interface PlannerParts {
  readonly block: Block;
  readonly code: CodeCache;
  readonly pages: PageMap;
  readonly regions: Regions;
  /** Regions contain only what traces visited. */
  readonly isTraced: boolean;
  /** A region goes, since it will be made anew. */
  drop(region: Region): void;
}

/** Plans the regions of one physical CPU. */
export class Planner {
  /** For each record: whether a trace visited it. */
  readonly #visited = new RecordCounts();
  /** Visited for the first time since the last request. */
  #fresh: number[] = [];
  /** How often regions were made for a head. */
  readonly #attempts = new Map<number, number>();
  #waiting: Request[] = [];

  constructor(readonly parts: PlannerParts) {}

  /** A trace came to an instruction. */
  visit(index: number): void {
    if (this.#visited.get(index) > 0) return;
    this.#fresh.push(index);
    this.#visited.mark(index);
  }

  /** A trace has ended: where regions should begin now, and where one that ends where another begins. */
  request(heads: readonly number[], detour: number | undefined): void {
    this.#waiting.push({ heads, detour, fresh: this.#fresh });
    this.#fresh = [];
  }

  /** What was requested. */
  take(): Plan[] {
    const plans = new Map<number, Plan>();
    for (const request of this.#waiting) this.#answer(request, plans);
    this.#waiting = [];
    return [...plans.values()];
  }

  /** A region for each block that may begin in a run. */
  run(slot: number, first: number): Plan[] {
    const none = new Map<number, Plan>();
    const plan = this.#plan(slot, first, none);
    if (plan === undefined) return [];
    const others = [...plan.graph.blocks.keys()].filter((index) => index !== first && index >= 0 && index < RECORDS_PER_PAGE);
    return [plan, ...others.flatMap((index) => this.#plan(slot, index, none) ?? [])];
  }

  /** This one can't be made, now or later. */
  giveUp({ slot, head }: Plan): void {
    this.#attempts.set(slot * RECORDS_PER_PAGE + head, MAX_ATTEMPTS);
  }

  /** There is one from an earlier run: it has grown then, and what it leaves to begins regions. */
  found({ head, spans }: Translation, slot: number, slotOf: SlotOf): void {
    this.#attempts.set(slot * RECORDS_PER_PAGE + head, MAX_EXTENSIONS);
    for (const { first, count } of spans) {
      const from = numberOf(first, slotOf);
      for (let index = from; index < from + count; index++) this.#visited.mark(index);
    }
  }

  /** Instructions of a page changed. */
  changed(slot: number, first: number, last: number): void {
    this.#visited.clear(slot, first, last);
  }

  /** Slots of the pages around one. */
  slotsAround(slot: number): SlotOf {
    const { code, pages } = this.parts;
    return pages.around(slot, (found) => code.frameOf(found) >= 0 && code.isWhole(found));
  }

  #answer({ heads, detour, fresh }: Request, plans: Map<number, Plan>): void {
    const { code, regions, drop } = this.parts;
    const wanted = new Set<number>();
    // Regions that leave to what is known to be executed now are made anew, with it, while that isn't too often; then others begin there.
    // What a detour visits is rare for the regions around it: they don't grow by it.
    for (const index of detour === undefined ? fresh : []) {
      for (const region of regions.in(Math.floor(index / RECORDS_PER_PAGE))) {
        if (!region.exits.has(index)) continue;
        if ((this.#attempts.get(region.head) ?? 0) < MAX_EXTENSIONS) {
          drop(region);
          wanted.add(region.head);
        } else wanted.add(index);
      }
    }
    for (const index of heads) wanted.add(index);
    if (detour !== undefined) wanted.add(detour);
    // These end where others begin, and copy nothing of them.
    const rests = new Set(detour === undefined ? [] : [detour]);
    for (const index of wanted) {
      const slot = Math.floor(index / RECORDS_PER_PAGE);
      const attempts = this.#attempts.get(index) ?? 0;
      if (plans.size >= MAX_BATCH || plans.has(index) || code.frameOf(slot) < 0 || attempts >= MAX_ATTEMPTS) continue;
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
  }

  /** What a region that begins at an instruction of a page would be made of; `undefined`: there should be none. */
  #plan(slot: number, head: number, planned: ReadonlyMap<number, Plan>, copiesNothing = false): Plan | undefined {
    const { code, block, regions, isTraced } = this.parts;
    if (!regions.isFree(slot, head)) return undefined;
    const slotOf = this.slotsAround(slot);
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
      return !isTraced || this.#visited.get(number) > 0;
    };
    const own = slot * RECORDS_PER_PAGE + head;
    const isElsewhere = (index: number, size: number): boolean => {
      const other = numberOf(index, slotOf);
      if (!isTraced || other < 0 || other === own) return false;
      const plan = planned.get(other), region = regions.at(other);
      if (copiesNothing || size > LARGE) return plan !== undefined || region !== undefined;
      if (plan) return contains(plan.graph.blocks.values(), plan.slotOf, own);
      return region !== undefined && contains(region.entry.translation.spans, region.slotOf, own);
    };
    const graph = discover(head, { wordAt: (index) => isKnown(index) ? wordAt(index) : undefined, isElsewhere });
    return graph.instructions < 2 ? undefined : { slot, head, graph, slotOf, wordAt };
  }
}
