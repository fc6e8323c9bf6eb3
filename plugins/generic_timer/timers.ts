/**
 * EL2's part of the generic timer: watches the EL1 timers of a domain's vCPUs and drives their interrupts, exactly when their
 * conditions become true, also while a vCPU doesn't run.
 *
 * The guest sets its timers without an exit to EL2; the registers are read back after each run. A hostile guest can arm its timers as
 * often and as absurdly as it likes: there is one deadline for each timer, and a compare value that is never reached arms none.
 */
import type { Clock, InterruptLine, Timer, Vcpu } from "../../core/mod.ts";
import { firstNsOf, nextDeadlineTicks, outputLevel, ticksAt, virtualCount } from "../cpu_a64/contract.ts";

/** Timers of a vCPU that EL2 watches. */
export const TIMERS = [
  { name: "virtual", control: "CNTV_CTL_EL0", compare: "CNTV_CVAL_EL0", intid: 27 },
  { name: "physical", control: "CNTP_CTL_EL0", compare: "CNTP_CVAL_EL0", intid: 30 },
] as const;

/** CNTx_CTL.ENABLE, and IMASK clear. */
const ON = 1;

/** State, plain data, indexed by 2 × vCPU + timer. */
export interface TimerState {
  /** ENABLE and IMASK as they were last seen. */
  control: Uint8Array;
  /** Compare values as they were last seen. */
  compare: BigUint64Array;
}

/** State for so many vCPUs. */
export function createState(vcpus: number): TimerState {
  return { control: new Uint8Array(2 * vcpus), compare: new BigUint64Array(2 * vcpus) };
}

/** What drives one timer's interrupt. */
interface Output {
  readonly line: InterruptLine;
  readonly deadline: Timer;
}

/** The timers of one domain. */
export class Timers {
  readonly #outputs: readonly Output[];

  /** `offset`: CNTVOFF_EL2, in ticks. */
  constructor(
    private readonly state: TimerState,
    private readonly vcpus: readonly Vcpu[],
    private readonly clock: Clock,
    private readonly frequencyHz: number,
    private readonly offset: bigint,
    line: (vcpu: number, intid: number) => InterruptLine,
  ) {
    this.#outputs = vcpus.flatMap(({ index }) =>
      TIMERS.map(({ name, intid }, timer) => ({
        line: line(index, intid),
        deadline: clock.timer(`${name} timer of vCPU ${index}`, () => this.#update(index, timer)),
      }))
    );
  }

  /** The registers may have changed: after a run, a trapped access, or a reset. Nothing to do when they didn't. */
  look(v: number): void {
    this.#look(v, 0);
    this.#look(v, 1);
  }

  #look(v: number, timer: number): void {
    const { state } = this;
    const i = 2 * v + timer;
    const cpu = this.vcpus[v].state;
    const control = Number(cpu.read(TIMERS[timer].control) & 3n);
    if (control !== ON && state.control[i] !== ON) {
      state.control[i] = control;
      return;
    }
    const compare = cpu.read(TIMERS[timer].compare);
    if (state.control[i] === control && state.compare[i] === compare) return;
    state.control[i] = control;
    state.compare[i] = compare;
    this.#update(v, timer);
  }

  /** Sets the line, and waits for the moment when it rises by itself. */
  #update(v: number, timer: number): void {
    const i = 2 * v + timer;
    const { line, deadline } = this.#outputs[i];
    const control = BigInt(this.state.control[i]);
    const compare = this.state.compare[i];
    const offset = timer === 0 ? this.offset : 0n;
    const now = ticksAt(this.clock.nowNs, this.frequencyHz);
    const ticks = nextDeadlineTicks(control, compare, now, offset);
    const ns = ticks === undefined ? Infinity : firstNsOf(ticks, this.frequencyHz);
    if (ns === Infinity) deadline.disarm();
    else deadline.arm(ns);
    line.set(outputLevel(control, compare, virtualCount(now, offset)));
  }
}
