/** The region budget, from the manifest alone: what the hypervisor takes while booting and afterwards, and what each domain takes beside it. */
import type { Board, DomainSpec, Mapping } from "../../core/mod.ts";
import { attributesOf } from "./attributes.ts";
import { deviceRegion, imageRegions, imageSize } from "./image.ts";
import type { NamedRegion } from "./image.ts";
import { devicesOf, sectionsOf } from "./items.ts";
import { GRANULE, merge } from "./regions.ts";
import type { Region } from "./regions.ts";

/** Options that the plan looks at; the lists are as the manifest has them. */
export interface PlanOptions {
  readonly image_at?: number;
  readonly sections: unknown;
  readonly devices: unknown;
  readonly regions?: number;
}

/** A hardware region and what is in it. */
export interface PlannedRegion extends Region {
  readonly whose: string;
  /** What was merged into it, by address. */
  readonly names: readonly string[];
}

/** Regions of a domain. */
export interface DomainPlan {
  readonly domain: DomainSpec;
  readonly regions: readonly PlannedRegion[];
}

/** The plan. */
export interface Plan {
  readonly imageAt: number;
  /** Regions to be had. */
  readonly count: number;
  /** The boot-time map. */
  readonly boot: readonly PlannedRegion[];
  /** The hypervisor's part of the runtime map: what stays enabled in guests, then what doesn't. */
  readonly run: readonly PlannedRegion[];
  readonly domains: readonly DomainPlan[];
}

/** MPUIR_EL2 where neither the manifest nor the CPU's options say. */
const DEFAULT_REGIONS = 32;
const GUEST_RAM: Mapping = { read: true, write: true, execute: true, type: "normal-wb" };

/** Where the image lies: as told, or at the top of the last bank of RAM. */
export function imageAddress({ image_at, sections }: PlanOptions, board: Board): number {
  if (image_at !== undefined) return image_at;
  const top = Math.max(0, ...board.memory.map(({ at, size }) => at + size));
  return top - imageSize(sectionsOf(sections));
}

/** Pure: from options and board. */
export function planOf(options: PlanOptions, board: Board): Plan {
  const imageAt = imageAddress(options, board);
  const sections = sectionsOf(options.sections), devices = devicesOf(options.devices).map(deviceRegion);
  const hypervisor = (phase: "boot" | "run") => [
    ...planned(imageRegions(sections, imageAt, phase), "hypervisor"),
    ...planned(devices, "hypervisor"),
  ];
  return {
    imageAt,
    count: Math.min(options.regions ?? 255, hardwareRegions(board)),
    boot: hypervisor("boot"),
    run: hypervisor("run"),
    domains: board.domains.map((domain) => ({ domain, regions: planned(domainRegions(domain, board), domain.name) })),
  };
}

/** Most regions at a time, booting included. */
export function needed({ boot, run, domains }: Plan): number {
  return Math.max(boot.length, run.length + Math.max(0, ...domains.map(({ regions }) => regions.length)));
}

/** MPUIR_EL2.REGION, as the CPU engine's options say it. */
function hardwareRegions(board: Board): number {
  for (const { options } of board.plugins) {
    const regions = options.mpu_regions as { readonly el2?: unknown } | undefined;
    if (typeof regions?.el2 === "number") return regions.el2;
  }
  return DEFAULT_REGIONS;
}

/** RAM, and the windows that plugins declare as mapped. */
function domainRegions(domain: DomainSpec, board: Board): NamedRegion[] {
  const regions = domain.memory.map(({ at, size }) => ({ name: "RAM", at, size, attributes: attributesOf(GUEST_RAM, "guest") }));
  for (const { plugin, options } of [...board.plugins, ...domain.plugins]) {
    let windows;
    try {
      windows = plugin.resources?.(options, { board, domain }).windows;
    } catch {
      // The board's check tells it.
      continue;
    }
    for (const { name, at, size, mapping } of windows ?? []) {
      if (mapping?.read) regions.push({ name: name || plugin.name, at, size, attributes: attributesOf(mapping, "guest") });
    }
  }
  return regions.filter(({ at, size }) => size > 0 && at % GRANULE === 0 && size % GRANULE === 0);
}

/** Merged, with the names of what is in each. Ranges that collide stay apart: their finding is somebody else's. */
function planned(ranges: readonly NamedRegion[], whose: string): PlannedRegion[] {
  let merged: readonly Region[];
  try {
    merged = merge(ranges);
  } catch {
    merged = ranges;
  }
  return merged.map((region) => ({
    ...region,
    whose,
    names: ranges.filter(({ at, attributes }) => attributes === region.attributes && at >= region.at && at < region.at + region.size)
      .toSorted((a, b) => a.at - b.at).map(({ name }) => name),
  }));
}
