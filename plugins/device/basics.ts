/** What a device gets of the host, made from the context of the plugin that runs it. */
import { Serial } from "../../core/mod.ts";
import type { BoardContext, Disk, Domain, Folder } from "../../core/mod.ts";
import type { CableEnd } from "../network/contract.ts";
import { MemoryDisk } from "./memory_disk.ts";
import type { DeviceBasics, HostUse } from "./model.ts";

/**
 * Opens what a device declares that it uses, and gives it back when the machine stops. The options and the state are the device's own,
 * which may be a part of the plugin's; `cables` are those of its domain. Whatever is to happen while the disks are still open registers its `onStop` later.
 */
export function deviceBasics<O, S>(
  use: HostUse<O>,
  context: BoardContext<O, unknown> & { readonly domain?: Domain },
  state: S,
  cables: ReadonlyMap<string, CableEnd> = new Map(),
): DeviceBasics<O, S> {
  const { options, clock, random, get, trace, fail } = context;
  const ports = new Map((use.ports?.(options) ?? []).map((name) => [name, get(Serial).open(name)]));
  const disks = openDisks(use, context);
  const folders = openFolders(use, context);
  const declared = <T>(map: ReadonlyMap<string, T>, name: string, what: string): T => {
    const found = map.get(name);
    if (found === undefined) throw new Error(`the model's ${what} don't name ${JSON.stringify(name)}`);
    return found;
  };
  return {
    options,
    state,
    clock,
    random,
    port: (name) => declared(ports, name, "ports"),
    disk: (name) => declared(disks, name, "disks"),
    folder: (name) => declared(folders, name, "folders"),
    ...use.pages && context.domain ? { pages: context.domain } : {},
    ...use.sockets ? { sockets: context.host.sockets } : {},
    cable: (name) => declared(cables, name, "cables"),
    trace,
    fail,
  };
}

function openDisks<O>(use: HostUse<O>, { options, host, onStop, fail }: BoardContext<O, unknown>): Map<string, Disk> {
  const disks = new Map<string, Disk>();
  onStop(() => {
    for (const disk of disks.values()) disk.close();
  });
  for (const [name, request] of Object.entries(use.disks?.(options) ?? {})) {
    try {
      disks.set(name, "image" in request ? new MemoryDisk(host.image(request.image)) : host.disk(request.path, request.mode));
    } catch (error) {
      fail(request.option, error instanceof Error ? error.message : String(error));
    }
  }
  return disks;
}

function openFolders<O>(use: HostUse<O>, { options, host, onStop, fail }: BoardContext<O, unknown>): Map<string, Folder> {
  const folders = new Map<string, Folder>();
  onStop(() => {
    for (const folder of folders.values()) folder.close();
  });
  for (const [name, { option, path, mode }] of Object.entries(use.folders?.(options) ?? {})) {
    try {
      folders.set(name, host.folder(path, mode));
    } catch (error) {
      fail(option, error instanceof Error ? error.message : String(error));
    }
  }
  return folders;
}
