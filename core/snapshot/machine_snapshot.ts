/** Takes snapshots of machines, and builds machines of them. */
import type { Board, DomainSpec } from "../board/board.ts";
import { openDiskFile } from "../host/disk.ts";
import { replaySockets } from "../host/replay_sockets.ts";
import type { MachineEnvironment } from "../machine/machine_types.ts";
import { encode } from "./codec.ts";
import { livePages, savePages } from "./pages.ts";
import { imageHashes } from "./file.ts";
import { boardHash, Snapshot } from "./snapshot.ts";
import { SnapshotError } from "./snapshot_error.ts";
import type { DiskIdentity } from "./snapshot.ts";
import { loadState, saveState } from "./state.ts";
import type { MachineParts } from "./state.ts";

/** A machine as it is now. `keeps` false: the pages are the machine's own, and must be used before it runs again. */
export function takeSnapshot(board: Board, parts: MachineParts, keeps: boolean): Snapshot {
  const { clock, scheduler, engine, memory, life, host } = parts;
  const state = encode(saveState(parts));
  const about = {
    board: board.name,
    boardHash: boardHash(board),
    layout: engine.stateLayout ?? engine.model,
    nowNs: clock.nowNs,
    instructions: scheduler.instructions,
    disks: host.files.diskPaths.map(diskIdentity),
  };
  const pages = keeps ? savePages(memory) : livePages(memory);
  return new Snapshot(about, state, pages, { specs: life.domains.map(({ spec }) => spec), images: host.environment.images, isOurs: true });
}

/** Builds the domains of a snapshot in a machine that has none, and makes everything what it was. */
export async function restoreSnapshot(board: Board, parts: MachineParts, snapshot: Snapshot, finishBoot: () => void): Promise<void> {
  const { engine, life, host } = parts;
  snapshot.checkBoard(board, engine.stateLayout ?? engine.model);
  checkFiles(snapshot, host.environment.images);
  const state = snapshot.decode();
  const specOf = (name: string): DomainSpec => {
    const spec = [...board.domains, ...snapshot.specs].find((candidate) => candidate.name === name);
    if (spec === undefined) throw new SnapshotError(`the snapshot has a domain ${name}, which isn't the manifest's`);
    return spec;
  };
  try {
    parts.memory.beginRestore(state.memory);
    for (const { name, vcpus } of state.life.domains) await life.build(specOf(name), new Map(), vcpus.map(({ id }) => id));
    finishBoot();
    loadState(parts, state, snapshot.pages, snapshot.isOurs);
  } catch (error) {
    if (error instanceof SnapshotError) throw error;
    throw new SnapshotError(`the snapshot doesn't fit: ${(error as Error).message}`, { cause: error });
  }
}

/** Throws when images or disks aren't what they were. */
function checkFiles({ about: { images = {}, disks } }: Snapshot, present: ReadonlyMap<string, Uint8Array>): void {
  const named = new Map([...present].filter(([reference]) => Object.hasOwn(images, reference)));
  for (const [reference, hash] of Object.entries(imageHashes(named))) {
    if (images[reference] !== hash) throw new SnapshotError(`the image ${reference} has changed since the snapshot`);
  }
  for (const { path, size, mtimeMs } of disks) {
    let now: DiskIdentity | undefined;
    try {
      now = diskIdentity(path);
    } catch {
      // It is gone.
    }
    if (now?.size !== size || now.mtimeMs !== mtimeMs) throw new SnapshotError(`the disk ${path} has changed since the snapshot`);
  }
}

function diskIdentity(path: string): DiskIdentity {
  const { size, mtime } = Deno.statSync(path);
  return { path, size, mtimeMs: mtime?.getTime() ?? 0 };
}

/** The world of a machine that goes on by itself. */
export function forkedEnvironment(environment: MachineEnvironment, own: Partial<MachineEnvironment>): MachineEnvironment {
  const openDisk = environment.openDisk ?? openDiskFile;
  return {
    ...environment,
    onSerial: () => {},
    onTrace: undefined,
    onSocketEvent: undefined,
    sockets: replaySockets([]),
    openDisk(path, mode) {
      if (mode.write) {
        throw new SnapshotError(`a machine that writes to a disk can't be forked: ${path} isn't used with \`snapshot: true\``);
      }
      return openDisk(path, mode);
    },
    ...own,
  };
}
