/**
 * The plugin contract. A plugin is a typed constant. What it declares is known
 * without running it, so checks, maps, schemas and device trees never execute
 * `setup` or `attach`.
 */
import type { Capability } from "./capability.ts";
import type { DeviceTreeFragment } from "./device_tree.ts";
import type { OptionSpecs } from "./options.ts";
import type { BoardContext, DomainContext } from "./context.ts";
import type { Board, DomainSpec } from "./board.ts";

/** A memory window that a plugin claims. At domain scope an IPA window, at board scope a PA window. */
export interface WindowResource {
  readonly name: string;
  readonly at: number;
  readonly size: number;
}

/** An interrupt that a plugin drives. */
export interface InterruptResource {
  readonly name: string;
  readonly intid: number;
  readonly trigger: "level" | "edge";
}

/** What a plugin takes and shows, as data. */
export interface Resources {
  readonly windows?: readonly WindowResource[];
  readonly interrupts?: readonly InterruptResource[];
  readonly deviceTree?: readonly DeviceTreeFragment[];
}

/** What {@linkcode Plugin.resources} may look at besides the options. */
export interface ResourceContext {
  readonly board: Board;
  /** The domain that gets the plugin; absent when declared at board scope. */
  readonly domain?: DomainSpec;
}

/** A plugin. `O`: its options after conversion; `S`: its state, plain structured-cloneable data. */
// deno-lint-ignore no-explicit-any -- a list of plugins holds plugins of every option and state type
export interface Plugin<O = any, S = any> {
  /** The name that manifests use. */
  readonly name: string;
  /** One sentence. */
  readonly doc: string;
  readonly options: OptionSpecs;
  readonly needs?: readonly Capability<unknown>[];
  readonly provides?: readonly Capability<unknown>[];
  /** Pure: options in, data out. Called by `check`, `map` and `dtb` without anything else running. */
  readonly resources?: (options: O, context: ResourceContext) => Resources;
  /** Initial state. One per attached domain, and one for the board. */
  readonly state?: (options: O) => S;
  /** Once per board. Provides board-scope capabilities through the context. */
  readonly setup?: (context: BoardContext<O, S>) => void | Promise<void>;
  /** Once per domain. Provides domain-scope capabilities. Devices claim their windows here. */
  readonly attach?: (context: DomainContext<O, S>) => void | Promise<void>;
}

/** Checks the shape and returns the plugin: `export const pl011: Plugin<Options, State> = definePlugin({...})`. */
export function definePlugin<O, S>(plugin: Plugin<O, S>): Plugin<O, S> {
  if (!/^[a-z][a-z0-9_]*$/.test(plugin.name)) {
    throw new TypeError(`plugin name ${JSON.stringify(plugin.name)}: want lower case letters, digits and _`);
  }
  return plugin;
}
