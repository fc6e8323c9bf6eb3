/**
 * What a device is to this house, and what it is given. A device knows no domain, no vCPU and no capability: all that it gets are calls that
 * could as well be messages, so the same source runs in the hypervisor's thread and in a Worker behind IOREQ.
 */
import type {
  Clock,
  DeviceTreeFragment,
  DeviceTreeValue,
  Disk,
  DiskMode,
  Domain,
  Folder,
  FolderMode,
  HostSockets,
  OptionSpecs,
  ResourceFinding,
  SerialPort,
} from "../../core/mod.ts";
import type { CableEnd, CableRequest } from "../network/contract.ts";

export type { CableRequest } from "../network/contract.ts";

/** A window of registers that a device has. */
export interface DeviceWindowSpec<O> {
  /** Bytes, a power of two or a multiple of 4 KiB. */
  readonly size: number | ((options: O) => number);
  /** The option that says where it is. `at` when the device has one window, else the window's own name. */
  readonly option?: string;
  /** Where it is when the board says nothing; absent: the option is required. */
  readonly default?: number;
  /** One sentence; what is usual when absent. */
  readonly doc?: string;
}

/** An interrupt that a device drives. */
export interface DeviceInterruptSpec {
  /** `level` when absent. */
  readonly trigger?: "level" | "edge";
  /** The option that says which one. `interrupt` when the device has one, else the interrupt's own name. */
  readonly option?: string;
  /** The INTID when the board says nothing; absent: the option is required, unless `optional`. */
  readonly default?: number;
  /** The board may leave it unconnected: its line then goes nowhere. */
  readonly optional?: boolean;
  /** One sentence; what is usual when absent. */
  readonly doc?: string;
}

/** Where the board has put a device: what its device tree node says. */
export interface DevicePlaces {
  /** The first window's address as hexadecimal text: the unit address of a node. */
  readonly unit: string;
  /** All windows in order, as the property `reg`. */
  readonly reg: DeviceTreeValue;
  /** All connected interrupts in order, as the property `interrupts`. */
  readonly interrupts: DeviceTreeValue;
  /** First address of a window, by its name. */
  at(window: string): number;
}

/** A disk that a device wants: a file of the host, opened before anything runs, or an image in memory. */
export type DiskRequest =
  | { readonly option: string; readonly path: string; readonly mode: DiskMode }
  | { readonly option: string; readonly image: string };

/** A folder of the host that a device wants, opened before anything runs. */
export interface FolderRequest {
  /** The option that names it, for errors. */
  readonly option: string;
  /** Relative to the manifest. */
  readonly path: string;
  /** How it is opened. */
  readonly mode: FolderMode;
}

/** What a device uses of the host, as data: seen without running it. */
export interface HostUse<O> {
  /** Names of the serial ports that it uses. */
  readonly ports?: (options: O) => readonly string[];
  /** Disks that it uses, by name. */
  readonly disks?: (options: O) => Readonly<Record<string, DiskRequest>>;
  /** Folders of the host that it uses, by name. */
  readonly folders?: (options: O) => Readonly<Record<string, FolderRequest>>;
  /** It gives guest RAM back to the board, and takes it again, where it can: inline. */
  readonly pages?: boolean;
  /** It uses sockets of the host: then it runs inline only. */
  readonly sockets?: boolean;
  /** Cables for Ethernet frames, by name: then it runs inline only. */
  readonly cables?: (options: O) => Readonly<Record<string, CableRequest>>;
}

/** What every device is given, whatever it is connected by. */
export interface DeviceBasics<O, S> {
  /** Converted options. */
  readonly options: O;
  /** Its state: plain data that the framework keeps. Everything that a snapshot must hold is in here. */
  readonly state: S;
  /** Virtual time. */
  readonly clock: Clock;
  /** Deterministic random bytes. */
  random(bytes: number): Uint8Array;
  /** A serial port that the model's `ports` names. */
  port(name: string): SerialPort;
  /** A disk that the model's `disks` names. */
  disk(name: string): Disk;
  /** A folder of the host that the model's `folders` names. */
  folder(name: string): Folder;
  /** Guest RAM that it gives back and takes again, when the model's `pages` says that it does; absent where it runs elsewhere. */
  readonly pages?: Pick<Domain, "giveBack" | "takeBack" | "ram">;
  /** Sockets of the host, when the model's `sockets` says that it uses them. */
  readonly sockets?: HostSockets;
  /** A cable that the model's `cables` names. It is plugged in when the domain boots. */
  cable?(name: string): CableEnd;
  /** A trace event, bounded in number. */
  trace(kind: string, detail: () => string): void;
  /** A mistake in an option: throws an error that points at its line of the manifest. Only from within `create`. */
  fail(option: string, message: string): never;
}

