/** What the manifest gets wrong for a machine without translation: all of it is found before anything runs. */
import { printSize } from "../../core/mod.ts";
import type { Board, Place, ResourceFinding } from "../../core/mod.ts";
import { imageSize } from "./image.ts";
import { sectionsOf } from "./items.ts";
import { needed } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { regionText } from "./regions.ts";
import { mergeable } from "./report.ts";

interface Range {
  readonly at: number;
  readonly size: number;
}

/** A domain's RAM, and where the manifest says it. */
interface GuestRam extends Range {
  readonly domain: string;
  readonly place: Place;
}

/** Mistakes; `use`: the plugin's own place. */
export function findingsOf(plan: Plan, sections: unknown, board: Board, use: Place): ResourceFinding[] {
  const image = { at: plan.imageAt, size: imageSize(sectionsOf(sections)) };
  const ram = board.domains.flatMap(({ name, memory }, index) =>
    memory.map((range, bank): GuestRam => ({ ...range, domain: name, place: { path: ["domains", index, "memory", bank] } }))
  );
  return [...placement(image, board, use), ...direct(ram, board), ...disjoint(ram, image, use), ...budget(plan, board, use)];
}

function placement(image: Range, board: Board, use: Place): ResourceFinding[] {
  if (inRam(image, board) && image.at % 4096 === 0) return [];
  const found = image.at < 0 ? printSize(image.size) : regionText(image);
  return [{ title: `the hypervisor's image, ${found}, isn't whole pages of the board's RAM`, found, help: "say image_at", places: [use] }];
}

/** IPA is PA: guest RAM is the machine's, at the same address. */
function direct(ram: readonly GuestRam[], board: Board): ResourceFinding[] {
  return ram.filter((range) => !inRam(range, board)).map((range) => ({
    title: `domain ${range.domain} has RAM at ${regionText(range)}, which isn't RAM of the board: an MPU translates nothing`,
    found: regionText(range),
    wanted: `a range within ${board.memory.map(regionText).join(", ")}`,
    help: "give the domain memory by address, { at, size }: every domain of a pmsa board is mapped directly and placed statically",
    places: [{ ...range.place, note: "the guest's address" }, { path: ["memory"], note: "and the machine's" }],
  }));
}

function disjoint(ram: readonly GuestRam[], image: Range, use: Place): ResourceFinding[] {
  const findings: ResourceFinding[] = [];
  for (const [index, range] of ram.entries()) {
    // Two ranges of one domain that overlap are the board's check's to find.
    const other = ram.slice(0, index).find((earlier) => earlier.domain !== range.domain && touches(earlier, range));
    if (other) {
      findings.push({
        title: `domains ${range.domain} and ${other.domain} have the same RAM: an MPU translates nothing`,
        found: regionText(range),
        places: [{ ...range.place, note: regionText(range) }, { ...other.place, note: regionText(other) }],
      });
    }
    if (touches(range, image)) {
      findings.push({
        title: `the RAM of domain ${range.domain} overlaps the hypervisor's image`,
        found: regionText(range),
        help: `keep ${regionText(image)} free, or say image_at`,
        places: [{ ...range.place, note: regionText(range) }, { ...use, note: `the image: ${regionText(image)}` }],
      });
    }
  }
  return findings;
}

function budget(plan: Plan, board: Board, use: Place): ResourceFinding[] {
  const needs = needed(plan);
  if (needs <= plan.count) return [];
  const hints = mergeable(plan);
  // Whoever's option it is that counts them.
  const cpu = board.plugins.find(({ plugin }) => Object.hasOwn(plugin.options, "mpu_regions"));
  const widest = plan.domains.toSorted((a, b) => b.regions.length - a.regions.length)[0];
  const parts = plan.boot.length === needs
    ? `the boot-time map takes ${plan.boot.length}`
    : `the hypervisor takes ${plan.run.length}, domain ${widest.domain.name} ${widest.regions.length}`;
  return [{
    title: `the board needs ${needs} MPU regions and the CPU has ${plan.count}: ${parts}`,
    found: String(needs),
    wanted: `at most ${plan.count}`,
    help: hints.length > 0 ? hints.join("; ") : "map less, or place alike memory side by side",
    places: [{ ...use, note: `${needs} regions` }, ...cpu ? [{ path: [...cpu.path, "mpu_regions"], note: `${plan.count} regions` }] : []],
  }];
}

function inRam({ at, size }: Range, board: Board): boolean {
  return board.memory.some((bank) => at >= bank.at && at + size <= bank.at + bank.size);
}

function touches(a: Range, b: Range): boolean {
  return a.at < b.at + b.size && b.at < a.at + a.size;
}
