/** The instructions of a run in slices, so that tier 1 sees now and then where it is. */
import * as at from "../state.ts";
import type { Block } from "./block.ts";
import { Status } from "./layout.ts";
import type { Tier1 } from "./tier1/tier1.ts";

/** How a run is executed. */
export interface Slicing {
  /** Record of the first instruction. */
  readonly record: number;
  /** Most instructions. */
  readonly most: number;
  /** Tier 1 isn't told: there is one instruction, or somebody looks at each. */
  readonly isAlone: boolean;
  /** The interpreter, or what stands before it. Returns a `Status`. */
  run(): number;
  /** Between two slices there is nothing to look at. */
  isUndisturbed(): boolean;
}

/** BUDGET has what is left of a slice; this knows the rest of the run. */
export class Slices {
  /** Not in BUDGET: beyond the slice's end, or taken out of it since the run is to end. */
  held = 0;

  constructor(readonly block: Block, readonly tier1: Tier1 | undefined) {}

  /** A run of so many instructions begins. */
  begin(budget: number): void {
    this.held = 0;
    this.block.set(at.BUDGET, budget);
  }

  /** Instructions of the run that were not executed. */
  get left(): number {
    return this.held + Math.max(0, this.block.get(at.BUDGET) | 0);
  }

  /** The run ends after the present instruction. */
  cut(): void {
    this.held = this.left;
    this.block.set(at.BUDGET, 0);
  }

  /** Executes what BUDGET has, or less. Returns the last `Status`. */
  execute({ record, most, isAlone, run, isUndisturbed }: Slicing): number {
    const { block, held } = this;
    const tier1 = isAlone ? undefined : this.tier1;
    let left = block.get(at.BUDGET);
    let slice = isAlone ? 1 : tier1 ? tier1.slice(record, most) : most;
    this.held = held + left - slice;
    block.set(at.BUDGET, slice);
    let status = run();
    tier1?.executed(slice);
    while (tier1 && status === Status.budget && isUndisturbed()) {
      const done = slice - block.get(at.BUDGET);
      if (done >= most) break;
      most -= done;
      left -= done;
      slice = tier1.slice(block.get(at.IP), most);
      this.held = held + left - slice;
      block.set(at.BUDGET, slice);
      status = run();
      tier1.executed(slice);
    }
    this.held -= left - slice;
    block.set(at.BUDGET, block.get(at.BUDGET) + left - slice);
    return status;
  }
}
