/** Arm's rules one by one: NaNs, signs of zeros, flags, tininess, flushing, saturation. */

import { assertEquals, assertThrows } from "@std/assert";
import { evaluate, F16, F32, F64, FpcrBit, FpOp, fpOpCode, FpsrFlag, type FpVariant, Rounding } from "./mod.ts";

const { IOC, DZC, OFC, UFC, IXC, IDC } = FpsrFlag;
const { FZ, FZ16, DN, AHP } = FpcrBit;
const RP = Rounding.PlusInfinity << FpcrBit.RMode;
const RM = Rounding.MinusInfinity << FpcrBit.RMode;
const RZ = Rounding.Zero << FpcrBit.RMode;

const ONE = 0x3f80_0000n;
const TWO = 0x4000_0000n;
const MINUS = 0x8000_0000n;
const INF = 0x7f80_0000n;
const MAX = 0x7f7f_ffffn;
const MIN_NORMAL = 0x0080_0000n;
const QNAN = 0x7fc0_0000n;
const QNAN_1 = 0xffc0_0001n;
const QNAN_2 = 0x7fc0_0002n;
const SNAN_3 = 0x7f80_0003n;
const SNAN_4 = 0xff80_0004n;
const quiet = (nan: bigint) => nan | 0x40_0000n;

type Operation = keyof typeof FpOp;
/** What it shows, operation, FPCR, operands, result, flags. */
type Row = [string, Operation, number, bigint[], bigint, number];

