/**
 * The binary floating-point formats of A64, as parameters: everything else in
 * this folder is written once, for all of them.
 *
 * Arm ARM DDI 0487, "Floating-point support" (formats) and "FPCR, Floating-point Control Register".
 */

/** A binary interchange format. Exponents are unbiased unless a name says otherwise. */
export interface Format {
  /** The `ftype` field that names the format in A64 encodings. */
  readonly ftype: number;
  /** Bits in all: 16, 32 or 64. */
  readonly width: number;
  /** Bits of the exponent field. */
  readonly expBits: number;
  /** Bits of the fraction field. */
  readonly fracBits: number;
  /** Exponent of the smallest normal number. */
  readonly minExp: number;
  /** The exponent field, all ones: infinities and NaNs. */
  readonly maxBiasedExp: number;
  /** The sign bit. */
  readonly signBit: bigint;
  /** All bits but the sign. */
  readonly magnitudeMask: bigint;
  /** The fraction field. */
  readonly fracMask: bigint;
  /** The bit that tells a quiet NaN. */
  readonly quietBit: bigint;
  /** Positive infinity. */
  readonly infinity: bigint;
  /** Greatest finite number. */
  readonly maxNormal: bigint;
  /** The default NaN: positive, quiet, no payload. */
  readonly defaultNan: bigint;
}

function format(ftype: number, expBits: number, fracBits: number): Format {
  const width = 1 + expBits + fracBits;
  const signBit = 1n << BigInt(width - 1);
  const maxBiasedExp = 2 ** expBits - 1;
  const infinity = BigInt(maxBiasedExp) << BigInt(fracBits);
  const quietBit = 1n << BigInt(fracBits - 1);
  return {
    ftype,
    width,
    expBits,
    fracBits,
    minExp: 2 - 2 ** (expBits - 1),
    maxBiasedExp,
    signBit,
    magnitudeMask: signBit - 1n,
    fracMask: (1n << BigInt(fracBits)) - 1n,
    quietBit,
    infinity,
    maxNormal: infinity - 1n,
    defaultNan: infinity | quietBit,
  };
}

/** Single precision. */
export const F32 = format(0, 8, 23);
/** Double precision. */
export const F64 = format(1, 11, 52);
/** Half precision; whether IEEE or alternative is FPCR.AHP's choice, and matters for conversions only. */
export const F16 = format(3, 5, 10);

/** The formats by `ftype`; 2 is unallocated. */
export const FORMATS: readonly (Format | undefined)[] = [F32, F64, undefined, F16];

/** Number of significant bits of a non-negative integer. */
export function bitLength(value: bigint): number {
  let length = 0;
  while (value > 0xffff_ffffn) {
    value >>= 32n;
    length += 32;
  }
  return length + 32 - Math.clz32(Number(value));
}
