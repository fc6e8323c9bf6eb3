/** Arm ARM DDI 0487, "Data Processing -- Immediate". */
import { a64, type Declaration, i64, type IntegerOps, type Raw, type Value } from "./dsl.ts";
import { field, fieldOfTwo, logicalWithImmediate, sumWithImmediate, wide } from "./aliases.ts";
import { reg, relative } from "./names.ts";

type Width = "i32" | "i64";

const bits = (sf: number) => sf ? 64 : 32;

const signedHiLo = (f: { immhi: number; immlo: number }) => ((f.immhi << 13) >> 11) | f.immlo;

const pcRelative = a64({
  bits: "op immlo:2 10000 immhi:19 Rd:5",
  known: ["op"],
  // Without an address ADRP's text is the distance between pages.
  asm: (f, at) => {
    if (!f.op) return `adr ${reg(1, f.Rd)}, ${relative(signedHiLo(f), at)}`;
    return `adrp ${reg(1, f.Rd)}, ${relative(signedHiLo(f) * 4096, at === undefined ? undefined : at & ~0xfffn)}`;
  },
  emit(m, { op, Rd }) {
    if (op) m.x.write(Rd, i64.add(i64.and(m.pc(), i64.const(-4096n)), m.i64((f) => BigInt(signedHiLo(f)) << 12n)));
    else m.x.write(Rd, i64.add(m.pc(), m.i64((f) => BigInt(signedHiLo(f)))));
  },
});

const addSubImmediate = a64({
  bits: "sf op S 100010 sh imm12:12 Rn:5 Rd:5",
  known: ["sf", "op", "S"],
  asm: sumWithImmediate,
  emit(m, { sf, op, S, Rn, Rd }) {
    const x = m.width(bits(sf));
    const imm = x.immediate((f) => f.imm12 << (f.sh ? 12 : 0));
    const a = x.readSp(Rn);
    if (S) x.write(Rd, op ? m.subtractWithFlags(x, a, imm) : m.addWithFlags(x, a, imm, 0));
    else x.writeSp(Rd, op ? x.sub(a, imm) : x.add(a, imm));
  },
});

/** The value of a logical immediate, or `undefined` when reserved. Arm ARM, "DecodeBitMasks". */
export function bitMask(N: number, imms: number, immr: number, width: 32 | 64): bigint | undefined {
  const length = 31 - Math.clz32((N << 6) | (~imms & 0x3f));
  if (length < 1 || (N && width === 32)) return undefined;
  const size = 1 << length;
  const levels = size - 1;
  const s = imms & levels;
  const r = immr & levels;
  if (s === levels) return undefined;
  const ones = (1n << BigInt(s + 1)) - 1n;
  const element = r === 0 ? ones : ((ones >> BigInt(r)) | (ones << BigInt(size - r))) & ((1n << BigInt(size)) - 1n);
  let value = 0n;
  for (let at = 0; at < width; at += size) value |= element << BigInt(at);
  return value;
}

const logicalImmediate = a64({
  bits: "sf opc:2 100100 N immr:6 imms:6 Rn:5 Rd:5",
  known: ["sf", "opc"],
  when: (f) => bitMask(f.N, f.imms, f.immr, bits(f.sf)) !== undefined,
  asm: (f) => logicalWithImmediate(f, bitMask(f.N, f.imms, f.immr, bits(f.sf))!),
  emit(m, { sf, opc, Rn, Rd }) {
    const x = m.width(bits(sf));
    const imm = x.immediate((f) => BigInt.asIntN(bits(sf), bitMask(f.N, f.imms, f.immr, bits(sf))!));
    const r = m.let([x.and, x.or, x.xor, x.and][opc](x.read(Rn), imm));
    if (opc === 3) {
      m.logicFlags(x, r);
      x.write(Rd, r);
    } else x.writeSp(Rd, r);
  },
});

