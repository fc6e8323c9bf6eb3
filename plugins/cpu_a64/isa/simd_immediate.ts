/** Arm ARM DDI 0487, "Advanced SIMD modified immediate". */
import { a64, type Declaration, i64x2, type Raw, v128 } from "./dsl.ts";
import { arrangement, vector } from "./simd_names.ts";

type Fields = Raw<"Q" | "op" | "cmode" | "o2" | "abc" | "defgh">;

const imm8 = (f: Raw<"abc" | "defgh">): number => f.abc << 5 | f.defgh;

/** What cmode says: bits of an element, and the shift of the immediate, or the name of another use. */
interface Form {
  readonly bits: 8 | 16 | 32 | 64;
  readonly shift: number;
  /** Shifts in ones (MSL). */
  readonly ones?: boolean;
  readonly use?: "float" | "mask";
  /** ORR or BIC instead of a move. */
  readonly merge?: boolean;
}

function form({ op, cmode, o2 }: { op: number; cmode: number; o2: number }): Form {
  if (o2) return { bits: 16, shift: 0, use: "float" };
  if (cmode < 12) {
    const merge = (cmode & 1) === 1;
    return cmode < 8 ? { bits: 32, shift: (cmode >> 1) * 8, merge } : { bits: 16, shift: (cmode >> 1 & 1) * 8, merge };
  }
  if (cmode < 14) return { bits: 32, shift: (cmode & 1) ? 16 : 8, ones: true };
  if (cmode === 14) return op ? { bits: 64, shift: 0, use: "mask" } : { bits: 8, shift: 0 };
  return { bits: op ? 64 : 32, shift: 0, use: "float" };
}

/** Bits of a floating-point number by its eight (Arm ARM, "VFPExpandImm"). */
function expandFloat(imm: number, bits: number): bigint {
  const exponentBits = { 16: 5, 32: 8, 64: 11 }[bits as 16 | 32 | 64];
  const sign = BigInt(imm >> 7);
  const high = imm >> 6 & 1;
  const ones = high ? (1n << BigInt(exponentBits - 3)) - 1n : 0n;
  const exponent = BigInt(high ^ 1) << BigInt(exponentBits - 1) | ones << 2n | BigInt(imm >> 4 & 3);
  return sign << BigInt(bits - 1) | exponent << BigInt(bits - 1 - exponentBits) | BigInt(imm & 15) << BigInt(bits - exponentBits - 5);
}

/** The number that those eight bits stand for. */
export function floatImmediate(imm: number): number {
  const exponent = (imm >> 4 & 7 ^ 4) - 3;
  return (imm & 0x80 ? -1 : 1) * (16 + (imm & 15)) / 16 * 2 ** exponent;
}

/** The 64 bits of the immediate, inverted where the instruction uses it so. */
function immediate(f: Fields): bigint {
  const { bits, shift, ones, use } = form(f);
  let value = BigInt(imm8(f)) << BigInt(shift) | (ones ? (1n << BigInt(shift)) - 1n : 0n);
  if (use === "float") value = expandFloat(imm8(f), bits);
  if (use === "mask") {
    for (let i = 0; i < 8; i++) value = value & ~(0xffn << BigInt(8 * i)) | (imm8(f) >> i & 1 ? 0xffn << BigInt(8 * i) : 0n);
  }
  for (let width = bits as number; width < 64; width *= 2) value |= value << BigInt(width);
  return f.op && !use ? ~value : value;
}

function text(f: Fields & Raw<"Rd">): string {
  const { bits, shift, ones, use, merge } = form(f);
  const size = Math.log2(bits) - 3;
  if (use === "mask") return `movi ${f.Q ? vector(f.Rd, 3, 1) : `d${f.Rd}`}, #0x${immediate(f).toString(16)}`;
  const target = `v${f.Rd}.${arrangement(size, f.Q)}`;
  if (use === "float") return `fmov ${target}, #${floatImmediate(imm8(f)).toFixed(8)}`;
  const name = merge ? ["orr", "bic"][f.op] : ["movi", "mvni"][f.op];
  return `${name} ${target}, #${imm8(f)}${shift ? `, ${ones ? "msl" : "lsl"} #${shift}` : ""}`;
}

const modifiedImmediate = a64({
  bits: "0 Q op 0111100000 abc:3 cmode:4 o2 1 defgh:5 Rd:5",
  known: ["Q"],
  split: { operation: (f) => form(f).merge ? 1 + f.op : 0 },
  fp: true,
  when: (f) => f.o2 ? f.cmode === 15 && f.op === 0 : f.cmode !== 15 || f.op === 0 || f.Q === 1,
  feature: (f) => f.o2 ? "FP16" : undefined,
  asm: (f) => text(f),
  emit(m, { Q, operation, Rd }) {
    const value = m.i64((f) => immediate(f));
    if (operation === 0) return Q ? m.setV(Rd, i64x2.splat(value)) : m.setVLow64(Rd, m.let(value));
    const merged = v128[operation === 1 ? "or" : "and"](m.v(Rd), i64x2.splat(value));
    m.setV(Rd, Q ? merged : v128.and(merged, v128.const(-1n, 0n)));
  },
});

/** All of them. */
export const simdImmediate: readonly Declaration[] = [modifiedImmediate];
