/** What came while a machine was halted in the middle of a turn, in its replay: it is given between the same two instructions. */
import type { VcpuState } from "../arch/cpu_engine.ts";
import type { Stop, Stopped } from "../arch/stops.ts";
import type { RunControl } from "../schedule/run_control.ts";
import type { HaltedPlace, Journal } from "../snapshot/journal.ts";
import type { Vcpu } from "./domain.ts";

/** What it works on. */
export interface ReplaySources {
  readonly journal: Journal;
  /** Retired by all vCPUs. */
  instructions(): number;
  setStops(stops: readonly { readonly stop: Stop; readonly vcpus?: readonly VcpuState[] }[]): void;
}

/** Never halts anything: a run only comes in parts. */
export class ReplayControl implements RunControl {
  readonly isHalted = false;
  #isStopSet = false;

  /** Made by a machine that replays such input. */
  constructor(readonly sources: ReplaySources) {}

  most(vcpu: Vcpu): number {
    const { journal, instructions } = this.sources;
    for (let next = journal.next?.at; next?.halted !== undefined; next = journal.next?.at) {
      const left = next.instructions - instructions();
      if (left > 0) return left;
      // Missed: who looks for it between two rounds says so.
      if (left < 0 || !isOf(vcpu, next.halted)) break;
      if (vcpu.state.pc !== BigInt(next.halted.pc)) {
        // An interrupt is to come first.
        this.#stopAt(BigInt(next.halted.pc), vcpu);
        return Infinity;
      }
      journal.deliverHalted();
    }
    if (this.#isStopSet) {
      this.#isStopSet = false;
      this.sources.setStops([]);
    }
    return Infinity;
  }

  ran(): void {}

  stopped(_vcpu: Vcpu, _why: Stopped): void {}

  #stopAt(address: bigint, { state }: Vcpu): void {
    this.#isStopSet = true;
    this.sources.setStops([{ stop: { on: "execute", space: "virtual", address, size: 4 }, vcpus: [state] }]);
  }
}

function isOf({ domain, index }: Vcpu, halted: HaltedPlace): boolean {
  return domain.name === halted.domain && index === halted.vcpu;
}
