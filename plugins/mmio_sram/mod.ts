/**
 * On-chip memory in domains, with the memory type and the permissions that its binding, or the manifest, says; see discussion 001 of
 * the "mmio-sram" series. An SRAM is physical memory beside RAM: it is cached or not, and executed or not, as stage 2 says.
 *
 * What can a hostile guest do here? It has the pages that the manifest gives it, alone or with whom it agreed to share them, and
 * finds them zeroed. Stage 1 may make the memory stricter, not laxer. A page is never Normal here and Device there.
 * @module
 */
import { CpuEngine, definePlugin, hex, MemoryBackend, printSize } from "../../core/mod.ts";
import type { BoardContext, DomainContext, Plugin, Resources } from "../../core/mod.ts";
import { mappingText, segmentsOf } from "./attributes.ts";
import type { Segment } from "./attributes.ts";
import { conflicts } from "./conflicts.ts";
import { AttributeConflictError, DeviceMemory } from "./contract.ts";
import { DeviceMemoryList } from "./device_memory.ts";
import type { DeviceMemoryState } from "./device_memory.ts";
import { interruptFrames } from "./interrupt_frames.ts";
import { sramNode } from "./node.ts";
import { planSram } from "./plan.ts";
import type { MmioSramOptions, SramRegion } from "./plan.ts";

export type { MmioSramOptions } from "./plan.ts";
export { attributeCodes, AttributeConflictError, DeviceMemory, status } from "./contract.ts";
export type { MemoryMappingRequest, NodeMapping } from "./contract.ts";

/** The plugin. */
export const mmioSram: Plugin<MmioSramOptions, DeviceMemoryState> = definePlugin<MmioSramOptions, DeviceMemoryState>({
  name: "mmio_sram",
  doc: "On-chip memory (mmio-sram) in domains, each with the memory type and permissions that its node or the manifest says.",
  options: {
    regions: {
      kind: "any",
      list: true,
      default: [],
      doc: "SRAMs: { at, size } or { node }, and ipa, domain, type, permissions, compatible, no_memory_wc, shared, keep, children: " +
        "[{ at, size, export, protect_exec, pool, label, compatible }].",
    },
    nodes: { kind: "boolean", default: false, doc: "Maps every SRAM of the board's platform that no region names, for the only domain." },
  },
  needs: [CpuEngine, MemoryBackend],
  provides: [DeviceMemory],
  resources: (options, { board, domain }) =>
    domain === undefined ? boardResources(options, board) : domainResources(options, board, domain.name),
  state: () => ({ claims: [], permitted: [] }),
  setup(context) {
    const list = new DeviceMemoryList(context.state, interruptFrames(context.board), (kind, detail) => context.trace(kind, detail));
    context.provide(DeviceMemory, list);
  },
  attach,
});

function boardResources(options: MmioSramOptions, board: BoardContext<unknown, unknown>["board"]): Resources {
  const { regions, findings } = planSram(options, board);
  const memory = new Map(regions.map(({ name, at, size }) => [`${at} ${size}`, { name, at, size }]));
  return {
    memory: [...memory.values()],
    findings: [...findings, ...conflicts(regions, board)],
    report: regions.flatMap((region, index) => [...index === 0 ? ["  SRAM"] : [], ...describe(region)]),
  };
}

function domainResources(options: MmioSramOptions, board: BoardContext<unknown, unknown>["board"], domain: string): Resources {
  const regions = planSram(options, board).regions.filter((region) => region.domain === domain);
  return {
    windows: regions.flatMap((region) =>
      segmentsOf(region).map(({ at, size, mapping }) => ({ name: region.name, at: region.ipa + at, size, mapping }))
    ),
    deviceTree: regions.map(sramNode),
  };
}

/** What `check` says of a region; what hooks decide isn't known then. */
function describe(region: SramRegion): string[] {
  return segmentsOf(region).map(({ at, size, mapping }) =>
    `  ${hex(region.at + at)} ${printSize(size).padEnd(8)} ${mappingText(mapping)} for ${region.domain} at IPA ${hex(region.ipa + at)}` +
    `${region.isShared ? ", shared" : ""}${region.isKept ? ", kept over a reboot" : ""}`
  );
}

function attach(context: DomainContext<MmioSramOptions, DeviceMemoryState>): void {
  const { board, domain, options, fail, onStop, find } = context;
  const list = find(DeviceMemory) as DeviceMemoryList;
  onStop(() => list.forget(domain));
  for (const region of planSram(options, board).regions) {
    if (region.domain !== domain.name) continue;
    try {
      mapRegion(context, list, region, segmentsOf(region, list.hooks));
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof AttributeConflictError)) throw error;
      fail("regions", error.message);
    }
  }
}

/** Takes the frames, notes how they are mapped, and maps them. The stop hooks undo as much as there is. */
function mapRegion(
  { domain, memory, get, onStop }: DomainContext<MmioSramOptions, DeviceMemoryState>,
  list: DeviceMemoryList,
  region: SramRegion,
  segments: readonly Segment[],
): void {
  const { at, size, ipa } = region;
  const engine = get(CpuEngine);
  const owner = region.isShared ? `${region.name} (shared)` : `${domain.name} (${region.name})`;
  const holder = memory.ownerOf(at)?.owner;
  const isHeld = holder === owner;
  if (!isHeld) memory.allocateAt(owner, at, size);
  else if (region.isShared) memory.reference(owner, at, size);
  onStop(() => {
    // Kept content keeps its frames, in the domain's name: nobody else can have them meanwhile.
    if (!region.isKept) memory.release(owner, at, size);
    engine.memoryWritten(at, size);
  });
  for (const segment of segments) {
    const { type } = segment.mapping;
    list.claim(at + segment.at, segment.size, type, domain.name);
    domain.space.map(ipa + segment.at, at + segment.at, segment.size, segment.mapping);
    onStop(() => domain.space.unmap(ipa + segment.at, segment.size));
  }
}

export default mmioSram;
