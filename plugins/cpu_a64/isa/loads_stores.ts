/** Arm ARM DDI 0487, "Loads and stores": general registers, and the exclusives. */
import { a64, type Declaration, type Field, i32, type I64, i64, type Raw, type Semantics, signed } from "./dsl.ts";
import { addressText, reg, regSp, relative } from "./names.ts";
import { extended } from "./data_register.ts";

/** Base address; SP must be 16-byte aligned when SCTLR says so. `sp`: the base is SP, known when decoded. */
export function baseAddress<F extends string>(m: Semantics<F>, Rn: Field, sp: number): I64 {
  const base = m.let(m.x.readSp(Rn));
  if (sp) {
    const misaligned = i64.and(base, i64.const(15n));
    m.if(m.x.ne(misaligned, i64.const(0n)), () => m.system("spAlignment"));
  }
  return base;
}

/** Split that tells SP as the base apart. */
export const spBase = { sp: (f: { Rn: number }): number => +(f.Rn === 31) };

/** What `size` and `opc` of a general register access mean. */
interface Kind {
  readonly load: boolean;
  readonly log2: number;
  /** Sign-extend to 32 or 64 bits. */
  readonly sign?: 32 | 64;
}

function kind(size: number, opc: number): Kind | undefined {
  if (opc === 0) return { load: false, log2: size };
  if (opc === 1) return { load: true, log2: size };
  if (opc === 2) return size === 3 ? undefined : { load: true, log2: size, sign: 64 };
  return size >= 2 ? undefined : { load: true, log2: size, sign: 32 };
}

function extend(value: I64, { log2, sign }: Kind): I64 {
  if (!sign) return value;
  if (sign === 32) return i64.extend_u([i32.extend8_s, i32.extend16_s][log2](i32.wrap(value)));
  return [i64.extend8_s, i64.extend16_s, i64.extend32_s][log2](value);
}

/** Moves between a register and memory. The address is used once. */
function transfer<F extends string>(
  m: Semantics<F>,
  k: Kind,
  Rt: Field,
  address: I64,
  options: { unprivileged?: boolean; ordered?: boolean } = {},
): void {
  if (k.load) m.x.write(Rt, extend(m.load(address, k.log2, options), k));
  else m.store(address, k.log2, m.x.read(Rt), options);
}

const is64 = (size: number, opc: number) => +(opc === 2 || (size === 3 && opc < 2));
const mnemonic = (size: number, opc: number, stem: string) => {
  const k = kind(size, opc)!;
  return `${k.load ? "ld" : "st"}${stem}${k.sign ? "s" : ""}${["b", "h", k.sign ? "w" : "", ""][k.log2]}`;
};

const loadStoreUnsigned = a64({
  bits: "size:2 111001 opc:2 imm12:12 Rn:5 Rt:5",
  known: ["size", "opc"],
  split: spBase,
  when: (f) => kind(f.size, f.opc) !== undefined,
  asm: (f) => `${mnemonic(f.size, f.opc, "r")} ${reg(is64(f.size, f.opc), f.Rt)}, ${addressText(f.Rn, f.imm12 << f.size)}`,
  emit(m, { size, opc, sp, Rn, Rt }) {
    transfer(m, kind(size, opc)!, Rt, i64.add(baseAddress(m, Rn, sp), i64.extend_u(m.i32((f) => f.imm12 << f.size))));
  },
});

/** 0: LDUR, 1: post-indexed, 2: LDTR, 3: pre-indexed. */
const loadStoreImmediate9 = a64({
  bits: "size:2 111000 opc:2 0 imm9:9 mode:2 Rn:5 Rt:5",
  known: ["size", "opc", "mode"],
  split: spBase,
  when: (f) => kind(f.size, f.opc) !== undefined,
  asm: (f) => {
    const name = mnemonic(f.size, f.opc, f.mode === 0 ? "ur" : f.mode === 2 ? "tr" : "r");
    return `${name} ${reg(is64(f.size, f.opc), f.Rt)}, ${addressText(f.Rn, signed(f.imm9, 9), f.mode)}`;
  },
  unpredictable: (f) => (f.mode & 1) === 1 && f.Rn === f.Rt && f.Rn !== 31,
  emit(m, { size, opc, mode, sp, Rn, Rt }) {
    const base = baseAddress(m, Rn, sp);
    const moved = m.let(i64.add(base, i64.extend_s(m.i32((f) => signed(f.imm9, 9)))));
    transfer(m, kind(size, opc)!, Rt, mode === 1 ? base : moved, { unprivileged: mode === 2 });
    if (mode & 1) m.x.writeSp(Rn, moved);
  },
});

