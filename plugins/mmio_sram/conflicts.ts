/** What can't be between regions: one physical page with two owners or two cacheabilities, or an interrupt controller's as memory. */
import { hex } from "../../core/mod.ts";
import type { Board, ResourceFinding } from "../../core/mod.ts";
import { cacheability, segmentsOf } from "./attributes.ts";
import { interruptFrames, isStrictEnoughForInterrupts, overlaps } from "./interrupt_frames.ts";
import type { SramRegion } from "./plan.ts";

/** Mistakes between regions. */
export function conflicts(regions: readonly SramRegion[], board: Board): ResourceFinding[] {
  const findings: ResourceFinding[] = [];
  const frames = interruptFrames(board);
  for (const [index, region] of regions.entries()) {
    const types = typesOf(region);
    const relaxed = types.find((type) => !isStrictEnoughForInterrupts(type));
    const frame = frames.find((candidate) => overlaps(candidate, region));
    if (frame !== undefined && relaxed !== undefined) {
      findings.push({
        title: `${region.name}: the interrupt controller has frames at ${hex(frame.at)}; they can't be ${relaxed}`,
        found: relaxed,
        wanted: "device-ngnre or device-ngnrne",
        places: [{ path: region.path }],
      });
    }
    if (region.permissions?.execute && types.some((type) => type.startsWith("device"))) {
      findings.push({
        severity: "warning",
        title: `${region.name}: code in Device memory is CONSTRAINED UNPREDICTABLE: a CPU may refuse to fetch it`,
        places: [{ path: [...region.path, "permissions"] }],
      });
    }
    for (const earlier of regions.slice(0, index)) if (overlaps(earlier, region)) findings.push(...between(earlier, region));
  }
  return findings;
}

function typesOf(region: SramRegion): ReturnType<typeof segmentsOf>[number]["mapping"]["type"][] {
  return [...new Set(segmentsOf(region).map(({ mapping }) => mapping.type))];
}

function between(earlier: SramRegion, later: SramRegion): ResourceFinding[] {
  const places = [{ path: later.path, note: later.domain }, { path: earlier.path, note: earlier.domain }];
  const [a, b] = [typesOf(earlier)[0], typesOf(later)[0]];
  if (earlier.domain === later.domain) return [{ title: `${later.name} overlaps ${earlier.name} in the domain ${later.domain}`, places }];
  if (!earlier.isShared || !later.isShared) {
    return [{
      title: `${later.name}: ${earlier.domain} and ${later.domain} have the same physical pages`,
      help: "an SRAM has one owner at a time; with shared: true on both they share it",
      places,
    }];
  }
  if (cacheability(a) !== cacheability(b)) {
    return [{
      title:
        `${later.name}: ${earlier.domain} maps the same physical pages as ${a}, ${later.domain} as ${b}: aliases of one page must agree`,
      found: b,
      wanted: a,
      places,
    }];
  }
  if (earlier.at !== later.at || earlier.size !== later.size) {
    return [{ title: `${later.name} and ${earlier.name} are shared, and aren't the same range`, places }];
  }
  return [];
}
