/** What a plugin is handed: its options, its state, and the parts of the machine that it may touch. */
import type { Capability } from "./capability.ts";
import type { Clock } from "../schedule/clock.ts";
import type { PhysicalBus, PhysicalMemory } from "../memory/physical_memory.ts";
import type { Exceptions } from "../arch/exceptions.ts";
import type { Domain, Outcome, Vcpu } from "../machine/domain.ts";
import type { Board } from "../board/board.ts";
import type { Disk, DiskMode } from "../host/disk.ts";
import type { HostCache } from "../host/host_cache.ts";
import type { HostSockets } from "../host/host_sockets.ts";
import type { Folder, FolderMode } from "../host/folder.ts";

/** Called around each run of a vCPU: what a hypervisor does on the way in and out of the guest. */
export interface RunHooks {
  /** Before the guest runs: refill list registers, recompute timers. */
  entry?(vcpu: Vcpu): void;
  /** After it ran, before its exit is handled: read list registers back. */
  exit?(vcpu: Vcpu): void;
  /** A power-up has reset its registers (also before the first run): set what EL2 wants in them, drop what was pending for it. */
  reset?(vcpu: Vcpu): void;
}

/** What a plugin does about snapshots that isn't done by copying its state. */
export interface SnapshotHooks {
  /** Before `state` is copied: what is true only elsewhere goes into it. Throws a `SnapshotError` for what no snapshot can hold. */
  save?(): void;
  /** After `state`, memory and vCPUs became those of a snapshot, in place: what was derived from them is derived anew. */
  restored?(): void;
}

/** The outside world, through the board's rules: recorded, and deterministic where it can be. */
export interface Host {
  /** Reads an image that an option of kind `image` names; fetched and checked before boot. */
  image(reference: string): Uint8Array;
  /** Opens a disk image, a file of the host; the path is relative to the manifest. Throws an error that says why it can't be had. */
  disk(path: string, mode: DiskMode): Disk;
  /** Sockets to the world outside; what comes through them comes at a virtual time, and is recorded. */
  readonly sockets: HostSockets;
  /** Opens a folder of the host, likewise. */
  folder(path: string, mode: FolderMode): Folder;
  /** Where what is derived may be kept for the next run; absent: nothing is. */
  readonly cache?: HostCache;
  /** Wall-clock time at boot in Unix seconds, as the board says (fixed by default). */
  readonly bootTimeSeconds: number;
}

/** At board scope. */
export interface BoardContext<O, S> {
  /** Converted options, defaults filled in. */
  readonly options: O;
  /** The plugin's state at this scope: plain data, kept by the framework. */
  readonly state: S;
  /** The manifest, checked. */
  readonly board: Board;
  /** Virtual time. */
  readonly clock: Clock;
  /** Deterministic random bytes from the board's seed. */
  random(bytes: number): Uint8Array;
  /** The outside world. */
  readonly host: Host;
  /** RAM and its frames. */
  readonly memory: PhysicalMemory;
  /** The physical address map beside RAM. */
  readonly bus: PhysicalBus;
  /** Traps to EL2, board-wide claims. */
  readonly exceptions: Exceptions;
  /** A capability listed in `needs`. */
  get<T>(key: Capability<T>): T;
  /** A capability that may be missing. */
  find<T>(key: Capability<T>): T | undefined;
  /** Hands out a capability listed in `provides`. */
  provide<T>(key: Capability<T>, implementation: T): void;
  /** Called around every vCPU run. */
  onRun(hooks: RunHooks): void;
  /** Called when a snapshot is taken, or has been put into this machine. */
  onSnapshot(hooks: SnapshotHooks): void;
  /** Called when the machine stops, in reverse order of registration. */
  onStop(hook: () => void): void;
  /** Tells how much of something it holds beyond its state and what it got from the context: whoever looks for leaks asks. */
  holds(what: string, count: () => number): void;
  /** A trace event: what happened, bounded in number per kind. */
  trace(kind: string, detail: () => string): void;
  /** Throws an error that points at this option's line in the manifest. */
  fail(option: string, message: string): never;
}

/** At domain scope: claims made through `exceptions` and `domain` hold for this domain only. */
export interface DomainContext<O, S> extends BoardContext<O, S> {
  /** The domain that it is attached to. */
  readonly domain: Domain;
  /**
   * Called after every plugin of the domain has attached and before the first vCPU
   * runs, in order of registration: place images, build the device tree, set registers.
   */
  onBoot(hook: () => void): void;
  /** Called once when the domain ends by itself, before anything of it goes: who must hear of it, while the board lives on. */
  onEnd(hook: (outcome: Outcome) => void): void;
}