/** Guest memory as a device reaches it. Nothing here throws. */
export interface DeviceDma {
  /** A copy. Undefined when not all of it is guest RAM that the device may reach. */
  read(ipa: number, size: number): Uint8Array | undefined;
  /** {@linkcode read} into bytes that are there; false, and nothing changed, instead of undefined. Absent where a copy comes anyhow. */
  readInto?(ipa: number, into: Uint8Array): boolean;
  /** False, and nothing written, then. */
  write(ipa: number, bytes: Uint8Array): boolean;
  /** Guest RAM: ranges that don't touch, sorted. */
  readonly ram: readonly { readonly at: number; readonly size: number }[];
}

/** An interrupt output. */
export interface DeviceLine {
  /** Raises (`true`) or lowers it; of an edge-triggered one the rise counts. */
  set(level: boolean): void;
}

/** What a device is made with: all it may touch. */
export interface DeviceContext<O, S> extends DeviceBasics<O, S> {
  /** Guest memory. */
  readonly dma: DeviceDma;
  /** An interrupt that the model's `interrupts` names. */
  interrupt(name: string): DeviceLine;
  /** Wall-clock time at boot in Unix seconds, as the board says. */
  readonly bootTimeSeconds: number;
  /** Of the system counter, in Hz; it counts from virtual time 0. */
  readonly counterFrequencyHz: number;
  /** Has the domain start over, as the reset output of a watchdog does; the cause is for the report. */
  resetDomain(cause: string): void;
}

/** Serves a window. Everything answers at once, and no guest's access may throw. A register block's handler is one. */
export interface DeviceWindow {
  /** `offset` from the window's start; `size` 1, 2, 4 or 8 bytes. */
  read(offset: number, size: number): bigint | number;
  /** `value` has no bits beyond `size`. */
  write(offset: number, size: number, value: bigint): void;
}

/** A device that runs. */
export interface Device {
  /** By the names of the model's `windows`, all of them. */
  readonly windows: Readonly<Record<string, DeviceWindow>>;
  /** One of its input wires changed: the model's `inputs` says how many there are. */
  input?(wire: number, level: boolean): void;
  /** The domain goes: the last moment to write something to a disk. */
  stopped?(): void;
}

/** A device, as a constant. `O`: its options after conversion; `S`: its state. */
// deno-lint-ignore no-explicit-any -- a list of devices holds devices of every option and state type
export interface DeviceModel<O = any, S = any> extends HostUse<O> {
  /** The name that manifests use. */
  readonly name: string;
  /** One sentence. */
  readonly doc: string;
  /** `import.meta.url` of the module that exports it, or the plugin made of it: a Worker imports it from there. Absent: it runs inline only. */
  readonly module?: string;
  /** Its own options; those of its windows and interrupts come on top, and `runs`. */
  readonly options: OptionSpecs;
  /** Its windows, by name. */
  readonly windows: Readonly<Record<string, DeviceWindowSpec<O>>>;
  /** Interrupts that it drives, by name; none when absent. */
  readonly interrupts?: Readonly<Record<string, DeviceInterruptSpec>>;
  /** How many input wires it has; none when absent. */
  readonly inputs?: number;
  /** What the guest's device tree says of it. */
  readonly deviceTree?: (options: O, places: DevicePlaces) => readonly DeviceTreeFragment[];
  /** Mistakes that its options make together: seen without running it. */
  readonly findings?: (options: O) => readonly ResourceFinding[];
  /** Initial state, plain structured-cloneable data. */
  readonly state: (options: O) => S;
  /** What outlives a reboot of the domain: the parts of `state` that a battery or a disk keeps. Absent: nothing does. */
  readonly keep?: (state: S) => Partial<S>;
  /**
   * Brings it to life: wires its state to handlers. `state` may be one that ran before, in another Worker: then its timers of the same
   * names are still armed, and its lines are where it left them.
   */
  readonly create: (context: DeviceContext<O, S>) => Device;
}
