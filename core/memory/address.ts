/**
 * Address kinds. A virtual address goes through stage 1 to an intermediate
 * physical address, and through stage 2 to a physical address.
 */

/** Virtual address: 64 bits, as the guest computes it. */
export type Va = bigint & { readonly addressKind?: "VA" };

/** Intermediate physical address: what stage 1 puts out; at most 48 bits. */
export type Ipa = number & { readonly addressKind?: "IPA" };

/** Physical address: what stage 2 puts out; at most 48 bits. */
export type Pa = number & { readonly addressKind?: "PA" };

/** Bytes in the smallest page, which is also the unit of frame ownership. */
export const PAGE_SIZE = 4096;

/** `0x0900_0000`, the way this project prints addresses. */
export function hex(value: number | bigint): string {
  const digits = value.toString(16);
  if (digits.length <= 4) return `0x${digits}`;
  const groups: string[] = [];
  for (let end = digits.length; end > 0; end -= 4) groups.unshift(digits.slice(Math.max(0, end - 4), end).padStart(4, "0"));
  return `0x${groups.join("_")}`;
}
