/** A board manifest after parsing and checking: typed, defaults filled in, every option converted. */
import type { BoardTest } from "./board_test_script.ts";
import type { Capability } from "../plugin/capability.ts";
import type { DeviceTreeFragment } from "../arch/device_tree.ts";
import type { Place } from "./diagnostics.ts";
import type { Mapping } from "../memory/memory_backend.ts";
import type { OptionSpecs } from "./options.ts";
import type { Platform } from "./platform.ts";

/** A memory window that a plugin claims. At domain scope an IPA window, at board scope a PA window. */
export interface WindowResource {
  /** For messages; the plugin's name or empty when there is only one. */
  readonly name: string;
  /** First address. */
  readonly at: number;
  /** Bytes. */
  readonly size: number;
  /** Present when a domain's window is mapped, so that the guest reaches it with no exit: a memory backend plans for it. */
  readonly mapping?: Mapping;
}

/** An interrupt that a plugin drives. */
export interface InterruptResource {
  /** For messages; the plugin's name or empty when there is only one. */
  readonly name: string;
  /** 16 to 31 private (PPI), 32 to 1019 shared (SPI). */
  readonly intid: number;
  /** Level-sensitive or edge-triggered. */
  readonly trigger: "level" | "edge";
}

/** A mistake that a plugin sees in the board as a whole. */
export interface ResourceFinding {
  /** One sentence. */
  readonly title: string;
  /** An error (the default) keeps the board from starting. */
  readonly severity?: "error" | "warning";
  /** The value found, as text. */
  readonly found?: string;
  /** The value wanted, in words. */
  readonly wanted?: string;
  /** What to do about it. */
  readonly help?: string;
  /** Where the manifest says it; absent: the use of the plugin. */
  readonly places?: readonly Place[];
}

/** What a plugin takes and shows, as data. */
export interface Resources {
  /** Addresses that it serves. */
  readonly windows?: readonly WindowResource[];
  /**
   * Physical memory that it brings beside the board's RAM, in whole pages: it can be taken by address (`PhysicalMemory.allocateAt`),
   * and is never handed out. A board's plugin tells it when it is asked without a domain.
   */
  readonly memory?: readonly { readonly name: string; readonly at: number; readonly size: number }[];
  /** Interrupts that it drives. */
  readonly interrupts?: readonly InterruptResource[];
  /** Serial ports that it opens, by name: each has one owner on the board. */
  readonly serialPorts?: readonly string[];
  /** What the guest's device tree says of it. */
  readonly deviceTree?: readonly DeviceTreeFragment[];
  /** Where the addresses end that a domain can reach: a memory backend tells it when it is asked with one. */
  readonly reach?: number;
  /** Mistakes; a board's plugin tells those of the whole board when it is asked without a domain. */
  readonly findings?: readonly ResourceFinding[];
  /** Lines that `check` prints: a table of what it planned. */
  readonly report?: readonly string[];
}

/** What {@linkcode PluginDeclaration.resources} may look at besides the options. */
export interface ResourceContext {
  /** The whole board. */
  readonly board: Board;
  /** The domain that gets the plugin; absent when declared at board scope. */
  readonly domain?: DomainSpec;
}

/** Where an image goes in a domain's addresses. */
export interface PlacedImage {
  /** The option that says where, or that names the image. */
  readonly option: string;
  /** For messages: `the kernel`. */
  readonly name: string;
  /** First address. */
  readonly at: number;
  /** Bytes. */
  readonly size: number;
}

/** What {@linkcode PluginDeclaration.places} may look at besides the options. */
export interface ImageContext {
  /** Whose it will be. */
  readonly domain: DomainSpec;
  /** An image by its reference; `undefined` when it isn't at hand. */
  image(reference: string): Uint8Array | undefined;
}

/** What a plugin declares: all that is known of it without running it. */
// deno-lint-ignore no-explicit-any -- a list of plugins holds plugins of every option type
export interface PluginDeclaration<O = any> {
  /** The name that manifests use. */
  readonly name: string;
  /** One sentence. */
  readonly doc: string;
  /** What the manifest may say, by name. */
  readonly options: OptionSpecs;
  /** Capabilities that it asks for. */
  readonly needs?: readonly Capability<unknown>[];
  /** Capabilities that it hands out: board-wide ones in `setup`, a domain's in `attach`. */
  readonly provides?: readonly Capability<unknown>[];
  /** Pure: options in, data out. Called by `check`, `map` and `dtb` without anything else running. */
  readonly resources?: (options: O, context: ResourceContext) => Resources;
  /** Where its images go, of those that are at hand: pure. Throws an `OptionError` for one that can't be what its option wants. */
  readonly places?: (options: O, context: ImageContext) => readonly PlacedImage[];
}

/** A use of a plugin. */
export interface PluginUse {
  /** What it declares; `pluginOf` gives the hooks. */
  readonly plugin: PluginDeclaration;
  /** Converted options. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Where the manifest says it: `["domains", 0, "plugins", 1]`. */
  readonly path: readonly (string | number)[];
}

/** A domain as the manifest declares it. */
export interface DomainSpec {
  /** Unique on the board. */
  readonly name: string;
  /** Virtual CPUs, at least 1. */
  readonly vcpus: number;
  /** Colours of the board's cache that its RAM has, ascending; absent: those that no domain names. */
  readonly cacheColours?: readonly number[];
  /** Guest RAM: IPA and size in bytes. */
  readonly memory: readonly { readonly at: number; readonly size: number }[];
  /** Plugins of this domain only, in the manifest's order. */
  readonly plugins: readonly PluginUse[];
}

/** A board. */
export interface Board {
  /** Name of the board. */
  readonly name: string;
  /** What it is for, in a sentence; may be empty. */
  readonly doc: string;
  /** Manifest file, for messages. */
  readonly file: string;
  /** Seeds everything random. */
  readonly seed: number;
  /** What a real-time clock shows at boot, in Unix seconds. */
  readonly bootTimeSeconds?: number;
  /** `virtual`: derived from instructions. `host`: paced against the wall clock. */
  readonly time: "virtual" | "host";
  /** Physical CPUs run at the same time, in threads of their own: faster, and no two runs are the same. */
  readonly parallel?: boolean;
  /** What `plugboard test` expects of it. */
  readonly test?: BoardTest;
  /** Virtual nanoseconds per retired instruction; 1 is 1,000 MIPS. */
  readonly nsPerInstruction: number;
  /** Whose end ends a run: a domain's name, `first crash`, or `last domain`, as when absent. */
  readonly ends?: string;
  /** Colours of the last-level cache, a power of two; 1, as when absent: domains aren't told apart by colour. */
  readonly cacheColours?: number;
  /** Physical CPUs. */
  readonly pcpus: number;
  /** Physical RAM banks. */
  readonly memory: readonly { readonly at: number; readonly size: number }[];
  /** The real machine that it is like, when the manifest names one. */
  readonly platform?: Platform;
  /** Board-scope plugins, in the manifest's order. */
  readonly plugins: readonly PluginUse[];
  /** The guests, in the manifest's order. */
  readonly domains: readonly DomainSpec[];
}