/** "LDAPR/STLR (unscaled immediate)". */
const orderedUnscaled = a64({
  bits: "size:2 011001 opc:2 0 imm9:9 00 Rn:5 Rt:5",
  known: ["size", "opc"],
  split: spBase,
  feature: "LRCPC2",
  when: (f) => kind(f.size, f.opc) !== undefined,
  asm: (f) => {
    const name = mnemonic(f.size, f.opc, f.opc === 0 ? "lur" : "apur");
    return `${name} ${reg(is64(f.size, f.opc), f.Rt)}, ${addressText(f.Rn, signed(f.imm9, 9))}`;
  },
  emit(m, { size, opc, sp, Rn, Rt }) {
    const offset = i64.extend_s(m.i32((f) => signed(f.imm9, 9)));
    transfer(m, kind(size, opc)!, Rt, i64.add(baseAddress(m, Rn, sp), offset), { ordered: true });
  },
});

const extendNames = ["", "", "uxtw", "lsl", "", "", "sxtw", "sxtx"] as const;

/** Register offset, extended and shifted. */
export function registerOffset(m: Semantics, Rm: Field, option: number, shift: number): I64 {
  const value = extended(m, Rm, option);
  return shift ? i64.shl(value, i64.const(BigInt(shift))) : value;
}

/** Text of a register offset. */
export function registerOffsetText(f: Raw<"Rn" | "Rm" | "option" | "S">, shift: number): string {
  const rm = reg(f.option & 1, f.Rm);
  const plain = f.option === 3 && !f.S;
  return `[${regSp(1, f.Rn)}, ${rm}${plain ? "" : `, ${extendNames[f.option]}${f.S ? ` #${shift}` : ""}`}]`;
}

const loadStoreRegister = a64({
  bits: "size:2 111000 opc:2 1 Rm:5 option:3 S 10 Rn:5 Rt:5",
  known: ["size", "opc", "option", "S"],
  split: spBase,
  when: (f) => kind(f.size, f.opc) !== undefined && (f.option & 2) !== 0,
  asm: (f) => `${mnemonic(f.size, f.opc, "r")} ${reg(is64(f.size, f.opc), f.Rt)}, ${registerOffsetText(f, f.size)}`,
  emit(m, { size, opc, option, S, sp, Rm, Rn, Rt }) {
    transfer(m, kind(size, opc)!, Rt, i64.add(baseAddress(m, Rn, sp), registerOffset(m as Semantics, Rm, option, S ? size : 0)));
  },
});

/** Arm ARM, "PRFM": what for, which cache, how long. */
const prefetchText = (n: number) =>
  n < 24 && (n & 7) < 6 ? `${["pld", "pli", "pst"][n >> 3]}l${(n >> 1 & 3) + 1}${n & 1 ? "strm" : "keep"}` : `#${n}`;

const prefetch = [
  a64({
    bits: "1111100110 imm12:12 Rn:5 Rt:5",
    asm: (f) => `prfm ${prefetchText(f.Rt)}, ${addressText(f.Rn, f.imm12 * 8)}`,
    emit() {},
  }),
  a64({
    bits: "11111000100 imm9:9 00 Rn:5 Rt:5",
    asm: (f) => `prfum ${prefetchText(f.Rt)}, ${addressText(f.Rn, signed(f.imm9, 9))}`,
    emit() {},
  }),
  a64({
    bits: "11111000101 Rm:5 option:3 S 10 Rn:5 Rt:5",
    when: (f) => (f.option & 2) !== 0,
    asm: (f) => `prfm ${prefetchText(f.Rt)}, ${registerOffsetText(f, 3)}`,
    emit() {},
  }),
  a64({
    bits: "11011000 imm19:19 Rt:5",
    asm: (f, at) => `prfm ${prefetchText(f.Rt)}, ${relative(signed(f.imm19, 19) * 4, at)}`,
    emit() {},
  }),
];

const loadLiteral = a64({
  bits: "opc:2 011000 imm19:19 Rt:5",
  known: ["opc"],
  when: (f) => f.opc < 3,
  asm: (f, at) => `${f.opc === 2 ? "ldrsw" : "ldr"} ${reg(+(f.opc > 0), f.Rt)}, ${relative(signed(f.imm19, 19) * 4, at)}`,
  emit(m, { opc, Rt }) {
    const address = i64.add(m.pc(), i64.extend_s(m.i32((f) => signed(f.imm19, 19) * 4)));
    transfer(m, opc === 0 ? { load: true, log2: 2 } : opc === 1 ? { load: true, log2: 3 } : { load: true, log2: 2, sign: 64 }, Rt, address);
  },
});

