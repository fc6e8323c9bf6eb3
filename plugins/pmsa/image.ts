/**
 * The hypervisor's own memory: sections of its image, which lie one after the other, and devices that it uses. What a section
 * is while booting and what it is afterwards differ: code that only boots goes away, data that is only set while booting becomes read-only.
 */
import type { Mapping, MemoryType } from "../../core/mod.ts";
import { attributesOf } from "./attributes.ts";
import { checkRegion } from "./regions.ts";
import type { Region } from "./regions.ts";

/** How the hypervisor uses memory; `none`: given back. */
export type Use = "rx" | "ro" | "rw" | "none";

/** A section, as the option names it. */
export interface Section {
  readonly name: string;
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

/** A range with a name, for messages and tables. */
export interface NamedRegion extends Region {
  readonly name: string;
}

const KIB = 1024;

/** The order of Xen's boot-time regions: text, rodata, data that becomes read-only and data, init text, init data and bss. */
export const defaultSections: readonly Section[] = [
  { name: "text", size: 256 * KIB, boot: "rx", run: "rx" },
  { name: "rodata", size: 64 * KIB, boot: "ro", run: "ro" },
  { name: "ro_after_init", size: 4 * KIB, boot: "rw", run: "ro" },
  { name: "data", size: 60 * KIB, boot: "rw", run: "rw" },
  { name: "init_text", size: 32 * KIB, boot: "rx", run: "none" },
  { name: "init_data", size: 32 * KIB, boot: "rw", run: "none" },
  { name: "bss", size: 64 * KIB, boot: "rw", run: "rw" },
];

const mappings: Readonly<Record<Exclude<Use, "none">, Mapping>> = {
  rx: { read: true, write: false, execute: true, type: "normal-wb" },
  ro: { read: true, write: false, execute: false, type: "normal-wb" },
  rw: { read: true, write: true, execute: false, type: "normal-wb" },
};

/** Bytes of all sections. */
export function imageSize(sections: readonly Section[]): number {
  return sections.reduce((sum, { size }) => sum + size, 0);
}

/** The sections that are mapped in a phase. */
export function imageRegions(sections: readonly Section[], imageAt: number, phase: "boot" | "run"): NamedRegion[] {
  let at = imageAt;
  return sections.flatMap((section) => {
    const use = section[phase];
    const region = { name: section.name, at, size: section.size };
    at += section.size;
    return use === "none" ? [] : [{ ...region, attributes: attributesOf(mappings[use], "hypervisor") }];
  });
}

/** Sections whose memory is given back when booting is over. */
export function bootOnly(sections: readonly Section[], imageAt: number): { readonly at: number; readonly size: number }[] {
  let at = imageAt;
  return sections.flatMap(({ size, run }) => {
    const range = { at, size };
    at += size;
    return run === "none" ? [range] : [];
  });
}

/** A device window as a region. */
export function deviceRegion({ name, at, size, type }: DeviceWindow): NamedRegion {
  return { name, at, size, attributes: attributesOf({ ...mappings.rw, type }, "hypervisor") };
}

const uses: readonly unknown[] = ["rx", "ro", "rw", "none"];
const types: readonly unknown[] = ["device-ngnrne", "device-ngnre", "device-ngre", "device-gre", "normal-nc", "normal-wt", "normal-wb"];

/** What is wrong with the option `sections`. Sizes are multiples of 4 KiB, because frames are. */
export function checkSections(value: unknown): string | undefined {
  if (!Array.isArray(value) || value.length === 0) return "want a list of { name, size, boot, run }";
  const names = new Set<string>();
  for (const section of value) {
    const problem = shape(section, ["name", "size", "boot", "run"]);
    if (problem) return problem;
    const { name, size, boot, run } = section;
    if (typeof name !== "string" || name === "") return "a section needs a name";
    if (names.has(name)) return `two sections are called ${name}`;
    names.add(name);
    if (!Number.isSafeInteger(size) || size <= 0 || size % 4096 !== 0) return `the size of ${name}: want bytes, a multiple of 4096`;
    if (!uses.includes(boot) || !uses.includes(run)) return `${name}: boot and run are each one of ${uses.join(", ")}`;
    if (boot === "none") return `${name}: what isn't mapped at boot has nothing in it`;
  }
  return undefined;
}

/** What is wrong with an item of the option `devices`. */
export function checkDevice(value: unknown): string | undefined {
  const problem = shape(value, ["name", "at", "size", "type"]);
  if (problem) return problem;
  const { name, at, size, type = "device-ngnre" } = value as Partial<DeviceWindow>;
  if (typeof name !== "string" || name === "") return "a device needs a name";
  if (!types.includes(type)) return `${name}: type is one of ${types.join(", ")}`;
  try {
    checkRegion(at ?? -1, size ?? 0);
  } catch (error) {
    return `${name}: ${(error as Error).message}`;
  }
  return undefined;
}

/** The option's items with their defaults. */
export function devicesOf(items: readonly Partial<DeviceWindow>[]): DeviceWindow[] {
  return items.map((item) => ({ type: "device-ngnre", ...item } as DeviceWindow));
}

function shape(value: unknown, keys: readonly string[]): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return `want a mapping with ${keys.join(", ")}`;
  const strange = Object.keys(value).find((key) => !keys.includes(key));
  return strange === undefined ? undefined : `there is no ${strange}: want ${keys.join(", ")}`;
}