const single: Row[] = [
  ["a sum is exact", "Add", 0, [ONE, ONE], TWO, 0],
  ["a tie goes to even", "Add", 0, [ONE, 0x3380_0000n], ONE, IXC],
  ["a tie goes to even, upwards", "Add", 0, [ONE + 1n, 0x3380_0000n], ONE + 2n, IXC],
  ["a sum rounds up for RP, however small the rest", "Add", RP, [ONE, 1n], ONE + 1n, IXC],
  ["a sum rounds down for RM, however small the rest", "Add", RM, [ONE, MINUS | 1n], ONE - 1n, IXC],
  ["a sum rounds to zero for RZ", "Sub", RZ, [ONE, 1n], ONE - 1n, IXC],
  ["x - x is plus zero", "Sub", 0, [ONE, ONE], 0n, 0],
  ["x - x is minus zero for RM", "Sub", RM, [ONE, ONE], MINUS, 0],
  ["-0 + -0 is minus zero", "Add", 0, [MINUS, MINUS], MINUS, 0],
  ["+0 + +0 is plus zero for RM", "Add", RM, [0n, 0n], 0n, 0],
  ["+0 + -0 is minus zero for RM", "Add", RM, [0n, MINUS], MINUS, 0],
  ["infinities of one sign add", "Add", 0, [INF, INF], INF, 0],
  ["infinity less infinity is invalid", "Sub", 0, [INF, INF], QNAN, IOC],
  ["the first quiet NaN is the result", "Add", 0, [QNAN_1, QNAN_2], QNAN_1, 0],
  ["a signalling NaN comes first, and is made quiet", "Add", 0, [QNAN_1, SNAN_3], quiet(SNAN_3), IOC],
  ["the first of two signalling NaNs is the result", "Mul", 0, [SNAN_4, SNAN_3], quiet(SNAN_4), IOC],
  ["subtraction keeps the sign of a NaN", "Sub", 0, [ONE, QNAN_1], QNAN_1, 0],
  ["DN gives the default NaN", "Add", DN, [QNAN_1, ONE], QNAN, 0],
  ["DN still raises IOC for a signalling NaN", "Add", DN, [SNAN_4, ONE], QNAN, IOC],
  ["overflow gives infinity", "Mul", 0, [MAX, TWO], INF, OFC | IXC],
  ["overflow gives the greatest number for RZ", "Mul", RZ, [MAX, MINUS | TWO], MINUS | MAX, OFC | IXC],
  ["overflow for RP: negative gives the greatest number", "Mul", RP, [MAX, MINUS | TWO], MINUS | MAX, OFC | IXC],
  ["overflow for RM: negative gives infinity", "Mul", RM, [MAX, MINUS | TWO], MINUS | INF, OFC | IXC],
  ["an exact denormal raises nothing", "Mul", 0, [MIN_NORMAL, 0x3f00_0000n], 0x40_0000n, 0],
  ["an inexact denormal raises UFC", "Mul", 0, [MIN_NORMAL + 1n, 0x3f00_0000n], 0x40_0000n, UFC | IXC],
  ["tiny before rounding raises UFC though the result is normal", "Mul", 0, [0x00ff_ffffn, 0x3f00_0000n], MIN_NORMAL, UFC | IXC],
  ["the least number rounds up for RP", "Mul", RP, [1n, 1n], 1n, UFC | IXC],
  ["FZ flushes a tiny result, though it would round to a normal number", "Mul", FZ, [0x00ff_ffffn, 0x3f00_0000n], 0n, UFC],
  ["FZ flushes an operand", "Add", FZ, [1n, ONE], ONE, IDC],
  ["FZ flushes an operand beside a NaN", "Add", FZ, [1n, QNAN_1], QNAN_1, IDC],
  ["FZ keeps a flushed operand's sign", "Add", FZ, [MINUS | 1n, MINUS], MINUS, IDC],
  ["FZ16 does not matter here", "Add", FZ16, [1n, 1n], 2n, 0],
  ["zero times infinity is invalid", "Mul", 0, [0n, MINUS | INF], QNAN, IOC],
  ["FMULX: zero times infinity is 2 with the product's sign", "MulX", 0, [0n, MINUS | INF], MINUS | TWO, 0],
  ["a division by zero gives infinity", "Div", 0, [MINUS | ONE, 0n], MINUS | INF, DZC],
  ["zero by zero is invalid", "Div", 0, [0n, 0n], QNAN, IOC],
  ["infinity by infinity is invalid", "Div", 0, [INF, INF], QNAN, IOC],
  ["infinity by zero raises nothing", "Div", 0, [INF, 0n], INF, 0],
  ["a flushed divisor is zero", "Div", FZ, [ONE, 1n], INF, DZC | IDC],
  ["1 by 3 rounds to nearest", "Div", 0, [ONE, 0x4040_0000n], 0x3eaa_aaabn, IXC],
  ["1 by 3 rounds to zero", "Div", RZ, [ONE, 0x4040_0000n], 0x3eaa_aaaan, IXC],
  ["the root of 4", "Sqrt", 0, [0x4080_0000n], TWO, 0],
  ["the root of -0 is -0", "Sqrt", 0, [MINUS], MINUS, 0],
  ["the root of -1 is invalid", "Sqrt", 0, [MINUS | ONE], QNAN, IOC],
  ["the root of a flushed negative is -0", "Sqrt", FZ, [MINUS | 1n], MINUS, IDC],
  ["a fused sum rounds once", "MulAdd", 0, [ONE + 1n, ONE + 1n, MINUS | ONE + 2n], 0x2880_0000n, 0],
  ["the addend's NaN comes first", "MulAdd", 0, [QNAN_2, ONE, QNAN_1], QNAN_1, 0],
  ["a signalling factor comes before a quiet addend", "MulAdd", 0, [ONE, SNAN_3, QNAN_1], quiet(SNAN_3), IOC],
  ["infinity times zero beats a quiet addend", "MulAdd", 0, [INF, 0n, QNAN_1], QNAN, IOC],
  ["infinity times zero loses to a signalling addend", "MulAdd", 0, [INF, 0n, SNAN_4], quiet(SNAN_4), IOC],
  ["a product of infinity less infinity is invalid", "MulAdd", 0, [INF, ONE, MINUS | INF], QNAN, IOC],
  ["a fused exact zero is minus zero for RM", "MulAdd", RM, [ONE, ONE, MINUS | ONE], MINUS, 0],
  ["FRECPS: infinity times zero counts as zero", "RecipStep", 0, [INF, 0n], TWO, 0],
  ["FRSQRTS: infinity times zero counts as zero", "RsqrtStep", 0, [INF, 0n], 0x3fc0_0000n, 0],
  ["FRECPS negates a NaN in its first operand", "RecipStep", 0, [QNAN_1, ONE], QNAN_1 ^ MINUS, 0],
  ["FMAX: plus zero is greater", "Max", 0, [MINUS, 0n], 0n, 0],
  ["FMIN: minus zero is less", "Min", 0, [0n, MINUS], MINUS, 0],
  ["FMAX takes a quiet NaN", "Max", 0, [ONE, QNAN_1], QNAN_1, 0],
  ["FMAXNM prefers a number", "MaxNum", 0, [QNAN_1, MINUS | ONE], MINUS | ONE, 0],
  ["FMINNM of two quiet NaNs is the first", "MinNum", 0, [QNAN_1, QNAN_2], QNAN_1, 0],
  ["FMINNM takes a signalling NaN", "MinNum", 0, [ONE, SNAN_3], quiet(SNAN_3), IOC],
  ["FCMP: equal", "Compare", 0, [0n, MINUS], 0b0110n, 0],
  ["FCMP: less", "Compare", 0, [MINUS | ONE, MINUS | 1n], 0b1000n, 0],
  ["FCMP: greater", "Compare", 0, [INF, MAX], 0b0010n, 0],
  ["FCMP: a quiet NaN is unordered", "Compare", 0, [ONE, QNAN_1], 0b0011n, 0],
  ["FCMP: a signalling NaN raises IOC", "Compare", 0, [ONE, SNAN_3], 0b0011n, IOC],
  ["FCMPE: a quiet NaN raises IOC", "CompareE", 0, [QNAN_1, ONE], 0b0011n, IOC],
  ["FCMP: flushed denormals are equal", "Compare", FZ, [1n, MINUS | 2n], 0b0110n, IDC],
  ["FCMEQ: a quiet NaN raises nothing", "CompareEq", 0, [QNAN_1, QNAN_1], 0n, 0],
  ["FCMGE: a quiet NaN raises IOC", "CompareGe", 0, [QNAN_1, ONE], 0n, IOC],
  ["FACGT compares magnitudes", "AbsCompareGt", 0, [MINUS | TWO, ONE], 0xffff_ffffn, 0],
  ["FRECPE of 1", "RecipEstimate", 0, [ONE], 0x3f7f_8000n, 0],
  ["FRECPE of zero", "RecipEstimate", 0, [MINUS], MINUS | INF, DZC],
  ["FRECPE of a tiny number overflows", "RecipEstimate", RZ, [1n], MAX, OFC | IXC],
  ["FRECPE of a great number is denormal", "RecipEstimate", 0, [0x7f00_0000n], 0x003f_e000n, 0],
  ["FRECPE of a great number is flushed", "RecipEstimate", FZ, [0x7f00_0000n], 0n, UFC],
  ["FRSQRTE of 4", "RsqrtEstimate", 0, [0x4080_0000n], 0x3eff_8000n, 0],
  ["FRSQRTE of a negative number is invalid", "RsqrtEstimate", 0, [MINUS | ONE], QNAN, IOC],
  ["FRECPX of zero", "RecipExponent", 0, [MINUS], 0xff00_0000n, 0],
  ["FRECPX of 1", "RecipExponent", 0, [ONE], 0x4000_0000n, 0],
  ["URECPE of a half", "UnsignedRecipEstimate", 0, [0x8000_0000n], 0xff80_0000n, 0],
  ["URECPE of less than a half", "UnsignedRecipEstimate", 0, [0x7fff_ffffn], 0xffff_ffffn, 0],
  ["URSQRTE of a quarter", "UnsignedRsqrtEstimate", 0, [0x4000_0000n], 0xff80_0000n, 0],
];

