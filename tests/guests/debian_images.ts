/** Debian's kernels for tests: from this machine's package sources, cached. Where they can't be had, tests say so and skip. */
import { dirname } from "@std/path";
import { loadBoard } from "../../core/mod.ts";
import { ImagesError, imageUses, resolveImages } from "../../plugins/images/mod.ts";
import { plugins } from "../../plugins/mod.ts";

/** A board whose images come from outside. */
export interface DebianBoard {
  /** The manifest's text: tests change it. */
  readonly manifest: string;
  /** Undefined where they can't be had. */
  readonly images: ReadonlyMap<string, Uint8Array> | undefined;
}

/**
 * Reads a board and fetches its images. Where that fails there is one line that says
 * why; with CI=true that throws: there a skip is a failure.
 */
export async function debianBoard(name: string): Promise<DebianBoard> {
  const file = new URL(`../../boards/${name}.yaml`, import.meta.url).pathname;
  const manifest = await Deno.readTextFile(file);
  const board = await loadBoard(file, { plugins });
  try {
    const images = await resolveImages(imageUses(board).map(({ reference }) => reference), dirname(file), (line) => console.log(line));
    return { manifest, images };
  } catch (error) {
    if (!(error instanceof ImagesError)) throw error;
    const [why] = error.failures[0].message.split("\n");
    const advice = `skipped: no kernel for boards/${name}.yaml: ${why} (on a Debian machine with its package sources in reach, ` +
      `plugboard boards/${name}.yaml fetches it once)`;
    if (Deno.env.get("CI") === "true") throw new Error(advice);
    console.log(advice);
    return { manifest, images: undefined };
  }
}

/** Replaces a text that must be there: a change of the board that a test wants. */
export function changed(manifest: string, changes: readonly (readonly [from: string, to: string])[]): string {
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the manifest has no ${JSON.stringify(from)}`);
    return text.replace(from, to);
  }, manifest);
}
