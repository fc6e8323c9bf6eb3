/** What a machine is given, and what it says of itself. */
import type { DomainOperation, JournalEntry } from "../snapshot/journal.ts";
import type { Instrument } from "./instrument.ts";
import type { DiskOpener } from "../host/disk.ts";
import type { RecordedSocketEvent, SocketDriver } from "../host/host_sockets.ts";
import type { FolderOpener } from "../host/folder.ts";
import type { HostCache } from "../host/host_cache.ts";

/** Where the guests' calendar begins unless somebody says so, in Unix seconds: 14 November 2023, 22:13:20 UTC. */
export const FIXED_BOOT_TIME = 1_700_000_000;

/** The world around a machine. */
export interface MachineEnvironment {
  /** Images by the reference that an option names. */
  readonly images: ReadonlyMap<string, Uint8Array>;
  /** Called at the end of `Machine.runFor`, with what a port put out meanwhile. */
  onSerial(port: string, bytes: Uint8Array): void;
  /** Wall-clock time at boot as the guest sees it, in Unix seconds. Fixed when absent, so that a run repeats. */
  readonly bootTimeSeconds?: number;
  /** Where disk images are. Absent: files of the host. */
  readonly openDisk?: DiskOpener;
  /** Where shared folders are. Absent: folders of the host. */
  readonly openFolder?: FolderOpener;
  /** Where plugins keep what they derive, such as compiled code, for the next run. Absent: nowhere. */
  readonly cache?: HostCache;
  /** Who owns the sockets to the world outside. Absent: this program, by Deno's means. */
  readonly sockets?: SocketDriver;
  /** Told of everything that came through a socket, with its virtual time: enough to repeat the run with `replaySockets`. */
  onSocketEvent?(event: RecordedSocketEvent): void;
  /** Told of everything that comes from outside, with its place in the run: enough to repeat it by {@linkcode replay}. */
  onInput?(entry: JournalEntry): void;
  /** Repeats a run: what comes from outside is this, and nothing else. The board, its seed and its files must be the same. */
  readonly replay?: readonly JournalEntry[];
  /** Trace events, bounded in number per kind. */
  onTrace?(kind: string, detail: string): void;
  /** Who watches the run from within. */
  readonly instrument?: Instrument;
  /** For reports: the function that a virtual address of a domain lies in, such as `cpu_do_idle+0x8`. */
  symbolOf?(domain: string, va: bigint, read: (va: bigint, size: number) => Uint8Array): string | undefined;
  /** More `Machine.serialInput` may come, so a machine in which nothing happens waits. Until `Machine.endInput`. */
  readonly expectsInput?: boolean;
  /** Somebody may pause, unpause or destroy domains at any time: a machine in which nothing happens waits. */
  readonly attended?: boolean;
  /** Milliseconds of the host's clock. */
  readonly wallMs?: () => number;
}

/** Why a machine stopped. */
export interface StopReason {
  /** `reboot`: `Machine.reboot` makes the domain start over, and the machine goes on. `destroyed`: whose end was to end the run was destroyed. `idle-forever`: every vCPU waits and nothing can wake one. `timeout` is for callers that set a limit. */
  readonly kind: "power-off" | "reboot" | "crash" | "destroyed" | "idle-forever" | "timeout";
  /** Whose end stopped the board. */
  readonly domain?: string;
  /** For people; several lines. */
  readonly report?: string;
  /** Who made a domain start over, when it wasn't itself: a watchdog. */
  readonly cause?: string;
  /** The guest's own exit code. */
  readonly code?: number;
}

/** What somebody did to a domain from outside, with its stamp. */
export interface RecordedOperation {
  /** Virtual time. */
  readonly atNs: number;
  /** What was done. */
  readonly operation: DomainOperation;
  /** The domain's name. */
  readonly domain: string;
}

/** What a run did. */
export interface MachineStats {
  /** Instructions retired. */
  readonly instructions: number;
  /** Exceptions to EL2, by kind. */
  readonly exits: ReadonlyMap<string, number>;
  /** Trace events by kind, also those that weren't shown. */
  readonly traced: ReadonlyMap<string, number>;
  /** Domains that were made to start over. */
  readonly reboots: number;
}
