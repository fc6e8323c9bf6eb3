/** From plain data to a typed `Board`: every key known, every value converted, defaults filled in. */
import type { Board, DomainSpec, PluginUse } from "./board.ts";
import { checkEffects } from "./effect_check.ts";
import type { ManifestPath } from "./manifest_path.ts";
import type { Findings } from "./findings.ts";
import { boardKeys, DEFAULT_RAM_BASE, domainKeys, LAST_DOMAIN, ramFor, rangeKeys } from "./manifest_keys.ts";
import { convertOption, describe, parseSize, wanted } from "./option_values.ts";
import type { OptionSpecs } from "./options.ts";
import { platformRam } from "./platform.ts";
import type { Platform } from "./platform.ts";
import { parseColours } from "../memory/cache_colours.ts";
import type { Plugin } from "../plugin/plugin.ts";
import { nearest } from "./suggest.ts";

type Data = Readonly<Record<string, unknown>>;
type Range = { readonly at: number; readonly size: number };

/** A board, and what the checks after it must know. */
export interface ShapedBoard {
  readonly board: Board;
  /** Uses with an option missing or wrong: their resources can't be known. */
  readonly incomplete: ReadonlySet<PluginUse>;
  /** Plugins that a misspelled `use` most likely means, by the list that names them. */
  readonly meant: readonly { readonly list: ManifestPath; readonly plugin: Plugin }[];
  /** The board's plugins are no list: what they provide can't be known. */
  readonly isUnread: boolean;
}

/** Builds the board; what doesn't fit becomes a finding, and is left out or takes its default. */
export function shapeBoard(
  data: Data,
  file: string,
  plugins: ReadonlyMap<string, Plugin>,
  findings: Findings,
  platform?: Platform,
): ShapedBoard {
  const shaper = new Shaper(plugins, findings, platform);
  const isUnread = data.plugins !== undefined && data.plugins !== null && !Array.isArray(data.plugins);
  return { board: shaper.board(data, file), incomplete: shaper.incomplete, meant: shaper.meant, isUnread };
}

/** Builds one domain, likewise: an entry of `domains` at a path. */
export function shapeDomain(data: Data, path: ManifestPath, plugins: ReadonlyMap<string, Plugin>, findings: Findings): DomainSpec {
  return new Shaper(plugins, findings, undefined).domain(data, path);
}

