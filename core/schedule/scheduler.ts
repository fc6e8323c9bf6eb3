/**
 * The scheduler: physical CPUs take turns on one host thread.
 *
 * A round gives each physical CPU that has work one turn of at most {@linkcode quantumOf} instructions. During a turn virtual
 * time moves at the rate of one CPU divided by the number of CPUs in the round: so N busy CPUs do N times
 * the work in the same virtual time, and no vCPU ever reads a time below what another has read.
 */
import type { Exit, FaultOrigin } from "../arch/cpu_engine.ts";
import type { Vcpu } from "../machine/domain.ts";
import type { Next } from "../machine/dispatch.ts";
import type { GuestVcpu, VcpuListener } from "../machine/guest_vcpu.ts";
import type { ParallelCpus } from "../arch/parallel_cpus.ts";
import { ParallelRounds } from "./parallel/rounds.ts";
import { enterGuest, leaveGuest } from "./run_hooks.ts";
import type { RunControl } from "./run_control.ts";
import {
  type Alone,
  aloneFor,
  type Pcpu,
  quantumOf,
  type SchedulerEnvironment,
  type SchedulerParts,
  type Scheduling,
} from "./scheduling.ts";
import { settle } from "./settle.ts";
import { rate, rateNs } from "./virtual_clock.ts";
import type { Rate } from "./virtual_clock.ts";

export type { RunHookLists, SchedulerEnvironment, Scheduling } from "./scheduling.ts";

/** Runs in a row that may come back without an instruction and without an exit: then the engine is stuck. */
const STUCK_RUNS = 1000;

/** Runs vCPUs. */
export class Scheduler implements VcpuListener, Scheduling {
  /** Instructions retired by all vCPUs. */
  instructions = 0;
  /** A debugger's. */
  control: RunControl | undefined;
  /** The round under way, when a debugger has halted it. */
  #round: Generator<void, "ran" | "idle"> | undefined;
  readonly #pcpus: Pcpu[];
  readonly #vcpus = new Set<GuestVcpu>();
  readonly #kicked = new Set<GuestVcpu>();
  #running: GuestVcpu | undefined;
  /** Rises when somebody woke, came or went: then every physical CPU asks its policy again. */
  #wakes = 0;
  /** Somebody lost its CPU and could run: it may be wanted on a CPU that was asked before, or idles. */
  #left = false;
  readonly #retiredNow = () => this.environment.engine.retiredNow ?? 0;

  /** Where the engine's CPUs run at the same time. */
  readonly #parallel: ParallelRounds | undefined;

  constructor(readonly environment: SchedulerEnvironment) {
    const blank = { vcpu: undefined, sliceEndNs: 0, wakes: -1, used: 0 };
    this.#pcpus = Array.from({ length: environment.pcpus }, (_, index) => ({ index, ...blank }));
    if (environment.engine.parallel) this.#parallel = this.#rounds(environment.engine.parallel);
  }

  #rounds(cpus: ParallelCpus): ParallelRounds {
    return new ParallelRounds({
      environment: this.environment,
      cpus,
      pcpus: this.#pcpus,
      wakes: () => this.#wakes,
      isAnyoneWaiting: () => [...this.#vcpus].some(({ schedulable }) => schedulable.runnable),
      settle: () => this.#settle(),
      assign: () => this.#assign(),
      decide: (pcpu) => this.#decide(pcpu),
      release: (pcpu) => this.#release(pcpu),
      tell: (pcpu, vcpu) => this.#tell(pcpu, vcpu),
      yielded: (vcpu) => this.#yielded(vcpu),
      handle: (vcpu, exit) => this.#handle(vcpu, exit),
      crash: (vcpu, what) => void this.#crash(vcpu, what),
      retired: (count) => void (this.instructions += count),
    });
  }

