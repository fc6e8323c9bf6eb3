/** What a physical CPU reserves of the shared memory, in its own thread or before that begins. */
import type { PhysicalMemory } from "../../../core/mod.ts";
import { BANK_SIZE, RECORD_PAGE_STRIDE } from "./layout.ts";
import { SPACES_SIZE } from "./spaces.ts";
import { walkAreaSize } from "./walk_area.ts";
import { sideTableSize, sideTableUsed } from "./tier1/side_table.ts";
import type { Tier1Mode } from "./tier1/tier1.ts";

/** Translation contexts whose TLB entries are kept. */
export const BANKS = 64;
/** Where the table of address spaces lies, from the start of the TLB. */
export const SPACES_AT = BANKS * BANK_SIZE;

/**
 * Bytes of its areas, in the order in which it reserves them: state block, TLB and the table of address spaces, records, what walks share, and
 * the table beside the records if code is compiled. `frames`: of the shared memory.
 */
export function areaSizes(stateSize: number, codePages: number, frames: number, tier1: Tier1Mode): readonly number[] {
  const records = codePages * RECORD_PAGE_STRIDE;
  return [stateSize, SPACES_AT + SPACES_SIZE, records, walkAreaSize(frames), ...tier1 === "off" ? [] : [sideTableSize(codePages)]];
}

/** Reserves them. */
export function reserveAreas(memory: PhysicalMemory, cpu: Used, codePages: number, tier1: Tier1Mode): readonly number[] {
  const frames = memory.touched.length;
  return areaSizes(cpu.stateSize, codePages, frames, tier1).map((size, area) => memory.reserve(size, () => usedParts(cpu, frames)[area]));
}

/** What tells how much of them a CPU has used. */
interface Used {
  readonly stateSize: number;
  readonly tlb: { readonly usedBytes: number };
  readonly code: { readonly slots: number; readonly usedPages: number };
}

/** Which parts of each area a CPU may have written to, in the same order: from where to where, from its beginning. */
function usedParts(
  { stateSize, tlb, code: { slots, usedPages } }: Used,
  frames: number,
): readonly (readonly (readonly [from: number, to: number])[])[] {
  return [
    [[0, stateSize]],
    [[0, tlb.usedBytes], [SPACES_AT, SPACES_AT + SPACES_SIZE]],
    [[0, usedPages * RECORD_PAGE_STRIDE]],
    [[0, walkAreaSize(frames)]],
    sideTableUsed(usedPages, slots),
  ];
}
