/** A guest under test: boots, prints, is typed to, looked into, forked; and leaves a bundle when something isn't as expected. */
import type { Board } from "../board/board.ts";
import type { Override } from "../board/manifest_overrides.ts";
import { parseDuration } from "../board/option_values.ts";
import type { DomainStop } from "../machine/debugger.ts";
import type { ExitKind } from "../machine/dispatch.ts";
import type { Domain } from "../machine/domain.ts";
import { Machine } from "../machine/machine.ts";
import type { MachineEnvironment, StopReason } from "../machine/machine_types.ts";
import { checkRecordable, recordingHead } from "../snapshot/recording.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import { SnapshotError } from "../snapshot/snapshot_error.ts";
import { writeBundle } from "./guest_bundle.ts";
import { GuestConsole } from "./guest_console.ts";
import type { ConsoleOwner, Duration, Patience } from "./guest_console.ts";
import { GuestLog } from "./guest_log.ts";
import { GuestCpu, GuestMemory } from "./guest_parts.ts";
import type { PartsOwner } from "./guest_parts.ts";

/** Virtual time between two looks at what came of it: whatever the host's speed, a test sees and does the same at the same instruction. */
const SLICE_NS = 1_000_000;
/** Wall-clock time after which others in this process get a turn, and between two looks while only the world outside can help. */
const TURN_MS = 20;
/** How long the world outside may take to say something, while nothing else can happen. */
const WORLD_MS = 10_000;
const DEFAULT_WITHIN = "10s";
/** Characters of a console in a failure. */
const TAIL = 1500;

/** Something wasn't as expected. Its message shows consoles, vCPUs, and where the bundle is. */
export class GuestError extends Error {
  /** For whoever compares names. */
  override readonly name = "GuestError";

