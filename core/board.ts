/** A board manifest after parsing and checking: typed, defaults filled in, every option converted. */
import type { Plugin } from "./plugin.ts";

/** A use of a plugin. */
export interface PluginUse {
  readonly plugin: Plugin;
  /** Converted options. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Where the manifest says it: `["domains", 0, "plugins", 1]`. */
  readonly path: readonly (string | number)[];
}

/** A domain as the manifest declares it. */
export interface DomainSpec {
  readonly name: string;
  readonly vcpus: number;
  /** Guest RAM: IPA and size in bytes. */
  readonly memory: readonly { readonly at: number; readonly size: number }[];
  readonly plugins: readonly PluginUse[];
}

/** A board. */
export interface Board {
  readonly name: string;
  readonly doc: string;
  /** Manifest file, for messages. */
  readonly file: string;
  readonly seed: number;
  /** What a real-time clock shows at boot, in Unix seconds. */
  readonly bootTimeSeconds?: number;
  /** `virtual`: derived from instructions. `host`: paced against the wall clock. */
  readonly time: "virtual" | "host";
  /** Virtual nanoseconds per retired instruction; 1 is 1,000 MIPS. */
  readonly nsPerInstruction: number;
  /** Physical CPUs. */
  readonly pcpus: number;
  /** Physical RAM banks. */
  readonly memory: readonly { readonly at: number; readonly size: number }[];
  /** Board-scope plugins, in the manifest's order. */
  readonly plugins: readonly PluginUse[];
  readonly domains: readonly DomainSpec[];
}
