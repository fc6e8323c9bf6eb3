/** Arm ARM DDI 0487, "Branches, Exception Generating and System instructions": branches and exceptions. */
import { a64, type Declaration, i32, i64, signed } from "./dsl.ts";
import { immediate } from "./aliases.ts";
import { conditions, reg, relative } from "./names.ts";

const branchImmediate = a64({
  bits: "link 00101 imm26:26",
  known: ["link"],
  asm: (f, at) => `${f.link ? "bl" : "b"} ${relative(signed(f.imm26, 26) * 4, at)}`,
  emit(m, { link }) {
    if (link) m.x.write(30, i64.add(m.pc(), i64.const(4n)));
    m.branchTo((f) => signed(f.imm26, 26) * 4);
  },
});

const branchConditional = a64({
  bits: "01010100 imm19:19 0 cond:4",
  asm: (f, at) => `b.${conditions[f.cond]} ${relative(signed(f.imm19, 19) * 4, at)}`,
  emit(m, { cond }) {
    m.branchToIf(m.condition(cond), (f) => signed(f.imm19, 19) * 4);
  },
});

const compareAndBranch = a64({
  bits: "sf 011010 op imm19:19 Rt:5",
  known: ["sf", "op"],
  asm: (f, at) => `${f.op ? "cbnz" : "cbz"} ${reg(f.sf, f.Rt)}, ${relative(signed(f.imm19, 19) * 4, at)}`,
  emit(m, { sf, op, Rt }) {
    const x = m.width(sf ? 64 : 32);
    const zero = x.eqz(x.read(Rt));
    m.branchToIf(op ? i32.eqz(zero) : zero, (f) => signed(f.imm19, 19) * 4);
  },
});

const testAndBranch = a64({
  bits: "b5 011011 op b40:5 imm14:14 Rt:5",
  known: ["op"],
  asm: (f, at) => `${f.op ? "tbnz" : "tbz"} ${reg(f.b5, f.Rt)}, #${f.b5 * 32 + f.b40}, ${relative(signed(f.imm14, 14) * 4, at)}`,
  emit(m, { op, Rt }) {
    const bit = i64.extend_u(m.u8((f) => f.b5 * 32 + f.b40));
    const set = i32.and(i32.wrap(i64.shr_u(m.x.read(Rt), bit)), i32.const(1));
    m.branchToIf(op ? set : i32.eqz(set), (f) => signed(f.imm14, 14) * 4);
  },
});

const branchRegister = a64({
  bits: "1101011 00 opc:2 11111 000000 Rn:5 00000",
  known: ["opc"],
  when: (f) => f.opc < 3,
  asm: (f) => f.opc === 2 && f.Rn === 30 ? "ret" : `${["br", "blr", "ret"][f.opc]} ${reg(1, f.Rn)}`,
  emit(m, { opc, Rn }) {
    const target = m.let(m.x.read(Rn));
    if (opc === 1) m.x.write(30, i64.add(m.pc(), i64.const(4n)));
    m.branch(target);
  },
});

const exceptionReturn = a64({
  bits: "1101011 0100 11111 000000 11111 00000",
  asm: () => "eret",
  emit: (m) => m.system("eret"),
});

const exceptionGeneration = a64({
  bits: "11010100 opc:3 imm16:16 000 LL:2",
  known: ["opc", "LL"],
  when: (f) => (f.opc === 0 && f.LL > 0) || ((f.opc === 1 || f.opc === 2) && f.LL === 0),
  asm: (f) => `${f.opc === 0 ? ["", "svc", "hvc", "smc"][f.LL] : f.opc === 1 ? "brk" : "hlt"} ${immediate(f.imm16)}`,
  emit: (m, { opc, LL }) => m.system(opc === 0 ? (["undefined", "svc", "hvc", "smc"] as const)[LL] : opc === 1 ? "brk" : "hlt"),
});

/** All of them. */
export const branches: readonly Declaration[] = [
  branchImmediate,
  branchConditional,
  compareAndBranch,
  testAndBranch,
  branchRegister,
  exceptionReturn,
  exceptionGeneration,
];
