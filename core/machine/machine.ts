/** A board, running. */
import type { Board, DomainSpec } from "../board/board.ts";
import { domainClashes } from "../board/domain_check.ts";
import { ManifestError } from "../board/errors.ts";
import { DeviceBus } from "../memory/bus.ts";
import type { Capability } from "../plugin/capability.ts";
import { denoSockets } from "../host/deno_sockets.ts";
import { cpuPools } from "../schedule/cpu_pools.ts";
import { CpuEngine } from "../arch/cpu_engine.ts";
import { Interrupts } from "../arch/interrupts.ts";
import { Debugger } from "./debugger.ts";
import type { DebuggerEnvironment } from "./debugger.ts";
import { dispatch } from "./dispatch.ts";
import type { Domain } from "./domain.ts";
import { DomainLife } from "./domain_life.ts";
import { devicesOf, type Holdings, type PluginInUse, takeInventory } from "./inventory.ts";
import { FIXED_BOOT_TIME } from "./machine_types.ts";
import type { MachineEnvironment, MachineStats, RecordedOperation, StopReason } from "./machine_types.ts";
import { watched } from "./instrument.ts";
import { MemoryBackend } from "../memory/memory_backend.ts";
import type { PhysicalMemory } from "../memory/physical_memory.ts";
import { PluginError } from "../plugin/plugin_errors.ts";
import { PluginHost } from "../plugin/plugin_host.ts";
import { memoryBeside, Ram } from "../memory/ram.ts";
import { type DomainStatus, domainStatus } from "./status.ts";
import { runsInVain } from "./progress.ts";
import { Reporter } from "./reporter.ts";
import { RunLoop } from "./run_loop.ts";
import { Scheduler, type Scheduling } from "../schedule/scheduler.ts";
import { SerialHub } from "../host/serial_hub.ts";
import { SocketHub } from "../host/socket_hub.ts";
import { type Journal, ReplayError } from "../snapshot/journal.ts";
import { machineJournal } from "./machine_journal.ts";
import { forkedEnvironment, restoreSnapshot, takeSnapshot } from "../snapshot/machine_snapshot.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { MachineParts } from "../snapshot/state.ts";
import { Tracer } from "./trace.ts";
import { VirtualClock } from "../schedule/virtual_clock.ts";

export type { MachineEnvironment, MachineStats, RecordedOperation, StopReason } from "./machine_types.ts";

