/**
 * Finds hot code at no cost to the interpreter: now and then a run ends early, and where it ended is a sample. Where
 * samples gather, some hundred instructions are taken one by one: what they visit may become part of regions, and
 * where branches, calls, returns and exceptions arrive, regions may begin. It goes by instruction counts alone, so that a
 * run repeats.
 */
import { RECORD_SIZE } from "../layout.ts";

/** Instructions of a trace. */
const TRACE = 256;
/** Records that share a counter of samples, as a power of two of bytes: 64 instructions. */
const GRANULE_BITS = 10;
/** Arrivals at a place before a region begins there. */
const ARRIVALS = 2;

/**
 * A sample in code that a region has counts when the interpreter executed one of so many instructions before it, as a power of two: it is ten
 * times as slow, or more.
 */
export const INTERPRETED_SHARE_BITS = 5;
/** It weighs so many times the interpreter's share, at most 1. */
const SHARE_WEIGHT = 4;

/** What is told of the code. Records are addresses. */
export interface HotnessListener {
  /** The instruction of a record. */
  wordOf(record: number): number;
  /** True when a region contains the record. */
  isCovered(record: number): boolean;
  /** The record was executed in a trace. */
  visit(record: number): void;
  /** A region begins there. */
  isHead(record: number): boolean;
  /** Regions should begin there; with `detour`, one that ends where another begins. */
  request(heads: readonly number[], detour?: number): void;
  /** It is time to make what was requested. */
  compile(): void;
}

/** What was executed between two looks. */
export interface Executed {
  /** Instructions. */
  readonly done: number;
  /** What regions took beyond the slice, a sample at the end of each period, none of which counts. Some of the last may be left over. */
  readonly more: number;
  /** Instructions of the interpreter since a region was left last, and since the last sample. */
  readonly since: number;
  readonly interpreted: number;
  /** All of the interpreter. */
  readonly slow: number;
  /** The next. */
  readonly record: number;
}

interface Granule {
  samples: number;
  threshold: number;
  /** Which sample was its latest. */
  latest: number;
}

/** Samples and traces of one physical CPU. */
export class Hotness {
  readonly stats = { samples: 0, covered: 0, traces: 0, detours: 0 };
  readonly #granules = new Map<number, Granule>();
  readonly #arrivals = new Map<number, number>();
  readonly #ready = new Set<number>();
  /** Numbers to try others of. */
  readonly tuning = {
    /** Instructions between two samples. */
    period: 20_000,
    /** Samples in a granule before its first trace; twice as many before each further one. */
    firstThreshold: 8,
    /**
     * Samples, of all, after which one counts half: code that is executed often, but a little of very much, isn't worth its room in the
     * host's caches.
     */
    halfLife: 1000,
    /** A sample in code of no region counts after so many instructions in the interpreter: near the end of a budget regions leave. */
    leastInterpreted: 32,
    /** The least share of the interpreter with which a sample in code that a region has counts. Where regions take more by themselves it is this. */
    interpretedShare: 2 ** -INTERPRETED_SHARE_BITS,
    /**
     * What is requested waits until the interpreter has executed so many instructions since: what is made at once is one module. Each has
     * its own pages of the host's code, and its own copies of what regions call, and the host's caches have to hold them all.
     */
    patience: 500_000,
    /** At first nothing waits; each time adds so much, up to that. */
    patienceOfOne: 50_000,
  };
  /** Instructions of the interpreter since the first of what was requested; -1: nothing is. */
  #waited = -1;
  #patience = 0;
  #due = 0;
  /** A detour is traced: where a region may begin, known when the first instruction is one that regions leave to the interpreter. */
  #detour: { head: number | undefined } | undefined;
  /** Since a region was left. */
  #since = 0;
  #tracing = 0;
  #last = 0;

  constructor(readonly listener: HotnessListener) {}

