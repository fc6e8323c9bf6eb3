/** What a manifest may say of an SRAM: the entries of `regions` and their children, described as options are. */
import { convertOption, nearest, PAGE_SIZE } from "../../core/mod.ts";
import type { ManifestPath, MemoryType, OptionSpecs, ResourceFinding } from "../../core/mod.ts";

/** Memory types by their names in a manifest. */
export const TYPES: readonly MemoryType[] = [
  "normal-wb",
  "normal-wt",
  "normal-nc",
  "device-gre",
  "device-ngre",
  "device-ngnre",
  "device-ngnrne",
];

/** An entry of `regions`. */
export interface RegionOptions {
  readonly at?: number;
  readonly size?: number;
  readonly node?: string;
  readonly ipa?: number;
  readonly domain?: string;
  readonly type?: MemoryType;
  readonly permissions?: string;
  readonly compatible?: string;
  readonly no_memory_wc: boolean;
  readonly shared: boolean;
  readonly keep: boolean;
}

/** An entry of `children`. */
export interface ChildOptions {
  readonly at: number;
  readonly size: number;
  readonly compatible?: string;
  readonly label?: string;
  readonly export: boolean;
  readonly protect_exec: boolean;
  readonly pool: boolean;
}

const permissions = (value: unknown) => /^(r|rw|rx|rwx|w|x)$/.test(value as string) ? undefined : "r, rw, rx or rwx";

/** Of an entry of `regions`. */
export const regionKeys: OptionSpecs = {
  at: { kind: "address", doc: "PA of the first byte.", align: PAGE_SIZE, optional: true },
  size: { kind: "size", doc: "Bytes, in whole pages.", align: PAGE_SIZE, min: PAGE_SIZE, optional: true },
  node: { kind: "text", doc: "Path of a node of the platform's device tree, instead of at and size.", optional: true },
  ipa: { kind: "address", doc: "Where the guest sees it; without it, at its physical address.", align: PAGE_SIZE, optional: true },
  domain: { kind: "text", doc: "Whose it is; may be left out where there is one domain.", optional: true },
  type: { kind: "choice", choices: TYPES, doc: "Memory type at stage 2. Default: what the binding says.", optional: true },
  permissions: { kind: "text", doc: "r, rw, rx or rwx. Default: rw.", optional: true, check: permissions },
  compatible: { kind: "text", doc: "A more specific name for the node, before mmio-sram.", optional: true },
  no_memory_wc: { kind: "boolean", doc: "The binding's no-memory-wc: Device-nGnRE instead of Normal-NC.", default: false },
  shared: { kind: "boolean", doc: "Another domain may have it at the same time, if it says so too.", default: false },
  keep: { kind: "boolean", doc: "The content outlives a reboot of the domain; without it, it is scrubbed.", default: false },
};

/** Of an entry of `children`. */
export const childKeys: OptionSpecs = {
  at: { kind: "address", doc: "Offset from the region's first byte." },
  size: { kind: "size", doc: "Bytes." },
  compatible: { kind: "text", doc: "The section's own name.", optional: true },
  label: { kind: "text", doc: "A name for people.", optional: true },
  export: { kind: "boolean", doc: "User space sees it.", default: false },
  protect_exec: { kind: "boolean", doc: "Code runs from it: its pages are executable.", default: false },
  pool: { kind: "boolean", doc: "Another device uses it.", default: false },
};

/** Converts a mapping by its keys; what doesn't fit is a finding, and then there is no value. */
export function convert<T>(
  raw: unknown,
  keys: OptionSpecs,
  path: ManifestPath,
  what: string,
  structure: readonly string[],
  findings: ResourceFinding[],
): T | undefined {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) {
    findings.push({ title: `${what} isn't a mapping`, wanted: Object.keys(keys).join(", "), places: [{ path }] });
    return undefined;
  }
  const before = findings.length;
  const data = raw as Readonly<Record<string, unknown>>;
  const names = [...Object.keys(keys), ...structure];
  for (const key of Object.keys(data)) {
    if (names.includes(key)) continue;
    const close = nearest(key, names);
    const help = close ? `did you mean ${close}?` : `there is ${names.join(", ")}`;
    findings.push({ title: `${what} has no option ${key}`, found: key, help, places: [{ path: [...path, key], on: "key" }] });
  }
  const values: Record<string, unknown> = {};
  for (const [key, spec] of Object.entries(keys)) {
    const given = Object.hasOwn(data, key) ? data[key] : undefined;
    if (given === undefined || given === null) {
      if (spec.default !== undefined) values[key] = spec.default;
      else if (!spec.optional) findings.push({ title: `${what} needs the option ${key}`, help: `${key}: ${spec.doc}`, places: [{ path }] });
      continue;
    }
    const result = convertOption(spec, given);
    if ("value" in result) values[key] = result.value;
    else {
      const { found, wanted, help } = result.problem;
      findings.push({ title: `${key} of ${what} is ${found}; want ${wanted}`, found, wanted, help, places: [{ path: [...path, key] }] });
    }
  }
  return findings.length === before ? values as T : undefined;
}