  #yielded(vcpu: GuestVcpu): void {
    this.environment.pools.of(vcpu).yield(vcpu);
    this.#left = true;
  }

  /** What a snapshot is of, and sets. @internal */
  parts(wakes: number = this.#wakes, left: boolean = this.#left): SchedulerParts {
    [this.#wakes, this.#left, this.#round] = [wakes, left, undefined];
    return { pcpus: this.#pcpus, vcpus: this.#vcpus, kicked: this.#kicked, wakes, left };
  }

  /** A vCPU came. Throws when no pool takes it, or its policy refuses it. */
  add(vcpu: GuestVcpu): void {
    this.environment.pools.insert(vcpu);
    this.#vcpus.add(vcpu);
    this.#wakes++;
  }

  /** A vCPU goes: its domain ended. */
  remove(vcpu: GuestVcpu): void {
    if (!this.#vcpus.delete(vcpu)) return;
    this.#kicked.delete(vcpu);
    const pcpu = this.#pcpus.find((candidate) => candidate.vcpu === vcpu);
    if (pcpu) this.#release(pcpu);
    this.environment.pools.of(vcpu).remove(vcpu);
    this.#wakes++;
  }

  adjust(domain: string, settings: Readonly<Record<string, unknown>>): void {
    this.environment.pools.adjust(domain, settings);
    this.#wakes++;
  }

  move(vcpu: Vcpu, cpus: unknown): void {
    const moved = vcpu as GuestVcpu;
    if (!this.#vcpus.has(moved)) throw new RangeError(`vCPU ${vcpu.index} of ${vcpu.domain.name} is gone`);
    const pcpu = this.#pcpus.find((candidate) => candidate.vcpu === moved);
    if (pcpu) this.#release(pcpu);
    this.environment.pools.move(moved, cpus);
    this.#wakes++;
  }

  /** vCPUs that it knows. */
  get size(): number {
    return this.#vcpus.size;
  }

  /** Virtual time. */
  get nowNs(): number {
    return this.environment.clock.nowNs;
  }

  woke(vcpu: GuestVcpu): void {
    this.environment.pools.of(vcpu).wake(vcpu);
    this.#wakes++;
  }

  slept(vcpu: GuestVcpu): void {
    this.#parallel?.slept(vcpu);
    this.environment.pools.of(vcpu).sleep(vcpu);
  }

  kicked(vcpu: GuestVcpu): void {
    if (vcpu === this.#running) this.environment.engine.kick();
    this.#parallel?.kicked(vcpu);
    // The look at what is pending waits until no plugin's code is on the stack.
    if (vcpu.power === "blocked") this.#kicked.add(vcpu);
  }

  /** One round, or the rest of a halted one; a long one ends at `endNs`. `idle`: no vCPU can run; `halted`: by a debugger, maybe in a turn. */
  round(endNs: number = Infinity): "ran" | "idle" | "halted" {
    if (this.control?.isHalted) return "halted";
    if (this.#parallel) return this.#parallel.round(endNs);
    const round = this.#round ?? this.#steps();
    this.#round = undefined;
    const { done, value } = round.next();
    if (done) return value;
    this.#round = round;
    return "halted";
  }

  /** True while a debugger has halted it within a round: what the rest of the round does isn't data. */
  get isWithinRound(): boolean {
    return this.#round !== undefined;
  }

  *#steps(): Generator<void, "ran" | "idle"> {
    this.#settle();
    const busy = this.#assign();
    if (busy.length === 0) return "idle";
    const { clock, nsPerInstruction } = this.environment;
    const untilNs = Math.min(...this.#pcpus.map(({ sliceEndNs }) => sliceEndNs));
    const most = quantumOf(busy.length, nsPerInstruction);
    const length = Math.min(most, Math.max(1, Math.ceil((untilNs - clock.exactNs) / nsPerInstruction)));
    const pace = rate(nsPerInstruction, busy.length);
    const alone = busy.length === 1 ? aloneFor(most, this.#wakes) : undefined;
    for (const pcpu of busy) {
      yield* this.#turn(pcpu, length, pace, alone);
      this.#settle();
    }
    return "ran";
  }

  /** Virtual time until which nothing happens when {@linkcode round} says `idle`; `undefined`: nothing ever happens by itself. */
  get idleUntilNs(): number | undefined {
    let until = this.environment.clock.events.next?.ns ?? Infinity;
    // A policy that keeps runnable vCPUs waiting gets asked again.
    if ([...this.#vcpus].some((vcpu) => vcpu.power === "runnable")) {
      for (const pcpu of this.#pcpus) until = Math.min(until, pcpu.sliceEndNs);
    }
    return until === Infinity ? undefined : until;
  }

  /** Before anybody runs on: see {@linkcode settle}. */
  #settle(): void {
    settle(this.environment, this.#kicked);
  }

  /** Decides for each physical CPU that needs it, and returns those that have work. */
  #assign(): Pcpu[] {
    const now = this.environment.clock.nowNs;
    const wakes = this.#wakes;
    for (const pcpu of this.#pcpus) {
      const goesOn = pcpu.wakes === wakes && now < pcpu.sliceEndNs && pcpu.vcpu?.power !== "off" && pcpu.vcpu?.power !== "blocked";
      if (!goesOn) this.#decide(pcpu);
    }
    if (this.#left) {
      this.#left = false;
      for (const pcpu of this.#pcpus) {
        if (pcpu.vcpu !== undefined) continue;
        if ([...this.#vcpus].some(({ schedulable, cpus }) => schedulable.runnable && cpus.includes(pcpu.index))) this.#decide(pcpu);
      }
    }
    return this.#pcpus.filter((pcpu) => pcpu.vcpu !== undefined);
  }

  #decide(pcpu: Pcpu): void {
    const before = pcpu.vcpu;
    this.#release(pcpu);
    const { clock, pools } = this.environment;
    const now = clock.nowNs;
    pcpu.wakes = this.#wakes;
    const { vcpu, sliceNs } = pools.decide(pcpu.index, now);
    pcpu.sliceEndNs = now + sliceNs;
    pcpu.vcpu = vcpu;
    if (vcpu) vcpu.pcpu = pcpu.index;
    if (before !== vcpu && before?.schedulable.runnable) this.#left = true;
  }

  /** Takes the vCPU off its physical CPU, and tells the policy what it used. */
  #release(pcpu: Pcpu): void {
    const { vcpu } = pcpu;
    pcpu.sliceEndNs = 0;
    if (vcpu === undefined) return;
    this.#tell(pcpu, vcpu);
    pcpu.vcpu = undefined;
    vcpu.pcpu = undefined;
  }

  #tell(pcpu: Pcpu, vcpu: GuestVcpu): void {
    if (pcpu.used === 0) return;
    const ns = pcpu.used * this.environment.nsPerInstruction;
    pcpu.used = 0;
    this.environment.pools.of(vcpu).ran(vcpu, ns);
  }

  /**
   * A physical CPU's part of a round: so many instructions, by whoever the policy gives it to. What nobody uses of it passes all the same, so
   * that at the end of a round every physical CPU has had as much time as virtual time went on: slices end to the instruction on all of them.
   * Where nobody else waits for the end of this turn, each trap takes `trapCost` more of it; it ends when that changes.
   */
  *#turn(pcpu: Pcpu, length: number, pace: Rate, alone?: Alone): Generator<void, void> {
    let left = length;
    /** Who gave its turn away since time passed for the last time. */
    const yielded = new Set<GuestVcpu>();
    while (left > 0 && !this.#hasCompany(alone)) {
      const { vcpu } = pcpu;
      if (vcpu === undefined) {
        if (alone) return;
        left -= this.#passIdle(left, pace);
        if (pcpu.wakes !== this.#wakes) this.#decide(pcpu);
        continue;
      }
      const { spent, what } = yield* this.#use(pcpu, vcpu, left, pace, alone);
      left -= spent;
      if (pcpu.vcpu !== vcpu) continue;
      if (vcpu.power !== "runnable") {
        this.#release(pcpu);
      } else if (what === "wait") {
        this.#release(pcpu);
        vcpu.block();
        this.#settle();
      } else if (what === "yield") {
        this.#release(pcpu);
        this.#yielded(vcpu);
        yielded.add(vcpu);
      } else {
        continue;
      }
      if (left <= 0) break;
      this.#decide(pcpu);
      if (what === "yield" && pcpu.vcpu !== undefined && yielded.has(pcpu.vcpu)) {
        // All that want this CPU wait for an event: time passes, as it would on hardware.
        yielded.clear();
        const idle = this.#passIdle(left, pace);
        left -= idle;
        pcpu.used += idle;
        if (pcpu.wakes !== this.#wakes) this.#decide(pcpu);
      }
    }
    if (pcpu.vcpu) this.#tell(pcpu, pcpu.vcpu);
  }

  /** True when somebody woke since a turn began in which no other physical CPU had anything to do. */
  #hasCompany(alone?: Alone): boolean {
    return alone !== undefined && this.#pcpus.length > 1 && alone.wakes !== this.#wakes;
  }

  /** Lets time pass on an idle physical CPU, to the next event at most. Returns the instructions that it could have executed. */
  #passIdle(limit: number, pace: Rate): number {
    const { clock } = this.environment;
    const event = clock.events.next;
    const count = event === undefined ? limit : clock.instructionsUntil(event.ns, pace, limit);
    clock.advance(count, pace);
    this.#settleEvents();
    return count;
  }

  /** Runs a vCPU until its turn is over or it leaves. Returns what it spent of the turn: instructions, and so many more for each trap. */
  *#use(pcpu: Pcpu, vcpu: GuestVcpu, limit: number, pace: Rate, alone?: Alone): Generator<void, { spent: number; what: Next }> {
    const { clock, engine } = this.environment;
    let spent = 0, stuck = 0;
    let next: Next = "run";
    while (next === "run" && spent < limit && vcpu.power === "runnable" && pcpu.vcpu === vcpu && !this.#hasCompany(alone)) {
      if (this.control?.isHalted) {
        yield;
        continue;
      }
      if (vcpu.hasAnswer) {
        // The exit that was left has used its time already.
        next = this.environment.dispatch(vcpu);
        this.#settleEvents();
        continue;
      }
      const event = clock.events.next;
      const budget = event === undefined ? limit - spent : clock.instructionsUntil(event.ns, pace, limit - spent);
      enterGuest(this.environment, vcpu);
      if (vcpu.power !== "runnable") break;
      const mostSlow = alone && Math.ceil((limit - spent) / alone.slowCost);
      let exit = this.#run(vcpu, budget, pace, mostSlow);
      let retired = engine.lastRetired, slow = engine.lastSlow ?? 0;
      while (exit.kind === "breakpoint") {
        this.control?.stopped(vcpu, exit);
        while (this.control?.isHalted) yield;
        // Its domain may have ended meanwhile.
        if (vcpu.power !== "runnable" || pcpu.vcpu !== vcpu) break;
        // Nothing else happens here: it is one run, in parts.
        exit = this.#run(vcpu, budget - retired, pace, mostSlow);
        retired += engine.lastRetired;
        slow += engine.lastSlow ?? 0;
      }
      // A trapped instruction doesn't retire, but takes its time: so a guest that only traps gets on as well.
      const trapped = exit.kind === "exception" || (exit.kind === "wait" && retired === 0) ? 1 : 0;
      spent += retired + trapped + (alone ? trapped * alone.trapCost + slow * alone.slowCost : 0);
      pcpu.used += retired + trapped;
      leaveGuest(this.environment, vcpu);
      if (vcpu.power === "runnable") next = this.#handle(vcpu, exit);
      if (trapped) clock.advance(1, pace);
      else if (retired > 0) stuck = 0;
      else if (++stuck > STUCK_RUNS) this.#crash(vcpu, "the CPU engine retires no instruction and reports no exit");
      this.#settleEvents();
    }
    return { spent, what: next };
  }

  /** During a turn: timers fire to the instruction, and wake who waits; who is woken runs from the next decision on. */
  #settleEvents(): void {
    const { clock } = this.environment;
    const event = clock.events.next;
    if (this.#kicked.size > 0 || (event !== undefined && event.ns <= clock.nowNs)) this.#settle();
  }

  #run(vcpu: GuestVcpu, budget: number, pace: Rate, mostSlow: number | undefined): Exit {
    const { clock, engine } = this.environment;
    const most = this.control?.most(vcpu) ?? Infinity;
    const exact = clock.exactAt(pace), stopAfter = most < budget ? most : undefined;
    const window = { budget, startNs: clock.exactNs, nsPerInstruction: rateNs(pace), exact, mostSlow, stopAfter };
    this.#running = vcpu;
    clock.beginRun(pace, budget, this.#retiredNow);
    let exit: Exit;
    try {
      exit = engine.run(vcpu.state, window);
    } finally {
      clock.endRun(engine.lastRetired);
      this.instructions += engine.lastRetired;
      this.#running = undefined;
    }
    this.control?.ran(vcpu, exit.kind === "exception" || exit.kind === "wait" ? engine.lastRetired + 1 : engine.lastRetired);
    return exit;
  }

  #handle(vcpu: GuestVcpu, exit: Exit): Next {
    switch (exit.kind) {
      case "budget":
        return "run";
      case "exception":
        return this.environment.dispatch(vcpu);
      case "wait":
        return exit.instruction === "WFI" ? "wait" : "yield";
      case "fault-loop":
        return this.#crash(vcpu, exit.detail, exit.origin);
      case "breakpoint":
        return "stopped";
    }
  }

  #crash(vcpu: GuestVcpu, what: string, origin?: FaultOrigin): Next {
    vcpu.domain.end(this.environment.crashed(vcpu, what, origin));
    return "stopped";
  }
}