  /** How many of the `left` instructions to execute before the next look, of which this record's is the first. */
  slice(record: number, left: number): number {
    if (this.#detour && this.#endsDetour(this.#detour, record)) this.#finish();
    this.#due ||= this.tuning.period;
    if (this.#tracing === 0) return Math.min(left, this.#due);
    this.#visit(record);
    if (--this.#tracing === 0) this.#finish();
    return 1;
  }

  /** Regions leave at this record, and the interpreter executes much of what follows: it is traced, up to the next region. */
  traceDetour(record: number, isBailed: boolean): void {
    if (this.#tracing > 0) return;
    this.stats.detours++;
    this.#tracing = TRACE;
    this.#last = 0;
    this.#detour = { head: isBailed ? undefined : record };
  }

  /** Returns how many instructions of the interpreter the next sample counts already. */
  executed({ done, more, since, interpreted, slow, record }: Executed): number {
    if (this.#waited >= 0) this.#wait(slow);
    if (this.#tracing > 0) return 0;
    this.#since = since === done ? this.#since + since : since;
    this.#due -= done;
    if (more > 0) {
      const samples = Math.ceil(more / this.tuning.period);
      this.stats.samples += samples;
      this.stats.covered += samples;
      this.#due += samples * this.tuning.period;
    }
    if (this.#due > 0) return interpreted;
    this.#sample(record, interpreted / (this.tuning.period - this.#due));
    this.#due = this.tuning.period;
    return 0;
  }

  /** Instructions between two samples that regions may take by themselves; 0: none. */
  get period(): number {
    return this.#tracing > 0 ? 0 : this.tuning.period;
  }

  /** @param share of the interpreter in what was executed since the last sample */
  #sample(record: number, share: number): void {
    this.stats.samples++;
    const isNew = this.#since >= this.tuning.leastInterpreted && !this.listener.isCovered(record);
    if (!isNew && share < this.tuning.interpretedShare) {
      this.stats.covered++;
      return;
    }
    const key = record >>> GRANULE_BITS;
    let granule = this.#granules.get(key);
    if (granule === undefined) {
      this.#granules.set(key, granule = { samples: 0, threshold: this.tuning.firstThreshold, latest: this.stats.samples });
    }
    granule.samples *= 2 ** ((granule.latest - this.stats.samples) / this.tuning.halfLife);
    granule.latest = this.stats.samples;
    granule.samples += isNew ? 1 : Math.min(1, share * SHARE_WEIGHT);
    if (granule.samples < granule.threshold) return;
    granule.samples = 0;
    granule.threshold *= 2;
    this.stats.traces++;
    this.#tracing = TRACE;
    this.#last = 0;
  }

  /** What comes after its first record may be where a region begins. */
  #endsDetour(detour: { head: number | undefined }, record: number): boolean {
    if (this.#last === 0) return false;
    detour.head ??= record;
    return this.listener.isHead(record);
  }

  #visit(record: number): void {
    const { listener } = this;
    listener.visit(record);
    if (this.#last !== 0 && this.#isArrival(this.#last, record)) {
      const count = (this.#arrivals.get(record) ?? 0) + 1;
      this.#arrivals.set(record, count);
      if (count >= ARRIVALS) this.#ready.add(record);
    }
    this.#last = record;
  }

  /** Backward branches, branches by register, calls; exceptions and their returns; what follows an instruction that regions leave to the interpreter. */
  #isArrival(from: number, to: number): boolean {
    const word = this.listener.wordOf(from);
    // System instructions but hints and barriers: MSR, MRS, SYS.
    if (to === from + RECORD_SIZE) return (word & 0xffc0_0000) >>> 0 === 0xd500_0000 && (word & 0xffff_e000) >>> 0 !== 0xd503_2000;
    const isPlain = (word & 0x7c00_0000) === 0x1400_0000 && word >>> 31 === 0 || (word & 0xff00_0010) >>> 0 === 0x5400_0000 ||
      (word & 0x7c00_0000) === 0x3400_0000;
    return to <= from || !isPlain;
  }

  #finish(): void {
    const heads = [...this.#ready];
    const detour = this.#detour;
    this.#ready.clear();
    this.#tracing = 0;
    this.#detour = undefined;
    this.listener.request(heads, detour?.head);
    this.#waited = Math.max(this.#waited, 0);
  }

  #wait(slow: number): void {
    const { patience, patienceOfOne } = this.tuning;
    this.#waited += slow;
    if (this.#waited < this.#patience) return;
    this.#waited = -1;
    this.#patience = Math.min(this.#patience + patienceOfOne, patience);
    this.listener.compile();
  }
}
