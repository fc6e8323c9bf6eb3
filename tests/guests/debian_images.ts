/** Debian's kernels for tests: from this machine's package sources, cached. Where they can't be had, tests say so and skip. */
import { dirname } from "@std/path";
import { checkBoard } from "../../core/mod.ts";
import { ImageError, ImagesError, imageUses, resolveImages } from "../../plugins/images/mod.ts";
import { readPlatform } from "../../plugins/platform/mod.ts";
import { plugins } from "../../plugins/mod.ts";

/** A board whose images come from outside. */
export interface DebianBoard {
  /** The manifest's text: tests change it. */
  readonly manifest: string;
  /** Undefined where they can't be had. */
  readonly images: ReadonlyMap<string, Uint8Array> | undefined;
}

/** Texts of the manifest, and what stands there instead. */
export type Changes = readonly (readonly [from: string, to: string])[];

/**
 * Reads a board, changes it, and fetches its images. Where that fails there is one line that says
 * why; with CI=true that throws: there a skip is a failure.
 */
export async function debianBoard(name: string, changes: Changes = []): Promise<DebianBoard> {
  const file = new URL(`../../boards/${name}.yaml`, import.meta.url).pathname;
  const manifest = changed(await Deno.readTextFile(file), changes);
  const readFrom = async (reference: string) =>
    readPlatform((await resolveImages([reference], dirname(file), (line) => console.log(line))).get(reference)!);
  try {
    const { board, findings } = await checkBoard(manifest, file, { plugins, readPlatform: readFrom });
    const missing = findings.find(({ code }) => code === "M0801");
    if (missing) throw new ImagesError([new ImageError(missing.title)]);
    if (!board) throw new Error(`boards/${name}.yaml as changed: ${findings.map(({ title }) => title).join("; ")}`);
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
export function changed(manifest: string, changes: Changes): string {
  return changes.reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the manifest has no ${JSON.stringify(from)}`);
    return text.replace(from, to);
  }, manifest);
}
