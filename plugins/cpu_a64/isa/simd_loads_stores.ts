/** Arm ARM DDI 0487, "Loads and stores": single SIMD&FP registers and pairs. */
import { a64, type Declaration, type Field, type I64, i64, type Raw, type Semantics, signed } from "./dsl.ts";
import { addressText, relative } from "./names.ts";
import { baseAddress, registerOffset, registerOffsetText, spBase } from "./loads_stores.ts";
import { scalar } from "./simd_names.ts";

/** Log2 of the bytes: 8 to 64 bits by `size`, 128 by the high bit of `opc`. */
const log2Of = (f: { size: number; opc: number }): number => f.opc & 2 ? 4 : f.size;

const allocated = (f: { size: number; opc: number }): boolean => f.size === 0 || f.opc < 2;

/** Moves the low bytes between a V register and memory. */
function transfer<F extends string>(m: Semantics<F>, load: number, log2: number, Rt: Field, address: I64): void {
  if (load && log2 === 4) m.setV(Rt, m.load128(address));
  else if (load && log2 >= 2) m.setV(Rt, m.loadLow(address, log2));
  else if (load) m.setVLow64(Rt, m.load(address, log2));
  else if (log2 === 4) m.store128(address, m.v(Rt));
  else m.store(address, log2, m.vLane(Rt, log2, 0));
}

const name = (f: { opc: number }, stem: string) => `${f.opc & 1 ? "ld" : "st"}${stem}`;

const loadStoreUnsigned = a64({
  bits: "size:2 111101 opc:2 imm12:12 Rn:5 Rt:5",
  known: ["size", "opc"],
  split: spBase,
  fp: true,
  when: allocated,
  asm: (f) => `${name(f, "r")} ${scalar(f.Rt, log2Of(f))}, ${addressText(f.Rn, f.imm12 << log2Of(f))}`,
  emit(m, { size, opc, sp, Rn, Rt }) {
    const address = i64.add(baseAddress(m, Rn, sp), i64.extend_u(m.i32((f) => f.imm12 << log2Of(f))));
    transfer(m, opc & 1, log2Of({ size, opc }), Rt, address);
  },
});

/** 0: LDUR, 1: post-indexed, 3: pre-indexed. */
const loadStoreImmediate9 = a64({
  bits: "size:2 111100 opc:2 0 imm9:9 mode:2 Rn:5 Rt:5",
  known: ["size", "opc", "mode"],
  split: spBase,
  fp: true,
  when: (f) => allocated(f) && f.mode !== 2,
  asm: (f) => `${name(f, f.mode === 0 ? "ur" : "r")} ${scalar(f.Rt, log2Of(f))}, ${addressText(f.Rn, signed(f.imm9, 9), f.mode)}`,
  emit(m, { size, opc, mode, sp, Rn, Rt }) {
    const base = baseAddress(m, Rn, sp);
    const moved = m.let(i64.add(base, i64.extend_s(m.i32((f) => signed(f.imm9, 9)))));
    transfer(m, opc & 1, log2Of({ size, opc }), Rt, mode === 1 ? base : moved);
    if (mode & 1) m.x.writeSp(Rn, moved);
  },
});

const loadStoreRegister = a64({
  bits: "size:2 111100 opc:2 1 Rm:5 option:3 S 10 Rn:5 Rt:5",
  known: ["size", "opc", "option", "S"],
  split: spBase,
  fp: true,
  when: (f) => allocated(f) && (f.option & 2) !== 0,
  asm: (f) => `${name(f, "r")} ${scalar(f.Rt, log2Of(f))}, ${registerOffsetText(f, log2Of(f))}`,
  emit(m, { size, opc, option, S, sp, Rm, Rn, Rt }) {
    const log2 = log2Of({ size, opc });
    transfer(m, opc & 1, log2, Rt, i64.add(baseAddress(m, Rn, sp), registerOffset(m as Semantics, Rm, option, S ? log2 : 0)));
  },
});

const loadLiteral = a64({
  bits: "opc:2 011100 imm19:19 Rt:5",
  known: ["opc"],
  fp: true,
  when: (f) => f.opc < 3,
  asm: (f, at) => `ldr ${scalar(f.Rt, f.opc + 2)}, ${relative(signed(f.imm19, 19) * 4, at)}`,
  emit(m, { opc, Rt }) {
    transfer(m, 1, opc + 2, Rt, i64.add(m.pc(), i64.extend_s(m.i32((f) => signed(f.imm19, 19) * 4))));
  },
});

const pairOffset = (f: Raw<"imm7" | "opc">) => signed(f.imm7, 7) << (f.opc + 2);

/** Mode 0: no-allocate hint, 1: post-indexed, 2: offset, 3: pre-indexed. */
const loadStorePair = a64({
  bits: "opc:2 10110 mode:2 L imm7:7 Rt2:5 Rn:5 Rt:5",
  known: ["opc", "mode", "L"],
  split: spBase,
  fp: true,
  when: (f) => f.opc < 3,
  asm: (f) => {
    const name = `${f.L ? "ld" : "st"}${f.mode === 0 ? "np" : "p"}`;
    return `${name} ${scalar(f.Rt, f.opc + 2)}, ${scalar(f.Rt2, f.opc + 2)}, ${addressText(f.Rn, pairOffset(f), f.mode)}`;
  },
  unpredictable: (f) => f.L === 1 && f.Rt === f.Rt2,
  emit(m, { opc, mode, L, sp, Rt2, Rn, Rt }) {
    const log2 = opc + 2;
    const base = baseAddress(m, Rn, sp);
    const moved = m.let(i64.add(base, i64.extend_s(m.i32(pairOffset))));
    const address = mode === 1 ? base : moved;
    // Neighbours need one look-up.
    if (log2 === 4 && L) m.loadPair128(address).forEach((value, i) => m.setV(i ? Rt2 : Rt, value));
    else if (log2 === 4) m.storePair128(address, [m.v(Rt), m.v(Rt2)]);
    else if (L) m.loadPair(address, log2).forEach((value, i) => m.setVLow64(i ? Rt2 : Rt, value));
    else m.storePair(address, log2, [m.vLane(Rt, log2, 0), m.vLane(Rt2, log2, 0)]);
    if (mode & 1) m.x.writeSp(Rn, moved);
  },
});

/** All of them. */
export const simdLoadsStores: readonly Declaration[] = [
  loadStoreUnsigned,
  loadStoreImmediate9,
  loadStoreRegister,
  loadLiteral,
  loadStorePair,
];
