/** The instructions of a run in slices, so that tier 1 sees now and then where it is. */
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
}

/** BUDGET has what is left of a slice; this knows the rest of the run. */
export class Slices {
  /** Not in BUDGET: beyond the slice's end, or taken out of it since the run is to end. */
  #held = 0;

  constructor(readonly parts: SliceParts) {}

  /** A run of so many instructions begins. */
  begin(budget: number): void {
    this.#held = 0;
    this.parts.block.set(at.BUDGET, budget);
  }

  /** Instructions of the run that were not executed. */
  get left(): number {
    return this.#held + Math.max(0, this.parts.block.get(at.BUDGET) | 0);
  }

  /** The run ends after the present instruction. */
  cut(): void {
    this.#held = this.left;
    this.parts.block.set(at.BUDGET, 0);
  }

  /** One instruction, by itself: tier 1 isn't told. Returns a `Status`. */
  step(): number {
    return this.#slice(1, undefined);
  }

  /** At most so many instructions, of which this record's is the first. Returns the last `Status`. */
  execute(record: number, most: number): number {
    const { block, tier1, isUndisturbed } = this.parts;
    for (;;) {
      const before = this.left;
      const status = this.#slice(tier1?.slice(record, most) ?? most, tier1);
      most -= before - this.left;
      if (status !== Status.budget || most <= 0 || !isUndisturbed()) return status;
      record = block.get(at.IP);
    }
  }

  /** BUDGET is so much, and afterwards what it would be without a slice. */
  #slice(slice: number, tier1: Tier1 | undefined): number {
    const { block, run } = this.parts;
    const beyond = block.get(at.BUDGET) - slice;
    this.#held += beyond;
    block.set(at.BUDGET, slice);
    const status = run();
    tier1?.executed(slice);
    this.#held -= beyond;
    block.set(at.BUDGET, block.get(at.BUDGET) + beyond);
    return status;
  }
}
