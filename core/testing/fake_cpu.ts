/** A CPU engine without a CPU: it plays a script of exits, and keeps registers in a map. */
import type { CpuEngine, Exit, Injected, RunWindow, VcpuConfig, VcpuState } from "../arch/cpu_engine.ts";

/** What one {@linkcode FakeEngine.run} does: retires so many instructions (at most the budget), then exits. */
export interface Step {
  /** Instructions; what the budget doesn't cover is left for the next run. */
  readonly retire?: number;
  /** Absent: goes on with the next step. */
  readonly exit?: Exit;
  /** An exception to EL2, as an ESR_EL2 with its companions. */
  readonly exception?: { readonly esr: bigint; readonly far?: bigint; readonly ipa?: number };
  /** The step counts among those of {@linkcode RunWindow.mostSlow}. */
  readonly isSlow?: boolean;
  /** Called when the step's instructions are retired, before its exit: the guest's instruction, or a device of the bus. */
  readonly effect?: (state: FakeVcpuState, engine: FakeEngine) => void;
}

/** Registers by name. Every name is known, and reads zero until written. */
export class FakeVcpuState implements VcpuState {
  readonly #x = new Array<bigint>(31).fill(0n);
  readonly #v = new Array<bigint>(32).fill(0n);
  /** Those that were written, by name. */
  readonly registers: Map<string, bigint> = new Map();
  pc = 0n;
  sp = 0n;
  guestSp = 0n;
  pstate = 0x3c5n;
  retired = 0;
  /** What {@linkcode wakeupPending} says. */
  pending = false;
  /** Exceptions that were injected, oldest first. */
  readonly injected: Injected[] = [];
  /** What it executes: a list that runs dry (then it retires its budgets), or a generator that never ends. */
  script: Iterator<Step> = [][Symbol.iterator]();
  /** Rest of a step that a budget cut. */
  left: { readonly step: Step; retire: number } | undefined;

  /** Powered down. */
  constructor(readonly config: VcpuConfig) {}

  x(n: number): bigint {
    return n === 31 ? 0n : this.#x[n];
  }

  setX(n: number, value: bigint): void {
    if (n !== 31) this.#x[n] = BigInt.asUintN(64, value);
  }

  v(n: number): bigint {
    return this.#v[n];
  }

  setV(n: number, value: bigint): void {
    this.#v[n] = BigInt.asUintN(128, value);
  }

  read(register: string): bigint {
    if (register === "VMPIDR_EL2" || register === "MPIDR_EL1") return this.config.mpidr;
    return this.registers.get(register) ?? 0n;
  }

  write(register: string, value: bigint): void {
    this.registers.set(register, BigInt.asUintN(64, value));
  }

  get syndrome(): number {
    return Number(this.read("ESR_EL2") & 0xffff_ffffn);
  }

  get faultIpa(): number {
    return Number(this.read("HPFAR_EL2") >> 4n & 0xff_ffff_ffffn) * 4096 + Number(this.read("FAR_EL2") & 0xfffn);
  }

  skip(): void {
    this.pc = BigInt.asUintN(64, this.pc + 4n);
    this.write("SPSR_EL2", this.read("SPSR_EL2") & ~(1n << 21n | 3n << 10n));
  }

  setXNumber(n: number, value: number): void {
    this.setX(n, BigInt(value));
  }

  wakeupPending(): boolean {
    return this.pending;
  }

  setEvent(): void {}

  /** Resets what EL0 and EL1 own; what EL2 programmed stays. */
  reset(): void {
    this.#x.fill(0n);
    this.#v.fill(0n);
    this.pc = 0n;
    this.sp = 0n;
    this.pstate = 0x3c5n;
    for (const name of [...this.registers.keys()]) if (!name.endsWith("_EL2")) this.registers.delete(name);
  }

  save(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify([...this.registers].map(([name, value]) => [name, value.toString()])));
  }

  restore(data: Uint8Array): void {
    const entries: [string, string][] = JSON.parse(new TextDecoder().decode(data));
    this.registers.clear();
    for (const [name, value] of entries) this.registers.set(name, BigInt(value));
  }

  disassemble(): string | undefined {
    return "nop";
  }
}

/** Plays scripts. */
export class FakeEngine implements CpuEngine {
  readonly model = "fake";
  readonly counterFrequencyHz = 62_500_000;
  lastRetired = 0;
  lastSlow = 0;
  retiredNow = 0;
  /** How often devices asked for a new look. */
  kicks = 0;
  #kicked = false;
  /** Those that live. */
  readonly vcpus: Set<FakeVcpuState> = new Set();
  /** Windows of all runs, for tests of time and budgets. */
  readonly runs: { readonly state: FakeVcpuState; readonly window: RunWindow; readonly retired: number }[] = [];
  /** Called at the start of each run. */
  onRun: ((state: FakeVcpuState, window: RunWindow) => void) | undefined;
  /** Names of trapped system registers, by ISS. */
  registerName: ((iss: number) => string | undefined) | undefined;
  /** Gives each new vCPU its script. */
  script: ((index: number) => Iterable<Step>) | undefined;
  /** Guest memory that host code wrote. */
  readonly written: { readonly pa: number; readonly size: number }[] = [];

  createVcpu(config: VcpuConfig): FakeVcpuState {
    const state = new FakeVcpuState(config);
    const steps = this.script?.(Number(config.mpidr & 0xfn) + 16 * Number(config.mpidr >> 8n & 0xffn));
    if (steps) state.script = steps[Symbol.iterator]();
    this.vcpus.add(state);
    return state;
  }

  destroyVcpu(vcpu: VcpuState): void {
    this.vcpus.delete(vcpu as FakeVcpuState);
  }

  run(vcpu: VcpuState, window: RunWindow): Exit {
    const state = vcpu as FakeVcpuState;
    this.retiredNow = this.lastSlow = 0;
    this.#kicked = false;
    this.onRun?.(state, window);
    const exit = this.#play(state, window);
    this.lastRetired = this.retiredNow;
    state.retired += this.retiredNow;
    this.runs.push({ state, window, retired: this.retiredNow });
    return exit;
  }

  kick(): void {
    this.kicks++;
    this.#kicked = true;
  }

  invalidateTlb(): void {}

  memoryWritten(pa: number, size: number): void {
    this.written.push({ pa, size });
  }

  injectException(vcpu: VcpuState, exception: Injected): void {
    (vcpu as FakeVcpuState).injected.push(exception);
  }

  #play(state: FakeVcpuState, { budget, mostSlow = Infinity }: RunWindow): Exit {
    for (;;) {
      if (state.left === undefined) {
        const next = state.script.next();
        const step: Step = next.done ? { retire: budget } : next.value;
        state.left = { step, retire: step.retire ?? 0 };
      }
      const now = Math.min(state.left.retire, budget - this.retiredNow);
      this.retiredNow += now;
      state.left.retire -= now;
      if (state.left.retire > 0) return { kind: "budget" };
      const { step } = state.left;
      state.left = undefined;
      step.effect?.(state, this);
      if (step.isSlow && ++this.lastSlow >= mostSlow) return { kind: "budget" };
      if (step.exception) {
        state.write("ESR_EL2", step.exception.esr);
        state.write("FAR_EL2", step.exception.far ?? BigInt(step.exception.ipa ?? 0));
        state.write("HPFAR_EL2", BigInt(Math.floor((step.exception.ipa ?? 0) / 4096)) << 4n);
        return { kind: "exception" };
      }
      if (step.exit) return step.exit;
      if (this.#kicked || this.retiredNow >= budget) return { kind: "budget" };
    }
  }
}
