/** Arm ARM DDI 0487, "Floating-point immediate", and FMOV of "Conversion between floating-point and integer". */
import { a64, type Declaration, i64 } from "./dsl.ts";
import { DOUBLE, HALF, readBits, widthOf } from "./fp_compute.ts";
import { float, halfFeature, isFormat } from "./fp_names.ts";
import { reg } from "./names.ts";
import { floatImmediate } from "./simd_immediate.ts";

/** Bits of one of the 256 numbers: 4 bits of fraction, an exponent of -3 to 4. */
function immediateBits(imm8: number, ftype: number): bigint {
  const width = widthOf(ftype);
  const exponentBits = width === 64 ? 11 : width === 32 ? 8 : 5;
  const fractionBits = width - 1 - exponentBits;
  const exponent = (imm8 >> 4 & 7 ^ 4) - 3 + 2 ** (exponentBits - 1) - 1;
  return BigInt(imm8 >> 7) << BigInt(width - 1) | BigInt(exponent) << BigInt(fractionBits) | BigInt(imm8 & 15) << BigInt(fractionBits - 4);
}

const moveImmediate = a64({
  bits: "00011110 ftype:2 1 imm8:8 10000000 Rd:5",
  known: ["ftype"],
  fp: true,
  when: isFormat,
  feature: halfFeature,
  asm: (f) => `fmov ${float(f.ftype, f.Rd)}, #${floatImmediate(f.imm8).toFixed(8)}`,
  emit(m, { ftype, Rd }) {
    m.setVLow64(Rd, m.i64((f) => immediateBits(f.imm8, ftype)));
  },
});

const moveGeneral = a64({
  bits: "sf 0011110 ftype:2 100 11 to 000000 Rn:5 Rd:5",
  known: ["sf", "ftype", "to"],
  fp: true,
  when: (f) => f.ftype === HALF || f.ftype === f.sf,
  feature: halfFeature,
  asm: (f) => `fmov ${f.to ? `${float(f.ftype, f.Rd)}, ${reg(f.sf, f.Rn)}` : `${reg(f.sf, f.Rd)}, ${float(f.ftype, f.Rn)}`}`,
  emit(m, { ftype, to, Rn, Rd }) {
    if (!to) m.x.write(Rd, readBits(m, Rn, ftype));
    else if (ftype === DOUBLE) m.setVLow64(Rd, m.x.read(Rn));
    else m.setVLow64(Rd, i64.and(m.x.read(Rn), i64.const((1n << BigInt(widthOf(ftype))) - 1n)));
  },
});

/** The upper half of a V register; moving to it keeps the lower one. */
const moveTop = a64({
  bits: "10011110101 0111 to 000000 Rn:5 Rd:5",
  known: ["to"],
  fp: true,
  asm: (f) => `fmov ${f.to ? `v${f.Rd}.d[1], ${reg(1, f.Rn)}` : `${reg(1, f.Rd)}, v${f.Rn}.d[1]`}`,
  emit(m, { to, Rn, Rd }) {
    if (to) m.setVLane(Rd, 3, 1, m.x.read(Rn));
    else m.x.write(Rd, m.vLane(Rn, 3, 1));
  },
});

/** All of them. */
export const fpMove: readonly Declaration[] = [moveImmediate, moveGeneral, moveTop];
