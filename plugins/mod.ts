/**
 * The one list of built-in plugins. A new plugin is one import and one line.
 *
 * @module
 */
import type { Plugin } from "../core/mod.ts";

/** Every built-in plugin, by the name that manifests use. */
export const plugins: readonly Plugin[] = [];
