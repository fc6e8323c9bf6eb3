/** What page tables can do for a domain beyond the contract that every memory backend keeps. */
import type { AddressSpace, Ipa, Mapping } from "../../core/mod.ts";

/** A stage 2. Whether a space is one: `"change" in space`. */
export interface Stage2Space extends AddressSpace {
  /**
   * Changes rights or memory type of a range that is mapped throughout, by break-before-make. Throws a `RangeError` for a hole, a range
   * that doesn't fit, or when splitting a block takes more table frames than the domain may have; then nothing has changed.
   */
  change(ipa: Ipa, sizeBytes: number, to: Partial<Mapping>): void;
  /** Makes blocks of 2 MiB and 1 GiB where what a range holds allows; returns how many table frames came back. */
  merge(ipa: Ipa, sizeBytes: number): number;
  /** First and last byte that are mapped; `undefined` when nothing is. */
  bounds(): { readonly lowest: Ipa; readonly highest: Ipa } | undefined;
}
