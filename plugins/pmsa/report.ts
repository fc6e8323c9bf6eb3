/** The plan for people: the table that `check` prints, and what could be done about too many regions. */
import { attributesText } from "./attributes.ts";
import { needed } from "./plan.ts";
import type { Plan, PlannedRegion } from "./plan.ts";
import { regionText } from "./regions.ts";

/** One line for each region of the runtime map, under a line that sums up. */
export function planTable(plan: Plan): string[] {
  const { boot, run, domains, count } = plan;
  const tails = domains.map(({ domain, regions }) => `${domain.name} ${regions.length}`);
  const head = `pmsa   ${needed(plan)} of ${count} MPU regions: hypervisor ${run.length} (${boot.length} while booting), ${
    tails.join(" or ")
  } beside it`;
  const rows = [
    ...run.map((region, index) => row(index, region)),
    ...domains.flatMap(({ regions }) => regions.map((region, index) => row(run.length + index, region))),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((cells) => cells[column].length)));
  return [head, ...rows.map((cells) => `       ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd())];
}

function row(index: number, region: PlannedRegion): string[] {
  const { names, whose } = region;
  return [
    `#${index}`,
    regionText(region),
    attributesText(region.attributes),
    whose,
    names.length > 1 ? `${names.join(" + ")} (merged)` : names.join(),
  ];
}

/**
 * Regions of one owner that would be one if they touched, or if they were used alike: `linux: RAM at … and RAM at … (the same attributes, 0x1000 bytes apart)`.
 * Empty when nothing of the kind is there.
 */
export function mergeable(plan: Plan): string[] {
  const widest = plan.domains.toSorted((a, b) => b.regions.length - a.regions.length)[0]?.regions ?? [];
  const everything = [...plan.run, ...widest];
  const hints: string[] = [];
  for (const owned of [plan.run, widest]) {
    const sorted = owned.toSorted((a, b) => a.at - b.at);
    for (let first = 0; first < sorted.length;) {
      let end = first + 1;
      while (end < sorted.length && fillable(sorted[end - 1], sorted[end], everything)) end++;
      const group = sorted.slice(first, end);
      if (group.length > 1) {
        const list = group.map(({ at, size, names }) => `${names.join(" + ")} at ${regionText({ at, size })}`).join(", ");
        hints.push(`these ${group.length} of ${group[0].whose} could merge, if they lay side by side: ${list}`);
      }
      first = end;
    }
  }
  return hints;
}

/** Alike, and nobody has anything in the gap. */
function fillable(a: PlannedRegion, b: PlannedRegion, everything: readonly PlannedRegion[]): boolean {
  const start = a.at + a.size;
  return a.attributes === b.attributes && !everything.some(({ at, size }) => at < b.at && at + size > start);
}
