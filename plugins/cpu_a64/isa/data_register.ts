/** Arm ARM DDI 0487, "Data Processing -- Register". */
import {
  a64,
  type Declaration,
  type I32,
  i32,
  type I64,
  i64,
  type IntegerOps,
  type Raw,
  select,
  type Semantics,
  type Value,
} from "./dsl.ts";
import { logicalWithShifted, product, selected, sumWithCarry, sumWithExtended, sumWithShifted } from "./aliases.ts";
import { conditions, reg } from "./names.ts";

type Width = "i32" | "i64";

const bits = (sf: number) => sf ? 64 : 32;
const shifts = ["lsl", "lsr", "asr", "ror"] as const;

/** The second operand of a shifted-register form. `plain`: shift by zero, known when decoded. */
function shifted(m: Semantics, x: IntegerOps<Width>, value: Value<Width>, shift: number, plain: number): Value<Width> {
  if (plain) return value;
  const amount = x.from32(m.u8((f) => f.imm6));
  return [x.shl, x.shr_u, x.shr_s, x.rotr][shift](value, amount);
}

const shiftText = (f: Raw<"imm6" | "shift">) => f.imm6 || f.shift ? `, ${shifts[f.shift]} #${f.imm6}` : "";

const logicalShifted = a64({
  bits: "sf opc:2 01010 shift:2 N Rm:5 imm6:6 Rn:5 Rd:5",
  known: ["sf", "opc", "N", "shift"],
  split: { plain: (f) => +(f.imm6 === 0) },
  when: (f) => f.sf === 1 || f.imm6 < 32,
  asm: (f) => logicalWithShifted(f, shiftText(f)),
  emit(m, { sf, opc, N, shift, plain, Rm, Rn, Rd }) {
    const x = m.width(bits(sf));
    const operand = shifted(m, x, x.read(Rm), shift, plain);
    const r = m.let([x.and, x.or, x.xor, x.and][opc](x.read(Rn), N ? x.not(operand) : operand));
    if (opc === 3) m.logicFlags(x, r);
    x.write(Rd, r);
  },
});

const addSubShifted = a64({
  bits: "sf op S 01011 shift:2 0 Rm:5 imm6:6 Rn:5 Rd:5",
  known: ["sf", "op", "S", "shift"],
  split: { plain: (f) => +(f.imm6 === 0) },
  when: (f) => f.shift !== 3 && (f.sf === 1 || f.imm6 < 32),
  asm: (f) => sumWithShifted(f, shiftText(f)),
  emit(m, { sf, op, S, shift, plain, Rm, Rn, Rd }) {
    const x = m.width(bits(sf));
    const a = x.read(Rn);
    const b = shifted(m, x, x.read(Rm), shift, plain);
    if (S) x.write(Rd, op ? m.subtractWithFlags(x, a, b) : m.addWithFlags(x, a, b, 0));
    else x.write(Rd, op ? x.sub(a, b) : x.add(a, b));
  },
});

const extends_ = ["uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx"] as const;

/** A register extended by `option`, as 64 bits. */
export function extended(m: Semantics, register: Parameters<Semantics["x"]["read"]>[0], option: number): I64 {
  const value = m.x.read(register);
  switch (option) {
    case 0:
      return i64.and(value, i64.const(0xffn));
    case 1:
      return i64.and(value, i64.const(0xffffn));
    case 2:
      return i64.extend_u(m.w.read(register));
    case 4:
      return i64.extend8_s(value);
    case 5:
      return i64.extend16_s(value);
    case 6:
      return i64.extend_s(m.w.read(register));
    default:
      return value;
  }
}

const addSubExtended = a64({
  bits: "sf op S 01011001 Rm:5 option:3 imm3:3 Rn:5 Rd:5",
  known: ["sf", "op", "S", "option"],
  when: (f) => f.imm3 <= 4,
  asm: (f) => sumWithExtended(f, extends_[f.option]),
  emit(m, { sf, op, S, option, Rm, Rn, Rd }) {
    const x = m.width(bits(sf));
    const a = x.readSp(Rn);
    const b = x.shl(x.from64(extended(m, Rm, option)), x.from32(m.u8((f) => f.imm3)));
    if (S) x.write(Rd, op ? m.subtractWithFlags(x, a, b) : m.addWithFlags(x, a, b, 0));
    else x.writeSp(Rd, op ? x.sub(a, b) : x.add(a, b));
  },
});

const addSubCarry = a64({
  bits: "sf op S 11010000 Rm:5 000000 Rn:5 Rd:5",
  known: ["sf", "op", "S"],
  asm: sumWithCarry,
  emit(m, { sf, op, S, Rm, Rn, Rd }) {
    const x = m.width(bits(sf));
    const carry = i32.and(i32.shr_u(m.nzcv(), i32.const(1)), i32.const(1));
    const a = x.read(Rn);
    const b = op ? x.not(x.read(Rm)) : x.read(Rm);
    if (S) x.write(Rd, m.addWithFlags(x, a, b, m.let(carry)));
    else x.write(Rd, x.add(x.add(a, b), x.from32(carry)));
  },
});

