/**
 * The scheduler: physical CPUs take turns on one host thread.
 *
 * A round gives each physical CPU that has work one turn of at most {@linkcode QUANTUM} instructions. During a turn virtual
 * time moves at the rate of one CPU divided by the number of CPUs in the round: so N busy CPUs do N times
 * the work in the same virtual time, and no vCPU ever reads a time below what another has read.
 */
import type { CpuEngine, Exit, FaultOrigin } from "./cpu_engine.ts";
import type { RunHooks } from "./context.ts";
import type { Domain, Outcome } from "./domain.ts";
import type { Next } from "./dispatch.ts";
import type { GuestVcpu, VcpuListener } from "./guest_vcpu.ts";
import type { Hooked } from "./plugin_host.ts";
import type { PolicyGuard } from "./policy_guard.ts";
import { rate, rateNs } from "./virtual_clock.ts";
import type { Rate, VirtualClock } from "./virtual_clock.ts";

/** Most instructions of a turn: small enough that a CPU sees soon what another one did, large enough that a turn's cost doesn't show. */
export const QUANTUM = 50_000;
/** A CPU that waits for an event (WFE) while nobody else runs lets so much time pass: less than the period of any event stream in use. */
const EVENT_WAIT_NS = 10_000;
/** Runs in a row that may come back without an instruction and without an exit: then the engine is stuck. */
const STUCK_RUNS = 1000;

/** What the scheduler needs around it. */
export interface SchedulerEnvironment {
  readonly clock: VirtualClock;
  readonly engine: CpuEngine;
  readonly policy: PolicyGuard;
  readonly pcpus: number;
  readonly nsPerInstruction: number;
  /** Hooks that concern a vCPU: the board's, then its domain's. */
  hooks(vcpu: GuestVcpu): Iterable<Hooked<RunHooks>>;
  /** Answers an exception that was taken to EL2. */
  dispatch(vcpu: GuestVcpu): Next;
  /** A hook threw. */
  failed(owner: string, hook: string, error: unknown, domain: Domain): void;
  /** The guest can't go on. */
  crashed(vcpu: GuestVcpu, what: string, origin?: FaultOrigin): Outcome;
}

/** A physical CPU. */
interface Pcpu {
  readonly index: number;
  vcpu: GuestVcpu | undefined;
  /** Virtual time of the next decision. */
  sliceEndNs: number;
  /** What is left of the slice, as time of this CPU. */
  sliceLeftNs: number;
}

/** Runs vCPUs. */
export class Scheduler implements VcpuListener {
  /** Instructions retired by all vCPUs. */
  instructions = 0;
  readonly #pcpus: Pcpu[];
  readonly #vcpus = new Set<GuestVcpu>();
  readonly #kicked = new Set<GuestVcpu>();
  /** Who gave up its turn in this round. */
  readonly #yielded = new Set<GuestVcpu>();
  #running: GuestVcpu | undefined;
  /** Somebody woke: every physical CPU asks the policy again. */
  #decideAgain = false;

  constructor(readonly environment: SchedulerEnvironment) {
    this.#pcpus = Array.from({ length: environment.pcpus }, (_, index) => ({ index, vcpu: undefined, sliceEndNs: 0, sliceLeftNs: 0 }));
  }

  /** A vCPU came. Throws when the policy refuses it. */
  add(vcpu: GuestVcpu): void {
    this.environment.policy.insert(vcpu);
    this.#vcpus.add(vcpu);
    this.#decideAgain = true;
  }

  /** A vCPU goes: its domain ended. */
  remove(vcpu: GuestVcpu): void {
    this.#vcpus.delete(vcpu);
    this.#kicked.delete(vcpu);
    const pcpu = this.#pcpus.find((candidate) => candidate.vcpu === vcpu);
    if (pcpu) this.#unassign(pcpu);
    this.environment.policy.remove(vcpu);
    this.#decideAgain = true;
  }

  /** Virtual time. */
  get nowNs(): number {
    return this.environment.clock.nowNs;
  }

  woke(vcpu: GuestVcpu): void {
    this.environment.policy.wake(vcpu);
    this.#decideAgain = true;
  }

  slept(vcpu: GuestVcpu): void {
    this.environment.policy.sleep(vcpu);
  }

