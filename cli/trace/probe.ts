/** Watches a run for traces: stands between the scheduler and the CPU, and cuts runs where somebody wants to look. Guests can't see it. */
import type { CpuEngine, Domain, Exit, Instrument, RunWindow, Vcpu, VcpuState } from "../../core/mod.ts";
import type { Filter } from "./filter.ts";

/** A run of a vCPU. */
export interface Ran {
  readonly vcpu: Vcpu;
  readonly startNs: number;
  readonly endNs: number;
  readonly instructions: number;
  readonly exit: Exit;
  /** What an instruction takes. */
  readonly nsPerInstruction: number;
}

/** Who listens. */
export interface Listener {
  /** Before a vCPU runs. */
  before?(vcpu: Vcpu, atNs: number): void;
  /** After each so many instructions a run is cut, and this is called. */
  readonly every?: number;
  step?(vcpu: Vcpu, atNs: number): void;
  ran?(run: Ran): void;
  exit?(vcpu: Vcpu, atNs: number, engine: CpuEngine, deviceAt: (ipa: number) => string | undefined): void;
}

/** Tells listeners what happens. */
export class Probe implements Instrument {
  readonly #vcpus = new Map<VcpuState, Vcpu>();
  readonly #steps: number;
  #engine!: CpuEngine;
  #nowNs = 0;
  /** Of the pieces of the run in progress, the present one not counted. */
  #before = 0;
  /** Instructions since the latest step, by vCPU. */
  readonly #since = new Map<Vcpu, number>();

  constructor(readonly filter: Filter, readonly listeners: readonly Listener[], readonly domains: () => readonly Domain[]) {
    this.#steps = Math.min(...listeners.map(({ every = Infinity }) => every));
  }

  /** The CPUs; once the machine is there. */
  get cpus(): CpuEngine {
    return this.#engine;
  }

  /** Virtual time of the latest run's end. */
  get nowNs(): number {
    return this.#nowNs;
  }

  engine(engine: CpuEngine): CpuEngine {
    this.#engine = engine;
    const replaced: Partial<Record<keyof CpuEngine, () => unknown>> = {
      run: () => (state: VcpuState, window: RunWindow) => this.#run(state, window),
      lastRetired: () => this.#before + engine.lastRetired,
      retiredNow: () => this.#before + (engine.retiredNow ?? 0),
    };
    const bound = new Map<PropertyKey, unknown>();
    return new Proxy(engine, {
      get(target, key) {
        const own = replaced[key as keyof CpuEngine];
        if (own) return own();
        const value = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        if (!bound.has(key)) bound.set(key, value.bind(target));
        return bound.get(key);
      },
    });
  }

  exit(vcpu: Vcpu, deviceAt: (ipa: number) => string | undefined): void {
    if (!this.filter.wants(vcpu, this.#nowNs)) return;
    for (const listener of this.listeners) listener.exit?.(vcpu, this.#nowNs, this.#engine, deviceAt);
  }

  #run(state: VcpuState, window: RunWindow): Exit {
    const vcpu = this.#vcpuOf(state);
    const { startNs, nsPerInstruction } = window;
    this.#before = 0;
    const isWanted = vcpu !== undefined && this.filter.wants(vcpu, startNs);
    if (isWanted) { for (const listener of this.listeners) listener.before?.(vcpu, startNs); }
    const exit = isWanted && this.#steps < Infinity ? this.#pieces(vcpu, window) : this.#engine.run(state, window);
    const instructions = this.#before + this.#engine.lastRetired;
    this.#nowNs = startNs + instructions * nsPerInstruction;
    if (isWanted) {
      for (const listener of this.listeners) listener.ran?.({ vcpu, startNs, endNs: this.#nowNs, instructions, exit, nsPerInstruction });
    }
    return exit;
  }

  /** The same run in pieces. A piece's end is a debugger's stop, over which the CPU goes on as if there had been none. */
  #pieces(vcpu: Vcpu, window: RunWindow): Exit {
    const engine = this.#engine;
    const limit = window.stopAfter ?? Infinity;
    for (;;) {
      const done = this.#before;
      const due = this.#steps - (this.#since.get(vcpu) ?? 0);
      const left = window.budget - done;
      const isCut = due < left && due < limit - done;
      const stopAfter = isCut ? due : limit - done;
      const exit = engine.run(vcpu.state, {
        budget: left,
        startNs: window.startNs + done * window.nsPerInstruction,
        nsPerInstruction: window.nsPerInstruction,
        mostSlow: window.mostSlow,
        ...stopAfter < left && { stopAfter },
      });
      const retired = engine.lastRetired;
      const since = (this.#since.get(vcpu) ?? 0) + retired;
      const isDue = since >= this.#steps || this.#steps === 1;
      this.#since.set(vcpu, isDue ? 0 : since);
      const atNs = window.startNs + (done + retired) * window.nsPerInstruction;
      if (isDue) { for (const listener of this.listeners) listener.step?.(vcpu, atNs); }
      if (!isCut || exit.kind !== "breakpoint" || exit.stop !== undefined) return exit;
      this.#before = done + retired;
    }
  }

  #vcpuOf(state: VcpuState): Vcpu | undefined {
    const known = this.#vcpus.get(state);
    if (known) return known;
    for (const vcpu of this.domains().flatMap(({ vcpus }) => vcpus)) this.#vcpus.set(vcpu.state, vcpu);
    return this.#vcpus.get(state);
  }
}
