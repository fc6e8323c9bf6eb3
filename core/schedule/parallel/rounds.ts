/**
 * Rounds in which physical CPUs run at the same time, each in a thread of its own, while everything that the hypervisor does stays on this one.
 *
 * Virtual time is that of the CPU that is farthest. The others aren't waited for: a CPU whose thread gets less of the host does less in the
 * same virtual time, as on a hypervisor whose host is busy. So a run doesn't repeat exactly, and a slice ends near its instruction, not at it.
 */
import type { Exit } from "../../arch/cpu_engine.ts";
import type { ParallelCpus, Returned } from "../../arch/parallel_cpus.ts";
import type { Next } from "../../machine/dispatch.ts";
import type { GuestVcpu } from "../../machine/guest_vcpu.ts";
import { enterGuest, leaveGuest } from "../run_hooks.ts";
import { MOST_TRAPS, type Pcpu, type SchedulerEnvironment } from "../scheduling.ts";
import { rate } from "../virtual_clock.ts";

/** Most instructions of a round: a policy is asked again when it is over, if not before. */
const QUANTUM = 2_000_000;
/** What a CPU that waits for an event lets pass, in instructions, when nobody else wants it. */
const PAUSE = 20_000;
/** Runs in a row that may come back without an instruction and without an exit: then the engine is stuck. */
const STUCK_RUNS = 100_000;

/** What the scheduler lends. */
export interface RoundParts {
  readonly environment: SchedulerEnvironment;
  readonly cpus: ParallelCpus;
  readonly pcpus: readonly Pcpu[];
  /** Grows when somebody woke, came or went. */
  wakes(): number;
  /** True when somebody could run and has no CPU. */
  isAnyoneWaiting(): boolean;
  /** Fires what is due, and wakes who was kicked and has an interrupt pending. */
  settle(): void;
  /** Decides for each physical CPU that needs it. Returns those that have work. */
  assign(): readonly Pcpu[];
  decide(pcpu: Pcpu): void;
  release(pcpu: Pcpu): void;
  /** Tells the policy what the vCPU used. */
  tell(pcpu: Pcpu, vcpu: GuestVcpu): void;
  yielded(vcpu: GuestVcpu): void;
  handle(vcpu: GuestVcpu, exit: Exit): Next;
  crash(vcpu: GuestVcpu, what: string): void;
  /** So many instructions more. */
  retired(count: number): void;
}

/** A physical CPU in a round. */
interface Lane {
  readonly pcpu: Pcpu;
  /** Instructions since the round began. */
  position: number;
  /** Whom its thread runs. */
  running: GuestVcpu | undefined;
  /** Its vCPU left it: the policy is to be asked. */
  isFree: boolean;
  stuck: number;
}

/** Runs rounds. */
export class ParallelRounds {
  readonly #lanes: readonly Lane[];
  /** Exits of vCPUs that were held when they came back. */
  readonly #left = new Map<GuestVcpu, Exit>();
  #length = 0;
  #traps = 0;
  #isOver = false;
  #wakes = 0;

  constructor(readonly parts: RoundParts) {
    this.#lanes = parts.pcpus.map((pcpu) => ({ pcpu, position: 0, running: undefined, isFree: false, stuck: 0 }));
  }

