/** What a physical CPU reserves of the shared memory, in its own thread or before that begins. */
import { BANK_SIZE, RECORD_PAGE_STRIDE } from "./layout.ts";
import { SPACES_SIZE } from "./spaces.ts";
import { sideTableSize, type Tier1Mode } from "./tier1/tier1.ts";

/** Translation contexts whose TLB entries are kept. */
export const BANKS = 64;
/** Where the table of address spaces lies, from the start of the TLB. */
export const SPACES_AT = BANKS * BANK_SIZE;

/**
 * Bytes of its areas, in the order in which it reserves them: state block, TLB and the table of address spaces, records, and the table beside
 * them if code is compiled.
 */
export function areaSizes(stateSize: number, codePages: number, tier1: Tier1Mode): readonly number[] {
  return [stateSize, SPACES_AT + SPACES_SIZE, codePages * RECORD_PAGE_STRIDE, ...tier1 === "off" ? [] : [sideTableSize(codePages)]];
}
