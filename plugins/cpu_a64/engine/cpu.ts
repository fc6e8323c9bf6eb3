/**
 * A physical CPU: one state block, its TLBs and decoded code, and the loop that
 * runs the vCPU in the block until the hypervisor is wanted.
 */
import type { Exit, RunWindow, Stopped } from "../../../core/mod.ts";
import { Decoder } from "../isa/decoder.ts";
import { declarations } from "../isa/mod.ts";
import * as at from "../state.ts";
import { mpuRegions, RegisterFile, registerOffset, systemInstruction } from "../sysregs/mod.ts";
import { Accesses } from "./accesses.ts";
import { BANKS, reserveAreas, SPACES_AT } from "./areas.ts";
import { Block } from "./block.ts";
import { checkCpu } from "./break_before_make/mod.ts";
import { CodeCache } from "./code_cache.ts";
import { TranslationContext } from "./context.ts";
import { CounterAndTimers } from "./counter.ts";
import type { CpuOptions, Occupant } from "./cpu_options.ts";
import { DebugUnit } from "./debug.ts";
import { disassembly } from "./disassembly.ts";
import { ExceptionUnit } from "./exceptions.ts";
import { GicCpuInterface } from "./gic_cpu_interface.ts";
import { GicLegacyInterface } from "./gic_legacy_interface.ts";
import { InterruptLines } from "./interrupt_lines.ts";
import type { Interpreter } from "./interpreter.ts";
import { Status } from "./layout.ts";
import type { Tier1 } from "./tier1/tier1.ts";
import { makeTiers } from "./tiers.ts";
import { Maintenance } from "./maintenance.ts";
import { Mmu, mpuBytes } from "./mmu/mod.ts";
import { Occupancy } from "./occupancy.ts";
import { Profile, timed } from "./profile.ts";
import { PerformanceMonitors } from "./performance_monitors.ts";
import { packPstate } from "./pstate.ts";
import { RamMap } from "./ram_map.ts";
import { Registers } from "./registers.ts";
import { Slices } from "./slices.ts";
import { Spaces } from "./spaces.ts";
import { Stops } from "./stops.ts";
import { Stepped, steppedBy } from "./syndrome.ts";
import { SystemOperations } from "./system_operations.ts";
import { Tlb } from "./tlb.ts";
import { sharedWalks, Walks } from "./walks.ts";

/** Pages of decoded code that are kept. */
const CODE_PAGES = 4096;

const ICC_SRE_EL1 = registerOffset("ICC_SRE_EL1");
const EXCEPTION: Exit = { kind: "exception" };

/** One physical CPU. */
export class Cpu {
  readonly block: Block;
  /** Bytes of a vCPU's state: the block, and behind it the regions of MPUs. */
  readonly stateSize: number;
  readonly exceptions: ExceptionUnit;
  readonly debug: DebugUnit;
  readonly registers: Registers;
  readonly gic: GicCpuInterface;
  /** GICV: the same interface in memory, for vCPUs whose ICC_SRE_EL1.SRE is 0. */
  readonly gicv: GicLegacyInterface;
  readonly mmu: Mmu;
  readonly tlb: Tlb;
  readonly code: CodeCache;
  readonly decoder: Decoder;
  readonly context: TranslationContext;
  readonly file: RegisterFile;
  readonly accesses: Accesses;
  readonly lines: InterruptLines;
  readonly stops: Stops;
  readonly counter: CounterAndTimers;
  readonly interpreter: Interpreter;
  readonly tier1: Tier1 | undefined;
  readonly profile: Profile | undefined;
  readonly maintenance: Maintenance;
  readonly occupancy: Occupancy;
  /** Instructions retired by each vCPU are counted outside; this is the present run. */
  lastRetired = 0;
  #window: RunWindow = { budget: 0, startNs: 0, nsPerInstruction: 1 };
  #running = false;
  readonly slices: Slices;
  #redirected = false;
  #isEl2Code = false;
  /** The last piece of the run ended because its instructions were used up. */
  #isCut = false;
  #kicked = false;
  #waiting: "WFI" | "WFE" | undefined;
  /** The run ended for a debugger. */
  #isStopped = false;

