/** The instructions that the comparison with QEMU executes, one row each: our code and the assembler's text. */

import { Rounding } from "./environment.ts";
import { F16, F32, F64, type Format } from "./format.ts";
import { FpOp, fpOpCode } from "../../isa/fp_op_code.ts";

/** One instruction. Operands come in register numbers 0 to 2 (or x9), the result goes to number 0 (or x9). */
export interface QemuRow {
  readonly code: number;
  readonly text: string;
  /** Format of the operands; none if operand a is an integer. */
  readonly operands: Format | undefined;
  /** The result is in x9, not in d0. */
  readonly integerResult: boolean;
}

const registers = new Map<Format, string>([[F16, "h"], [F32, "s"], [F64, "d"]]);
const formats = [...registers.keys()];

const rows: QemuRow[] = [];

function row(operation: number, format: Format, text: string, variant = {}, shape: { from?: boolean; to?: boolean } = {}): void {
  rows.push({
    code: fpOpCode(operation, format.ftype, variant),
    text,
    operands: shape.from ? undefined : format,
    integerResult: shape.to ?? false,
  });
}

const binary: [number, string][] = [
  [FpOp.Add, "fadd"],
  [FpOp.Sub, "fsub"],
  [FpOp.Mul, "fmul"],
  [FpOp.MulX, "fmulx"],
  [FpOp.Div, "fdiv"],
  [FpOp.RecipStep, "frecps"],
  [FpOp.RsqrtStep, "frsqrts"],
  [FpOp.Min, "fmin"],
  [FpOp.Max, "fmax"],
  [FpOp.MinNum, "fminnm"],
  [FpOp.MaxNum, "fmaxnm"],
  [FpOp.CompareEq, "fcmeq"],
  [FpOp.CompareGe, "fcmge"],
  [FpOp.CompareGt, "fcmgt"],
  [FpOp.AbsCompareGe, "facge"],
  [FpOp.AbsCompareGt, "facgt"],
];

const unary: [number, string][] = [
  [FpOp.Sqrt, "fsqrt"],
  [FpOp.RecipEstimate, "frecpe"],
  [FpOp.RsqrtEstimate, "frsqrte"],
  [FpOp.RecipExponent, "frecpx"],
];

/** Suffixes of FRINT* and FCVT*. */
const roundings: [string, number][] = [
  ["n", Rounding.TieEven],
  ["p", Rounding.PlusInfinity],
  ["m", Rounding.MinusInfinity],
  ["z", Rounding.Zero],
  ["a", Rounding.TieAway],
];

const integers = [["w9", 32], ["x9", 64]] as const;
const signs = [["s", false], ["u", true]] as const;

for (const format of formats) {
  const r = registers.get(format)!;
  for (const [operation, name] of binary) row(operation, format, `${name} ${r}0, ${r}0, ${r}1`);
  for (const [operation, name] of unary) row(operation, format, `${name} ${r}0, ${r}0`);
  row(FpOp.MulAdd, format, `fmadd ${r}0, ${r}0, ${r}1, ${r}2`);
  for (const [operation, name] of [[FpOp.Compare, "fcmp"], [FpOp.CompareE, "fcmpe"]] as const) {
    row(operation, format, `${name} ${r}0, ${r}1; mrs x9, nzcv; lsr x9, x9, #28`, {}, { to: true });
  }
  for (const [suffix, rounding] of roundings) row(FpOp.RoundToIntegral, format, `frint${suffix} ${r}0, ${r}0`, { rounding });
  row(FpOp.RoundToIntegral, format, `frinti ${r}0, ${r}0`);
  row(FpOp.RoundToIntegral, format, `frintx ${r}0, ${r}0`, { exact: true });
  for (const target of formats) {
    if (target !== format) row(FpOp.Convert, format, `fcvt ${registers.get(target)}0, ${r}0`, { target: target.ftype });
  }
  for (const size of format === F16 ? [] : [32, 64]) {
    row(FpOp.RoundToIntegralN, format, `frint${size}z ${r}0, ${r}0`, { size, rounding: Rounding.Zero });
    row(FpOp.RoundToIntegralN, format, `frint${size}x ${r}0, ${r}0`, { size });
  }
  for (const [s, unsigned] of signs) {
    for (const [register, size] of integers) {
      for (const [suffix, rounding] of roundings) {
        row(FpOp.ToFixed, format, `fcvt${suffix}${s} ${register}, ${r}0`, { rounding, size, unsigned }, { to: true });
      }
      row(FpOp.FromFixed, format, `${s}cvtf ${r}0, ${register}`, { size, unsigned }, { from: true });
      for (const fractionBits of [1, 11, size]) {
        const variant = { rounding: Rounding.Zero, size, unsigned, fractionBits };
        row(FpOp.ToFixed, format, `fcvtz${s} ${register}, ${r}0, #${fractionBits}`, variant, { to: true });
        row(FpOp.FromFixed, format, `${s}cvtf ${r}0, ${register}, #${fractionBits}`, variant, { from: true });
      }
    }
  }
}
for (const [s, unsigned] of signs) {
  for (const [suffix, rounding] of roundings) row(FpOp.ToFixed, F16, `fcvt${suffix}${s} h0, h0`, { rounding, size: 16, unsigned });
  row(FpOp.FromFixed, F16, `${s}cvtf h0, h0`, { size: 16, unsigned }, { from: true });
  row(FpOp.FromFixed, F16, `${s}cvtf h0, h0, #9`, { size: 16, unsigned, fractionBits: 9 }, { from: true });
}
row(FpOp.ConvertOdd, F64, "fcvtxn s0, d0", { target: F32.ftype });
row(FpOp.UnsignedRecipEstimate, F32, "urecpe v0.2s, v0.2s; mov v0.s[1], wzr", {}, { from: true });
row(FpOp.UnsignedRsqrtEstimate, F32, "ursqrte v0.2s, v0.2s; mov v0.s[1], wzr", {}, { from: true });

/** All rows. */
export const qemuRows: readonly QemuRow[] = rows;
