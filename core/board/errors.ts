/** Errors of core that others handle: a mistake in the manifest, and a plugin that refuses an option. */
import type { Finding } from "./diagnostics.ts";
import type { ManifestPath } from "./manifest_path.ts";

/** A manifest with mistakes. Nothing was started. */
export class ManifestError extends Error {
  /** Every finding, in the order of the file. At least one is an error. */
  readonly findings: readonly Finding[];
  /** The manifest's file, as the caller named it. */
  readonly file: string;

  /** `findings`: all of them; at least one is an error. */
  constructor(file: string, findings: readonly Finding[]) {
    super(findings.map((finding) => `${file}: ${finding.code}: ${finding.title}`).join("\n"));
    this.name = "ManifestError";
    this.file = file;
    this.findings = findings;
  }
}

/**
 * What `context.fail(option, message)` throws, and what `resources` may throw: the
 * option has the right kind, but the plugin can't take its value. The CLI shows it at
 * the option's line.
 */
export class OptionError extends Error {
  /** Name of the option, or `undefined` when it is about the plugin as a whole. */
  readonly option: string | undefined;
  /** The use of the plugin; `undefined` until the host fills it in. */
  path: ManifestPath | undefined;

  /** `message`: what is wrong with the value. */
  constructor(option: string | undefined, message: string, path?: ManifestPath) {
    super(message);
    this.name = "OptionError";
    this.option = option;
    this.path = path;
  }
}
