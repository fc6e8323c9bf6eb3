/**
 * The numbers by which generated code names an operation: `operation | format << 8 | variant << 12`.
 *
 * - `operation` (bits 0 to 7): one of {@linkcode FpOp}.
 * - `format` (bits 8 to 11): the operands' format, `ftype` of the A64 encodings: {@linkcode FpFormat}.
 * - `variant` (from bit 12 on): what the operation's comment says, built by {@linkcode variantOf}; otherwise 0.
 */

/** Operations. Operands are called a, b and c, in the order in which they lie in the scratch area. */
export const FpOp = {
  /** a + b. */
  Add: 0,
  /** a - b. */
  Sub: 1,
  /** a * b. */
  Mul: 2,
  /** a * b, infinity times zero is 2 (FMULX). */
  MulX: 3,
  /** a / b. */
  Div: 4,
  /** Square root of a. */
  Sqrt: 5,
  /** a * b + c, rounded once. FMSUB negates a, FNMADD a and c, FNMSUB c, before. */
  MulAdd: 6,
  /** 2 - a * b (FRECPS). */
  RecipStep: 7,
  /** (3 - a * b) / 2 (FRSQRTS). */
  RsqrtStep: 8,
  /** FMIN. */
  Min: 9,
  /** FMAX. */
  Max: 10,
  /** FMINNM. */
  MinNum: 11,
  /** FMAXNM. */
  MaxNum: 12,
  /** FCMP: the result is NZCV, N is bit 3. */
  Compare: 13,
  /** FCMPE: as Compare, IOC for quiet NaNs as well. */
  CompareE: 14,
  /** FCMEQ: the result is all ones or zero, in the format's width; so for the next four. */
  CompareEq: 15,
  /** FCMGE. FCMLE with zero swaps the operands. */
  CompareGe: 16,
  /** FCMGT. FCMLT with zero swaps the operands. */
  CompareGt: 17,
  /** FACGE: of the absolute values. */
  AbsCompareGe: 18,
  /** FACGT: of the absolute values. */
  AbsCompareGt: 19,
  /** FRECPE of a. */
  RecipEstimate: 20,
  /** FRSQRTE of a. */
  RsqrtEstimate: 21,
  /** FRECPX of a. */
  RecipExponent: 22,
  /** URECPE of the low 32 bits of a, whatever the format. */
  UnsignedRecipEstimate: 23,
  /** URSQRTE of the low 32 bits of a, whatever the format. */
  UnsignedRsqrtEstimate: 24,
  /** FRINT*. Variant: rounding, `exact` for FRINTX. */
  RoundToIntegral: 25,
  /** FRINT32*, FRINT64*. Variant: rounding, size 32 or 64. */
  RoundToIntegralN: 26,
  /** FCVT. Variant: target. */
  Convert: 27,
  /** FCVTXN. Variant: target (single). */
  ConvertOdd: 28,
  /** FCVT*S, FCVT*U: to an integer or a fixed-point number, zero-extended. Variant: rounding, size, unsigned, fraction bits. */
  ToFixed: 29,
  /** SCVTF, UCVTF: from the low `size` bits of a. Variant: size, unsigned, fraction bits. */
  FromFixed: 30,
} as const;

/** Formats: `ftype` of the A64 encodings. */
export const FpFormat = { Single: 0, Double: 1, Half: 3 } as const;

/** Sizes of integers in bits, by their number in a code. */
const SIZES = [32, 64, 16] as const;

/** What a variant can say. One that says nothing is 0. */
export interface FpVariant {
  /** One of {@linkcode Rounding}; FPCR.RMode, if absent. Bits 12 to 14: the mode plus 1, or 0. */
  readonly rounding?: number;
  /** Raise IXC for an inexact FRINT. Bit 15. */
  readonly exact?: boolean;
  /** The integer is unsigned. Bit 16. */
  readonly unsigned?: boolean;
  /** Width of the integer in bits, 32 if absent. Bits 17 and 18: 0 for 32, 1 for 64, 2 for 16. */
  readonly size?: 16 | 32 | 64;
  /** Bits after the point, 0 to 64. Bits 20 to 26. */
  readonly fractionBits?: number;
  /** Format that FCVT converts to. Bits 27 and 28. */
  readonly target?: number;
}

/** The number of an operation on a format. An unallocated combination fails when it runs. */
export function fpOpCode(operation: number, format: number, variant: FpVariant = {}): number {
  return operation | format << 8 | variantOf(variant);
}

/** A variant's bits, in place. */
export function variantOf(variant: FpVariant): number {
  const { rounding = -1, exact = false, unsigned = false, size = 32, fractionBits = 0, target = 0 } = variant;
  return (rounding + 1) << 12 | Number(exact) << 15 | Number(unsigned) << 16 | SIZES.indexOf(size) << 17 | fractionBits << 20 |
    target << 27;
}

/** The variant in a code, to take apart what {@linkcode fpOpCode} built. Rounding is -1 for FPCR.RMode. */
export function variantIn(code: number): Required<FpVariant> {
  return {
    rounding: (code >>> 12 & 7) - 1,
    exact: (code >>> 15 & 1) !== 0,
    unsigned: (code >>> 16 & 1) !== 0,
    size: SIZES[code >>> 17 & 3],
    fractionBits: code >>> 20 & 127,
    target: code >>> 27 & 3,
  };
}