  /** One round. `idle`: no vCPU can run now. */
  round(endNs: number): "ran" | "idle" {
    const { parts } = this;
    const { clock, nsPerInstruction } = parts.environment;
    parts.settle();
    if (parts.assign().length === 0) return "idle";
    const untilNs = Math.min(endNs, ...parts.pcpus.map(({ sliceEndNs }) => sliceEndNs));
    const pace = rate(nsPerInstruction, 1);
    this.#length = Math.min(QUANTUM, Math.max(1, Math.ceil((untilNs - clock.exactNs) / nsPerInstruction)));
    this.#isOver = false;
    this.#traps = 0;
    this.#wakes = parts.wakes();
    for (const lane of this.#lanes) Object.assign(lane, { position: 0, isFree: false, stuck: 0 });
    parts.cpus.beginRound({ startNs: clock.exactNs, nsPerInstruction, limit: this.#length });
    clock.beginRun(pace, this.#length, () => this.#position);
    try {
      this.#run();
    } finally {
      clock.endRun(this.#position);
    }
    for (const { pcpu } of this.#lanes) if (pcpu.vcpu) parts.tell(pcpu, pcpu.vcpu);
    parts.settle();
    return "ran";
  }

  /** An interrupt may be pending for it. */
  kicked(vcpu: GuestVcpu): void {
    const lane = this.#laneOf(vcpu);
    if (lane) this.parts.cpus.kick(lane.pcpu.index);
  }

  /** It must not go on: when this returns, it doesn't run. */
  slept(vcpu: GuestVcpu): void {
    const lane = this.#laneOf(vcpu);
    if (lane) this.parts.cpus.recall(lane.pcpu.index);
    if (vcpu.power === "off") this.#left.delete(vcpu);
  }

  #laneOf(vcpu: GuestVcpu): Lane | undefined {
    return this.#lanes.find(({ running }) => running === vcpu);
  }

  get #position(): number {
    let most = this.parts.cpus.position;
    for (const { position } of this.#lanes) most = Math.max(most, position);
    return most;
  }

  #run(): void {
    const { cpus } = this.parts;
    for (;;) {
      this.#aim();
      for (const lane of this.#lanes) if (lane.running === undefined) this.#go(lane);
      this.#makeRoom();
      if (this.#isOver) { for (const { running, pcpu } of this.#lanes) if (running) cpus.kick(pcpu.index); }
      if (this.#lanes.every(({ running }) => running === undefined)) {
        // What happened just now may have woken somebody.
        if (!this.#settle()) return;
        continue;
      }
      const returned = cpus.wait();
      if (returned) this.#came(returned);
      this.#settle();
    }
  }

  /** CPUs come back at the next event. */
  #aim(): void {
    const { clock, nsPerInstruction } = this.parts.environment;
    const event = clock.events.next;
    this.parts.cpus.limit = event === undefined ? this.#length : clock.instructionsUntil(event.ns, rate(nsPerInstruction, 1), this.#length);
  }

  /** Somebody woke and no CPU is free: the policy may want to give it another's. */
  #makeRoom(): void {
    const { parts } = this;
    if (parts.wakes() === this.#wakes) return;
    this.#wakes = parts.wakes();
    if (parts.isAnyoneWaiting()) this.#isOver = true;
  }

  /** True when something happened. */
  #settle(): boolean {
    const { parts } = this;
    const before = parts.wakes();
    const { clock } = parts.environment;
    const due = clock.events.next !== undefined && clock.events.next.ns <= clock.nowNs;
    parts.settle();
    return due || parts.wakes() !== before;
  }

  /** Gives an idle thread something to do. */
  #go(lane: Lane): void {
    const { parts } = this;
    const { pcpu } = lane;
    for (;;) {
      if (lane.position >= this.#length) this.#isOver = true;
      if (this.#isOver || parts.cpus.isBusy(pcpu.index)) return;
      const { vcpu } = pcpu;
      if (vcpu === undefined) {
        if (!lane.isFree && pcpu.wakes === parts.wakes()) return;
        lane.isFree = false;
        parts.decide(pcpu);
        if (pcpu.vcpu === undefined) return;
        lane.position = Math.max(lane.position, parts.cpus.position);
        continue;
      }
      const left = this.#left.get(vcpu);
      if (vcpu.power !== "runnable") {
        this.#free(lane);
      } else if (vcpu.hasAnswer) {
        // The exit that was left has used its time already.
        this.#after(lane, vcpu, parts.environment.dispatch(vcpu));
      } else if (left) {
        this.#left.delete(vcpu);
        this.#after(lane, vcpu, parts.handle(vcpu, left));
      } else if (lane.position >= parts.cpus.limit) {
        return;
      } else {
        enterGuest(parts.environment, vcpu);
        if (vcpu.power !== "runnable" || pcpu.vcpu !== vcpu) continue;
        lane.running = vcpu;
        return parts.cpus.start(pcpu.index, vcpu.state, lane.position);
      }
    }
  }

  #came({ cpu, exit, retired }: Returned): void {
    const { parts } = this;
    const lane = this.#lanes[cpu];
    const { pcpu } = lane;
    const vcpu = lane.running!;
    lane.running = undefined;
    // A trapped instruction doesn't retire, but takes its time: so a guest that only traps gets on as well.
    const trapped = exit.kind === "exception" || (exit.kind === "wait" && retired === 0) ? 1 : 0;
    lane.position += retired + trapped;
    this.#traps += trapped;
    if (this.#traps >= MOST_TRAPS) this.#isOver = true;
    parts.retired(retired);
    if (pcpu.vcpu !== vcpu) return;
    pcpu.used += retired + trapped;
    leaveGuest(parts.environment, vcpu);
    if (retired + trapped > 0) lane.stuck = 0;
    else if (++lane.stuck > STUCK_RUNS) parts.crash(vcpu, "the CPU engine retires no instruction and reports no exit");
    if (vcpu.power === "runnable") this.#after(lane, vcpu, parts.handle(vcpu, exit), retired < PAUSE);
    else if (vcpu.power === "blocked" && exit.kind !== "budget") this.#left.set(vcpu, exit);
  }

  /** @param isWaiting it did nothing but wait */
  #after(lane: Lane, vcpu: GuestVcpu, next: Next, isWaiting = false): void {
    const { parts } = this;
    if (lane.pcpu.vcpu !== vcpu) return;
    if (vcpu.power !== "runnable") {
      this.#free(lane);
    } else if (next === "wait") {
      this.#free(lane);
      vcpu.block();
      parts.settle();
    } else if (next === "yield") {
      this.#free(lane);
      parts.yielded(vcpu);
      parts.decide(lane.pcpu);
      lane.isFree = false;
      // Nobody else wants the CPU: time passes, as it would on hardware.
      if (isWaiting && lane.pcpu.vcpu === vcpu) {
        const pause = Math.max(0, Math.min(PAUSE, parts.cpus.limit - lane.position));
        lane.position += pause;
        lane.pcpu.used += pause;
      }
    }
  }

  #free(lane: Lane): void {
    this.parts.release(lane.pcpu);
    lane.isFree = true;
  }
}
