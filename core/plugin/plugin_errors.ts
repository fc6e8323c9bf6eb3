/** Errors of core that others handle: mistakes in a manifest, and errors that say which plugin it comes from. */
import type { Finding } from "../board/diagnostics.ts";

/** Where something stands in a manifest: `["domains", 0, "plugins", 1, "at"]`. */
export type ManifestPath = readonly (string | number)[];

/** A manifest with mistakes. Nothing was started. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
  /** `findings`: all of them, in the order of the file; at least one is an error. */
  constructor(readonly file: string, readonly findings: readonly Finding[]) {
    super(findings.map((finding) => `${file}: ${finding.code}: ${finding.title}`).join("\n"));
  }
}

/** A plugin threw where it mustn't. */
export class PluginError extends Error {
  /** For whoever compares names. */
  override readonly name = "PluginError";
  /** Made by core. */
  constructor(
    /** Instance, as in `linux/pl011`. */
    readonly plugin: string,
    /** Which of its functions: `attach`, `timer rx`. */
    readonly hook: string,
    cause: unknown,
  ) {
    super(`plugin ${plugin}, ${hook}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
