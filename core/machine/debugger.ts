/**
 * Looks at a machine from outside: halts it at breakpoints and watchpoints, lets vCPUs take single steps, reads and writes registers and
 * memory. Where it halts is exact to the instruction, in the middle of a turn of the scheduler as well, and what the guest does is the same
 * with it and without. Whoever writes to a guest changes it, of course; what he writes is input, with its place in the run.
 */
import type { VisibleRegister } from "../arch/cpu_engine.ts";
import type { MaybeParallel } from "../arch/parallel_cpus.ts";
import { writeRegister } from "../arch/register_names.ts";
import type { Stop, Stopped } from "../arch/stops.ts";
import { PAGE_SIZE } from "../memory/address.ts";
import type { PhysicalMemory } from "../memory/physical_memory.ts";
import type { OutsideInput } from "../snapshot/journal.ts";
import type { RunControl } from "../schedule/run_control.ts";
import type { Domain, Vcpu } from "./domain.ts";

/** Why a machine is halted. */
export type Halt =
  /** Somebody asked for it. */
  | { readonly kind: "asked"; readonly vcpu?: Vcpu }
  /** The next instruction has a breakpoint. */
  | { readonly kind: "breakpoint"; readonly vcpu: Vcpu; readonly stop: Stop }
  /** The next instruction is about to access what is watched. */
  | { readonly kind: "watchpoint"; readonly vcpu: Vcpu; readonly stop: Stop; readonly address: bigint }
  /** The vCPU has executed the one instruction, or what came of it (an exception, a trap that was answered). */
  | { readonly kind: "step"; readonly vcpu: Vcpu }
  /** As many instructions were executed as {@linkcode Debugger.resume} was told. */
  | { readonly kind: "reached"; readonly vcpu: Vcpu };

/** A breakpoint or watchpoint, and for whom. */
export interface DomainStop extends Stop {
  /** Of the domain's vCPUs; absent: of all. */
  readonly domain?: string;
}

/** How a machine goes on. */
export interface Resume {
  /** Until this vCPU has executed one instruction. Others run as they would; it may have to wait for its turn, or for an interrupt. */
  readonly step?: Vcpu;
  /** With `step`: on and on, as long as it stays within these addresses; the last one isn't one of them. */
  readonly within?: readonly [from: bigint, to: bigint];
  /** Until all vCPUs together have executed so many instructions since the board began. */
  readonly until?: number;
}

/** What it works on. */
export interface DebuggerEnvironment {
  /** Where the stops are. */
  readonly engine: Pick<MaybeParallel, "parallel" | "setStops" | "translate" | "visibleRegisters" | "memoryWritten">;
  /** What it halts. */
  readonly scheduler: {
    /** Asked while vCPUs run. */
    control: RunControl | undefined;
    /** Retired by all vCPUs. */
    readonly instructions: number;
    /** It is halted in the middle of a turn. */
    readonly isWithinRound: boolean;
  };
  /** All RAM. */
  readonly memory: Pick<PhysicalMemory, "isRam" | "view">;
  /** As they are now. */
  domains(): readonly Domain[];
  /** Told of what is written. */
  wrote(input: OutsideInput & { readonly kind: "memory" | "register" }): void;
}

/** Where an address leads. */
interface Place {
  readonly ipa: number;
  readonly pa: number;
}

/** The debugger of a machine. */
export class Debugger implements RunControl {
  /** Why it is halted; absent while it may run. */
  halt: Halt | undefined;
  /** Told when a running machine halts by itself, from within the run: only to take note. */
  onHalt: ((halt: Halt) => void) | undefined;
  #stops: readonly DomainStop[] = [];
  /** What the engine was told last: the stops, and each domain's vCPUs. */
  #told: readonly unknown[] = [];
  #resume: Resume = {};
  /** It has executed something, in steps within a range. */
  #hasMoved = false;
  #latest: Vcpu | undefined;
  /** Where the run was when each vCPU had executed what it did last. */
  readonly #positions = new WeakMap<Vcpu, number>();

