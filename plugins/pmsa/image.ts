/**
 * The hypervisor's own memory: sections of its image, which lie one after the other, and devices that it uses. What a section
 * is while booting and what it is afterwards differ: code that only boots goes away, data that is only set while booting becomes read-only.
 */
import type { Mapping } from "../../core/mod.ts";
import { attributesOf } from "./attributes.ts";
import type { DeviceWindow, Section, Use } from "./items.ts";
import type { Region } from "./regions.ts";

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