const conditionalCompare = a64({
  bits: "sf op 1 11010010 Rm:5 cond:4 imm 0 Rn:5 0 nzcv:4",
  known: ["sf", "op", "imm"],
  asm: (f) => `${f.op ? "ccmp" : "ccmn"} ${reg(f.sf, f.Rn)}, ${f.imm ? `#${f.Rm}` : reg(f.sf, f.Rm)}, #${f.nzcv}, ${conditions[f.cond]}`,
  emit(m, { sf, op, imm, Rm, Rn, cond }) {
    const x = m.width(bits(sf));
    m.if(m.condition(cond), () => {
      const a = x.read(Rn);
      const b = imm ? x.from32(m.u8((f) => f.Rm)) : x.read(Rm);
      if (op) m.subtractWithFlags(x, a, b);
      else m.addWithFlags(x, a, b, 0);
    }, () => m.setNzcv(m.u8((f) => f.nzcv)));
  },
});

const conditionalSelect = a64({
  bits: "sf op 0 11010100 Rm:5 cond:4 0 o2 Rn:5 Rd:5",
  known: ["sf", "op", "o2"],
  asm: selected,
  emit(m, { sf, op, o2, Rm, cond, Rn, Rd }) {
    const x = m.width(bits(sf));
    let other = x.read(Rm);
    if (op) other = x.not(other);
    if (o2) other = x.add(other, x.const(1));
    x.write(Rd, select(m.condition(cond), x.read(Rn), other));
  },
});

const multiplyAdd = a64({
  bits: "sf 0011011000 Rm:5 o0 Ra:5 Rn:5 Rd:5",
  known: ["sf", "o0"],
  asm: (f) => product(f, { to: f.sf, from: f.sf }),
  emit(m, { sf, o0, Rm, Ra, Rn, Rd }) {
    const x = m.width(bits(sf));
    const product = x.mul(x.read(Rn), x.read(Rm));
    x.write(Rd, o0 ? x.sub(x.read(Ra), product) : x.add(x.read(Ra), product));
  },
});

const multiplyAddLong = a64({
  bits: "10011011 U 01 Rm:5 o0 Ra:5 Rn:5 Rd:5",
  known: ["U", "o0"],
  asm: (f) => product(f, { to: 1, from: 0, prefix: f.U ? "u" : "s", suffix: "l" }),
  emit(m, { U, o0, Rm, Ra, Rn, Rd }) {
    const extend = U ? i64.extend_u : i64.extend_s;
    const product = i64.mul(extend(m.w.read(Rn)), extend(m.w.read(Rm)));
    m.x.write(Rd, o0 ? i64.sub(m.x.read(Ra), product) : i64.add(m.x.read(Ra), product));
  },
});

/** High half of an unsigned 128-bit product, from four 32-bit ones. */
function multiplyHighUnsigned(m: Semantics, a: I64, b: I64): I64 {
  const low32 = (v: I64) => i64.and(v, i64.const(0xffff_ffffn));
  const high32 = (v: I64) => i64.shr_u(v, i64.const(32n));
  const lh = m.let(i64.mul(low32(a), high32(b)));
  const hl = m.let(i64.mul(high32(a), low32(b)));
  const ll = i64.mul(low32(a), low32(b));
  const middle = i64.add(i64.add(high32(ll), low32(lh)), low32(hl));
  return i64.add(i64.add(i64.mul(high32(a), high32(b)), high32(lh)), i64.add(high32(hl), high32(middle)));
}

const multiplyHigh = a64({
  bits: "10011011 U 10 Rm:5 0 Ra:5 Rn:5 Rd:5",
  known: ["U"],
  asm: (f) => `${f.U ? "umulh" : "smulh"} ${reg(1, f.Rd)}, ${reg(1, f.Rn)}, ${reg(1, f.Rm)}`,
  unpredictable: (f) => f.Ra !== 31,
  emit(m, { U, Rm, Rn, Rd }) {
    const a = m.let(m.x.read(Rn));
    const b = m.let(m.x.read(Rm));
    const high = multiplyHighUnsigned(m, a, b);
    if (U) return m.x.write(Rd, high);
    const negative = (v: I64) => i64.shr_s(v, i64.const(63n));
    m.x.write(Rd, i64.sub(high, i64.add(i64.and(negative(a), b), i64.and(negative(b), a))));
  },
});

const divide = a64({
  bits: "sf 0011010110 Rm:5 00001 s Rn:5 Rd:5",
  known: ["sf", "s"],
  asm: (f) => `${f.s ? "sdiv" : "udiv"} ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}, ${reg(f.sf, f.Rm)}`,
  emit(m, { sf, s, Rm, Rn, Rd }) {
    const x = m.width(bits(sf));
    const a = m.let(x.read(Rn));
    const b = m.let(x.read(Rm));
    m.if(x.eqz(b), () => x.write(Rd, x.const(0)), () => {
      if (!s) return x.write(Rd, x.div_u(a, b));
      // The lowest number over -1 overflows; Arm gives it back, WebAssembly traps.
      m.if(x.eq(b, x.const(-1)), () => x.write(Rd, x.sub(x.const(0), a)), () => x.write(Rd, x.div_s(a, b)));
    });
  },
});