  constructor(readonly options: CpuOptions) {
    const { memory, bus, model, breakBeforeMake: report, neighbours, codePages = CODE_PAGES, tier1: mode = "off" } = options;
    const regions = mpuRegions(model);
    this.stateSize = at.STATE_SIZE + (regions ? mpuBytes(regions) : 0);
    const [state, banks, records, area, sideTable = 0] = reserveAreas(memory, this, codePages, mode);
    const block = this.block = new Block(memory.wasm, state, memory.touched);
    this.file = new RegisterFile(model);
    this.exceptions = new ExceptionUnit(block, model.features, options.smc);
    this.debug = new DebugUnit(block, this.exceptions, registerOffset(regions ? "VSCTLR_EL2" : "VTTBR_EL2"));
    const ram = new RamMap(memory);
    const ramOffset = (pa: number) => ram.offset(pa);
    this.mmu = new Mmu({
      words: () => block.words,
      ramOffset,
      register: (name) => state + registerOffset(name),
      features: { paBits: model.physicalAddressBits },
      ...sharedWalks(memory.wasm.buffer, area),
      mpu: regions && { address: state + at.STATE_SIZE, ...regions },
    });
    const walks = new Walks(block, area, this.mmu, memory);
    this.tlb = new Tlb(block, banks, BANKS, report === undefined);
    this.decoder = new Decoder(declarations, model.features);
    this.code = new CodeCache(block, records, codePages, this.tlb, this.decoder, () => this.interpreter, walks.codeAt, neighbours);
    const syncPc = () => this.syncPc();
    const redirect = () => void (this.#redirected = true);
    const { mmu, tlb, code, exceptions, debug } = this;
    const stops = this.stops = new Stops(code);
    const current = () => this.vcpu;
    const shared = { block, mmu, tlb, code, ram, exceptions, debug, stops, walks, redirect };
    const tookLong = () => this.slices.tookLong();
    const accesses = this.accesses = new Accesses({ ...shared, bus, syncPc, occupant: current, tookLong });
    const context = this.context = new TranslationContext(block, mmu, tlb, new Spaces(block, banks + SPACES_AT));
    accesses.devices = options.devices;
    if (report) accesses.checker = checkCpu({ block, mmu, tlb, model, memory, ramOffset, syncPc, report, current });
    const isLegacy = () => (block.get(ICC_SRE_EL1) & 1) === 0;
    this.gic = new GicCpuInterface(() => block.words, (name) => state + registerOffset(name), isLegacy);
    this.gicv = new GicLegacyInterface(this.gic, isLegacy, () => this.#legacyInterfaceUsed());
    this.lines = new InterruptLines(block, this.gic, exceptions);
    const counter = this.counter = new CounterAndTimers(block, options.counterFrequencyHz, options.nowNs ?? (() => this.nowNs()));
    const monitors = new PerformanceMonitors(block, () => BigInt((this.occupancy.inside?.retired ?? 0) + this.retiredNow()));
    this.registers = new Registers(block, this.file, this.exceptions, this.gic, counter, monitors, () => this.debugChanged(), this.mmu.mpu);
    const maintenance = this.maintenance = new Maintenance(block, mmu, tlb, accesses, exceptions, current, redirect, neighbours);
    this.occupancy = new Occupancy({ block, stateSize: this.stateSize, accesses, context, debug, exceptions, mmu, tlb });
    const system = new SystemOperations({
      block,
      exceptions: this.exceptions,
      registers: this.registers,
      context: this.context,
      maintenance,
      findInstruction: (packed) => systemInstruction(packed, model.features),
      syncPc,
      redirect,
      wait: (instruction) => void (this.#waiting = instruction),
      exit: () => void (this.#kicked = true),
      tookLong,
      sendEvent: options.sendEvent,
      interruptTaken: () => this.lines.isTaken,
      interruptPending: () => this.lines.isPending,
      updateInterrupts: () => this.lines.update(),
      takeEvent: () => neighbours?.takeEvent(this.vcpu) ?? false,
      barrier: neighbours ? () => neighbours.barrier() : (crm) => accesses.checker?.dsb(crm),
    });
    this.profile = options.profiles ? new Profile(block, (word, at) => disassembly(this.decoder, word, at)) : undefined;
    const tiers = makeTiers({
      mode,
      sideTable,
      file: this.file,
      block,
      code,
      decoder: this.decoder,
      accesses,
      walks: regions || report ? undefined : walks,
      profile: this.profile,
      store: neighbours ? undefined : options.translations,
      uncompiled: options.uncompiled,
      counterFrequencyHz: options.counterFrequencyHz,
      watchesBarriers: report !== undefined || neighbours !== undefined,
      sharesMemory: neighbours,
      system: (op, word) => system.execute(op, word),
      computed: () => this.slices.computed(),
      spaces: this.mmu.mpu ? undefined : context.spaces.address,
      routines: { exceptions: exceptions.routines, updateContext: () => context.update() },
      decode: (record) => this.#decode(record),
      resume: () => this.#resume(),
    });
    this.interpreter = tiers.interpreter;
    this.tier1 = tiers.tier1;
    const run = () => timed(this.profile, "generated code", () => this.interpreter.run());
    this.slices = new Slices({ block, tier1: this.tier1, run, isUndisturbed: () => this.#isUndisturbed, end: () => this.kick() });
  }

  /** Number of the vCPU in the block; -1: none. */
  get vcpu(): number {
    return this.occupancy.inside?.number ?? -1;
  }

  /** Puts a vCPU's registers into the block. */
  enter(vcpu: Occupant): void {
    if (this.occupancy.inside === vcpu) return;
    if (this.#running) throw new Error("a vCPU can't be switched while another runs");
    this.occupancy.enter(vcpu);
  }

  /** After a change of the debug registers: pages that a breakpoint or watchpoint is in leave the TLB. */
  debugChanged(): void {
    if (this.debug.update()) this.tlb.invalidate((bank) => bank.vcpu === this.vcpu);
  }

  /** Instructions that the present run has retired. */
  retiredNow(): number {
    return this.#running ? this.#window.budget - this.slices.left : this.lastRetired;
  }

  /** Virtual time at the present instruction, in nanoseconds. */
  nowNs(): number {
    const { startNs, nsPerInstruction } = this.#window;
    return startNs + this.retiredNow() * nsPerInstruction;
  }

  /** Makes PC true while generated code is under way. */
  syncPc(): void {
    const { block } = this;
    const within = (block.get(at.IP) - block.get(at.RECORDS)) >> 2;
    const lo = block.get(at.PAGE_VA) + within;
    block.setPair(at.PC, lo, block.get(at.PAGE_VA + 4) + (lo > 0xffff_ffff ? 1 : 0));
  }

  #decode(record: number): number {
    if (this.stops.hasCode && record !== this.code.passed && this.code.isTrap(record)) return 0;
    if (this.code.decode(record)) return record;
    const { block } = this;
    this.syncPc();
    block.setPair(at.TARGET, block.get(at.PC), block.get(at.PC + 4));
    return this.accesses.arrive();
  }

  /** A load or store has changed what the virtual CPU interface shows: the run ends if that concerns anybody now. */
  #legacyInterfaceUsed(): void {
    this.lines.update();
    if (this.gic.maintenancePending() || this.lines.isTaken) this.kick();
  }

  /** True when WFI wouldn't wait. */
  wakeupPending(): boolean {
    this.lines.update();
    return this.lines.isPending;
  }

  /** Asks the run in progress to end after the current instruction. */
  kick(): void {
    this.#kicked = true;
    if (this.#running) this.slices.cut();
  }

  /** Runs the vCPU in the block. EL2 must have been left. */
  run(window: RunWindow): Exit {
    const { block, exceptions, context } = this;
    this.#window = window;
    this.#kicked = this.#isStopped = this.#isCut = false;
    this.#waiting = undefined;
    this.#running = true;
    this.slices.begin(window, this.occupancy.inside?.retired ?? 0);
    if (block.get(at.EL) === 2) exceptions.exceptionReturn();
    this.lines.update();
    context.update();
    try {
      for (;;) {
        const exit = this.#turn();
        if (exit) return exit;
      }
    } finally {
      this.lastRetired = this.retiredNow();
      this.#running = false;
      if (!this.#isStopped) block.set(at.EXCLUSIVE, 0);
      this.accesses.checker?.flush();
    }
  }

  /** One instruction of EL2's own code, which {@linkcode run} never executes: it begins with the return from EL2. No time passes. */
  stepAtEl2(): Exit | undefined {
    const { lastRetired } = this;
    const window = this.#window;
    this.#window = { budget: 1, startNs: this.nowNs(), nsPerInstruction: 0 };
    this.#kicked = false;
    this.#waiting = undefined;
    this.#running = this.#isEl2Code = true;
    this.slices.begin(this.#window, 0);
    try {
      return this.#turn();
    } finally {
      this.#running = this.#isEl2Code = false;
      this.#window = window;
      this.lastRetired = lastRetired;
    }
  }

  /** From one look at interrupts to the next. */
  #turn(): Exit | undefined {
    const { block, exceptions, accesses, debug, stops, lines, slices } = this;
    const { stopAfter = Infinity } = this.#window;
    if (this.retiredNow() >= stopAfter && !this.#kicked && (block.get(at.BUDGET) | 0) > 0) return this.#stop();
    let isCut = this.#isCut;
    if (lines.isTaken) {
      isCut = false;
      lines.take();
      this.context.update();
    }
    if (exceptions.loop.isLooping) {
      exceptions.loop.isLooping = false;
      return { kind: "fault-loop", detail: exceptions.loop.detail, origin: exceptions.loop.origin };
    }
    const step = exceptions.stepState();
    if (step === "pending") {
      exceptions.softwareStep();
      return this.#afterRedirect();
    }
    const left = block.get(at.BUDGET) | 0;
    this.#isCut = false;
    if (left <= 0 || this.#kicked) return { kind: "budget" };
    block.setPair(at.TARGET, block.get(at.PC), block.get(at.PC + 4));
    const record = accesses.fetch();
    if (record === 0) {
      // A fetch that faults takes time too, or a guest could hang the host in its vector; but never where a run was cut.
      if (!isCut) block.set(at.BUDGET, left - 1);
      return this.#afterRedirect();
    }
    const isPassing = (stops.hasCode || stops.hasData) && stops.passes(this.vcpu, this.#retired, block.get64(at.PC));
    if (stops.hasCode && !isPassing && !this.#isEl2Code) {
      const stop = stops.execute(this.vcpu, block.get(at.PC), block.get(at.PC + 4), () => accesses.ipaOfPc());
      if (stop) return this.#stop({ stop });
    }
    // A record that no stop is for belongs to the same code at another address, or of another domain.
    const isTrap = stops.hasCode && this.code.isTrap(record);
    const isDebugged = debug.hasBreakpoints && debug.holdsCode(block.get(at.PC), block.get(at.PC + 4));
    if (isDebugged && debug.breaks(block.get(at.PC), block.get(at.PC + 4))) {
      block.set(at.BUDGET, left - 1);
      exceptions.breakpoint();
      return this.#afterRedirect();
    }
    if (block.get(at.IL)) {
      exceptions.illegalState();
      return this.#afterRedirect();
    }
    const stepped = step === "notPending" ? steppedBy(block.words[this.code.hostOf(record) >>> 2]) : Stepped.nothing;
    block.set(at.IP, record);
    const isStepping = accesses.isStepping = isDebugged || isPassing || isTrap || step === "notPending" || this.#isEl2Code;
    const allowed = this.options.neighbours?.look(left, this.retiredNow()) ?? left;
    if (allowed <= 0) return { kind: "budget" };
    const most = Math.min(allowed, stopAfter - this.retiredNow());
    const wanted = this.profile ? this.profile.slice(most) : most;
    this.#redirected = accesses.hasArrived = false;
    stops.isPassing = isPassing;
    const status = isTrap ? stops.over(record, () => slices.step()) : isStepping ? slices.step() : slices.execute(record, wanted);
    stops.isPassing = false;
    this.#isCut = status === Status.budget || accesses.hasArrived;
    if (!this.#redirected && !accesses.hasArrived) this.syncPc();
    this.profile?.executed(left - slices.left, this.#redirected ? undefined : accesses.instruction());
    if (stops.hit) return this.#stop(stops.hit);
    if (step === "notPending" && !this.#redirected && status !== Status.leave) exceptions.endStep(stepped);
    if (this.#redirected) return this.#afterRedirect();
    if (this.#waiting) return { kind: "wait", instruction: this.#waiting };
    return undefined;
  }

  /** Between two slices of a run there is nothing to look at. */
  get #isUndisturbed(): boolean {
    const { stops, debug, options, lines, exceptions } = this;
    if (stops.hasCode || stops.hasData || debug.hasBreakpoints || this.profile || options.neighbours?.isCalm === false) return false;
    if (this.#kicked || this.#redirected || this.accesses.hasArrived || lines.isTaken) return false;
    return !exceptions.loop.isLooping && exceptions.stepState() === "inactive";
  }

  /** Comes back for a debugger, with nothing changed that the guest could see. */
  #stop(why: Omit<Stopped, "pc"> = {}): Exit {
    this.#isStopped = true;
    const pc = this.block.get64(at.PC);
    this.stops.stopped(this.vcpu, this.#retired, pc);
    return { kind: "breakpoint", pc, ...why };
  }

  /** Retired by the vCPU in the block since it was made. */
  get #retired(): number {
    return (this.occupancy.inside?.retired ?? 0) + this.retiredNow();
  }

  /** An exception was taken within a run: 1 when the run goes on in its handler, at TARGET, since nobody has to look at anything first. */
  #resume(): number {
    const { block, exceptions } = this;
    if (!this.#redirected || block.get(at.EL) === 2 || block.get(at.IL)) return 0;
    if (exceptions.loop.isLooping || exceptions.stepState() !== "inactive" || this.lines.isTaken) return 0;
    this.#redirected = false;
    this.context.enterLevel();
    block.branchAnew(block.get(at.PC), block.get(at.PC + 4));
    return 1;
  }

  #afterRedirect(): Exit | undefined {
    this.#redirected = false;
    // What EL2 handles needs no translation context before the way back.
    if (this.block.get(at.EL) === 2) return EXCEPTION;
    this.context.update();
    return undefined;
  }

  /** PSTATE in SPSR format. */
  get pstate(): number {
    return packPstate(this.block);
  }
}
