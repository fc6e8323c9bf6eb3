/**
 * References to the RAM that a stage 2 maps: one for each mapping of a frame, taken before the mapping is there and dropped when no
 * CPU can use it any more. So a frame that its owner gives back stays his until the last mapping has gone.
 */
import { hex, PAGE_SIZE } from "../../core/mod.ts";
import type { CacheColours, PhysicalMemory } from "../../core/mod.ts";
import { IMAGE_OWNER } from "./el2/image.ts";
import { TABLE_OWNER } from "./el2/bring_up.ts";

/** Ends the name of who owns a domain's tables. */
const TABLES = " (stage 2 tables)";

/** Owner of a domain's table frames, as `PhysicalMemory.usage` shows it. */
export function ownerOf(domainName: string): string {
  return `${domainName}${TABLES}`;
}

/**
 * Frames for tables: walks go through the caches as data does, so they have the domain's colours. The frames of a root are neighbours: when
 * the domain's colours aren't, it takes any.
 */
export function allocateTable(memory: PhysicalMemory, owner: string, order: number, colours: CacheColours | undefined): number {
  if (colours === undefined) return memory.allocate(owner, order);
  const size = PAGE_SIZE << order;
  let from = 0;
  for (let tries = 0; tries < colours.of; tries++) {
    const run = memory.allocateColoured(owner, size / PAGE_SIZE, colours, from);
    if (run.size === size && run.pa % size === 0) return run.pa;
    memory.release(owner, run.pa, run.size);
    from = run.pa + PAGE_SIZE;
  }
  return memory.allocate(owner, order);
}

/** Takes a reference to all RAM in a range. Throws a `RangeError`, and takes none, when part of it is nobody's or the hypervisor's. */
export function referenceFrames(memory: PhysicalMemory, pa: number, size: number): void {
  const runs = [...runsOf(memory, pa, size)];
  for (const run of runs) {
    if (run.owner === undefined) throw new RangeError(`PA ${hex(run.pa)} is RAM that nobody owns`);
    if (run.owner === IMAGE_OWNER || run.owner === TABLE_OWNER || run.owner.endsWith(TABLES)) {
      throw new RangeError(`PA ${hex(run.pa)} belongs to ${run.owner}: no domain gets to see it`);
    }
  }
  for (const run of runs) memory.reference(run.owner!, run.pa, run.size);
}

/** Drops the references again. */
export function releaseFrames(memory: PhysicalMemory, pa: number, size: number): void {
  for (const run of runsOf(memory, pa, size)) memory.release(run.owner!, run.pa, run.size);
}

interface Run {
  readonly owner: string | undefined;
  readonly pa: number;
  readonly size: number;
}

/** The RAM in a range, one run for each stretch of one owner. */
function* runsOf(memory: PhysicalMemory, pa: number, size: number): IterableIterator<Run> {
  for (const bank of memory.banks) {
    const end = Math.min(pa + size, bank.base + bank.size);
    for (let from = Math.max(pa, bank.base); from < end;) {
      const run = memory.ownedRun(from, end - from)!;
      yield { ...run, pa: from };
      from += run.size;
    }
  }
}
