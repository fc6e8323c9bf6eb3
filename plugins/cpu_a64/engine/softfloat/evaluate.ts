/** One operation by its number: the exact core behind {@linkcode SoftFloat}, on bits as BigInt. */

import * as arithmetic from "./arithmetic.ts";
import * as compare from "./compare.ts";
import * as conversion from "./convert.ts";
import { Environment, Rounding } from "./environment.ts";
import * as estimate from "./estimate.ts";
import { type Format, FORMATS } from "./format.ts";
import { FpOp, variantIn } from "../../isa/fp_op_code.ts";

type Operation = (format: Format, env: Environment, a: bigint, b: bigint, c: bigint, code: number) => bigint;

/** The variant's rounding mode. */
function roundingOf(code: number, env: Environment): number {
  const { rounding } = variantIn(code);
  return rounding < 0 ? env.rounding : rounding;
}

function absolute(operation: typeof compare.compareGe): Operation {
  return (format, env, a, b) => operation(format, env, a & format.magnitudeMask, b & format.magnitudeMask);
}

const operations: Record<keyof typeof FpOp, Operation> = {
  Add: arithmetic.add,
  Sub: arithmetic.sub,
  Mul: arithmetic.mul,
  MulX: arithmetic.mulX,
  Div: arithmetic.div,
  Sqrt: arithmetic.sqrt,
  MulAdd: arithmetic.mulAdd,
  RecipStep: arithmetic.recipStep,
  RsqrtStep: arithmetic.rsqrtStep,
  Min: compare.min,
  Max: compare.max,
  MinNum: compare.minNum,
  MaxNum: compare.maxNum,
  Compare: (format, env, a, b) => BigInt(compare.compare(format, env, a, b, false)),
  CompareE: (format, env, a, b) => BigInt(compare.compare(format, env, a, b, true)),
  CompareEq: compare.compareEq,
  CompareGe: compare.compareGe,
  CompareGt: compare.compareGt,
  AbsCompareGe: absolute(compare.compareGe),
  AbsCompareGt: absolute(compare.compareGt),
  RecipEstimate: estimate.recipEstimate,
  RsqrtEstimate: estimate.rsqrtEstimate,
  RecipExponent: estimate.recipExponent,
  UnsignedRecipEstimate: (_format, _env, a) => BigInt(estimate.unsignedRecipEstimate(Number(a & 0xffff_ffffn))),
  UnsignedRsqrtEstimate: (_format, _env, a) => BigInt(estimate.unsignedRsqrtEstimate(Number(a & 0xffff_ffffn))),
  RoundToIntegral: (format, env, a, _b, _c, code) =>
    conversion.roundToIntegral(format, env, a, roundingOf(code, env), variantIn(code).exact),
  RoundToIntegralN: (format, env, a, _b, _c, code) =>
    conversion.roundToIntegralN(format, env, a, roundingOf(code, env), variantIn(code).size),
  Convert: (format, env, a, _b, _c, code) => conversion.convert(format, formatOf(variantIn(code).target), env, a),
  ConvertOdd: (format, env, a, _b, _c, code) => conversion.convert(format, formatOf(variantIn(code).target), env, a, Rounding.Odd),
  ToFixed: (format, env, a, _b, _c, code) => {
    const { size, fractionBits, unsigned } = variantIn(code);
    return conversion.toFixed(format, env, a, size, fractionBits, unsigned, roundingOf(code, env));
  },
  FromFixed: (format, env, a, _b, _c, code) => {
    const { size, fractionBits, unsigned } = variantIn(code);
    return conversion.fromFixed(format, env, a, size, fractionBits, unsigned);
  },
};

const byNumber: Operation[] = [];
for (const name of Object.keys(FpOp) as (keyof typeof FpOp)[]) byNumber[FpOp[name]] = operations[name];

function formatOf(ftype: number): Format {
  const format = FORMATS[ftype];
  if (!format) throw new RangeError(`softfloat: unallocated format ${ftype}`);
  return format;
}

/** Operations whose operand a is not of the code's format. */
const RAW_OPERANDS: readonly number[] = [FpOp.FromFixed, FpOp.UnsignedRecipEstimate, FpOp.UnsignedRsqrtEstimate];

/**
 * Executes an operation on bits. Bits of an operand beyond its format are ignored.
 *
 * @throws RangeError for a code that {@linkcode fpOpCode} doesn't build: a mistake in the engine, no guest can cause it.
 */
export function evaluate(code: number, fpcr: number, a: bigint, b = 0n, c = 0n): { result: bigint; flags: number } {
  const number = code & 0xff;
  const operation = byNumber[number];
  if (!operation) throw new RangeError(`softfloat: unallocated operation ${number}`);
  const format = formatOf(code >>> 8 & 15);
  const { width } = format;
  const env = new Environment(fpcr);
  const first = RAW_OPERANDS.includes(number) ? a : BigInt.asUintN(width, a);
  const result = operation(format, env, first, BigInt.asUintN(width, b), BigInt.asUintN(width, c), code);
  return { result, flags: env.flags };
}
