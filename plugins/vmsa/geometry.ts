/** The shape of a stage 2 table by IPA size. Arm ARM DDI 0487, "VTCR_EL2" and "Concatenated translation tables". 4 KiB granule. */

/** IPA sizes on offer, in bits. */
export const IPA_BITS = [32, 36, 40, 42, 44, 48] as const;

/** How a stage 2 starts. */
export interface Geometry {
  readonly ipaBits: number;
  /** Level of the root: 0 or 1. */
  readonly startLevel: number;
  /** VTCR_EL2.SL0. */
  readonly sl0: number;
  /** log2 of the root's concatenated 4 KiB tables. */
  readonly rootOrder: number;
}

/** Entries of a table that isn't a root. */
export const ENTRIES = 512;

/** Chooses the shallowest start: at level 1 with up to 16 concatenated tables, else at level 0. Throws a `RangeError` for other sizes. */
export function geometryOf(ipaBits: number): Geometry {
  if (!(IPA_BITS as readonly number[]).includes(ipaBits)) {
    throw new RangeError(`IPA size of ${ipaBits} bits: want one of ${IPA_BITS.join(", ")}`);
  }
  // Level 1 resolves bits [38:30] in one table.
  if (ipaBits <= 42) return { ipaBits, startLevel: 1, sl0: 1, rootOrder: Math.max(0, ipaBits - 39) };
  return { ipaBits, startLevel: 0, sl0: 2, rootOrder: 0 };
}

/** Bytes that an entry covers. */
export function entrySize(level: number): number {
  return 2 ** (12 + 9 * (3 - level));
}

/**
 * VTCR_EL2: 4 KiB granule, walks Write-Back and inner shareable. `ps`: VTCR_EL2.PS, as ID_AA64MMFR0_EL1.PARange gives it; `vmidBits`: 8
 * or 16.
 */
export function vtcr(geometry: Geometry, ps: number, vmidBits: number): bigint {
  const t0sz = 64 - geometry.ipaBits;
  const writeBack = (1n << 8n) | (1n << 10n);
  const innerShareable = 3n << 12n;
  const res1 = 1n << 31n;
  const vs = vmidBits === 16 ? 1n << 19n : 0n;
  return BigInt(t0sz) | (BigInt(geometry.sl0) << 6n) | writeBack | innerShareable | (BigInt(ps) << 16n) | vs | res1;
}

/** PA size in bits by PARange. */
export const PA_BITS: readonly number[] = [32, 36, 40, 42, 44, 48];
