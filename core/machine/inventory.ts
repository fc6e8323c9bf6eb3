/** Everything that a machine holds, as numbers by name: two looks at it that differ show a leak, and where. */
import type { DeviceBus } from "../memory/bus.ts";
import type { Domain } from "./domain.ts";
import type { OpenFiles } from "../host/open_files.ts";
import type { Scope } from "../plugin/plugin_host.ts";
import type { Ram } from "../memory/ram.ts";
import type { SerialHub } from "../host/serial_hub.ts";
import type { SocketHub } from "../host/socket_hub.ts";
import type { Scheduler } from "../schedule/scheduler.ts";
import type { VirtualClock } from "../schedule/virtual_clock.ts";

/** Numbers above zero, by what they count. */
export type Holdings = ReadonlyMap<string, number>;

/** What is counted. */
export interface Inventory {
  readonly memory: Ram;
  readonly clock: VirtualClock;
  readonly serial: SerialHub;
  readonly sockets: SocketHub;
  readonly bus: DeviceBus;
  readonly files: OpenFiles;
  readonly scheduler: Scheduler;
  readonly board: Scope;
  readonly domains: readonly { readonly domain: Domain; readonly scope: Scope }[];
}

/** Arrays longer than that are content, not bookkeeping. */
const BOOKKEEPING_BYTES = 2 ** 20;

/** Counts. */
export function takeInventory({ memory, clock, serial, sockets, bus, files, scheduler, board, domains }: Inventory): Holdings {
  const holdings = new Map<string, number>();
  const add = (what: string, count: number) => {
    if (count !== 0) holdings.set(what, (holdings.get(what) ?? 0) + count);
  };
  for (const [owner, frames] of memory.usage()) add(`frames of ${owner}`, frames);
  add("free frames", memory.freeFrames);
  add("references to frames", memory.references);
  add("domains", domains.length);
  add("vCPUs of the scheduler", scheduler.size);
  for (const { name } of clock.events.all) add(`timer ${name}`, 1);
  for (const name of serial.names) add(`serial port ${name}`, 1);
  add("sockets", sockets.size);
  add("windows of the bus", bus.size);
  add("open disks", files.disks);
  add("open folders", files.folders);
  for (const [name, scope] of [["the board", board] as const, ...domains.map(({ domain, scope }) => [domain.name, scope] as const)]) {
    add(`claims of ${name}`, scope.claims.size);
    add(`run hooks of ${name}`, scope.runHooks.length);
    add(`capabilities of ${name}`, scope.capabilities.size);
    add(`things to undo of ${name}`, scope.size);
    for (const { owner, hook: { what, count } } of scope.held) add(`${what} of ${owner}`, count());
  }
  // A domain's state is its guest's business; the board's grows only when somebody leaves something there.
  for (const { owner, state } of board.instances) add(`entries in the state of ${owner}`, entriesOf(state));
  return holdings;
}

/** Entries of all collections in plain data, and bits that are set in small typed arrays. Numbers and texts don't count: counters may grow. */
function entriesOf(data: unknown): number {
  if (typeof data !== "object" || data === null) return 0;
  if (ArrayBuffer.isView(data)) return data.byteLength > BOOKKEEPING_BYTES ? 0 : bitsOf(data);
  const values: unknown[] = data instanceof Map
    ? [...data.keys(), ...data.values()]
    : data instanceof Set || Array.isArray(data)
    ? [...data]
    : Object.values(data);
  const size = data instanceof Map || data instanceof Set ? data.size : Array.isArray(data) ? data.length : 0;
  return values.reduce<number>((sum, value) => sum + entriesOf(value), size);
}

function bitsOf({ buffer, byteOffset, byteLength }: ArrayBufferView): number {
  let bits = 0;
  for (let byte of new Uint8Array(buffer, byteOffset, byteLength)) for (; byte !== 0; byte &= byte - 1) bits++;
  return bits;
}

/** A plugin in use. */
export interface PluginInUse {
  /** `gicv3` of the board, `linux/pl011` of a domain; a second one is `linux/pl011#2`. */
  readonly owner: string;
  /** The plugin's name. */
  readonly plugin: string;
  /** As the manifest gives them, with what it leaves to the plugin. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Plain data. */
  readonly state: unknown;
}

/** Those of the scopes. */
export function devicesOf(scopes: readonly Scope[]): PluginInUse[] {
  return scopes.flatMap(({ instances }) =>
    instances.map(({ owner, use: { plugin, options }, state }) => ({
      owner,
      plugin: plugin.name,
      options: options as Readonly<Record<string, unknown>>,
      state,
    }))
  );
}
