/** What a debugger has a say in while vCPUs run. Virtual time and the order of turns don't change by it: a machine that was halted goes on as if it hadn't been. */
import type { Stopped } from "../arch/stops.ts";
import type { Vcpu } from "../machine/domain.ts";

/** Asked by the scheduler, where there is one. */
export interface RunControl {
  /** Nothing runs until this is false. */
  readonly isHalted: boolean;
  /** The vCPU that ran last, where that is known: in the middle of a turn its instruction is next. */
  readonly latest?: Vcpu;
  /** Most instructions of this vCPU before the next look. */
  most(vcpu: Vcpu): number;
  /** A vCPU has executed so many; a trapped one, which doesn't retire, counts as one. */
  ran(vcpu: Vcpu, instructions: number): void;
  /** It came to where somebody wants it to stop. */
  stopped(vcpu: Vcpu, why: Stopped): void;
}