const shiftVariable = a64({
  bits: "sf 0011010110 Rm:5 0010 op2:2 Rn:5 Rd:5",
  known: ["sf", "op2"],
  asm: (f) => `${shifts[f.op2]} ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}, ${reg(f.sf, f.Rm)}`,
  emit(m, { sf, op2, Rm, Rn, Rd }) {
    const x = m.width(bits(sf));
    x.write(Rd, [x.shl, x.shr_u, x.shr_s, x.rotr][op2](x.read(Rn), x.read(Rm)));
  },
});

/** Reverses the bytes in each group of `bytes`. */
function reverseBytes(m: Semantics, value: I64, bytes: 2 | 4 | 8): I64 {
  const swap = (v: I64, by: bigint, mask: bigint) => {
    const once = m.let(v);
    return i64.or(i64.and(i64.shr_u(once, i64.const(by)), i64.const(mask)), i64.shl(i64.and(once, i64.const(mask)), i64.const(by)));
  };
  let r = swap(value, 8n, 0x00ff_00ff_00ff_00ffn);
  if (bytes >= 4) r = swap(r, 16n, 0x0000_ffff_0000_ffffn);
  return bytes === 8 ? i64.rotl(r, i64.const(32n)) : r;
}

function reverseBits(m: Semantics, value: I64): I64 {
  let r = value;
  for (const [by, mask] of [[1n, 0x5555_5555_5555_5555n], [2n, 0x3333_3333_3333_3333n], [4n, 0x0f0f_0f0f_0f0f_0f0fn]]) {
    const once = m.let(r);
    r = i64.or(i64.and(i64.shr_u(once, i64.const(by)), i64.const(mask)), i64.shl(i64.and(once, i64.const(mask)), i64.const(by)));
  }
  return reverseBytes(m, r, 8);
}

const oneSource = ["rbit", "rev16", "rev32", "rev", "clz", "cls"] as const;

const dataOneSource = a64({
  bits: "sf 1011010110 00000 00 op:4 Rn:5 Rd:5",
  known: ["sf", "op"],
  when: (f) => f.op < 6 && (f.sf === 1 || f.op !== 3),
  asm: (f) => `${f.sf === 0 && f.op === 2 ? "rev" : oneSource[f.op]} ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}`,
  emit(m, { sf, op, Rn, Rd }) {
    const x = m.width(bits(sf));
    const value = x.read(Rn);
    if (op >= 4) {
      const v = m.let(value);
      // CLS: leading bits equal to the sign, not counting it.
      const counted = op === 4 ? v : x.or(x.shl(x.xor(v, x.shr_s(v, x.const(bits(sf) - 1))), x.const(1)), x.const(1));
      return x.write(Rd, x.clz(counted));
    }
    const wide = x.to64(value);
    const r = op === 0 ? reverseBits(m, wide) : reverseBytes(m, wide, op === 1 ? 2 : op === 2 ? 4 : 8);
    x.write(Rd, x.from64(op === 0 && !sf ? i64.shr_u(r, i64.const(32n)) : r));
  },
});

/** CRC over `bytes` of a value, bit by bit reflected, by a table of 16 nibble remainders folded into shifts. */
function crc(m: Semantics, initial: I32, value: I64, bytes: number, polynomial: number): I32 {
  const state = m.variable(initial);
  const rest = m.variable(value);
  const left = m.variable(i32.const(bytes));
  m.repeatWhile(() => {
    state.set(i32.xor(state.get(), i32.and(i32.wrap(rest.get()), i32.const(0xff))));
    for (let bit = 0; bit < 8; bit++) {
      const low = i32.sub(i32.const(0), i32.and(state.get(), i32.const(1)));
      state.set(i32.xor(i32.shr_u(state.get(), i32.const(1)), i32.and(low, i32.const(polynomial))));
    }
    rest.set(i64.shr_u(rest.get(), i64.const(8n)));
    left.set(i32.sub(left.get(), i32.const(1)));
    return left.get();
  });
  return state.get();
}

const crc32 = a64({
  bits: "sf 0011010110 Rm:5 010 C sz:2 Rn:5 Rd:5",
  known: ["C", "sz"],
  feature: "CRC32",
  when: (f) => (f.sf === 1) === (f.sz === 3),
  asm: (f) => `crc32${f.C ? "c" : ""}${"bhwx"[f.sz]} ${reg(0, f.Rd)}, ${reg(0, f.Rn)}, ${reg(+(f.sz === 3), f.Rm)}`,
  emit(m, { C, sz, Rm, Rn, Rd }) {
    m.w.write(Rd, crc(m, m.w.read(Rn), m.x.read(Rm), 1 << sz, C ? 0x82f6_3b78 : 0xedb8_8320));
  },
});

/** All of them. */
export const dataRegister: readonly Declaration[] = [
  logicalShifted,
  addSubShifted,
  addSubExtended,
  addSubCarry,
  conditionalCompare,
  conditionalSelect,
  multiplyAdd,
  multiplyAddLong,
  multiplyHigh,
  divide,
  shiftVariable,
  dataOneSource,
  crc32,
];
