/** Everything that a machine is, but for the content of its memory: taken from it, and put into another one of the same board. */
import type { CpuEngine } from "../arch/cpu_engine.ts";
import type { SavedSerial, SerialHub } from "../host/serial_hub.ts";
import type { DomainLife, SavedLife } from "../machine/domain_life.ts";
import type { GuestVcpu } from "../machine/guest_vcpu.ts";
import type { SavedTrace, Tracer } from "../machine/trace.ts";
import type { Ram } from "../memory/ram.ts";
import type { SavedRam } from "../memory/saved_ram.ts";
import type { PluginHost, SavedInstance } from "../plugin/plugin_host.ts";
import { loadScheduler, saveScheduler } from "../schedule/saved_scheduler.ts";
import type { SavedScheduler } from "../schedule/saved_scheduler.ts";
import type { Scheduler } from "../schedule/scheduler.ts";
import type { SavedClock, VirtualClock } from "../schedule/virtual_clock.ts";
import { assign } from "./assign.ts";
import { loadPages } from "./pages.ts";
import type { Pages } from "./pages.ts";

/** A machine, opened: what there is to save. */
export interface MachineParts {
  readonly memory: Ram;
  readonly clock: VirtualClock;
  readonly serial: SerialHub;
  readonly tracer: Tracer;
  /** Exceptions to EL2, by kind. */
  readonly exits: Map<string, number>;
  readonly host: PluginHost;
  readonly life: DomainLife;
  readonly loop: { isIdle: boolean };
  readonly engine: CpuEngine;
  readonly scheduler: Scheduler;
}

/** Plain data; parts of it are the machine's own, until they are encoded. */
export interface MachineState {
  readonly clock: SavedClock;
  /** Nobody had anything to do: it is part of the places of inputs. */
  readonly idle: boolean;
  readonly scheduler: SavedScheduler;
  readonly serial: SavedSerial;
  readonly trace: SavedTrace;
  readonly exits: Map<string, number>;
  readonly memory: SavedRam;
  readonly board: SavedInstance[];
  readonly life: SavedLife;
}

/** Between rounds; a `RangeError` says so elsewhere. Throws a `PluginError` for a plugin whose state is no plain data. */
export function saveState({ memory, clock, serial, tracer, exits, host, life, loop, engine, scheduler }: MachineParts): MachineState {
  if (scheduler.isWithinRound) {
    throw new RangeError("a machine that is halted in the middle of a turn can't be saved: let it come to the turn's end");
  }
  // What TLBs know, this run goes on without, as one that begins here does.
  engine.invalidateTlb();
  const board = host.save(host.board);
  return {
    board,
    life: life.save(),
    clock: clock.save(),
    idle: loop.isIdle,
    scheduler: saveScheduler(scheduler),
    serial: serial.save(),
    trace: tracer.save(),
    exits: new Map(exits),
    memory: memory.save(),
  };
}

/**
 * Into a machine whose domains are built, in the snapshot's order, and not booted. Takes `state` for its own. Throws when it doesn't fit; the
 * machine is of no use then.
 */
export function loadState(parts: MachineParts, state: MachineState, pages: Pages, isOurs: boolean): void {
  const { memory, clock, serial, tracer, exits, host, life, loop, engine, scheduler } = parts;
  if (!isOurs) checkShape(parts, state);
  memory.load(state.memory);
  // CPUs in threads of their own can't ask for a page.
  for (const { pa, size } of loadPages(memory, pages, scheduler.environment.engine.parallel === undefined)) engine.memoryWritten(pa, size);
  clock.load(state.clock);
  loop.isIdle = state.idle;
  host.load(host.board, state.board);
  life.load(state.life);
  const vcpus = new Map(life.domains.flatMap((domain) => domain.vcpus).map((vcpu) => [vcpu.id, vcpu as GuestVcpu]));
  loadScheduler(scheduler, state.scheduler, (id) => {
    const vcpu = vcpus.get(id);
    if (vcpu === undefined) throw new RangeError(`the snapshot has a vCPU ${id} that no domain has`);
    return vcpu;
  });
  serial.load(state.serial);
  tracer.load(state.trace);
  exits.clear();
  for (const [kind, count] of state.exits) exits.set(kind, count);
  engine.invalidateTlb();
  host.restored(host.board);
  life.restored();
}

/** What a file says has the kinds of what this machine says of itself, before anything of it is believed. */
function checkShape(parts: MachineParts, state: MachineState): void {
  const { board: _, life, memory, ...own } = saveState(parts);
  assign({ ...own, memory: { ...memory, banks: memory.banks.map(({ free: _, ...bank }) => bank) } }, {
    ...state,
    board: undefined,
    life: undefined,
    memory: { ...state.memory, banks: state.memory.banks.map(({ free: _, ...bank }) => bank) },
  }, "the snapshot");
  assign({ ...life, plugins: [] }, { ...state.life, plugins: [] }, "the snapshot's domains");
}
