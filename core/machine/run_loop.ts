/** The loop around rounds: what ends a run, how idle time passes, and who waits for the world outside. */
import type { SerialHub } from "../host/serial_hub.ts";
import type { SocketHub } from "../host/socket_hub.ts";
import type { DomainLife } from "./domain_life.ts";
import type { StopReason } from "./machine_types.ts";
import { ReplayError } from "../snapshot/journal.ts";
import type { Journal, RunPlace } from "../snapshot/journal.ts";
import { Pacer } from "../schedule/pacer.ts";
import type { Scheduler } from "../schedule/scheduler.ts";
import type { VirtualClock } from "../schedule/virtual_clock.ts";

/** What the loop needs of the machine. */
export interface LoopEnvironment {
  readonly clock: VirtualClock;
  readonly serial: SerialHub;
  readonly sockets: SocketHub;
  readonly life: DomainLife;
  /** Milliseconds of the host's clock. */
  readonly wallMs: () => number;
  /** Virtual time keeps pace with the host's clock. */
  readonly isPaced: boolean;
  scheduler(): Scheduler;
  /** Somebody operates the machine. */
  isAttended(): boolean;
  /** For people: what each vCPU does. */
  describe(): string;
  /** What comes from outside; made later than the loop. */
  journal(): Journal;
}

/** Runs rounds. */
export class RunLoop {
  /** It came back early: nothing happens before {@linkcode wakeAfterMs}, or before input. */
  waiting = false;
  /** While {@linkcode waiting}: milliseconds until time goes on by itself; `undefined`: only input helps. */
  wakeAfterMs: number | undefined;
  readonly #pacer: Pacer | undefined;
  /** Where `#pacer` is absent: while an answer from outside is on its way, idle time passes no faster than the host's. */
  #awaiting: Pacer | undefined;
  /** The last round found nobody who had anything to do. */
  isIdle = false;

  constructor(
    readonly environment: LoopEnvironment,
    /** More serial input may come. */
    public expectsInput: boolean,
  ) {
    this.#pacer = environment.isPaced ? new Pacer(environment.wallMs) : undefined;
  }

  /** Where the run is: between rounds, or where a debugger has halted it. */
  get place(): RunPlace {
    const { clock } = this.environment;
    const { instructions, control, isWithinRound } = this.environment.scheduler();
    const place = { instructions, ns: clock.nowNs, parts: clock.parts, idle: this.isIdle };
    const vcpu = isWithinRound ? control?.latest : undefined;
    if (vcpu === undefined) return place;
    return { ...place, idle: false, halted: { domain: vcpu.domain.name, vcpu: vcpu.index, pc: `0x${vcpu.state.pc.toString(16)}` } };
  }

  /** Until virtual time or the host's has come, or something stops the board. */
  run(endNs: number, endWallMs: number): StopReason | undefined {
    const { clock, life, wallMs } = this.environment;
    const scheduler = this.environment.scheduler();
    const journal = this.environment.journal();
    if (journal.control) scheduler.control ??= journal.control;
    this.waiting = false;
    this.wakeAfterMs = undefined;
    for (;;) {
      const stopped = life.stopReason();
      if (stopped) return stopped;
      if (journal.isReplay) {
        const reboots = journal.deliver();
        if (reboots) return { kind: "reboot", domain: reboots.domain, cause: "as recorded" };
      }
      if (clock.nowNs >= endNs || wallMs() >= endWallMs) return undefined;
      const early = this.#pacer?.earlyMs(clock.nowNs);
      if (early !== undefined && early > 0) return this.#wait(early);
      const what = scheduler.round(endNs);
      if (what === "ran") {
        this.isIdle = false;
        this.#pacer?.busy();
        continue;
      }
      if (life.stopReason()) continue;
      if (what === "halted") return this.#wait(undefined);
      this.isIdle = true;
      const untilNs = this.#idleUntil(scheduler.idleUntilNs, journal.next?.at);
      if (untilNs === undefined) {
        if (this.#mayBeWoken) return this.#wait(undefined);
        return { kind: "idle-forever", report: this.#idleReport() };
      }
      const pacer = this.#pacer ?? this.#awaitingPacer();
      if (pacer !== undefined) {
        const reachedNs = pacer.idle(clock.nowNs);
        if (reachedNs < Math.min(untilNs, endNs)) {
          clock.skipTo(reachedNs);
          return this.#wait((Math.min(untilNs, endNs) - reachedNs) / 1e6);
        }
      }
      clock.skipTo(Math.min(untilNs, endNs));
    }
  }

  /** In a replay, input is an event like others. Throws a {@linkcode ReplayError} for one that can't come any more. */
  #idleUntil(untilNs: number | undefined, next: RunPlace | undefined): number | undefined {
    if (next === undefined || next.halted !== undefined) return untilNs;
    const { instructions, ns, parts } = this.place;
    if (next.instructions !== instructions) return untilNs;
    if (next.ns < ns || next.ns === ns && next.parts !== parts) throw new ReplayError(`the replay isn't the run: it is idle at ${ns} ns`);
    return Math.min(untilNs ?? Infinity, next.ns);
  }

  /** Something may come from outside, though nothing happens inside. */
  get #mayBeWoken(): boolean {
    const { life, serial, sockets } = this.environment;
    return this.environment.isAttended() || life.anyPaused || sockets.open || this.expectsInput && serial.listening;
  }

  /** Without it, a clock that jumps would run through every timeout of a guest whose answer is on its way. */
  #awaitingPacer(): Pacer | undefined {
    const { sockets, wallMs } = this.environment;
    this.#awaiting = sockets.expecting ? this.#awaiting ?? new Pacer(wallMs) : undefined;
    return this.#awaiting;
  }

  #wait(wakeAfterMs: number | undefined): undefined {
    this.waiting = true;
    this.wakeAfterMs = wakeAfterMs;
    return undefined;
  }

  #idleReport(): string {
    return `every vCPU waits, no timer is armed, and no input can come:\n${this.environment.describe()}`;
  }
}