/** True for a mapping. */
function isMapping(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

class Shaper {
  readonly incomplete: Set<PluginUse> = new Set();
  readonly meant: { list: ManifestPath; plugin: Plugin }[] = [];

  constructor(readonly plugins: ReadonlyMap<string, Plugin>, readonly findings: Findings, readonly platform: Platform | undefined) {}

  board(data: Data, file: string): Board {
    const values = this.#values(data, boardKeys, [], "the board", ["platform", "memory", "plugins", "domains"]);
    const plugins = this.#uses(data.plugins, ["plugins"]);
    const domains = this.#list(data.domains, ["domains"], "domains").map(([path, item]) => this.domain(item, path));
    if (domains.length === 0 && (data.domains === undefined || data.domains === null || Array.isArray(data.domains))) {
      this.findings.add({ code: "M0102", title: "domains is missing: a board has at least one guest" }, { path: ["domains"], on: "key" });
    }
    const guestBytes = domains.flatMap((domain) => domain.memory).reduce((sum, { size }) => sum + size, 0);
    const vcpus = domains.reduce((sum, domain) => sum + domain.vcpus, 0);
    const { platform } = this;
    const found = platform && platformRam(platform);
    const memory = data.memory !== undefined
      ? this.#ranges(data.memory, ["memory"])
      : found?.length
      ? found
      : [{ at: DEFAULT_RAM_BASE, size: ramFor(guestBytes) }];
    return {
      name: values.board as string ?? "board",
      doc: values.doc as string ?? "",
      file,
      seed: values.seed as number ?? 0,
      time: values.time as Board["time"] ?? "virtual",
      parallel: values.parallel as boolean ?? false,
      test: values.test as Board["test"],
      nsPerInstruction: values.nsPerInstruction as number ?? 1,
      bootTimeSeconds: values.bootTime as number,
      ends: values.ends as string ?? LAST_DOMAIN,
      cacheColours: values.cacheColours as number,
      pcpus: values.pcpus as number ?? Math.min(64, Math.max(1, platform?.cpus || vcpus)),
      memory,
      platform,
      plugins,
      domains,
    };
  }

  domain(data: unknown, path: ManifestPath): DomainSpec {
    if (!isMapping(data)) {
      this.#wrongKind("a domain", data, "a mapping with name, vcpus, memory and plugins", path);
      return { name: "", vcpus: 1, memory: [], plugins: [] };
    }
    const values = this.#values(data, domainKeys, path, "a domain", ["memory", "plugins"]);
    if (data.memory === undefined) {
      this.findings.add({ code: "M0102", title: "memory is missing: say how much RAM the guest gets", help: "memory: 512MiB" }, {
        path,
        on: "key",
      });
    }
    return {
      name: values.name as string ?? "",
      vcpus: values.vcpus as number ?? 1,
      cacheColours: values.cacheColours === undefined ? undefined : parseColours(values.cacheColours),
      memory: data.memory === undefined ? [] : this.#ranges(data.memory, [...path, "memory"]),
      plugins: this.#uses(data.plugins, [...path, "plugins"]),
    };
  }

  /** `512MiB`, `{ at, size }` or a list of them. */
  #ranges(data: unknown, path: ManifestPath): Range[] {
    if (isMapping(data)) return this.#range(data, path);
    if (Array.isArray(data)) return data.flatMap((item, index) => this.#range(item, [...path, index]));
    if (parseSize(data) === undefined) {
      this.#wrongKind("memory", data, "a size such as 512MiB, or a list of { at, size }", path);
      return [];
    }
    const size = convertOption(rangeKeys.size, data);
    if ("value" in size) return [{ at: DEFAULT_RAM_BASE, size: size.value as number }];
    this.findings.addValue("memory", size.problem, path);
    return [];
  }

  #range(data: unknown, path: ManifestPath): Range[] {
    if (!isMapping(data)) {
      this.#wrongKind("a range of memory", data, "{ at: ADDRESS, size: SIZE }", path);
      return [];
    }
    const { at, size } = this.#values(data, rangeKeys, path, "a range of memory", []) as Partial<Range>;
    return at === undefined || size === undefined ? [] : [{ at, size }];
  }

  #uses(data: unknown, path: ManifestPath): PluginUse[] {
    return this.#list(data, path, "plugins").flatMap(([at, item]) => this.#use(item, at));
  }

  #use(data: unknown, path: ManifestPath): PluginUse[] {
    if (!isMapping(data)) {
      const help = typeof data === "string" ? `write - use: ${data}` : undefined;
      this.#wrongKind("a plugin", data, "a mapping with use and the plugin's options", path, help);
      return [];
    }
    const { use, ...given } = data;
    if (use === undefined) {
      this.findings.add({ code: "M0102", title: "use is missing: say which plugin", help: "- use: pl011" }, { path });
      return [];
    }
    if (typeof use !== "string") {
      this.#wrongKind("use", use, "the name of a plugin, or a module", [...path, "use"]);
      return [];
    }
    const plugin = this.plugins.get(use);
    if (!plugin) {
      // A module that can't be imported has its finding already.
      if (/^[\w-]+$/.test(use)) this.#unknownPlugin(use, [...path, "use"]);
      return [];
    }
    const before = this.findings.errors;
    const options = this.#values(given, plugin.options, path, plugin.name, []);
    const entry: PluginUse = { plugin, options, path };
    if (this.findings.errors > before) this.incomplete.add(entry);
    else checkEffects(entry, given, this.findings);
    return [entry];
  }

  #unknownPlugin(use: string, path: ManifestPath): void {
    const close = nearest(use, this.plugins.keys());
    const plugin = close === undefined ? undefined : this.plugins.get(close);
    if (plugin) this.meant.push({ list: path.slice(0, -2), plugin });
    const help = close
      ? `did you mean ${close}?`
      : `there is ${[...this.plugins.keys()].sort().join(", ")}; a plugin of your own is ./file.ts, jsr:, npm: or https:`;
    this.findings.add({ code: "M0201", title: `there is no plugin ${use}`, found: use, help }, { path, note: "unknown" });
  }

  /** Converts the keys that `specs` describes; complains about the others, except `structure`. */
  #values(data: Data, specs: OptionSpecs, path: ManifestPath, owner: string, structure: readonly string[]): Record<string, unknown> {
    const values: Record<string, unknown> = {};
    for (const key of Object.keys(data)) {
      if (Object.hasOwn(specs, key) || structure.includes(key)) continue;
      const names = [...Object.keys(specs), ...structure];
      const close = nearest(key, names);
      const help = close ? `did you mean ${close}?` : names.length ? `there is ${names.join(", ")}` : `${owner} takes no options`;
      this.findings.add({ code: "M0101", title: `${owner} has no option ${key}`, found: key, help }, { path: [...path, key], on: "key" });
    }
    for (const [key, spec] of Object.entries(specs)) {
      const raw = Object.hasOwn(data, key) ? data[key] : undefined;
      if (raw === undefined || (raw === null && spec.optional)) {
        if (spec.default !== undefined) values[key] = defaultOf(spec.default, spec, owner, key);
        else if (!spec.optional) this.#missing(owner, key, wanted(spec), spec.doc, path);
        continue;
      }
      const result = convertOption(spec, raw);
      if ("value" in result) values[key] = result.value;
      else this.findings.addValue(`${key} of ${owner}`, result.problem, [...path, key]);
    }
    return values;
  }

  #missing(owner: string, key: string, want: string, doc: string, path: ManifestPath): void {
    const place = path.length ? { path, note: `${key} is missing` } : { path };
    this.findings.add(
      { code: "M0102", title: `${owner} needs the option ${key}: want ${want}`, wanted: want, help: `${key}: ${doc}` },
      place,
    );
  }

  #wrongKind(what: string, data: unknown, want: string, path: ManifestPath, help?: string): void {
    const found = describe(data);
    this.findings.add({ code: "M0103", title: `${what} is ${found}; want ${want}`, found, wanted: want, help }, {
      path,
      note: `want ${want}`,
    });
  }

  #list(data: unknown, path: ManifestPath, what: string): [ManifestPath, unknown][] {
    if (data === undefined || data === null) return [];
    if (!Array.isArray(data)) {
      const [first = what === "plugins" ? "pl011" : "linux"] = isMapping(data) ? Object.keys(data) : [];
      this.#wrongKind(what, data, "a list", path, `write - ${what === "plugins" ? "use" : "name"}: ${first}`);
      return [];
    }
    return data.map((item, index) => [[...path, index], item]);
  }
}

/** A default may be written as the manifest would: `10ms`. */
function defaultOf(value: unknown, spec: OptionSpecs[string], owner: string, key: string): unknown {
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "object") return value;
  const result = convertOption(spec, value);
  if ("value" in result) return result.value;
  throw new TypeError(`plugin ${owner}: the default of ${key} is ${result.problem.found}; want ${result.problem.wanted}`);
}
