/**
 * EL2's part of the generic timer: watches the timers of a domain's vCPUs and drives their outputs, exactly when their conditions
 * change, also while a vCPU doesn't run.
 *
 * The guest sets its timers without an exit to EL2; the registers are read back after each run in which somebody wrote one. A hostile
 * guest can arm its timers as often and as absurdly as it likes: there is one deadline for each, and a compare value that is never
 * reached arms none.
 */
import type { Clock, Timer, Vcpu } from "../../core/mod.ts";
import type { ArchitecturalTimer } from "../cpu_a64/contract.ts";
import { firstNsOf, nextChangeTicks, outputLevel, ticksAt, virtualCount } from "../cpu_a64/contract.ts";

/** CNTx_CTL.ENABLE, and IMASK clear. */
const ON = 1;
/** ENABLE and IMASK. */
const STORED = 3n;

/** State, plain data, indexed by vCPU × number of timers + timer. */
export interface TimerState {
  /** ENABLE and IMASK as they were last seen. */
  control: Uint8Array;
  /** Compare values as they were last seen. */
  compare: BigUint64Array;
  /** Levels of the outputs. */
  level: Uint8Array;
}

/** State for so many vCPUs with so many timers each. */
export function createState(vcpus: number, timers: number): TimerState {
  const length = vcpus * timers;
  return { control: new Uint8Array(length), compare: new BigUint64Array(length), level: new Uint8Array(length) };
}

/** Registers and deadline of one timer of one vCPU. */
interface Watched {
  readonly control: string;
  readonly compare: string;
  readonly offset: bigint;
  readonly deadline: Timer;
  readonly output: (level: boolean) => void;
}

/** What the timers are watched with. */
export interface TimersEnvironment {
  readonly state: TimerState;
  readonly vcpus: readonly Vcpu[];
  /** Which of the CPU's timers. */
  readonly timers: readonly ArchitecturalTimer[];
  /** Changes whenever a timer register may have changed; NaN: always. */
  writes(): number;
  readonly clock: Clock;
  readonly frequencyHz: number;
  /** CNTVOFF_EL2, in ticks. */
  readonly offset: bigint;
  /** Where a timer's output goes. */
  output(vcpu: number, timer: ArchitecturalTimer): (level: boolean) => void;
}

/** The timers of one domain. */
export class Timers {
  readonly #watched: readonly Watched[];
  readonly #perVcpu: number;
  /** `writes` at the last look at each vCPU; a copy, not state: -1 looks. */
  readonly #seen: number[];

  constructor(readonly environment: TimersEnvironment) {
    const { vcpus, timers, clock, offset } = environment;
    this.#perVcpu = timers.length;
    this.#seen = vcpus.map(() => -1);
    this.#watched = vcpus.flatMap(({ index }) =>
      timers.map((timer, n) => ({
        control: `${timer.prefix}_CTL_${timer.el}`,
        compare: `${timer.prefix}_CVAL_${timer.el}`,
        offset: timer.isOffset ? offset : 0n,
        deadline: clock.timer(`${timer.prefix} of vCPU ${index}`, () => this.#update(index * this.#perVcpu + n)),
        output: environment.output(index, timer),
      }))
    );
  }

  /** The registers may have changed: after a run, a trapped access, or a reset. Nothing to do when nobody wrote one. */
  look(v: number): void {
    const writes = this.environment.writes();
    if (this.#seen[v] === writes) return;
    this.#seen[v] = writes;
    const first = v * this.#perVcpu;
    for (let i = first; i < first + this.#perVcpu; i++) this.#look(i, v);
  }

  #look(i: number, v: number): void {
    const { state, vcpus } = this.environment;
    const { control: name, compare: compareName } = this.#watched[i];
    const registers = vcpus[v].state;
    const control = Number(registers.read(name) & STORED);
    if (control !== ON && state.control[i] !== ON) {
      state.control[i] = control;
      return;
    }
    const compare = registers.read(compareName);
    if (state.control[i] === control && state.compare[i] === compare) return;
    state.control[i] = control;
    state.compare[i] = compare;
    this.#update(i);
  }

  /** Sets the output, and waits for the moment when it changes by itself. */
  #update(i: number): void {
    const { state, clock, frequencyHz } = this.environment;
    const { offset, deadline, output } = this.#watched[i];
    const control = BigInt(state.control[i]);
    const compare = state.compare[i];
    const now = ticksAt(clock.nowNs, frequencyHz);
    const ticks = nextChangeTicks(control, compare, now, offset);
    const ns = ticks === undefined ? Infinity : firstNsOf(ticks, frequencyHz);
    if (ns === Infinity) deadline.disarm();
    else deadline.arm(ns);
    const level = outputLevel(control, compare, virtualCount(now, offset));
    if (state.level[i] === Number(level)) return;
    state.level[i] = Number(level);
    output(level);
  }
}
