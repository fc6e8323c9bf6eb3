/** Arm ARM DDI 0487, "System instruction class encoding overview": hints, barriers, PSTATE, system registers. */
import { a64, type Declaration } from "./dsl.ts";
import { reg } from "./names.ts";

/** By CRm and op2. Arm ARM, "Hints". */
const hints: Readonly<Record<number, string>> = {
  0: "nop",
  1: "yield",
  2: "wfe",
  3: "wfi",
  4: "sev",
  5: "sevl",
  6: "dgh",
  7: "xpaclri",
  8: "pacia1716",
  10: "pacib1716",
  12: "autia1716",
  14: "autib1716",
  16: "esb",
  17: "psb csync",
  18: "tsb csync",
  20: "csdb",
  24: "paciaz",
  25: "paciasp",
  26: "pacibz",
  27: "pacibsp",
  28: "autiaz",
  29: "autiasp",
  30: "autibz",
  31: "autibsp",
  32: "bti",
  34: "bti c",
  36: "bti j",
  38: "bti jc",
};

/** What DMB and DSB order, by CRm. */
const barrierOptions = [, "oshld", "oshst", "osh", , "nshld", "nshst", "nsh", , "ishld", "ishst", "ish", , "ld", "st", "sy"];

/** Which hint acts: the others are NOPs, now and for what is yet to be defined. */
const hintKind = (f: { CRm: number; op2: number }) => f.CRm === 0 && f.op2 >= 2 && f.op2 <= 5 ? f.op2 : 0;

const hint = a64({
  bits: "11010101000000110010 CRm:4 op2:3 11111",
  split: { kind: hintKind },
  asm: (f) => hints[f.CRm * 8 + f.op2] ?? `hint #${f.CRm * 8 + f.op2}`,
  unpredictable: (f) => hintKind(f) !== 0,
  emit(m, { kind }) {
    if (kind) m.system((["wfe", "wfi", "sev", "sevl"] as const)[kind - 2]);
  },
});

/**
 * Where one host thread runs all vCPUs in turn, in program order, barriers order nothing further. The break-before-make checker counts DSBs,
 * and CPUs in threads of their own wait there for what they told the others.
 */
const barrier = a64({
  bits: "11010101000000110011 CRm:4 op2:3 Rt:5",
  known: ["op2"],
  split: {
    isWatched: (f, { watchesBarriers }) => +(f.op2 === 4 && watchesBarriers === true),
    isFence: (f, { sharesMemory }) => +((f.op2 === 4 || f.op2 === 5) && sharesMemory !== undefined),
  },
  when: (f) => f.op2 === 2 || (f.op2 >= 4 && f.op2 <= 6),
  asm: (f) => {
    const name = ({ 2: "clrex", 4: "dsb", 5: "dmb", 6: "isb" } as Record<number, string>)[f.op2];
    if (f.op2 === 2 || f.op2 === 6) return f.CRm === 15 ? name : `${name} #${f.CRm}`;
    if (f.op2 === 4 && (f.CRm & 11) === 0) return f.CRm === 0 ? "ssbb" : "pssbb";
    return `${name} ${barrierOptions[f.CRm] ?? `#${f.CRm}`}`;
  },
  unpredictable: (f) => f.Rt !== 31 || f.op2 === 2 || (f.op2 === 4 && (f.CRm & 11) === 0),
  emit(m, { op2, isWatched, isFence }) {
    if (isFence) m.fence();
    if (op2 === 2) m.system("clrex");
    else if (isWatched) m.system("dsb");
  },
});

const registerName = (f: { o0: number; op1: number; CRn: number; CRm: number; op2: number }) =>
  `s${2 + f.o0}_${f.op1}_c${f.CRn}_c${f.CRm}_${f.op2}`;

const msrImmediate = a64({
  bits: "1101010100000 op1:3 0100 CRm:4 op2:3 11111",
  asm: (f) => {
    const name =
      ({ "0,5": "SPSel", "3,6": "DAIFSet", "3,7": "DAIFClr", "0,4": "PAN", "0,3": "UAO" } as Record<string, string>)[`${f.op1},${f.op2}`];
    return name ? `msr ${name}, #${f.CRm}` : `.inst 0x${f.word.toString(16)}`;
  },
  unpredictable: () => true,
  emit: (m) => m.system("msrImmediate"),
});

const systemInstruction = a64({
  bits: "1101010100 L 01 op1:3 CRn:4 CRm:4 op2:3 Rt:5",
  split: { zva: (f) => +(f.L === 0 && f.op1 === 3 && f.CRn === 7 && f.CRm === 4 && f.op2 === 1) },
  asm: (f) =>
    f.L
      ? `sysl ${reg(1, f.Rt)}, #${f.op1}, c${f.CRn}, c${f.CRm}, #${f.op2}`
      : `sys #${f.op1}, c${f.CRn}, c${f.CRm}, #${f.op2}, ${reg(1, f.Rt)}`,
  unpredictable: () => true,
  emit(m, { zva, Rt }) {
    if (zva) m.zeroBlock(m.x.read(Rt));
    else m.system("sys");
  },
});

const mrs = a64({
  bits: "110101010011 o0 op1:3 CRn:4 CRm:4 op2:3 Rt:5",
  split: { slot: (f, env) => +(env.registerIndex(2 + f.o0, f.op1, f.CRn, f.CRm, f.op2) >= 0) },
  asm: (f) => `mrs ${reg(1, f.Rt)}, ${registerName(f)}`,
  unpredictable: () => true,
  emit(m, { slot, Rt }) {
    if (slot) m.readSystemRegister(Rt, (f, env) => env.registerIndex(2 + f.o0, f.op1, f.CRn, f.CRm, f.op2));
    else m.system("mrs");
  },
});

const msr = a64({
  bits: "110101010001 o0 op1:3 CRn:4 CRm:4 op2:3 Rt:5",
  // 0: none, 1: of 64 bits, 2: of at most 32.
  split: {
    slot: (f, env) => {
      const index = env.registerIndex(2 + f.o0, f.op1, f.CRn, f.CRm, f.op2);
      return index < 0 ? 0 : env.narrowMask(index) < 0 ? 1 : 2;
    },
  },
  asm: (f) => `msr ${registerName(f)}, ${reg(1, f.Rt)}`,
  unpredictable: () => true,
  emit(m, { slot, Rt }) {
    if (slot) m.writeSystemRegister(Rt, slot === 2, (f, env) => env.registerIndex(2 + f.o0, f.op1, f.CRn, f.CRm, f.op2));
    else m.system("msr");
  },
});

/** Permanently undefined. */
const udf = a64({ bits: "0000000000000000 imm16:16", asm: (f) => `udf #${f.imm16}`, emit: (m) => m.system("undefined") });

/** All of them. */
export const system: readonly Declaration[] = [hint, barrier, msrImmediate, systemInstruction, mrs, msr, udf];