/** Mode 0: no-allocate hint, 1: post-indexed, 2: offset, 3: pre-indexed. opc 1: LDPSW. */
const loadStorePair = a64({
  bits: "opc:2 10100 mode:2 L imm7:7 Rt2:5 Rn:5 Rt:5",
  known: ["opc", "mode", "L"],
  split: spBase,
  when: (f) => f.opc !== 3 && (f.opc !== 1 || (f.L === 1 && f.mode !== 0)),
  asm: (f) => {
    const imm = signed(f.imm7, 7) << (f.opc === 2 ? 3 : 2);
    const name = f.mode === 0 ? (f.L ? "ldnp" : "stnp") : f.opc === 1 ? "ldpsw" : f.L ? "ldp" : "stp";
    return `${name} ${reg(+(f.opc > 0), f.Rt)}, ${reg(+(f.opc > 0), f.Rt2)}, ${addressText(f.Rn, imm, f.mode)}`;
  },
  unpredictable: (f) => (f.L === 1 && f.Rt === f.Rt2) || ((f.mode & 1) === 1 && f.Rn !== 31 && (f.Rn === f.Rt || f.Rn === f.Rt2)),
  emit(m, { opc, mode, L, sp, Rt2, Rn, Rt }) {
    const log2 = opc === 2 ? 3 : 2;
    const base = baseAddress(m, Rn, sp);
    const moved = m.let(i64.add(base, i64.extend_s(m.i32((f) => signed(f.imm7, 7) << (f.opc === 2 ? 3 : 2)))));
    const address = mode === 1 ? base : moved;
    if (L) {
      const sign = opc === 1 ? 64 : undefined;
      const [a, b] = m.loadPair(address, log2);
      m.x.write(Rt, extend(a, { load: true, log2, sign }));
      m.x.write(Rt2, extend(b, { load: true, log2, sign }));
    } else m.storePair(address, log2, [m.x.read(Rt), m.x.read(Rt2)]);
    if (mode & 1) m.x.writeSp(Rn, moved);
  },
});

const sizes = ["b", "h", "", ""];

const loadStoreExclusive = a64({
  bits: "size:2 001000 0 L 0 Rs:5 o0 Rt2:5 Rn:5 Rt:5",
  known: ["size", "L", "o0"],
  split: spBase,
  asm: (f) => {
    const name = (f.L ? (f.o0 ? "ldaxr" : "ldxr") : f.o0 ? "stlxr" : "stxr") + sizes[f.size];
    return `${name} ${f.L ? "" : `${reg(0, f.Rs)}, `}${reg(+(f.size === 3), f.Rt)}, [${regSp(1, f.Rn)}]`;
  },
  unpredictable: (f) => f.Rt2 !== 31 || (f.L ? f.Rs !== 31 : f.Rs === f.Rt || (f.Rs === f.Rn && f.Rn !== 31)),
  emit(m, { size, L, sp, Rs, Rn, Rt }) {
    const address = baseAddress(m, Rn, sp);
    if (L) m.x.write(Rt, m.loadExclusive(address, size));
    else m.w.write(Rs, m.storeExclusive(address, size, m.x.read(Rt)));
  },
});

const loadStoreExclusivePair = a64({
  bits: "1 sz 001000 0 L 1 Rs:5 o0 Rt2:5 Rn:5 Rt:5",
  known: ["sz", "L", "o0"],
  split: spBase,
  asm: (f) => {
    const name = f.L ? (f.o0 ? "ldaxp" : "ldxp") : f.o0 ? "stlxp" : "stxp";
    return `${name} ${f.L ? "" : `${reg(0, f.Rs)}, `}${reg(f.sz, f.Rt)}, ${reg(f.sz, f.Rt2)}, [${regSp(1, f.Rn)}]`;
  },
  unpredictable: (f) => f.L ? f.Rs !== 31 || f.Rt === f.Rt2 : f.Rs === f.Rt || f.Rs === f.Rt2 || (f.Rs === f.Rn && f.Rn !== 31),
  emit(m, { sz, L, sp, Rs, Rt2, Rn, Rt }) {
    const address = baseAddress(m, Rn, sp);
    if (L) {
      const [low, high] = m.loadExclusivePair(address, 2 + sz);
      m.x.write(Rt, low);
      m.x.write(Rt2, high);
    } else m.w.write(Rs, m.storeExclusivePair(address, 2 + sz, [m.x.read(Rt), m.x.read(Rt2)]));
  },
});

const loadStoreOrdered = a64({
  bits: "size:2 001000 1 L 0 Rs:5 o0 Rt2:5 Rn:5 Rt:5",
  known: ["size", "L"],
  split: spBase,
  when: (f) => f.o0 === 1,
  asm: (f) => `${f.L ? "ldar" : "stlr"}${sizes[f.size]} ${reg(+(f.size === 3), f.Rt)}, [${regSp(1, f.Rn)}]`,
  unpredictable: (f) => f.Rs !== 31 || f.Rt2 !== 31,
  emit(m, { size, L, sp, Rn, Rt }) {
    const address = baseAddress(m, Rn, sp);
    if (L) m.x.write(Rt, m.load(address, size, { ordered: true }));
    else m.store(address, size, m.x.read(Rt), { ordered: true });
  },
});

/** All of them. */
export const loadsStores: readonly Declaration[] = [
  loadStoreUnsigned,
  ...prefetch,
  loadStoreImmediate9,
  orderedUnscaled,
  loadStoreRegister,
  loadLiteral,
  loadStorePair,
  loadStoreExclusive,
  loadStoreExclusivePair,
  loadStoreOrdered,
];
