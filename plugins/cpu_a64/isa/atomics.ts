/** Arm ARM DDI 0487, "Atomic memory operations" (FEAT_LSE) and LDAPR (FEAT_LRCPC). */
import { a64, type Declaration } from "./dsl.ts";
import { baseAddress, spBase } from "./loads_stores.ts";
import { reg, regSp } from "./names.ts";

const sizes = ["b", "h", "", ""];
const order = (acquire: number, release: number) => `${acquire ? "a" : ""}${release ? "l" : ""}`;
const operations = ["add", "clr", "xor", "or", "smax", "smin", "umax", "umin"] as const;
const names = ["add", "clr", "eor", "set", "smax", "smin", "umax", "umin"] as const;

const atomicOperation = a64({
  bits: "size:2 111000 A R 1 Rs:5 o3 opc:3 00 Rn:5 Rt:5",
  known: ["size", "o3", "opc"],
  split: spBase,
  feature: "LSE",
  when: (f) => f.o3 === 0 || f.opc === 0,
  asm: (f) => {
    const x = +(f.size === 3);
    // STADD and its kin: nobody wants what was there.
    const isStore = !f.o3 && !f.A && f.Rt === 31;
    const name = `${f.o3 ? "swp" : `${isStore ? "st" : "ld"}${names[f.opc]}`}${order(f.A, f.R)}${sizes[f.size]}`;
    return `${name} ${reg(x, f.Rs)}, ${isStore ? "" : `${reg(x, f.Rt)}, `}[${regSp(1, f.Rn)}]`;
  },
  emit(m, { size, o3, opc, sp, Rs, Rn, Rt }) {
    const old = m.atomic(o3 ? "xchg" : operations[opc], baseAddress(m, Rn, sp), size, m.x.read(Rs));
    m.x.write(Rt, old);
  },
});

const loadAcquireRcpc = a64({
  bits: "size:2 111000101 11111 110000 Rn:5 Rt:5",
  known: ["size"],
  split: spBase,
  feature: "LRCPC",
  asm: (f) => `ldapr${sizes[f.size]} ${reg(+(f.size === 3), f.Rt)}, [${regSp(1, f.Rn)}]`,
  emit(m, { size, sp, Rn, Rt }) {
    m.x.write(Rt, m.load(baseAddress(m, Rn, sp), size, { ordered: true }));
  },
});

const compareAndSwap = a64({
  bits: "size:2 0010001 A 1 Rs:5 R 11111 Rn:5 Rt:5",
  known: ["size"],
  split: spBase,
  feature: "LSE",
  asm: (f) => {
    const x = +(f.size === 3);
    return `cas${order(f.A, f.R)}${sizes[f.size]} ${reg(x, f.Rs)}, ${reg(x, f.Rt)}, [${regSp(1, f.Rn)}]`;
  },
  emit(m, { size, sp, Rs, Rn, Rt }) {
    // The comparison is of `size` bytes: the rest of Rs doesn't count.
    const expected = size === 3 ? m.x.read(Rs) : m.x.and(m.x.read(Rs), m.x.const((1n << (8n << BigInt(size))) - 1n));
    m.x.write(Rs, m.compareAndSwap(baseAddress(m, Rn, sp), size, expected, m.x.read(Rt)));
  },
});

const compareAndSwapPair = a64({
  bits: "0 sz 0010000 A 1 Rs:5 R 11111 Rn:5 Rt:5",
  known: ["sz"],
  split: spBase,
  feature: "LSE",
  when: (f) => (f.Rs & 1) === 0 && (f.Rt & 1) === 0,
  asm: (f) => {
    const pair = (n: number) => `${reg(f.sz, n)}, ${reg(f.sz, n + 1)}`;
    return `casp${order(f.A, f.R)} ${pair(f.Rs)}, ${pair(f.Rt)}, [${regSp(1, f.Rn)}]`;
  },
  emit(m, { sz, sp, Rs, Rn, Rt }) {
    const narrow = (n: Parameters<typeof m.x.read>[0]) => sz ? m.x.read(n) : m.x.and(m.x.read(n), m.x.const(0xffff_ffffn));
    const next = (f: typeof Rs) => ({ field: f.field, next: 1 });
    const old = m.compareAndSwapPair(baseAddress(m, Rn, sp), 2 + sz, [narrow(Rs), narrow(next(Rs))], [narrow(Rt), narrow(next(Rt))]);
    m.x.write(Rs, old[0]);
    m.x.write(next(Rs), old[1]);
  },
});

/** All of them. */
export const atomics: readonly Declaration[] = [loadAcquireRcpc, atomicOperation, compareAndSwap, compareAndSwapPair];
