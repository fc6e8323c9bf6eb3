/** Values that the command line puts over those of the manifest: `--set domains.linux.vcpus=4`. */
import { parse } from "@std/yaml/parse";
import type { ManifestPath } from "./manifest_path.ts";
import type { Findings, OverrideSource } from "./findings.ts";
import { isForbiddenKey } from "./manifest_document.ts";
import type { OptionSpec } from "./options.ts";
import { boardKeys, domainKeys, ramFor } from "./manifest_keys.ts";
import { parseSize } from "./option_values.ts";
import type { Plugin } from "../plugin/plugin.ts";
import { nearest } from "./suggest.ts";

/** One override. */
export type Override =
  /** `path` addresses list entries by index, `name` or `use`. The value is YAML. */
  | { readonly flag: string; readonly path: string; readonly value: string }
  /** Sets an option on every plugin in use that declares it. */
  | { readonly flag: string; readonly option: string; readonly value: string }
  /** Guest RAM of the only domain, and as much more of the board's RAM as that needs. */
  | { readonly flag: string; readonly memory: string }
  /** vCPUs of every domain, and no fewer pCPUs. */
  | { readonly flag: string; readonly vcpus: number };

/** Takes the argument of `--set`. Throws a `SyntaxError` when it isn't `path=value`. */
export function parseOverride(flag: string, text: string): Override {
  const equals = text.indexOf("=");
  if (equals <= 0) throw new SyntaxError(`${flag} ${JSON.stringify(text)}: want PATH=VALUE, such as domains.0.vcpus=4`);
  return { flag, path: text.slice(0, equals), value: text.slice(equals + 1) };
}

type Data = Record<string, unknown>;

/** Changes `data` in place; returns where each value came from. */
export function applyOverrides(
  data: Data,
  overrides: readonly Override[],
  plugins: ReadonlyMap<string, Plugin>,
  findings: Findings,
): OverrideSource[] {
  const sources: OverrideSource[] = [];
  for (const override of overrides) {
    const { flag } = override;
    const set = (path: ManifestPath, value: unknown, text: string) => {
      sources.push({ path, flag, text });
      assign(data, path, value);
    };
    if ("path" in override) setPath(data, override, plugins, set, findings);
    else if ("option" in override) setOption(data, override, plugins, set, findings);
    else if ("vcpus" in override) setVcpus(data, override.vcpus, set);
    else setMemory(data, override, set, findings);
  }
  return sources;
}

type Setter = (path: ManifestPath, value: unknown, text: string) => void;

function setPath(
  data: Data,
  override: { flag: string; path: string; value: string },
  plugins: ReadonlyMap<string, Plugin>,
  set: Setter,
  findings: Findings,
): void {
  const { flag, path: text, value } = override;
  const path: (string | number)[] = [];
  let at: unknown = data;
  let spec: OptionSpec | undefined;
  const segments = text.split(".");
  for (const [depth, segment] of segments.entries()) {
    const last = depth === segments.length - 1;
    const step = resolveSegment(at, segment, last);
    if (step === undefined || isForbiddenKey(segment)) {
      const names = Array.isArray(at) ? [...new Set(at.flatMap(entryNames))] : typeof at === "object" && at ? Object.keys(at) : [];
      const close = nearest(segment, names);
      const help = close ? `did you mean ${close}?` : names.length ? `there is ${names.join(", ")}` : undefined;
      findings.add({ code: "M0601", title: `${flag} ${text}=${value}: nothing in the manifest is called ${segment}`, help });
      return;
    }
    path.push(step);
    spec = (plugins.get((at as Data).use as string)?.options ?? (path.length === 1 ? boardKeys : domainKeys))[segment];
    at = (at as Data)[step as string];
  }
  set(path, scalar(value, spec), `${text}=${value}`);
}

