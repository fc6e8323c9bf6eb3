/**
 * The plugin contract. A plugin is a typed constant. What it declares is known
 * without running it, so checks, maps, schemas and device trees never execute
 * `setup` or `attach`.
 */
import type { PluginDeclaration, PluginUse } from "../board/board.ts";
import type { BoardContext, DomainContext } from "./context.ts";

/** A plugin. `O`: its options after conversion; `S`: its state, plain structured-cloneable data. */
// deno-lint-ignore no-explicit-any -- a list of plugins holds plugins of every option and state type
export interface Plugin<O = any, S = any> extends PluginDeclaration<O> {
  /** Initial state. One per attached domain, and one for the board. */
  readonly state?: (options: O) => S;
  /** What outlives a reboot of the domain: the parts of `state` that a battery or a disk keeps. Absent: nothing does. */
  readonly keep?: (state: S) => Partial<S>;
  /** Once per board. Provides board-scope capabilities through the context. */
  readonly setup?: (context: BoardContext<O, S>) => void | Promise<void>;
  /** Once per domain. Provides domain-scope capabilities. Devices claim their windows here. */
  readonly attach?: (context: DomainContext<O, S>) => void | Promise<void>;
}

/** The plugin with its hooks: a board's uses always hold whole plugins, but know only what they declare. */
export function pluginOf(use: PluginUse): Plugin {
  return use.plugin as Plugin;
}

/** Checks the shape and returns the plugin: `export const pl011: Plugin<Options, State> = definePlugin({...})`. */
export function definePlugin<O, S>(plugin: Plugin<O, S>): Plugin<O, S> {
  if (!/^[a-z][a-z0-9_]*$/.test(plugin.name)) {
    throw new TypeError(`plugin name ${JSON.stringify(plugin.name)}: want lower case letters, digits and _`);
  }
  return plugin;
}
