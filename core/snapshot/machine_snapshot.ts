/** Takes snapshots of machines, and builds machines of them. */
import type { Board, DomainSpec } from "../board/board.ts";
import { openDiskFile } from "../host/disk.ts";
import { replaySockets } from "../host/replay_sockets.ts";
import type { MachineEnvironment } from "../machine/machine_types.ts";
import { encode } from "./codec.ts";
import { livePages, savePages } from "./pages.ts";
import { boardHash, Snapshot, SnapshotError } from "./snapshot.ts";
import { loadState, saveState } from "./state.ts";
import type { MachineParts } from "./state.ts";

/** A machine as it is now. `keeps` false: the pages are the machine's own, and must be used before it runs again. */
export function takeSnapshot(board: Board, parts: MachineParts, keeps: boolean): Snapshot {
  const { clock, scheduler, engine, memory, life } = parts;
  const state = encode(saveState(parts));
  const about = {
    board: board.name,
    boardHash: boardHash(board),
    layout: engine.stateLayout ?? engine.model,
    nowNs: clock.nowNs,
    instructions: scheduler.instructions,
  };
  return new Snapshot(about, state, keeps ? savePages(memory) : livePages(memory), life.domains.map(({ spec }) => spec));
}

/** Builds the domains of a snapshot in a machine that has none, and makes everything what it was. */
export async function restoreSnapshot(board: Board, parts: MachineParts, snapshot: Snapshot, finishBoot: () => void): Promise<void> {
  const { engine, life } = parts;
  snapshot.checkBoard(board, engine.stateLayout ?? engine.model);
  const state = snapshot.decode();
  const specOf = (name: string): DomainSpec => {
    const spec = [...board.domains, ...snapshot.specs].find((candidate) => candidate.name === name);
    if (spec === undefined) throw new SnapshotError(`the snapshot has a domain ${name}, which isn't the manifest's`);
    return spec;
  };
  try {
    for (const { name, vcpus } of state.life.domains) await life.build(specOf(name), new Map(), vcpus.map(({ id }) => id));
    finishBoot();
    loadState(parts, state, snapshot.pages);
  } catch (error) {
    if (error instanceof SnapshotError) throw error;
    throw new SnapshotError(`the snapshot doesn't fit: ${(error as Error).message}`, { cause: error });
  }
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
