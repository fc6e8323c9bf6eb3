/** A vCPU: its architectural state, its power state, and who hears when that changes. */
import type { CpuEngine, Injected, VcpuState } from "../arch/cpu_engine.ts";
import type { Domain, RunState, RunStates, Vcpu } from "./domain.ts";
import type { Schedulable } from "../schedule/scheduler_policy.ts";

/** Who hears of changes: the scheduler. */
export interface VcpuListener {
  /** Virtual time. */
  readonly nowNs: number;
  woke(vcpu: GuestVcpu): void;
  slept(vcpu: GuestVcpu): void;
  /** An interrupt may be pending. */
  kicked(vcpu: GuestVcpu): void;
}

/** What a vCPU needs of its domain, beyond what plugins see. */
export interface VcpuOwner extends Domain {
  /** The vCPU's registers were reset: EL2's software has to set its own again. */
  vcpuReset(vcpu: GuestVcpu): void;
}

/** A vCPU in a snapshot. */
export interface SavedVcpu {
  readonly id: number;
  readonly registers: Uint8Array;
  readonly retired: number;
  readonly power: "off" | "runnable" | "blocked";
  readonly holds: number;
  readonly access: { readonly done: (number | bigint)[]; readonly answered: boolean } | undefined;
  readonly cpus: number[];
  readonly pcpu: number | undefined;
  readonly runState: RunState;
  readonly sinceNs: number;
  readonly spentNs: { running: number; runnable: number; blocked: number; offline: number };
}

/** Parts of an access that hasn't begun. */
const NOTHING: readonly (bigint | number)[] = [];
/** EL1h with D, A, I and F masked, in SPSR format. */
const RESET_PSTATE = 0x3c5n;

/** MPIDR_EL1 of a vCPU: 16 to a cluster. Bit 31 is RES1. */
export function mpidrOf(index: number): bigint {
  return 0x8000_0000n | BigInt(index >> 4) << 8n | BigInt(index & 15);
}

/**
 * Core's implementation of {@linkcode Vcpu}.
 * @internal
 */
export class GuestVcpu implements Vcpu {
  #power: "off" | "runnable" | "blocked" = "off";
  /** Reasons for which it doesn't run whatever is pending: an access without its answer, a domain that is paused. */
  #holds = 0;
  /** An access that waits for its answer, or has got it: the parts of it that are done (a pair of registers has two). */
  #access: { readonly done: readonly (bigint | number)[]; answered: boolean } | undefined;
  readonly state: VcpuState;
  /** Its place in the policy's view. */
  readonly schedulable: Schedulable;
  /** Physical CPUs that it may run on; whoever puts it into a pool sets them. */
  cpus: readonly number[] = [];
  #pcpu: number | undefined;
  #runState: RunState = "offline";
  /** When it got into that state. */
  #sinceNs: number;
  readonly #spentNs = { running: 0, runnable: 0, blocked: 0, offline: 0 };

  constructor(
    readonly id: number,
    readonly index: number,
    readonly domain: VcpuOwner,
    readonly engine: CpuEngine,
    readonly listener: VcpuListener,
  ) {
    this.state = engine.createVcpu({ mpidr: mpidrOf(index) });
    this.#sinceNs = listener.nowNs;
    const isRunnable = () => this.power === "runnable" && this.#pcpu === undefined;
    const mayRunOn = () => this.cpus;
    this.schedulable = {
      id,
      index,
      domain: domain.name,
      get runnable() {
        return isRunnable();
      },
      get cpus() {
        return mayRunOn();
      },
    };
  }