/** A running board. Made by {@linkcode Machine.create}, ended by {@linkcode Machine.dispose}. */
export class Machine {
  readonly #ram: Ram;
  readonly #clock: VirtualClock;
  readonly #serial: SerialHub;
  readonly #sockets: SocketHub;
  readonly #bus: DeviceBus;
  readonly #host: PluginHost;
  readonly #tracer: Tracer;
  readonly #exits = new Map<string, number>();
  readonly #life: DomainLife;
  readonly #wallMs: () => number;
  readonly #loop: RunLoop;
  readonly #journal: Journal;
  #engine!: CpuEngine;
  #backend!: MemoryBackend;
  #scheduler!: Scheduler;
  #debugger: Debugger | undefined;
  #inRun = false;
  readonly #operations: RecordedOperation[] = [];
  readonly #images: Map<string, Uint8Array>;
  readonly #reporter = new Reporter(() => ({
    engine: this.#engine,
    memory: this.#ram,
    nowNs: this.#clock.nowNs,
    interruptsOf: (domain) => this.#life.scope(domain)?.find(Interrupts.name)?.value as Interrupts | undefined,
    symbolOf: this.environment.symbolOf?.bind(this.environment),
  }));
  #disposed = false;

  private constructor(
    /** What it was made from. */
    readonly board: Board,
    /** The world around it. */
    readonly environment: MachineEnvironment,
  ) {
    this.#images = new Map(environment.images);
    this.#ram = new Ram(board.memory, memoryBeside(board));
    this.#clock = new VirtualClock(() => this.#engine.kick());
    this.#serial = new SerialHub(this.#clock);
    this.#sockets = new SocketHub(this.#clock, environment.sockets ?? denoSockets, environment.onSocketEvent?.bind(environment));
    this.#tracer = new Tracer(environment.onTrace?.bind(environment));
    this.#wallMs = environment.wallMs ?? (() => performance.now());
    this.#bus = new DeviceBus(this.#ram);
    this.#host = new PluginHost({
      board,
      clock: this.#clock,
      serial: this.#serial,
      sockets: this.#sockets,
      memory: this.#ram,
      bus: this.#bus,
      images: this.#images,
      bootTimeSeconds: environment.bootTimeSeconds ?? FIXED_BOOT_TIME,
      openDisk: environment.openDisk,
      openFolder: environment.openFolder,
      cache: environment.cache,
      trace: (kind, detail) => this.#tracer.trace(kind, detail),
      failed: (owner, hook, error, domain) => this.#life.failed(owner, hook, error, domain),
    });
    this.#life = new DomainLife({
      board,
      host: this.#host,
      memory: this.#ram,
      tracer: this.#tracer,
      exits: this.#exits,
      hardware: () => ({ engine: this.#engine, backend: this.#backend, scheduler: this.#scheduler }),
    });
    this.#loop = new RunLoop({
      clock: this.#clock,
      serial: this.#serial,
      sockets: this.#sockets,
      life: this.#life,
      wallMs: this.#wallMs,
      isPaced: board.time === "host",
      scheduler: () => this.#scheduler,
      isAttended: () => environment.attended ?? false,
      describe: () => this.describe(),
      journal: () => this.#journal,
    }, environment.expectsInput ?? false);
    this.#journal = machineJournal(environment, { serial: this.#serial, sockets: this.#sockets, life: this.#life, loop: this.#loop });
  }

  /**
   * Makes a machine of a snapshot: a new one of the same board, in which everything is as it was, to the instruction. What the world outside
   * had to do with it is gone: connections are broken. Throws a {@linkcode SnapshotError} for a snapshot of another board or version.
   */
  static restore(board: Board, environment: MachineEnvironment, snapshot: Snapshot): Promise<Machine> {
    return Machine.#make(board, environment, snapshot);
  }

  /** Sets the plugins up and builds the domains. Throws a `PluginError` or `OptionError`; then nothing is left behind. */
  static create(board: Board, environment: MachineEnvironment): Promise<Machine> {
    return Machine.#make(board, environment);
  }

  static async #make(board: Board, environment: MachineEnvironment, snapshot?: Snapshot): Promise<Machine> {
    const machine = new Machine(board, environment);
    try {
      await machine.#build(snapshot);
    } catch (error) {
      machine.dispose();
      throw error;
    }
    return machine;
  }

  /** RAM, and who owns it. */
  get memory(): PhysicalMemory {
    return this.#ram;
  }

  /** Virtual time since boot, in nanoseconds. */
  get nowNs(): number {
    return this.#clock.nowNs;
  }

  /** What it did so far. */
  get stats(): MachineStats {
    return { instructions: this.#scheduler.instructions, exits: this.#exits, traced: this.#tracer.counts, reboots: this.#life.reboots };
  }

  /** True after a {@linkcode runFor} that came back early: nothing happens before {@linkcode wakeAfterMs}, or before input. */
  get waiting(): boolean {
    return this.#loop.waiting;
  }

  /** While {@linkcode waiting}: milliseconds until time goes on by itself; `undefined`: only input helps. */
  get wakeAfterMs(): number | undefined {
    return this.#loop.wakeAfterMs;
  }

  /** Domains, also those that ended and weren't destroyed. */
  get domains(): readonly Domain[] {
    return this.#life.domains;
  }

  /** What they do now, in the same order. */
  status(): DomainStatus[] {
    return this.domains.map((domain) => domainStatus(domain, this.isPaused(domain), this.#serial.portsOf(domain.name)));
  }

  /** Names of the serial ports that devices opened. */
  get serialPorts(): readonly string[] {
    return this.#serial.names;
  }

  /** Everything that it holds, as numbers by name: what differs between two equal moments is a leak. For tests; takes a while. */
  holdings(): Holdings {
    const domains = this.domains.map((domain) => ({ domain, scope: this.#life.scope(domain)! }));
    const { files, board } = this.#host;
    return takeInventory({ ...this.#parts(), sockets: this.#sockets, bus: this.#bus, files, board, domains });
  }

  /** Plugins in use with their state, which is their own: look, don't touch. */
  get devices(): readonly PluginInUse[] {
    return devicesOf([this.#host.board, ...this.domains.map((domain) => this.#life.scope(domain)!)]);
  }

  /** For people: what each vCPU does and what it waits for. */
  describe(): string {
    return this.#reporter.vcpus(this.domains);
  }

  /** True when every vCPU that is on is in an empty loop with interrupts masked, and no event is to come: this never ends by itself. */
  get runsInVain(): boolean {
    return this.#clock.events.next === undefined && !this.environment.attended &&
      runsInVain(this.domains, { engine: this.#engine, memory: this.#ram });
  }

  /** Bytes from outside, stamped with the present virtual time. Throws when no device has such a port. */
  serialInput(port: string, bytes: Uint8Array): void {
    if (this.#journal.isReplay) throw new ReplayError(`input for ${port} in a replay: all input comes from the recording`);
    this.#serial.input(port, bytes);
    this.#journal.came({ kind: "serial", port, bytes: bytes.slice() });
  }

  /** What comes from outside, and where the run is. */
  get journal(): Journal {
    return this.#journal;
  }

  /** Called outside of any run when a socket of the host brought something: there may be no reason to wait any more. */
  onHostInput(callback: () => void): void {
    this.#sockets.onArrival = callback;
  }

  /** No more input comes: a machine in which nothing happens has stopped. */
  endInput(): void {
    this.#loop.expectsInput = false;
  }

  /**
   * Runs until at least `maxVirtualNs` have passed or about `maxWallMs` of the host's time, or a domain's end stops the board.
   * `undefined`: it can go on; {@linkcode waiting} tells whether at once.
   */
  runFor(maxVirtualNs: number, maxWallMs: number): StopReason | undefined {
    this.#sockets.deliver();
    this.#inRun = true;
    try {
      return this.#loop.run(this.#clock.nowNs + maxVirtualNs, this.#wallMs() + maxWallMs);
    } finally {
      this.#inRun = false;
      this.#sockets.flush();
      this.#serial.flush((port, bytes) => this.environment.onSerial(port, bytes));
    }
  }

  /** This moment, as a value; between runs. Throws a {@linkcode SnapshotError} when a plugin refuses. */
  save(): Snapshot {
    return takeSnapshot(this.board, this.#parts(), true);
  }

  /**
   * A second machine that goes on from here by itself, in a world of its own: nobody hears of its serial ports unless `environment` says so,
   * it has no sockets, and disks it opens for reading only. `from`: a moment of this machine's other than now; many forks of one moment share
   * what none of them touches. Throws a {@linkcode SnapshotError} for a machine that writes to a disk.
   */
  fork(environment: Partial<MachineEnvironment> = {}, from?: Snapshot): Promise<Machine> {
    const snapshot = from ?? takeSnapshot(this.board, this.#parts(), false);
    return Machine.#make(this.board, forkedEnvironment(this.environment, environment), snapshot);
  }

  #parts(): MachineParts {
    return {
      memory: this.#ram,
      clock: this.#clock,
      serial: this.#serial,
      tracer: this.#tracer,
      exits: this.#exits,
      host: this.#host,
      life: this.#life,
      loop: this.#loop,
      engine: this.#engine,
      scheduler: this.#scheduler,
    };
  }

  /**
   * Builds a domain: memory, vCPUs, plugins, and boots it. `images`: what its options name, beside those of the board. Throws a
   * {@linkcode ManifestError} when it clashes with the domains that are there. Nothing is left when it throws.
   */
  async createDomain(spec: DomainSpec, images: ReadonlyMap<string, Uint8Array> = new Map()): Promise<Domain> {
    const clashes = await domainClashes(this.board, this.domains.map((domain) => domain.spec), spec);
    if (clashes.length > 0) throw new ManifestError(`domain ${spec.name}`, clashes);
    for (const [reference, image] of images) this.#images.set(reference, image);
    this.#operated("create", spec.name);
    return await this.#life.create(spec);
  }

  /**
   * Holds a domain until {@linkcode unpause}, over reboots as well; its devices and time go on. False when it is held already, or has
   * ended. Throws when there is no such domain.
   */
  pause(name: string): boolean {
    const domain = this.#life.named(name);
    this.#operated("pause", name);
    return this.#life.pause(domain);
  }

  /** The counterpart of {@linkcode pause}: false when nobody holds it. Throws when there is no such domain. */
  unpause(name: string): boolean {
    const domain = this.#life.named(name);
    this.#operated("unpause", name);
    return this.#life.unpause(domain);
  }

  /** True for a domain that {@linkcode pause} holds. */
  isPaused(domain: Domain): boolean {
    return this.#life.isPaused(domain);
  }

  /**
   * Makes a domain start over: all of it is destroyed and built again, but for what its plugins keep (disks, a clock's battery). No virtual
   * time passes. Throws when there is no such domain, or when it can't be built again; then it is gone.
   */
  async reboot(name: string): Promise<Domain> {
    const domain = this.#life.named(name);
    this.#operated("reboot", name);
    return await this.#life.reboot(domain);
  }

  /** Halts it and looks into it. Made when it is first asked for: a machine that nobody debugs pays nothing. */
  get debugger(): Debugger {
    const wrote: DebuggerEnvironment["wrote"] = (input) => this.#journal.came(input);
    return this.#debugger ??= new Debugger({ ...this.#parts(), domains: () => this.domains, wrote });
  }

  /** What can be changed of scheduling while it runs: weights, budgets, affinities. */
  get scheduling(): Scheduling {
    return this.#scheduler;
  }

  /** Gives everything back that a domain holds, whatever it does at the moment. */
  destroyDomain(domain: Domain): void {
    this.#operated("destroy", domain.name);
    this.#life.destroy(domain);
  }

  /** What was done to domains from outside, with virtual times: with the input, enough to repeat a run. */
  get operations(): readonly RecordedOperation[] {
    return this.#operations;
  }

  /** Stops the machine: stop hooks of all plugins, domains destroyed. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const domain of this.domains.toReversed()) this.#life.destroy(domain, true);
    this.#host.board.close((owner, hook, error) => this.#tracer.trace("plugin failure", () => new PluginError(owner, hook, error).message));
    this.#sockets.close();
    this.#ram.dispose();
  }

  async #build(snapshot?: Snapshot): Promise<void> {
    await this.#host.setup();
    this.#engine = this.#require(CpuEngine);
    this.#backend = this.#require(MemoryBackend);
    this.#scheduler = new Scheduler({
      clock: this.#clock,
      engine: this.environment.instrument?.engine(this.#engine) ?? this.#engine,
      pools: cpuPools(this.board, this.#host.board, (detail) => this.#tracer.trace("scheduler policy", () => detail)),
      pcpus: this.board.pcpus,
      nsPerInstruction: this.board.nsPerInstruction,
      hooks: (vcpu) => this.#life.hooks(vcpu),
      dispatch: watched(
        this.environment.instrument,
        (vcpu) => dispatch(vcpu, this.#life.exitEnvironment(vcpu.domain)),
        (vcpu, ipa) => this.#life.exitEnvironment(vcpu.domain).claims.window(ipa)?.name,
      ),
      failed: (owner, hook, error, domain) => this.#life.failed(owner, hook, error, domain),
      crashed: (vcpu, what, origin) => ({ kind: "crash", report: this.#reporter.crash(vcpu, what, this.#tracer.recent, origin) }),
    });
    if (snapshot) {
      await restoreSnapshot(this.board, this.#parts(), snapshot, () => this.#backend.finishBoot?.());
    } else {
      const built: Domain[] = [];
      for (const spec of this.board.domains) built.push(await this.#life.build(spec));
      this.#backend.finishBoot?.();
      for (const domain of built) await this.#life.boot(domain);
    }
    this.#ram.seal();
  }

  #require<T>(key: Capability<T>): T {
    const found = this.#host.board.find(key.name);
    if (found === undefined) throw new Error(`the board needs a plugin that provides ${key.name}`);
    return found.value as T;
  }

  /** An operation changes what a run works on: it comes between two of them. */
  #operated(operation: RecordedOperation["operation"], domain: string): void {
    if (this.#inRun) throw new Error(`${operation} of ${domain} within runFor: operations come between two runs`);
    this.#journal.came({ kind: "operation", operation, domain });
    this.#operations.push({ atNs: this.#clock.nowNs, operation, domain });
  }
}