  /** Made by `Machine.debugger`. */
  constructor(
    /** What it works on. */
    readonly environment: DebuggerEnvironment,
  ) {
    if (environment.engine.parallel) throw new Error("there is no debugger with `parallel: true`: set it to false, which is the default");
    environment.scheduler.control = this;
  }

  /** Nothing runs until this is false. */
  get isHalted(): boolean {
    if (this.#hasMoved) this.#leavesRange();
    return this.halt !== undefined;
  }

  /** System registers that may be read. */
  get systemRegisters(): readonly VisibleRegister[] {
    return this.environment.engine.visibleRegisters ?? [];
  }

  /** Instructions that all vCPUs executed together: where the machine is in its run. */
  get position(): number {
    return this.environment.scheduler.instructions;
  }

  /** {@linkcode position} behind the last instruction of a vCPU, as far as this debugger has seen it. */
  positionOf(vcpu: Vcpu): number | undefined {
    return this.#positions.get(vcpu);
  }

  /** True while it is halted in the middle of a turn: its state is no snapshot's then. */
  get isWithinRound(): boolean {
    return this.environment.scheduler.isWithinRound;
  }

  /** The vCPU that ran last; while its domain is there. */
  get latest(): Vcpu | undefined {
    return this.environment.domains().some(({ vcpus }) => vcpus.includes(this.#latest!)) ? this.#latest : undefined;
  }

  /** All breakpoints and watchpoints there are from now on. */
  setStops(stops: readonly DomainStop[]): void {
    this.#stops = [...stops];
    this.#tell();
  }

  /** Halts it now; between two calls of `Machine.runFor`. */
  stop(vcpu: Vcpu | undefined = this.latest): void {
    this.halt ??= { kind: "asked", vcpu };
    this.#resume = {};
  }

  /** Lets it run, with the next `Machine.runFor`. */
  resume(how: Resume = {}): void {
    if (how.until !== undefined && how.until <= this.position) return this.stop();
    this.#tell();
    this.#resume = how;
    this.#hasMoved = false;
    this.halt = undefined;
  }

  /** Takes all stops away, and lets it run. */
  detach(): void {
    this.setStops([]);
    this.resume();
  }

  /** A domain that starts over has new vCPUs. */
  #tell(): void {
    const domains = this.#stops.length > 0 ? this.environment.domains() : [];
    const told = [...this.#stops, ...domains];
    if (told.length === this.#told.length && told.every((one, n) => one === this.#told[n])) return;
    this.#told = told;
    const vcpus = (name: string | undefined) =>
      name === undefined ? undefined : domains.find((domain) => domain.name === name)?.vcpus.map(({ state }) => state) ?? [];
    this.environment.engine.setStops?.(this.#stops.map((stop) => ({ stop, vcpus: vcpus(stop.domain) })));
  }

  /** For the scheduler. @internal */
  most(vcpu: Vcpu): number {
    const { step, until = Infinity } = this.#resume;
    return step === vcpu ? 1 : until - this.position;
  }

  /** For the scheduler. @internal */
  ran(vcpu: Vcpu, instructions: number): void {
    this.#latest = vcpu;
    if (instructions === 0) return;
    this.#positions.set(vcpu, this.position);
    if (this.#resume.step === vcpu && this.#resume.within === undefined) this.#halted({ kind: "step", vcpu });
    else if (this.#resume.step === vcpu) this.#hasMoved = true;
    else if (this.#resume.until !== undefined && this.position >= this.#resume.until) this.#halted({ kind: "reached", vcpu });
  }

  /** Looked at before anything else runs: what was trapped has moved on by then. */
  #leavesRange(): void {
    const { step, within } = this.#resume;
    if (step === undefined || within === undefined || !this.#hasMoved) return;
    this.#hasMoved = false;
    const { pc } = step.state;
    if (pc < within[0] || pc >= within[1]) this.#halted({ kind: "step", vcpu: step });
  }

  /** For the scheduler. @internal */
  stopped(vcpu: Vcpu, { stop, address }: Stopped): void {
    if (stop === undefined) return;
    this.#halted(address === undefined ? { kind: "breakpoint", vcpu, stop } : { kind: "watchpoint", vcpu, stop, address });
  }

  #halted(halt: Halt): void {
    if (this.halt !== undefined) return;
    this.halt = halt;
    this.#resume = {};
    this.onHalt?.(halt);
  }

  /** Memory as the code of a vCPU sees it, by both its stages. As much of it as is there: RAM, from the first byte on. */
  readVirtual(vcpu: Vcpu, va: bigint, size: number): Uint8Array {
    return this.#read(va, size, (page) => this.#virtual(vcpu, page));
  }

  /** Writes, whatever the guest's own rights are. Returns how many bytes were RAM, from the first on; nothing of others is written. */
  writeVirtual(vcpu: Vcpu, va: bigint, bytes: Uint8Array): number {
    return this.#write(vcpu.domain, va, bytes, (page) => this.#virtual(vcpu, page));
  }

  /** The same by the guest's physical addresses. */
  readPhysical(domain: Domain, ipa: bigint, size: number): Uint8Array {
    return this.#read(ipa, size, (page) => this.#ram(domain, page));
  }

  /** The same by the guest's physical addresses. */
  writePhysical(domain: Domain, ipa: bigint, bytes: Uint8Array): number {
    return this.#write(domain, ipa, bytes, (page) => this.#ram(domain, page));
  }

  /** Writes a register, which may have any name of `writeRegister`. Throws for a name that is none. */
  writeRegister(vcpu: Vcpu, register: string, value: bigint): void {
    const low = BigInt.asUintN(128, value);
    writeRegister(vcpu.state, register, low);
    this.environment.wrote({ kind: "register", domain: vcpu.domain.name, vcpu: vcpu.index, register, value: `0x${low.toString(16)}` });
  }

  #virtual(vcpu: Vcpu, va: bigint): Place | undefined {
    return this.environment.engine.translate?.(vcpu.state, va, false);
  }

  #ram(domain: Domain, address: bigint): Place | undefined {
    if (address >= 1n << 52n) return undefined;
    const ipa = Number(address), found = domain.space.lookup(ipa);
    return found && { ipa, pa: found.pa };
  }

  #read(address: bigint, size: number, translate: (address: bigint) => Place | undefined): Uint8Array {
    const out = new Uint8Array(size);
    const done = this.#pages(address, size, translate, (ram, from) => out.set(ram, from));
    return out.subarray(0, done);
  }

  #write(domain: Domain, address: bigint, bytes: Uint8Array, translate: (address: bigint) => Place | undefined): number {
    return this.#pages(address, bytes.length, translate, (ram, from, { ipa, pa }) => {
      const some = bytes.slice(from, from + ram.length);
      ram.set(some);
      this.environment.engine.memoryWritten(pa, ram.length);
      this.environment.wrote({ kind: "memory", domain: domain.name, ipa, bytes: some });
    });
  }

  /** Bytes for which there was RAM, from the first on. */
  #pages(
    address: bigint,
    size: number,
    translate: (address: bigint) => Place | undefined,
    visit: (ram: Uint8Array, from: number, place: Place) => void,
  ): number {
    const { memory } = this.environment;
    let done = 0;
    while (done < size) {
      const at = BigInt.asUintN(64, address + BigInt(done));
      const length = Math.min(size - done, PAGE_SIZE - Number(at % BigInt(PAGE_SIZE)));
      const place = translate(at);
      if (place === undefined || !memory.isRam(place.pa, length)) break;
      visit(memory.view(place.pa, length), done, place);
      done += length;
    }
    return done;
  }
}