  kicked(vcpu: GuestVcpu): void {
    if (vcpu === this.#running) this.environment.engine.kick();
    // The look at what is pending waits until no plugin's code is on the stack.
    if (vcpu.power === "blocked") this.#kicked.add(vcpu);
  }

  /** One round. `idle`: no vCPU can run now. */
  round(): "ran" | "idle" {
    this.#settle();
    const busy = this.#assign();
    if (busy.length === 0) return "idle";
    const { clock, nsPerInstruction } = this.environment;
    const pace = rate(nsPerInstruction, busy.length);
    this.#yielded.clear();
    for (const pcpu of busy) {
      if (pcpu.vcpu !== undefined) this.#turn(pcpu, pcpu.vcpu, pace);
      this.#settle();
    }
    // Everybody who could run waits for an event: let time pass, as it would on hardware.
    if (this.#yielded.size > 0 && [...this.#vcpus].every((vcpu) => vcpu.power !== "runnable" || this.#yielded.has(vcpu))) {
      clock.skipTo(Math.min(clock.nowNs + EVENT_WAIT_NS, clock.events.next?.ns ?? Infinity));
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

  /** Fires what is due, and wakes who was kicked and has an interrupt pending. */
  #settle(): void {
    const { clock } = this.environment;
    // Bounded, so that a timer that arms itself for now can't stop the machine.
    for (let fired = 0; fired < 10_000; fired++) {
      const event = clock.events.takeDue(clock.nowNs);
      if (event === undefined) break;
      event.fire();
    }
    for (const vcpu of this.#kicked) {
      this.#kicked.delete(vcpu);
      if (vcpu.power !== "blocked" || vcpu.isHeld) continue;
      // List registers are filled on entry: only after it does the CPU see what is pending.
      this.#hook("entry", vcpu);
      const pending = vcpu.state.wakeupPending();
      this.#hook("exit", vcpu);
      if (pending) vcpu.unblock();
    }
  }

  /** Decides for each physical CPU, and returns those that have work. */
  #assign(): Pcpu[] {
    const { clock, policy } = this.environment;
    const again = this.#decideAgain;
    this.#decideAgain = false;
    const now = clock.nowNs;
    for (const pcpu of this.#pcpus) {
      const goesOn = !again && now < pcpu.sliceEndNs &&
        (pcpu.vcpu === undefined || (pcpu.vcpu.power === "runnable" && pcpu.sliceLeftNs > 0));
      if (goesOn) continue;
      this.#unassign(pcpu);
      const { vcpu, sliceNs } = policy.decide(pcpu.index, now);
      pcpu.sliceEndNs = now + sliceNs;
      pcpu.sliceLeftNs = sliceNs;
      pcpu.vcpu = vcpu;
      if (vcpu) vcpu.pcpu = pcpu.index;
    }
    return this.#pcpus.filter((pcpu) => pcpu.vcpu !== undefined);
  }

  #unassign(pcpu: Pcpu): void {
    if (pcpu.vcpu === undefined) return;
    pcpu.vcpu.pcpu = undefined;
    pcpu.vcpu = undefined;
    pcpu.sliceEndNs = 0;
  }

  #turn(pcpu: Pcpu, vcpu: GuestVcpu, pace: Rate): void {
    const { clock, nsPerInstruction, policy } = this.environment;
    const limit = Math.min(QUANTUM, Math.max(1, Math.ceil(pcpu.sliceLeftNs / nsPerInstruction)));
    let used = 0;
    let stuck = 0;
    let next: Next = "run";
    while (next === "run" && used < limit && vcpu.power === "runnable") {
      if (vcpu.hasAnswer) {
        // The exit that was left has used its time already.
        next = this.environment.dispatch(vcpu);
        this.#settleEvents();
        continue;
      }
      const event = clock.events.next;
      const budget = event === undefined ? limit - used : clock.instructionsUntil(event.ns, pace, limit - used);
      this.#hook("entry", vcpu);
      if (vcpu.power !== "runnable") break;
      const exit = this.#run(vcpu, budget, pace);
      const retired = this.environment.engine.lastRetired;
      used += retired;
      this.instructions += retired;
      this.#hook("exit", vcpu);
      if (vcpu.power === "runnable") next = this.#handle(vcpu, exit);
      if (exit.kind === "exception") {
        // A trapped instruction doesn't retire, but takes its time: so a guest that only traps gets on as well.
        clock.advance(1, pace);
        used++;
      } else if (retired === 0) {
        if (++stuck > STUCK_RUNS) this.#crash(vcpu, "the CPU engine retires no instruction and reports no exit");
      } else {
        stuck = 0;
      }
      this.#settleEvents();
    }
    pcpu.sliceLeftNs -= used * nsPerInstruction;
    policy.ran(vcpu, used * nsPerInstruction);
    if (vcpu.power !== "runnable" || pcpu.vcpu !== vcpu) {
      if (pcpu.vcpu === vcpu) this.#unassign(pcpu);
      return;
    }
    if (next === "wait") {
      this.#unassign(pcpu);
      vcpu.block();
    } else if (next === "yield") {
      this.#unassign(pcpu);
      policy.yield(vcpu);
      this.#yielded.add(vcpu);
    }
  }

  /** During a turn: timers fire to the instruction, and wake who waits; who is woken runs from the next round on. */
  #settleEvents(): void {
    const { clock } = this.environment;
    const event = clock.events.next;
    if (this.#kicked.size > 0 || (event !== undefined && event.ns <= clock.nowNs)) this.#settle();
  }

  #run(vcpu: GuestVcpu, budget: number, pace: Rate): Exit {
    const { clock, engine } = this.environment;
    const window = { budget, startNs: clock.exactNs, nsPerInstruction: rateNs(pace) };
    this.#running = vcpu;
    clock.beginRun(pace, budget, () => engine.retiredNow ?? 0);
    try {
      return engine.run(vcpu.state, window);
    } finally {
      clock.endRun(engine.lastRetired);
      this.#running = undefined;
    }
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
        return this.#crash(vcpu, "a breakpoint was reached, and no debugger is there");
    }
  }

  #crash(vcpu: GuestVcpu, what: string, origin?: FaultOrigin): Next {
    vcpu.domain.end(this.environment.crashed(vcpu, what, origin));
    return "stopped";
  }

  #hook(kind: "entry" | "exit", vcpu: GuestVcpu): void {
    for (const { owner, hook } of this.environment.hooks(vcpu)) {
      if (hook[kind] === undefined) continue;
      try {
        hook[kind](vcpu);
      } catch (error) {
        this.environment.failed(owner, `onRun ${kind}`, error, vcpu.domain);
      }
    }
  }
}
