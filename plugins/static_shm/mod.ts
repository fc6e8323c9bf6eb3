/**
 * Memory that domains share because the manifest says so: RAM of the board, taken before any domain is built, in the address spaces of its
 * owner and its borrowers.
 *
 * What can a hostile guest do here? Read and write what it was lent, as it was lent: a borrower that may only read takes a permission fault
 * when it writes. Nothing of it is executed. Each domain holds a reference for as long as it lives; when none is left, it is zeroed.
 * @module
 */
import { CpuEngine, definePlugin, hex, MemoryBackend, printSize } from "../../core/mod.ts";
import type { BoardContext, DeviceTreeFragment, DomainContext, Mapping, Plugin } from "../../core/mod.ts";
import { DomainPolicy, isAllowed } from "../domain_policy/contract.ts";
import { planShared } from "./plan.ts";
import type { SharedMap, SharedRegion, StaticShmOptions } from "./plan.ts";

export type { StaticShmOptions } from "./plan.ts";

const mappingOf = ({ write }: SharedMap): Mapping => ({ read: true, write, execute: false, type: "normal-wb" });
const ownerOf = ({ id }: SharedRegion) => `shared memory ${id}`;

/** The plugin. It has no state: frames and their references are core's. */
export const staticShm: Plugin<StaticShmOptions, undefined> = definePlugin<StaticShmOptions, undefined>({
  name: "static_shm",
  doc: "Memory that domains share because the manifest says so, each with the permission that it says.",
  options: {
    regions: {
      kind: "any",
      list: true,
      default: [],
      doc: "{ id, at, size, domains }: at is its PA, in the board's RAM; domains: { NAME: { role: owner | borrower, ipa, " +
        "access: read-write | read-only } }; ipa is at when absent.",
    },
  },
  needs: [CpuEngine, MemoryBackend],
  resources(options, { board, domain }) {
    const { regions, findings } = planShared(options, board);
    if (domain === undefined) return { findings, report: report(regions) };
    const mine = regions.flatMap((region) => region.maps.filter((map) => map.domain === domain.name).map((map) => ({ region, map })));
    return {
      windows: mine.map(({ region, map }) => ({ name: region.id, at: map.ipa, size: region.size, mapping: mappingOf(map) })),
      deviceTree: mine.length > 0 ? [reservedMemory(mine)] : [],
    };
  },
  setup: take,
  attach: lend,
});

function report(regions: readonly SharedRegion[]): string[] {
  return regions.flatMap((region, index) => [
    ...index === 0 ? ["  shared memory"] : [],
    `  ${hex(region.at)} ${printSize(region.size).padEnd(8)} ${region.id} for ${
      region.maps.map(({ domain, role, write }) => `${domain} (${role}${write ? "" : ", reads only"})`).join(", ")
    }`,
  ]);
}

/** Linux's binding reserved-memory/xen,shared-memory.txt. */
function reservedMemory(mine: readonly { readonly region: SharedRegion; readonly map: SharedMap }[]): DeviceTreeFragment {
  return {
    under: "/",
    nodes: [{
      name: "reserved-memory",
      properties: { "#address-cells": { cells: [2] }, "#size-cells": { cells: [2] }, ranges: true },
      children: mine.map(({ region: { id, size }, map: { ipa } }) => ({
        name: `xen-shmem@${ipa.toString(16)}`,
        properties: { compatible: { text: "xen,shared-memory-v1" }, "xen,id": { text: id }, reg: { reg: [[ipa, size]] } },
      })),
    }],
  };
}

/** The frames, before a domain's RAM is looked for. */
function take({ options, board, memory, onStop, fail }: BoardContext<StaticShmOptions, undefined>): void {
  for (const region of planShared(options, board).regions) {
    try {
      memory.allocateAt(ownerOf(region), region.at, region.size);
    } catch (error) {
      fail("regions", (error as Error).message);
    }
    onStop(() => memory.release(ownerOf(region), region.at, region.size));
  }
}

function lend(context: DomainContext<StaticShmOptions, undefined>): void {
  const { options, board, domain, memory, get, find, fail, onStop, trace } = context;
  const engine = get(CpuEngine);
  for (const region of planShared(options, board).regions) {
    const map = region.maps.find((candidate) => candidate.domain === domain.name);
    if (map === undefined) continue;
    const { at, size } = region;
    const others = region.maps.filter((other) =>
      other !== map && (map.role === "owner" || other.role === "owner" || !region.maps.some(isOwner))
    );
    const request = { subject: domain.name, verb: "shared_memory", declared: true } as const;
    const refused = others.find((other) => !isAllowed(find(DomainPolicy), { ...request, object: other.domain }, trace));
    if (refused) fail("regions", `the board's policy doesn't let ${domain.name} share ${region.id} with ${refused.domain}`);
    memory.reference(ownerOf(region), at, size);
    onStop(() => {
      memory.release(ownerOf(region), at, size);
      // The board's own reference is left: nobody has it, and nobody is to find what was in it.
      if (memory.ownerOf(at)?.references === 1) memory.view(at, size).fill(0);
      engine.memoryWritten(at, size);
    });
    try {
      domain.space.map(map.ipa, at, size, mappingOf(map));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      fail("regions", error.message);
    }
    onStop(() => domain.space.unmap(map.ipa, size));
  }
}

const isOwner = ({ role }: SharedMap) => role === "owner";

export default staticShm;
