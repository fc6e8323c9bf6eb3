/** A board's images as files, so that both sides boot the very same. */
import { dirname, fromFileUrl, join } from "@std/path";
import { checkBoard, ManifestError, plugins } from "../mod.ts";
import type { Override } from "../mod.ts";
import { imageUses, resolveImages } from "../plugins/images/mod.ts";

/** Of the project. */
export const ROOT: string = fromFileUrl(new URL("..", import.meta.url));

/** Paths of files. */
export interface BoardImages {
  readonly board: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** Writes a board (`file`: whose manifest it was, for what it names) and its kernel and initrd to `directory`. Throws a `ManifestError`. */
export async function writeImages(
  directory: string,
  manifest: string,
  file: string,
  overrides: readonly Override[] = [],
): Promise<BoardImages> {
  const { board, findings } = await checkBoard(manifest, file, { plugins, overrides });
  if (!board) throw new ManifestError(file, findings);
  const uses = imageUses(board);
  const images = await resolveImages(uses.map(({ reference }) => reference), dirname(file), (line) => console.error(line));
  const write = async (name: string, content: Uint8Array) => {
    await Deno.writeFile(join(directory, name), content);
    return join(directory, name);
  };
  const option = (name: string) => write(name, images.get(uses.find(({ path }) => path.at(-1) === name)!.reference)!);
  return {
    board: await write("board.yaml", new TextEncoder().encode(manifest)),
    kernel: await option("kernel"),
    initrd: await option("initrd"),
  };
}