  /** For a snapshot, while it doesn't run. */
  save(): SavedVcpu {
    return {
      id: this.id,
      registers: this.state.save(),
      retired: this.state.retired,
      power: this.#power,
      holds: this.#holds,
      access: this.#access && { done: [...this.#access.done], answered: this.#access.answered },
      cpus: [...this.cpus],
      pcpu: this.#pcpu,
      runState: this.#runState,
      sinceNs: this.#sinceNs,
      spentNs: { ...this.#spentNs },
    };
  }

  /** The counterpart of {@linkcode save}: nobody is told of what changes. */
  load(saved: SavedVcpu): void {
    this.state.restore(saved.registers, saved.retired);
    this.#power = saved.power;
    this.#holds = saved.holds;
    this.#access = saved.access && { done: [...saved.access.done], answered: saved.access.answered };
    this.cpus = [...saved.cpus];
    this.#pcpu = saved.pcpu;
    this.#runState = saved.runState;
    this.#sinceNs = saved.sinceNs;
    Object.assign(this.#spentNs, saved.spentNs);
  }

  get power(): "off" | "runnable" | "blocked" {
    return this.#power === "runnable" && this.#holds > 0 ? "blocked" : this.#power;
  }

  /** True when it doesn't run whatever is pending. */
  get isHeld(): boolean {
    return this.#holds > 0;
  }

  /** True when an access has got its answer and is to be dispatched again, before anything else of this vCPU runs. */
  get hasAnswer(): boolean {
    return this.#access?.answered ?? false;
  }

  /** The physical CPU that it is assigned to. */
  get pcpu(): number | undefined {
    return this.#pcpu;
  }

  set pcpu(pcpu: number | undefined) {
    this.#pcpu = pcpu;
    this.#account();
  }

  get stolenNs(): number {
    return this.runStates.spentNs.runnable;
  }

  get runStates(): RunStates {
    const spentNs = { ...this.#spentNs };
    spentNs[this.#runState] += this.listener.nowNs - this.#sinceNs;
    return { state: this.#runState, sinceNs: this.#sinceNs, spentNs };
  }

  start(entry: bigint, x0: bigint): void {
    if (this.domain.outcome !== undefined) return;
    if (this.#power !== "off") throw new Error(`vCPU ${this.index} of ${this.domain.name} is on already`);
    this.state.reset();
    this.domain.space.install(this.state);
    this.domain.vcpuReset(this);
    this.state.pstate = RESET_PSTATE;
    this.state.pc = BigInt.asUintN(64, entry);
    this.state.setX(0, BigInt.asUintN(64, x0));
    this.#change(() => this.#power = "runnable");
  }

  stop(): void {
    if (this.#power === "off") return;
    this.#change(() => {
      this.#power = "off";
      if (this.#access?.answered === false) this.#holds--;
      this.#access = undefined;
    });
    this.engine.poweredDown?.(this.state);
  }

  /** Waits for an interrupt. The scheduler looks once more for a pending one before the next decision. */
  block(): void {
    if (this.power !== "runnable") return;
    this.#change(() => this.#power = "blocked");
    this.listener.kicked(this);
  }

  /** An interrupt is pending. */
  unblock(): void {
    if (this.#power === "blocked") this.#change(() => this.#power = "runnable");
  }

  /** Doesn't run until {@linkcode release}, whatever is pending. */
  hold(): void {
    this.#change(() => this.#holds++);
  }

  /** Takes one {@linkcode hold} back. */
  release(): void {
    if (this.#holds > 0) this.#change(() => this.#holds--);
  }

  /** An access has no answer yet; `done`: the parts that have theirs. */
  deferAccess(done: readonly (bigint | number)[]): void {
    if (this.#power === "off") return;
    this.#access = { done, answered: false };
    this.hold();
  }

  resumeAccess(): void {
    if (this.#access === undefined || this.#access.answered) return;
    this.#access.answered = true;
    this.release();
  }

  /** The parts of the access that are done, as {@linkcode deferAccess} has kept them; it is no longer deferred then. */
  takeAccess(): readonly (bigint | number)[] {
    if (this.#access === undefined) return NOTHING;
    const done = this.#access.answered ? this.#access.done : NOTHING;
    this.#access = undefined;
    return done;
  }

  kick(): void {
    this.listener.kicked(this);
  }

  inject(exception: Injected): void {
    this.engine.injectException(this.state, exception);
  }

  /** A change of what `power` says: the policy hears of it. */
  #change(change: () => void): void {
    const before = this.power;
    change();
    this.#account();
    if (before === "runnable" && this.power !== "runnable") this.listener.slept(this);
    else if (before !== "runnable" && this.power === "runnable") this.listener.woke(this);
  }

  /** Books the time in the state that ends. */
  #account(): void {
    const state = this.#power === "off"
      ? "offline"
      : this.power === "blocked"
      ? "blocked"
      : this.#pcpu === undefined
      ? "runnable"
      : "running";
    if (state === this.#runState) return;
    const now = this.listener.nowNs;
    this.#spentNs[this.#runState] += now - this.#sinceNs;
    this.#runState = state;
    this.#sinceNs = now;
  }
}
