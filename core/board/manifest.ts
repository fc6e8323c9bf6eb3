/** Board manifests: YAML in, a typed and checked `Board` out, or every mistake at once. */
import type { Board } from "./board.ts";
import { checkBoardSemantics } from "./board_check.ts";
import type { Finding } from "./diagnostics.ts";
import { ManifestError } from "./errors.ts";
import { Findings } from "./findings.ts";
import type { OverrideSource } from "./findings.ts";
import { MAX_CHARACTERS, parseManifest } from "./manifest_document.ts";
import { applyOverrides, uses } from "./manifest_overrides.ts";
import type { Override } from "./manifest_overrides.ts";
import { platformOf } from "./manifest_platform.ts";
import { shapeBoard } from "./manifest_shape.ts";
import type { Plugin } from "../plugin/plugin.ts";
import type { PlatformReader } from "./platform.ts";
import { importPlugins } from "../plugin/plugin_modules.ts";

/** What a manifest is checked against. */
export interface ManifestOptions {
  /** The plugins that `use` may name. */
  readonly plugins: readonly Plugin[];
  /** Values that go over those of the manifest, in this order. */
  readonly overrides?: readonly Override[];
  /** Reads what `platform` names. */
  readonly readPlatform?: PlatformReader;
}

/** What came of a check. */
export interface CheckedBoard {
  /** Absent when a finding is an error. */
  readonly board?: Board;
  /** What could be read of it, mistakes left out; absent when nothing could. For further checks, never to run. */
  readonly draft?: Board;
  /** In the order of the file, with their places. */
  readonly findings: readonly Finding[];
  /** Puts a later mistake, such as an option that a plugin refuses at set-up, into the text. */
  locate(finding: Omit<Finding, "spans">): Promise<Finding>;
}

/**
 * Checks the text of a manifest. No plugin is set up; modules that it names as
 * plugins are imported, relative to `file`. Never throws for what the text says.
 */
export async function checkBoard(text: string, file: string, options: ManifestOptions): Promise<CheckedBoard> {
  const findings = new Findings();
  let sources: OverrideSource[] = [];
  let board: Board | undefined;
  let draft: Board | undefined;
  const { data, problems } = parseManifest(text);
  findings.addDocument(problems);
  if (data) {
    const plugins = new Map(options.plugins.map((plugin) => [plugin.name, plugin]));
    for (const [use, plugin] of await importPlugins(uses(data), file, findings)) plugins.set(use, plugin);
    sources = applyOverrides(data, options.overrides ?? [], plugins, findings);
    const platform = await platformOf(data, options.readPlatform, findings);
    const shaped = shapeBoard(data, file, plugins, findings, platform);
    checkBoardSemantics(shaped, plugins, findings);
    draft = shaped.board;
    if (!findings.failed) board = draft;
  }
  return {
    board,
    draft,
    findings: await findings.locate(text, file, sources),
    async locate(finding) {
      const later = new Findings();
      later.add(finding, ...finding.places);
      return (await later.locate(text, file, sources))[0];
    },
  };
}

/** Reads and checks a manifest. Throws a {@linkcode ManifestError} with every finding. */
export async function loadBoard(file: string, options: ManifestOptions): Promise<Board> {
  const { board, findings } = await checkBoard(await readManifest(file), file, options);
  if (!board) throw new ManifestError(file, findings);
  return board;
}

/** The text of a manifest. Throws a {@linkcode ManifestError} when it can't be read. */
export async function readManifest(file: string): Promise<string> {
  const fail = (code: string, title: string): never => {
    throw new ManifestError(file, [{ severity: "error", code, title, places: [], spans: [] }]);
  };
  try {
    const { size, isDirectory } = await Deno.stat(file);
    if (isDirectory) return fail("M0001", `${file} is a directory`);
    if (size > MAX_CHARACTERS * 3) return fail("M0004", `${file} has ${size} bytes, too many for a manifest`);
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof ManifestError) throw error;
    if (error instanceof Deno.errors.NotFound) return fail("M0001", `there is no file ${file}`);
    return fail("M0001", `${file} can't be read: ${error instanceof Error ? error.message : error}`);
  }
}