for (const [name, operation, fpcr, [a, b, c], result, flags] of single) {
  Deno.test(`softfloat: ${name}`, () => {
    assertEquals(evaluate(fpOpCode(FpOp[operation], F32.ftype), fpcr, a, b, c), { result, flags });
  });
}

/** What it shows, operation, format, variant, FPCR, operand, result, flags. */
type ConversionRow = [string, Operation, typeof F32, FpVariant, number, bigint, bigint, number];

const toHalf = { target: F16.ftype };
const toSingle = { target: F32.ftype };
const round = Rounding;

const conversions: ConversionRow[] = [
  ["FCVT keeps the top of a NaN's payload", "Convert", F64, toSingle, 0, 0xfff4_0000_2000_0001n, 0xffe0_0001n, IOC],
  ["FCVT widens a NaN", "Convert", F32, { target: F64.ftype }, 0, QNAN_1, 0xfff8_0000_2000_0000n, 0],
  ["FCVT overflows", "Convert", F32, toHalf, 0, 0x4780_0000n, 0x7c00n, OFC | IXC],
  ["AHP has one exponent more", "Convert", F32, toHalf, AHP, 0x4780_0000n, 0x7c00n, 0],
  ["AHP saturates", "Convert", F32, toHalf, AHP, 0x4800_0000n, 0x7fffn, IOC],
  ["AHP has no infinity", "Convert", F32, toHalf, AHP, MINUS | INF, 0xffffn, IOC],
  ["AHP has no NaN", "Convert", F32, toHalf, AHP, QNAN_1, 0x8000n, IOC],
  ["AHP reads the last exponent as numbers", "Convert", F16, toSingle, AHP, 0x7c00n, 0x4780_0000n, 0],
  ["FZ16 does not flush what FCVT reads", "Convert", F16, toSingle, FZ16, 1n, 0x3380_0000n, 0],
  ["FZ16 does not flush what FCVT writes", "Convert", F32, toHalf, FZ16, 0x3380_0000n, 1n, 0],
  ["FZ does not flush what FCVT writes as half", "Convert", F32, toHalf, FZ, 0x3380_0000n, 1n, 0],
  ["FZ flushes what FCVT writes as single", "Convert", F64, toSingle, FZ, 0x3800_0000_0000_0000n - (1n << 52n), 0n, UFC],
  ["FCVTXN rounds to odd", "ConvertOdd", F64, toSingle, 0, 0x3ff0_0000_0000_0001n, 0x3f80_0001n, IXC],
  ["FCVTXN never reaches infinity", "ConvertOdd", F64, toSingle, 0, 0x7fef_ffff_ffff_ffffn, MAX, OFC | IXC],
  ["FRINTN: 2.5 is 2", "RoundToIntegral", F32, { rounding: round.TieEven }, 0, 0x4020_0000n, TWO, 0],
  ["FRINTA: 2.5 is 3", "RoundToIntegral", F32, { rounding: round.TieAway }, 0, 0x4020_0000n, 0x4040_0000n, 0],
  ["FRINTP: -0.5 is -0", "RoundToIntegral", F32, { rounding: round.PlusInfinity }, 0, 0xbf00_0000n, MINUS, 0],
  ["FRINTI takes FPCR's mode", "RoundToIntegral", F32, {}, RM, 0x4020_0000n, TWO, 0],
  ["FRINTX raises IXC", "RoundToIntegral", F32, { exact: true }, RP, 0x4020_0000n, 0x4040_0000n, IXC],
  ["FRINT32Z: out of range gives the least integer", "RoundToIntegralN", F32, { rounding: round.Zero }, 0, 0x4f00_0000n, 0xcf00_0000n, IOC],
  ["FCVTAS: -2.5 is -3", "ToFixed", F32, { rounding: round.TieAway }, 0, 0xc020_0000n, 0xffff_fffdn, IXC],
  ["FCVTNS: 2.5 is 2", "ToFixed", F32, { rounding: round.TieEven }, 0, 0x4020_0000n, 2n, IXC],
  ["FCVTZS saturates", "ToFixed", F32, { rounding: round.Zero }, 0, 0x4f00_0000n, 0x7fff_ffffn, IOC],
  ["FCVTZS: -2^31 fits", "ToFixed", F32, { rounding: round.Zero }, 0, 0xcf00_0000n, 0x8000_0000n, 0],
  ["FCVTZU: -1 saturates", "ToFixed", F32, { rounding: round.Zero, unsigned: true }, 0, 0xbf80_0000n, 0n, IOC],
  ["FCVTZU: -0.5 is 0", "ToFixed", F32, { rounding: round.Zero, unsigned: true }, 0, 0xbf00_0000n, 0n, IXC],
  [
    "FCVTZU to 64 bits saturates",
    "ToFixed",
    F64,
    { rounding: round.Zero, unsigned: true, size: 64 },
    0,
    0x43f0_0000_0000_0000n,
    2n ** 64n - 1n,
    IOC,
  ],
  ["FCVTZS: a NaN is 0", "ToFixed", F32, { rounding: round.Zero }, 0, QNAN_1, 0n, IOC],
  ["FCVTZS to 16 bits saturates", "ToFixed", F16, { rounding: round.Zero, size: 16 }, 0, 0xfc00n, 0x8000n, IOC],
  ["FCVTZS with fraction bits", "ToFixed", F32, { rounding: round.Zero, fractionBits: 4 }, 0, 0x3fc0_0000n, 24n, 0],
  ["SCVTF: the sign counts", "FromFixed", F32, {}, 0, 0xffff_ffffn, 0xbf80_0000n, 0],
  ["UCVTF rounds", "FromFixed", F32, { unsigned: true }, 0, 0xffff_ffffn, 0x4f80_0000n, IXC],
  ["UCVTF rounds as FPCR says", "FromFixed", F32, { unsigned: true }, RZ, 0xffff_ffffn, 0x4f7f_ffffn, IXC],
  ["SCVTF of 64 fraction bits", "FromFixed", F64, { size: 64, fractionBits: 64 }, 0, 1n, 0x3bf0_0000_0000_0000n, 0],
  ["SCVTF to half overflows", "FromFixed", F16, { size: 64 }, 0, 1n << 40n, 0x7c00n, OFC | IXC],
  ["SCVTF of zero is plus zero", "FromFixed", F32, {}, RM, 0n, 0n, 0],
  ["half precision is flushed without IDC", "Sqrt", F16, {}, FZ16, 1n, 0n, 0],
  ["FZ does not flush half precision", "Sqrt", F16, {}, FZ, 1n, 0x0c00n, 0],
];

for (const [name, operation, format, variant, fpcr, a, result, flags] of conversions) {
  Deno.test(`softfloat: ${name}`, () => {
    assertEquals(evaluate(fpOpCode(FpOp[operation], format.ftype, variant), fpcr, a), { result, flags });
  });
}

Deno.test("softfloat: an unallocated code is the engine's mistake, and says so", () => {
  assertThrows(() => evaluate(0xff, 0, 0n), RangeError, "unallocated operation 255");
  assertThrows(() => evaluate(fpOpCode(FpOp.Add, 2), 0, 0n), RangeError, "unallocated format 2");
});
