/** Loads a board for a verb: manifest, overrides, and the images that its options name. */
import { dirname, isAbsolute, join } from "@std/path";
import { checkBoard, ManifestError, readManifest, renderFindings } from "../../core/mod.ts";
import type { Board, CheckedBoard, Finding, ManifestPath, Override } from "../../core/mod.ts";
import { imageUses, parseReference, resolveImages } from "../../plugins/images/mod.ts";
import { readPlatform } from "../../plugins/platform/mod.ts";
import { plugins } from "../../plugins/mod.ts";
import { hasColor } from "../color.ts";

/** What a verb gets: a board without mistakes, or the findings. */
export interface LoadedBoard {
  readonly board?: Board;
  readonly findings: readonly Finding[];
  /** A mistake that showed later, in the form of the others. */
  locate(code: string, title: string, path: ManifestPath): Promise<Finding>;
  /** The same for one that says all but where its places are in the text. */
  locateAll(finding: Omit<Finding, "spans">): Promise<Finding>;
}

/** Loads and checks. Never throws for what the manifest says. `given`: images that needn't be where they are said to be. */
export async function load(
  file: string,
  overrides: readonly Override[],
  text?: string,
  given: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<LoadedBoard> {
  let checked: CheckedBoard;
  try {
    checked = await checkBoard(text ?? await readManifest(file), file, {
      plugins,
      overrides,
      readPlatform: async (reference) =>
        readPlatform(
          given.get(reference) ?? (await resolveImages([reference], dirname(file), (line) => console.error(line))).get(reference)!,
        ),
    });
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    const [finding] = error.findings;
    return { findings: error.findings, locate: () => Promise.resolve(finding), locateAll: () => Promise.resolve(finding) };
  }
  const locate = (code: string, title: string, path: ManifestPath) =>
    checked.locate({ severity: "error", code, title, places: [{ path }] });
  const { locate: locateAll } = checked;
  const images = checked.draft ? await checkImages(checked.draft, locate, given) : [];
  const lineOf = ({ spans }: Finding) => spans[0]?.line ?? 0;
  const findings = [...checked.findings, ...images].sort((a, b) => lineOf(a) - lineOf(b));
  return { board: images.length ? undefined : checked.board, findings, locate, locateAll };
}

/** A path of a board's manifest: it is relative to the manifest. */
export function pathFrom({ file }: Board, path: string): string {
  return isAbsolute(path) ? path : join(dirname(file), path);
}

/** References that can't be right, without fetching anything. */
async function checkImages(board: Board, locate: LoadedBoard["locate"], given: ReadonlyMap<string, unknown>): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { reference, path } of imageUses(board)) {
    try {
      if (given.has(reference)) continue;
      const parsed = parseReference(reference);
      if (parsed.kind !== "path") continue;
      const file = pathFrom(board, parsed.path);
      const found = await Deno.stat(file).catch(() => undefined);
      if (!found) findings.push(await locate("M0701", `${path.at(-1)}: there is no file ${file}`, path));
      else if (found.isDirectory) findings.push(await locate("M0701", `${path.at(-1)}: ${file} is a directory`, path));
    } catch (error) {
      findings.push(await locate("M0701", `${path.at(-1)}: ${(error as Error).message}`, path));
    }
  }
  return findings;
}

/** Reads and checks a manifest, and prints what was found. Undefined when it is no board that can run. */
export async function loadAndPrint(file: string, overrides: readonly Override[]): Promise<LoadedBoard & { board: Board } | undefined> {
  const { board, ...loaded } = await load(file, overrides);
  if (loaded.findings.length) printFindings(loaded.findings);
  return board && { board, ...loaded };
}

/** Prints findings for a person. */
export function printFindings(findings: readonly Finding[]): void {
  console.error(renderFindings(findings, { color: hasColor(Deno.stderr) }));
}
