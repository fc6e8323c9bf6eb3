/** What a failed test leaves: a folder that `replay` takes. */
import { join } from "@std/path";
import { writeSnapshot } from "../snapshot/file.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import type { GuestLog } from "./guest_log.ts";
import type { RunPlace } from "../snapshot/journal.ts";

/** The recording in a bundle. */
export const BUNDLE_RECORDING = "run.recording";

/** What goes into it. */
export interface BundleContent {
  readonly log: GuestLog;
  readonly seed: number | bigint;
  readonly board: string;
  /** Images that the test brought, and no file has. */
  readonly given: ReadonlyMap<string, Uint8Array>;
  /** Where the run ended. */
  readonly place: RunPlace;
  /** What failed. */
  readonly report: string;
  /** Its end; absent where there can't be one. */
  readonly snapshot?: Snapshot;
}

/** Writes it into a new folder of `parent`, and returns its path. Throws what the host throws. */
export function writeBundle(parent: string, { log, seed, board, given, place, report, snapshot }: BundleContent): string {
  const folder = newFolder(parent, board.replace(/[^\w.-]/g, "_"));
  const write = (name: string, content: string) => Deno.writeTextFileSync(join(folder, name), content);
  const { manifest, boardHash, images, overrides, bootTimeSeconds } = log.head;
  write("board.yaml", manifest);
  write("lock.json", `${JSON.stringify({ board, boardHash, seed: String(seed), bootTimeSeconds, overrides, images }, null, 2)}\n`);
  write(BUNDLE_RECORDING, log.recording(place));
  write("report.txt", `${report}\n`);
  for (const [name, { text }] of log.ports) write(`console-${name.replace(/[^\w.-]/g, "_")}.txt`, text);
  if (given.size > 0) Deno.mkdirSync(join(folder, "images"));
  for (const [reference, bytes] of given) Deno.writeFileSync(join(folder, "images", images[reference]), bytes);
  if (snapshot) writeSnapshot(join(folder, "end.snap"), snapshot);
  return folder;
}

/** Tests may run at the same time: whoever makes a folder has it. */
function newFolder(parent: string, name: string): string {
  Deno.mkdirSync(parent, { recursive: true });
  for (let n = 1;; n++) {
    const folder = join(parent, `${name}-${n}`);
    try {
      Deno.mkdirSync(folder);
      return folder;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  }
}
