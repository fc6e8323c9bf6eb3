/** Options that are lists of mappings: sections of the image and devices, read with the same rules as any option. */
import { convertOption } from "../../core/mod.ts";
import type { MemoryType, OptionSpecs } from "../../core/mod.ts";
import { checkRegion } from "./regions.ts";

/** How the hypervisor uses memory; `none`: given back. */
export type Use = "rx" | "ro" | "rw" | "none";

/** A section of the image. */
export interface Section {
  readonly name: string;
  /** Bytes, whole pages: frames are given back by the page. */
  readonly size: number;
  readonly boot: Use;
  readonly run: Use;
}

/** A device window that the hypervisor uses. */
export interface DeviceWindow {
  readonly name: string;
  readonly at: number;
  readonly size: number;
  readonly type: MemoryType;
}

const uses: readonly Use[] = ["rx", "ro", "rw", "none"];
const types: readonly MemoryType[] = [
  "device-ngnrne",
  "device-ngnre",
  "device-ngre",
  "device-gre",
  "normal-nc",
  "normal-wt",
  "normal-wb",
];

const sectionKeys: OptionSpecs = {
  name: { kind: "text", doc: "Unique among the sections." },
  size: { kind: "size", doc: "Bytes.", min: 4096, align: 4096 },
  boot: { kind: "choice", choices: ["rx", "ro", "rw"], doc: "While booting." },
  run: { kind: "choice", choices: uses, doc: "Afterwards." },
};

const deviceKeys: OptionSpecs = {
  name: { kind: "text", doc: "For the table." },
  at: { kind: "address", doc: "First address.", align: 64 },
  size: { kind: "size", doc: "Bytes.", min: 64, align: 64 },
  type: { kind: "choice", choices: types, default: "device-ngnre", doc: "Memory type." },
};

/** The items, or what they should be. */
function read<T extends { readonly name: string }>(raw: unknown, specs: OptionSpecs): readonly T[] | string {
  const shape = `a list of { ${Object.keys(specs).join(", ")} }`;
  if (!Array.isArray(raw)) return shape;
  const items: T[] = [];
  for (const item of raw) {
    if (typeof item !== "object" || item === null) return shape;
    const strange = Object.keys(item).find((key) => !Object.hasOwn(specs, key));
    if (strange !== undefined) return `${shape}, without ${strange}`;
    const read: Record<string, unknown> = {};
    for (const [key, spec] of Object.entries(specs)) {
      const given = (item as Record<string, unknown>)[key] ?? spec.default;
      const result = convertOption(spec, given);
      if ("problem" in result) return `${key} of ${read.name ?? "each"} to be ${result.problem.wanted}, not ${result.problem.found}`;
      read[key] = result.value;
    }
    if (items.some(({ name }) => name === read.name)) return `each name once: ${read.name} is there twice`;
    items.push(read as unknown as T);
  }
  return items;
}

/** What the option `sections` should be, when it isn't. */
export function checkSections(raw: unknown): string | undefined {
  const sections = read<Section>(raw, sectionKeys);
  if (typeof sections === "string") return sections;
  return sections.length === 0 ? "at least one section" : undefined;
}

/** What the option `devices` should be, when it isn't. */
export function checkDevices(raw: unknown): string | undefined {
  const devices = read<DeviceWindow>(raw, deviceKeys);
  if (typeof devices === "string") return devices;
  for (const { name, at, size } of devices) {
    try {
      checkRegion(at, size);
    } catch (error) {
      return `${name} to be a range: ${(error as Error).message}`;
    }
  }
  return undefined;
}

/** The option's value, checked before. */
export function sectionsOf(raw: unknown): readonly Section[] {
  return must(read<Section>(raw, sectionKeys));
}

/** The option's value, checked before. */
export function devicesOf(raw: unknown): readonly DeviceWindow[] {
  return must(read<DeviceWindow>(raw, deviceKeys));
}

function must<T>(items: T | string): T {
  if (typeof items === "string") throw new RangeError(`want ${items}`);
  return items;
}
