/** The instructions of a run in slices, so that tier 1 sees now and then where it is. */
import type { RunWindow } from "../../../core/mod.ts";
import * as at from "../state.ts";
import type { Block } from "./block.ts";
import { Status } from "./layout.ts";
import type { Tier1 } from "./tier1/tier1.ts";

/** What a run consists of. */
export interface SliceParts {
  readonly block: Block;
  readonly tier1: Tier1 | undefined;
  /** The interpreter. Returns a `Status`. */
  run(): number;
  /** Between two slices there is nothing to look at. */
  isUndisturbed(): boolean;
  /** The run is to end. */
  end(): void;
}

/** Largest {@linkcode at.TIME_STEP}. */
const MAX_STEP = 0x7fff_ffff;

/** Operations of arithmetic in software that take as long as a slow instruction. */
const OPERATIONS = 10;
/** Most of them in an instruction: a vector has eight halfs. */
const MOST_AT_ONCE = 8;
/**
 * Most of them in a run that may have so many slow instructions only. It ends where its vCPU has executed a multiple of `GRID` instructions:
 * compiled code can't end in its middle, and each tier is to end at the same instruction.
 */
const MOST_OPERATIONS = 200_000;
const GRID = 8192;
/** Most instructions of a slice of such a run. */
const LONGEST = 20_000;
/** After so many operations, to which a slice can't add too many, slices end on the grid. */
const CAREFUL = MOST_OPERATIONS - MOST_AT_ONCE * (LONGEST + 1);

/** BUDGET has what is left of a slice, BEYOND what compiled code may take from in the same run; this knows the rest, and GIVEN all but that. */
export class Slices {
  #budgetOfRun = 0;
  #mostSlow = Infinity;
  /** Slow instructions of the run. */
  #slow = 0;
  /** Operations of arithmetic in software in the run. */
  operations = 0;
  /** What the vCPU had executed when the run began. */
  #before = 0;

  constructor(readonly parts: SliceParts) {}

  /** A run of a vCPU begins that has `executed` so many instructions. */
  begin({ budget, exact, mostSlow = Infinity }: Pick<RunWindow, "budget" | "exact" | "mostSlow">, executed: number): void {
    const { block } = this.parts;
    this.#mostSlow = mostSlow;
    this.#slow = this.operations = 0;
    this.#before = executed;
    this.#budgetOfRun = budget;
    block.set(at.BUDGET, budget);
    block.set(at.BEYOND, 0);
    this.#held = 0;
    block.set(at.TIME_STEP, exact && exact.partsPerInstruction <= MAX_STEP ? exact.partsPerInstruction : 0);
    if (!exact) return;
    block.setPair(at.TIME_NS, exact.ns, Math.floor(exact.ns / 2 ** 32));
    block.set(at.TIME_PARTS, exact.parts);
  }

  /** Not in BUDGET: nobody's in the present slice, or taken out of it since the run is to end. */
  get #held(): number {
    return this.#budgetOfRun - this.parts.block.get(at.GIVEN);
  }

  set #held(value: number) {
    this.parts.block.set(at.GIVEN, this.#budgetOfRun - value);
  }

  /** Instructions of the run that were not executed. */
  get left(): number {
    return this.#held + this.parts.block.get(at.BEYOND) + this.#budget;
  }

  /** Where the vCPU is on the grid. */
  get #place(): number {
    return (this.#before + this.#budgetOfRun - this.left) % GRID;
  }

  /** What the slice has of them. */
  get #budget(): number {
    return Math.max(0, this.parts.block.get(at.BUDGET) | 0);
  }

  /** Slow instructions of the run, and operations that take as long. */
  get slow(): number {
    return this.#slow + Math.floor(this.operations / OPERATIONS);
  }

  /** An instruction takes long. */
  tookLong(): void {
    if (++this.#slow >= this.#mostSlow) this.parts.end();
  }

  /** An operation in software. Compiled code may take nothing beyond its slice by itself, where there might be too many. */
  computed(): void {
    if (++this.operations >= CAREFUL) this.parts.block.set(at.PERIOD, 0);
  }

  /** The run ends after the present instruction. */
  cut(): void {
    const { block } = this.parts;
    this.#held += this.#budget;
    block.set(at.BUDGET, 0);
    block.set(at.PERIOD, 0);
  }

  /** One instruction, by itself: tier 1 isn't told. Returns a `Status`. */
  step(): number {
    return this.#slice(1, 1, undefined);
  }

  /** At most so many instructions, of which this record's is the first. Returns the last `Status`. */
  execute(record: number, most: number): number {
    const { block, tier1, isUndisturbed, end } = this.parts;
    const isLimited = this.#mostSlow !== Infinity;
    for (let goesOn = isUndisturbed();; goesOn = true) {
      const before = this.left;
      const wanted = isLimited && this.operations >= CAREFUL ? Math.min(most, GRID - this.#place) : most;
      const longest = isLimited ? Math.min(wanted, LONGEST) : wanted;
      const status = this.#slice(tier1?.slice(record, longest, goesOn) ?? longest, wanted, tier1);
      most -= before - this.left;
      if (isLimited && this.operations >= MOST_OPERATIONS && this.#place === 0) end();
      if (status !== Status.budget || most <= 0 || !isUndisturbed()) return status;
      record = block.get(at.IP);
    }
  }

  /** BUDGET is so much, BEYOND what is missing to `most`, and afterwards BUDGET what it would be without a slice. */
  #slice(slice: number, most: number, tier1: Tier1 | undefined): number {
    const { block, run } = this.parts;
    const beyond = most - slice, held = block.get(at.BUDGET) - most;
    this.#held += held;
    block.set(at.BUDGET, slice);
    block.set(at.BEYOND, beyond);
    const status = run();
    const left = block.get(at.BEYOND);
    tier1?.executed(slice, beyond - left);
    this.#held -= held;
    block.set(at.BUDGET, block.get(at.BUDGET) + left + held);
    block.set(at.BEYOND, 0);
    return status;
  }
}
