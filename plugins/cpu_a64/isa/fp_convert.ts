/**
 * Arm ARM DDI 0487, "Conversion between floating-point and integer", "Conversion between floating-point and fixed-point":
 * numbers to and from general registers. FMOV between them is in `fp_move.ts`.
 */
import { a64, type Declaration, type Raw } from "./dsl.ts";
import { compute, readBits } from "./fp_compute.ts";
import { convertInteger, fixedPoint, fromInteger, powerOfTwo } from "./fp_integer.ts";
import { float, halfFeature, isFormat } from "./fp_names.ts";
import { toInteger } from "./fp_operations.ts";
import { reg } from "./names.ts";

const sizes = [32, 64] as const;
const suffix = (unsigned: number) => unsigned ? "u" : "s";

const toGeneral = a64({
  bits: "sf 0011110 ftype:2 1 rmode:2 away 0 U 000000 Rn:5 Rd:5",
  known: ["sf", "ftype", "rmode", "away", "U"],
  fp: true,
  when: (f) => isFormat(f) && (f.away === 0 || f.rmode === 0),
  feature: halfFeature,
  asm: (f) => `fcvt${f.away ? "a" : "npmz"[f.rmode]}${suffix(f.U)} ${reg(f.sf, f.Rd)}, ${float(f.ftype, f.Rn)}`,
  emit(m, { sf, ftype, rmode, away, U, Rn, Rd }) {
    const operation = toInteger(away ? "A" : "NPMZ"[rmode], { size: sizes[sf], unsigned: U === 1 });
    m.x.write(Rd, compute(m, operation, ftype, [readBits(m, Rn, ftype)]));
  },
});

const fromGeneral = a64({
  bits: "sf 0011110 ftype:2 100 01 U 000000 Rn:5 Rd:5",
  known: ["sf", "ftype", "U"],
  fp: true,
  when: isFormat,
  feature: halfFeature,
  asm: (f) => `${f.U ? "u" : "s"}cvtf ${float(f.ftype, f.Rd)}, ${reg(f.sf, f.Rn)}`,
  emit(m, { sf, ftype, U, Rn, Rd }) {
    m.setVLow64(Rd, convertInteger(m, ftype, { size: sizes[sf], unsigned: U === 1 }, m.x.read(Rn)));
  },
});

const fraction = (f: Raw<"scale">) => 64 - f.scale;

const toFixed = a64({
  bits: "sf 0011110 ftype:2 0 11 00 U scale:6 Rn:5 Rd:5",
  known: ["sf", "ftype", "U"],
  fp: true,
  when: (f) => isFormat(f) && (f.sf === 1 || f.scale >= 32),
  feature: halfFeature,
  asm: (f) => `fcvtz${suffix(f.U)} ${reg(f.sf, f.Rd)}, ${float(f.ftype, f.Rn)}, #${fraction(f)}`,
  emit(m, { sf, ftype, U, Rn, Rd }) {
    const to = { size: sizes[sf], unsigned: U === 1 };
    const fixed = fixedPoint(m, toInteger("Z", to), ftype, fraction);
    const operation = toInteger("Z", to, powerOfTwo(m, ftype, fixed.bits));
    m.x.write(Rd, compute(m, operation, ftype, [readBits(m, Rn, ftype)], fixed.code));
  },
});

const fromFixed = a64({
  bits: "sf 0011110 ftype:2 0 00 01 U scale:6 Rn:5 Rd:5",
  known: ["sf", "ftype", "U"],
  fp: true,
  when: (f) => isFormat(f) && (f.sf === 1 || f.scale >= 32),
  feature: halfFeature,
  asm: (f) => `${f.U ? "u" : "s"}cvtf ${float(f.ftype, f.Rd)}, ${reg(f.sf, f.Rn)}, #${fraction(f)}`,
  emit(m, { sf, ftype, U, Rn, Rd }) {
    const from = { size: sizes[sf], unsigned: U === 1 };
    const fixed = fixedPoint(m, fromInteger(from), ftype, fraction);
    m.setVLow64(Rd, convertInteger(m, ftype, from, m.x.read(Rn), fixed));
  },
});

/** All of them. */
export const fpConvert: readonly Declaration[] = [toGeneral, fromGeneral, toFixed, fromFixed];