const moveWide = a64({
  bits: "sf opc:2 100101 hw:2 imm16:16 Rd:5",
  known: ["sf", "opc"],
  when: (f) => f.opc !== 1 && (f.sf === 1 || f.hw < 2),
  asm: wide,
  emit(m, { sf, opc, Rd }) {
    const x = m.width(bits(sf));
    if (opc === 3) {
      const shift = x.from32(m.u8((f) => f.hw * 16));
      const kept = x.and(x.read(Rd), x.not(x.shl(x.const(0xffff), shift)));
      x.write(Rd, x.or(kept, x.shl(x.from32(m.i32((f) => f.imm16)), shift)));
    } else {
      x.write(
        Rd,
        x.immediate((f) => {
          const value = BigInt(f.imm16) << BigInt(f.hw * 16);
          return BigInt.asIntN(bits(sf), opc === 0 ? ~value : value);
        }),
      );
    }
  },
});

const bitfield = a64({
  bits: "sf opc:2 100110 N immr:6 imms:6 Rn:5 Rd:5",
  known: ["sf", "opc"],
  split: { left: (f) => +(f.imms < f.immr) },
  when: (f) => f.opc !== 3 && f.N === f.sf && (f.sf === 1 || (f.immr < 32 && f.imms < 32)),
  asm: field,
  emit(m, { sf, opc, left, Rn, Rd }) {
    const x = m.width(bits(sf));
    const top = bits(sf) - 1;
    const source = x.read(Rn);
    // The field's top bit goes to bit 63 (31), then down to where it belongs.
    const up = (f: Raw<string>) => top - f.imms;
    const down = (f: Raw<string>) => left ? top - f.imms - (bits(sf) - f.immr) : top - f.imms + f.immr;
    const shift = (amount: (f: Raw<string>) => number) => x.from32(m.u8(amount));
    if (opc === 1) {
      const mask = m.let(fieldMask(x, m, sf, left));
      const placed = left ? x.shl(source, shift((f) => bits(sf) - f.immr)) : x.shr_u(source, shift((f) => f.immr));
      x.write(Rd, x.or(x.and(placed, mask), x.and(x.read(Rd), x.not(mask))));
      return;
    }
    const raised = x.shl(source, shift(up));
    const by = shift(down);
    x.write(Rd, opc === 0 ? x.shr_s(raised, by) : x.shr_u(raised, by));
  },
});

/** Ones where BFM writes. Built by shifts: a 64-bit constant and two amounts don't fit a record. */
function fieldMask(
  x: IntegerOps<Width>,
  m: { u8(c: (f: Raw<"imms" | "immr" | "word">) => number): Value<"i32"> },
  sf: number,
  left: number,
): Value<Width> {
  const width = (f: { imms: number; immr: number }) => left ? f.imms + 1 : f.imms - f.immr + 1;
  const ones = x.shr_u(x.const(-1), x.from32(m.u8((f) => bits(sf) - width(f))));
  return left ? x.shl(ones, x.from32(m.u8((f) => bits(sf) - f.immr))) : ones;
}

const extractRegister = a64({
  bits: "sf 00100111 N 0 Rm:5 imms:6 Rn:5 Rd:5",
  known: ["sf"],
  split: { none: (f) => +(f.imms === 0) },
  when: (f) => f.N === f.sf && (f.sf === 1 || f.imms < 32),
  asm: fieldOfTwo,
  emit(m, { sf, none, Rm, Rn, Rd }) {
    const x = m.width(bits(sf));
    if (none) return x.write(Rd, x.read(Rm));
    const low = x.shr_u(x.read(Rm), x.from32(m.u8((f) => f.imms)));
    x.write(Rd, x.or(low, x.shl(x.read(Rn), x.from32(m.u8((f) => bits(sf) - f.imms)))));
  },
});

/** All of them. */
export const dataImmediate: readonly Declaration[] = [
  pcRelative,
  addSubImmediate,
  logicalImmediate,
  moveWide,
  bitfield,
  extractRegister,
];
