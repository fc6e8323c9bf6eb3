/** What a CPU's thread does all day: it waits for a vCPU, runs it, and tells how the run ended. */
import type { Exit } from "../../../../core/mod.ts";
import type { Cpu } from "../cpu.ts";
import { type Control, exitKinds, Own, State } from "./control.ts";
import type { SharedNeighbours } from "./shared_neighbours.ts";

/** Looks at the state before it sleeps: the next run often comes soon. */
const SPINS = 200;
const NAP_MS = 1000;
/** WFE in a run that don't wait: some 30 us of the host's time, which is what it would take to come back and to run again. */
const PATIENCE = 200;

/** One CPU's. */
export class Server {
  #cpu!: Cpu;

  constructor(readonly control: Control, readonly index: number, readonly neighbours: SharedNeighbours) {}

  /** Until it is told to quit. */
  serve(cpu: Cpu): void {
    this.#cpu = cpu;
    const { control, index } = this;
    for (;;) {
      const state = control.get(index, Own.STATE);
      if (state === State.quit) return;
      if (state !== State.run) {
        this.#wait(state);
        continue;
      }
      this.entered();
      this.#run();
      this.left();
      // Not over a request to quit.
      Atomics.compareExchange(control.words, control.own(index, Own.STATE), State.run, State.done);
      control.ring();
    }
  }

  #wait(state: number): void {
    const { control, index } = this;
    for (let spin = 0; spin < SPINS; spin++) if (control.get(index, Own.STATE) !== state) return;
    Atomics.wait(control.words, control.own(index, Own.STATE), state, NAP_MS);
  }

  /** Guest code executes from here on. */
  entered(): void {
    this.control.set(this.index, Own.IN_GUEST, 1);
    this.neighbours.catchUp();
  }

  /** It executes no longer. */
  left(): void {
    this.control.set(this.index, Own.IN_GUEST, 0);
    // Whoever waits for this sleeps on the other word.
    Atomics.notify(this.control.words, this.control.own(this.index, Own.SEEN));
  }

  /** Virtual time at the present instruction. */
  nowNs(): number {
    this.control.set(this.index, Own.POSITION, this.neighbours.started + this.#cpu.retiredNow());
    return this.control.nowNs;
  }

  #run(): void {
    const { control, index, neighbours } = this;
    const cpu = this.#cpu;
    const started = neighbours.started = control.get(index, Own.POSITION);
    neighbours.patience = PATIENCE;
    const writes = cpu.counter.writes;
    try {
      cpu.occupancy.adopt(control.get(index, Own.VCPU), control.floats[control.own(index, Own.BEFORE) / 2]);
      cpu.exceptions.loop.load(control.loop(index));
      const budget = Math.max(1, control.limit - started);
      this.#tell(cpu.run({ budget, startNs: 0, nsPerInstruction: 0 }));
    } catch (error) {
      control.setText(index, error instanceof Error ? error.stack ?? error.message : String(error));
      control.set(index, Own.EXIT, exitKinds.indexOf("failed"));
    }
    control.setLoop(index, cpu.exceptions.loop.save());
    control.set(index, Own.RETIRED, cpu.lastRetired);
    control.set(index, Own.POSITION, started + cpu.lastRetired);
    control.set(index, Own.TIMER_WRITES, cpu.counter.writes - writes);
  }

  #tell(exit: Exit): void {
    const { control, index } = this;
    const kind = exit.kind === "wait" ? exit.instruction : exit.kind === "breakpoint" ? "budget" : exit.kind;
    if (exit.kind === "fault-loop") {
      control.setText(index, exit.detail);
      control.longs[control.own(index, Own.ADDRESS) / 2] = exit.origin?.pc ?? 0n;
      control.longs[control.own(index, Own.VALUE) / 2] = exit.origin?.esr ?? 0n;
    }
    control.set(index, Own.EXIT, exitKinds.indexOf(kind));
  }
}