  /** Made where a guest fails. */
  constructor(
    message: string,
    /** The folder that `replay` takes; absent where none was asked for. */
    readonly bundle?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Where the guest came to a breakpoint or watchpoint: the instruction is next. */
export interface Reached {
  /** Which one. */
  readonly stop: DomainStop;
  /** Whose instruction. */
  readonly vcpu: GuestCpu;
  /** The instruction's virtual address. */
  readonly pc: bigint;
  /** Of a watchpoint: the first byte accessed that is watched. */
  readonly address?: bigint;
}

/** What a guest is made of: `bootForTest` makes it. */
export interface GuestOrigin {
  /** What runs. */
  readonly board: Board;
  /** Its text. */
  readonly manifest: string;
  /** Values over the text's. */
  readonly overrides: readonly Override[];
  /** The world around it. */
  readonly environment: MachineEnvironment;
  /** Images that no file has. */
  readonly given: ReadonlyMap<string, Uint8Array>;
  /** The folder in which failures leave bundles; absent: they leave none. */
  readonly bundle?: string;
}

/** Most exits of each kind, and of all of them. */
export type ExitBudget = Readonly<Partial<Record<ExitKind | "all", number>>>;

/** A board that runs under a test. Virtual time only passes while one of its methods is awaited. */
export class Guest {
  readonly #origin: GuestOrigin;
  readonly #log: GuestLog;
  #exits: ReadonlyMap<string, number> = new Map();
  #stopped: StopReason | undefined;
  /** Nothing can happen any more before input. */
  #isStuck = false;
  #isDebugged = false;
  /** Typed in the middle of a turn: it comes at its end, where a replay can give it too. */
  readonly #typed: { readonly port: string; readonly bytes: Uint8Array }[] = [];

  private constructor(
    /** The machine behind it, for what isn't here. What is typed or written past this class is recorded all the same, but for the debugger's writes. */
    readonly machine: Machine,
    origin: GuestOrigin,
    log: GuestLog,
  ) {
    this.#origin = origin;
    this.#log = log;
    this.resetExits();
  }

  /** Builds the board. Throws what `Machine.create` throws. */
  static async start(origin: GuestOrigin): Promise<Guest> {
    const { board, manifest, environment, overrides } = origin;
    const bootTimeSeconds = environment.bootTimeSeconds ?? board.bootTimeSeconds;
    const log = new GuestLog({ ...recordingHead(board, manifest, environment.images, overrides), bootTimeSeconds });
    const machine = await Machine.create(board, { ...environment, bootTimeSeconds, ...log.environment(environment) });
    return new Guest(machine, origin, log);
  }

  /**
   * A second guest that goes on from here by itself; copies share memory until it is written to. Between two turns: not while halted at a
   * breakpoint. Sockets to the host it has none. Throws a `SnapshotError` for a board that writes to a disk of the host.
   */
  async fork(): Promise<Guest> {
    const log = this.#log.fork();
    const { onSerial, onInput } = log.environment({});
    return new Guest(await this.machine.fork({ onSerial, onInput }), this.#origin, log);
  }

  /**
   * A test on a fork of its own, which is gone behind it. Whatever it throws becomes a {@linkcode GuestError} that shows the guest and its
   * bundle, with what was thrown as its cause.
   */
  async test(body: (guest: Guest) => void | Promise<void>): Promise<void> {
    using guest = await this.fork();
    try {
      await body(guest);
    } catch (error) {
      if (error instanceof GuestError) throw error;
      throw guest.#failure(error instanceof Error ? error.message : String(error), error);
    }
  }

  /** Virtual time since the boot, in nanoseconds. */
  get nowNs(): number {
    return this.machine.nowNs;
  }

  /** Why the board stopped, if it did. Reboots don't stop it: a guest that asks for one gets it. */
  get stopped(): StopReason | undefined {
    return this.#stopped;
  }

  /** A serial port: the named one, else `console`, else the board's first. Throws when there is no such port. */
  console(name?: string): GuestConsole {
    const { serialPorts } = this.machine;
    const chosen = name ?? (serialPorts.includes("console") ? "console" : serialPorts[0]);
    if (chosen === undefined || !serialPorts.includes(chosen)) {
      throw new RangeError(`no device has a serial port ${chosen ?? "at all"}; there is ${serialPorts.join(", ") || "none"}`);
    }
    return new GuestConsole(this.#owner, chosen);
  }

  /** RAM of a domain, by guest physical addresses; of the board's first one when `domain` is absent. */
  memory(domain?: string): GuestMemory {
    return new GuestMemory(this.#owner, () => this.#domain(domain));
  }

  /** A vCPU by its index, of the board's first domain when `domain` is absent. Throws when there is none. */
  vcpu(index: number, domain?: string): GuestCpu {
    const find = () => {
      const { name, vcpus } = this.#domain(domain);
      if (vcpus[index] === undefined) throw new RangeError(`domain ${name} has no vCPU ${index}; it has ${vcpus.length}`);
      return vcpus[index];
    };
    find();
    return new GuestCpu(this.#owner, find);
  }

  /**
   * What a plugin holds now, a copy: by its name (`pl011`), with its place as the manifest gives it (`pl011@9000000`, hexadecimal), or with
   * whose it is (`linux/pl011`). Throws when none or several are called that.
   */
  device(name: string): unknown {
    const all = this.machine.devices;
    const isCalled = ({ owner, plugin, options }: typeof all[number]) => {
      const at = typeof options.at === "number" ? `@${options.at.toString(16)}` : "";
      return [owner, plugin, plugin + at, owner + at].includes(name);
    };
    const found = all.filter(isCalled);
    if (found.length === 1) return structuredClone(found[0].state);
    const names = (found.length > 1 ? found : all).map(({ owner }) => owner).join(", ");
    throw new RangeError(found.length > 1 ? `${name} is several: ${names}` : `there is no ${name}; there is ${names}`);
  }

  /** Runs for at least so much virtual time, or until the board stops; less when nothing can happen any more before input. Returns why it stopped. */
  async runFor(time: Duration): Promise<StopReason | undefined> {
    await this.#run(time, () => false);
    return this.#stopped;
  }

  /** Runs until the board stops. Throws a {@linkcode GuestError} when it doesn't in time. */
  async finish({ within }: Patience = {}): Promise<StopReason> {
    await this.#run(within, () => false);
    return this.#stopped ?? this.fail("it didn't stop");
  }

  /** An instruction at a virtual address; `domain`: of this one only. For {@linkcode until}. */
  breakpoint(va: bigint, { domain }: { readonly domain?: string } = {}): DomainStop {
    return { on: "execute", space: "virtual", address: va, size: 4, domain };
  }

  /** Data at a virtual address (or a physical one, as `space` says): `size` bytes (8 when absent), written when `on` is absent. For {@linkcode until}. */
  watchpoint(
    address: bigint,
    { size = 8, on = "write", space = "virtual", domain }: Partial<Pick<DomainStop, "size" | "on" | "space" | "domain">> = {},
  ): DomainStop {
    return { on, space, address, size, domain };
  }

  /**
   * Runs until an instruction is next that a breakpoint is at, or that is about to access what is watched. Of several stops, whichever comes
   * first. Afterwards they are gone. Throws a {@linkcode GuestError} when none comes in time. Not with `parallel: true`.
   */
  async until(stops: DomainStop | readonly DomainStop[], { within }: Patience = {}): Promise<Reached> {
    const all: readonly DomainStop[] = "address" in stops ? [stops] : stops;
    const debug = this.machine.debugger;
    this.#isDebugged = true;
    debug.setStops(all);
    await this.#run(within, () => false, true);
    debug.setStops([]);
    const { halt } = debug;
    if (halt?.kind !== "breakpoint" && halt?.kind !== "watchpoint") {
      const names = all.map(({ on, address }) => `${on} of 0x${address.toString(16)}`).join(", ");
      this.fail(`it didn't come to any of: ${names}`);
    }
    const { vcpu, stop } = halt;
    return {
      stop,
      vcpu: this.vcpu(vcpu.index, vcpu.domain.name),
      pc: vcpu.state.pc,
      ...halt.kind === "watchpoint" ? { address: halt.address } : {},
    };
  }

  /** Exceptions to EL2, by kind, since the boot, the fork, or {@linkcode resetExits}. */
  get exits(): Readonly<Partial<Record<ExitKind, number>>> {
    const counts = [...this.machine.stats.exits].map(([kind, count]) => [kind, count - (this.#exits.get(kind) ?? 0)] as const);
    return Object.fromEntries(counts.filter(([, count]) => count > 0));
  }

  /** {@linkcode exits} are none, from here on. */
  resetExits(): void {
    this.#exits = new Map(this.machine.stats.exits);
  }

  /** Throws a {@linkcode GuestError} when there were more {@linkcode exits} of a kind than this. */
  expectExits(atMost: ExitBudget): void {
    const { exits } = this;
    const counts: Partial<Record<string, number>> = { ...exits, all: Object.values(exits).reduce((sum, count) => sum + count, 0) };
    const over = Object.entries(atMost).filter(([kind, most]) => (counts[kind] ?? 0) > most);
    if (over.length > 0) this.fail(over.map(([kind, most]) => `${counts[kind]} exits (${kind}), more than ${most}`).join("; "));
  }

  /** Ends a test: throws a {@linkcode GuestError} that shows the guest, and leaves a bundle. */
  fail(message: string): never {
    throw this.#failure(message);
  }

  /** Ends it: the machine is gone. */
  [Symbol.dispose](): void {
    this.machine.dispose();
  }

  get #owner(): ConsoleOwner & PartsOwner {
    return {
      log: this.#log,
      machine: this.machine,
      now: () => this.nowNs,
      run: (within, isDone) => this.#run(within, isDone),
      type: (port, bytes) => {
        this.#typed.push({ port, bytes });
        this.#type();
      },
      fail: (message) => this.fail(message),
    };
  }

  get #isWithinTurn(): boolean {
    return this.#isDebugged && this.machine.debugger.isWithinRound;
  }

  #type(): void {
    if (this.#isWithinTurn) return;
    for (const { port, bytes } of this.#typed.splice(0)) this.machine.serialInput(port, bytes);
  }

  #domain(name?: string): Domain {
    const { domains } = this.machine;
    const found = name === undefined ? domains[0] : domains.find((domain) => domain.name === name);
    if (found === undefined) {
      throw new RangeError(`there is no domain ${name ?? "any more"}; there is ${domains.map(({ name }) => name).join(", ")}`);
    }
    return found;
  }

  /** False: the board stopped, time is over, or nothing can happen any more, and it isn't done. */
  async #run(within: Duration = DEFAULT_WITHIN, isDone: () => boolean, halts = false): Promise<boolean> {
    const ns = typeof within === "number" ? within : parseDuration(within);
    if (ns === undefined || !(ns >= 0)) throw new RangeError(`${within}: want nanoseconds, or a time with its unit, such as 5s or 10ms`);
    const { machine } = this;
    if (this.#isDebugged) machine.debugger.resume();
    const endNs = machine.nowNs + ns;
    let turnMs = performance.now(), aloneMs = 0;
    for (;;) {
      if (isDone()) return true;
      if (this.#stopped || machine.nowNs >= endNs) return false;
      // No limit of wall-clock time: it would cut slices where the host is slow, and the test would look elsewhere.
      const reason = machine.runFor(Math.min(SLICE_NS, endNs - machine.nowNs), Infinity);
      if (reason?.kind === "reboot") await machine.reboot(reason.domain!);
      else this.#stopped = reason;
      this.#type();
      if (this.#isDebugged && machine.debugger.halt) return halts;
      this.#isStuck = machine.waiting && machine.wakeAfterMs === undefined;
      if (this.#isStuck) {
        if (isDone()) return true;
        if (!machine.holdings().has("sockets") || aloneMs >= WORLD_MS) return false;
        aloneMs += TURN_MS;
      }
      if (machine.waiting || performance.now() - turnMs >= TURN_MS) {
        await new Promise((resolve) => setTimeout(resolve, machine.waiting ? Math.min(machine.wakeAfterMs ?? TURN_MS, TURN_MS) : 0));
        turnMs = performance.now();
      }
    }
  }

  #failure(message: string, cause?: unknown): GuestError {
    const { machine } = this;
    const why = this.#stopped
      ? `the board stopped: ${this.#stopped.kind}${this.#stopped.report ? `\n${this.#stopped.report}` : ""}`
      : this.#isStuck
      ? "nothing can happen any more without input"
      : `${machine.nowNs / 1e9} s of virtual time have passed since the boot`;
    const consoles = [...this.#log.ports].flatMap(([name, { text }]) => [`--- the end of ${name} ---`, text.slice(-TAIL)]);
    const report = [message, why, "--- what the vCPUs do ---", machine.describe(), ...consoles].join("\n");
    let bundle: string | undefined;
    try {
      bundle = this.#leaveBundle(report);
    } catch (error) {
      return new GuestError(`${report}\n--- there is no bundle: ${(error as Error).message}`, undefined, { cause: cause ?? error });
    }
    return new GuestError(bundle === undefined ? report : `${report}\n--- to see it again: plugboard replay ${bundle}`, bundle, { cause });
  }

  #leaveBundle(report: string): string | undefined {
    const { board, given, bundle } = this.#origin;
    if (bundle === undefined) return undefined;
    checkRecordable(board);
    const { machine } = this;
    // A turn under way comes to its end: only there a recording can end, and a snapshot begin.
    if (this.#isDebugged) {
      machine.debugger.detach();
      while (machine.debugger.isWithinRound) machine.runFor(1, Infinity);
    }
    using snapshot = this.#stopped ? undefined : snapshotOf(machine);
    const place = machine.journal.place;
    return writeBundle(bundle, { log: this.#log, seed: board.seed, board: board.name, given, place, report, snapshot });
  }
}

/** `undefined`: a plugin has what no snapshot can hold. The recording shows how the run came here all the same. */
function snapshotOf(machine: Machine): Snapshot | undefined {
  try {
    return machine.save();
  } catch (error) {
    if (error instanceof SnapshotError) return undefined;
    throw error;
  }
}