function resolveSegment(at: unknown, segment: string, last: boolean): string | number | undefined {
  if (Array.isArray(at)) {
    const index = /^\d+$/.test(segment) ? Number(segment) : at.findIndex((item) => entryNames(item).includes(segment));
    return index >= 0 && index < at.length ? index : undefined;
  }
  if (typeof at !== "object" || at === null) return undefined;
  return last || Object.hasOwn(at, segment) ? segment : undefined;
}

function entryNames(item: unknown): string[] {
  if (typeof item !== "object" || item === null) return [];
  const { name, use } = item as Data;
  return [name, use].filter((value): value is string => typeof value === "string");
}

/** A value as YAML reads it; text when it isn't YAML. */
function scalar(text: string, spec: OptionSpec | undefined): unknown {
  const keep = spec !== undefined && !spec.list && ["text", "image", "choice"].includes(spec.kind);
  try {
    const value = parse(text, { schema: "core" });
    if (keep && typeof value !== "string") return text;
    return typeof value === "object" && value !== null && !/^[[{]/.test(text.trim()) ? text : value;
  } catch {
    return text;
  }
}

function setOption(
  data: Data,
  override: { flag: string; option: string; value: string },
  plugins: ReadonlyMap<string, Plugin>,
  set: Setter,
  findings: Findings,
): void {
  const { flag, option, value } = override;
  let found = false;
  for (const [path, use] of uses(data)) {
    const spec = plugins.get(use)?.options[option];
    if (!spec) continue;
    set([...path, option], scalar(value, spec), value);
    found = true;
  }
  if (!found) findings.add({ code: "M0602", title: `${flag} ${value}: no plugin of this board has an option ${option}` });
}

/** Every `use:` of a plugin with its path. */
export function* uses(data: Data): Generator<readonly [ManifestPath, string]> {
  const lists: [ManifestPath, unknown][] = [[["plugins"], data.plugins]];
  if (Array.isArray(data.domains)) {
    for (const [index, domain] of data.domains.entries()) lists.push([["domains", index, "plugins"], domain?.plugins]);
  }
  for (const [path, list] of lists) {
    if (!Array.isArray(list)) continue;
    for (const [index, item] of list.entries()) if (typeof item?.use === "string") yield [[...path, index], item.use];
  }
}

function setVcpus(data: Data, vcpus: number, set: Setter): void {
  const domains = Array.isArray(data.domains) ? data.domains : [];
  for (const index of domains.keys()) set(["domains", index, "vcpus"], vcpus, String(vcpus));
  const least = vcpus * Math.max(1, domains.length);
  if (data.pcpus !== undefined) set(["pcpus"], least, String(vcpus));
}

function setMemory(data: Data, override: { flag: string; memory: string }, set: Setter, findings: Findings): void {
  const { flag, memory } = override;
  const domains = Array.isArray(data.domains) ? data.domains : [];
  if (domains.length !== 1) {
    const title = `${flag} ${memory}: it is for boards with one domain, and this one has ${domains.length}`;
    findings.add({ code: "M0603", title, help: "use --set domains.NAME.memory=SIZE" });
    return;
  }
  const current = domains[0]?.memory;
  const first = Array.isArray(current) ? current[0] : current;
  const at = typeof first === "object" && first !== null ? (first as Data).at : undefined;
  set(["domains", 0, "memory"], at === undefined ? memory : [{ at, size: memory }], memory);
  const bank = Array.isArray(data.memory) ? data.memory[0] : undefined;
  const need = ramFor(parseSize(memory) ?? 0);
  if (bank && (parseSize(bank.size) ?? Infinity) < need) set(["memory", 0, "size"], need, memory);
}

function assign(data: Data, path: ManifestPath, value: unknown): void {
  let at: unknown = data;
  for (const segment of path.slice(0, -1)) at = (at as Data)[segment as string];
  const last = path[path.length - 1];
  if (typeof at === "object" && at !== null) (at as Data)[last as string] = value;
}
