import { assertEquals } from "@std/assert";
import type { SystemOp } from "../../isa/dsl.ts";
import * as at from "../../state.ts";
import { registerOffset } from "../../sysregs/mod.ts";
import { Block } from "../block.ts";
import { ExceptionUnit } from "../exceptions.ts";
import { Status } from "../layout.ts";
import { unbankSp, unpackPstate } from "../pstate.ts";
import { Spaces } from "../spaces.ts";
import { systemOps } from "../tier0.ts";
import { systemRoutine } from "./system.ts";

const EL0T = 0, EL1H = 5, EL2H = 9, ELSEWHERE = 77;
/** Address of the table of address spaces. */
const SPACES = 0x8000;
const SVC = 0xd400_00e1, ERET = 0xd69f_03e0, MRS_DAIF_X3 = 0xd53b_4223, MSR_DAIF_X3 = 0xd51b_4223;
const MSR_TTBR0_X3 = 0xd518_2003, MSR_TTBR1_X3 = 0xd518_2023, MSR_VBAR_X3 = 0xd518_c003, MRS_MIDR_X3 = 0xd538_0003;
const DAIF_SET_2 = 0xd503_42df, DAIF_CLEAR_2 = 0xd503_42ff, IC_IVAU_X3 = 0xd50b_7523;
/** In which they may differ: where the code goes on is the interpreter's own. */
const PRIVATE = new Set([at.TARGET, at.TARGET + 4, at.PAGE_VA, at.PAGE_VA + 4]);

type Words = Readonly<Record<string, bigint>>;

/** A state block at an instruction, and what generated code calls. */
function subject(pstate: number, registers: Words = {}, fields: Readonly<Record<number, number>> = {}) {
  const block = new Block(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }), at.STATE_SIZE);
  unpackPstate(block, pstate);
  const all: Words = { VBAR_EL1: 0xffff_8000_0001_0000n, SP_EL0: 0xe0n, SP_EL1: 0xe1n, ELR_EL1: 0x40_1000n, SPSR_EL1: 0x6000_0000n };
  for (const [name, value] of Object.entries({ ...all, ...registers })) block.set64(registerOffset(name), value);
  unbankSp(block);
  block.set64(at.PC, 0x40_0008n);
  block.set64(at.PAGE_VA, 0x40_0000n);
  block.set(at.RECORDS, 0x8000);
  block.set(at.IP, 0x8020);
  block.setPair(at.x(3), 0x3c0, 0);
  for (const [n, bank] of [0x100, 0x200, 0x300].entries()) block.set(at.BANKS + 4 * n, bank);
  block.setPair(at.FP_ENABLED_AT, 0, 1);
  for (const [offset, value] of Object.entries(fields)) block.set(Number(offset), value);
  const unit = new ExceptionUnit(block, new Set());
  const spaces = new Spaces(block, SPACES);
  let updates = 0;
  const callees = { exceptions: unit.routines, slow: () => ELSEWHERE, updateContext: () => void updates++ };
  const execute = systemRoutine(block.memory, block.address, systemOps, callees, {
    hasNeighbours: false,
    spaces: SPACES,
    counterFrequencyHz: 62_500_000,
  });
  return { block, unit, spaces, updates: () => updates, execute: (op: SystemOp, word: number) => execute(systemOps.indexOf(op), word) };
}

function visible(block: Block): (readonly [number, number])[] {
  const offsets = Array.from({ length: at.FAST_ACCESS / 4 }, (_, n) => 4 * n).filter((offset) => !PRIVATE.has(offset));
  return offsets.map((offset) => [offset, block.get(offset)] as const);
}

for (
  const [op, word, pstate, act] of [
    ["svc", SVC, EL0T, (unit) => unit.supervisorCall(7)],
    ["eret", ERET, EL1H, (unit) => void unit.exceptionReturn()],
  ] satisfies [SystemOp, number, number, (unit: ExceptionUnit) => void][]
) {
  Deno.test(`${op} in generated code does what the exception unit does, and finds the TLB banks`, () => {
    const got = subject(pstate), wanted = subject(pstate);
    assertEquals(got.execute(op, word), Status.branch);
    act(wanted.unit);
    const isUp = wanted.block.get(at.EL) === 1;
    wanted.block.set(at.TLB, isUp ? 0x200 : 0x100);
    wanted.block.set(at.TLB_UNPRIVILEGED, 0x100);
    wanted.block.set(at.FP_ENABLED, isUp ? 1 : 0);
    assertEquals(visible(got.block), visible(wanted.block));
    assertEquals([got.block.get64(at.TARGET), got.updates()], [wanted.block.get64(at.PC), 0]);
  });
}

Deno.test("an address space of which a bank isn't known is asked for", () => {
  for (const missing of [0, 1]) {
    const { execute, updates } = subject(EL0T, {}, { [at.BANKS + 4 * missing]: 0 });
    assertEquals([execute("svc", SVC), updates()], [Status.branch, 1]);
  }
});

Deno.test("PSTATE.DAIF is read and written, and caches need nothing", () => {
  const { block, execute } = subject(EL1H | 1 << 7);
  assertEquals([execute("mrs", MRS_DAIF_X3), block.get64(at.x(3))], [Status.next, 0x80n]);
  assertEquals([execute("msrImmediate", DAIF_CLEAR_2), block.get(at.DAIF)], [Status.next, 0]);
  assertEquals([execute("msrImmediate", DAIF_SET_2), block.get(at.DAIF)], [Status.next, 2]);
  block.setPair(at.x(3), 0x3c0, 0);
  assertEquals([execute("msr", MSR_DAIF_X3), block.get(at.DAIF)], [Status.next, 15]);
  assertEquals(execute("sys", IC_IVAU_X3), Status.next);
});

const A1 = 1n << 22n, AS = 1n << 36n;
for (
  const [what, word, registers, asid] of [
    ["TTBR0_EL1 has it, 8 bits", MSR_TTBR0_X3, {}, 0x41],
    ["TTBR0_EL1 has it, 16 bits", MSR_TTBR0_X3, { TCR_EL1: AS }, 0x1041],
    ["TTBR1_EL1 has it", MSR_TTBR1_X3, { TCR_EL1: A1 | AS }, 0x1041],
    ["the other one has it", MSR_TTBR1_X3, { TCR_EL1: AS, TTBR0_EL1: 0x81n << 48n }, 0x81],
    ["the other one has it, of 8 bits", MSR_TTBR0_X3, { TCR_EL1: A1, TTBR1_EL1: 0x1281n << 48n }, 0x81],
  ] satisfies [string, number, Words, number][]
) {
  Deno.test(`a base of tables is another ASID's, ${what}: its banks are the present ones`, () => {
    const { block, spaces, execute, updates } = subject(EL1H, registers);
    block.set64(at.x(3), 0x1041_0000_4abc_d001n);
    block.words.set([0x400, 0x500, 0x600], spaces.row(asid) + 1);
    assertEquals([execute("msr", word), updates()], [Status.branch, 0]);
    const name = word === MSR_TTBR0_X3 ? "TTBR0_EL1" : "TTBR1_EL1";
    assertEquals(block.get64(registerOffset(name)), 0x1041_0000_4abc_d000n);
    assertEquals([at.TLB, at.TLB_UNPRIVILEGED, at.BANKS, at.BANKS + 8].map((offset) => block.get(offset)), [0x500, 0x400, 0x400, 0x600]);
    assertEquals([block.get64(at.TARGET), block.get64(at.PAGE_VA)], [0x40_000cn, 0x40_000dn]);
    // Another one in the same row.
    spaces.row(asid ^ 0x40);
    assertEquals([execute("msr", word), updates()], [Status.branch, 1]);
  });
}

Deno.test("VBAR_EL1 is stored in place, MIDR_EL1 is what EL2 shows", () => {
  const { block, execute } = subject(EL1H, { VPIDR_EL2: 0x1234_5678n });
  block.set64(at.x(3), 0xffff_0000_0000_0fffn);
  assertEquals([execute("msr", MSR_VBAR_X3), block.get64(registerOffset("VBAR_EL1"))], [Status.next, 0xffff_0000_0000_0800n]);
  assertEquals([execute("mrs", MRS_MIDR_X3), block.get64(at.x(3))], [Status.next, 0x1234_5678n]);
});

const masked = 2 << 6, step = { MDSCR_EL1: 1n }, pending = { [at.INTERRUPTS]: 1 };
for (
  const [what, op, word, pstate, registers, fields] of [
    ["SVC at EL1", "svc", SVC, EL1H, {}, {}],
    ["SVC that EL2 takes", "svc", SVC, EL0T, { HCR_EL2: 1n << 27n }, {}],
    ["SVC while software step is on", "svc", SVC, EL0T, step, {}],
    ["ERET at EL0", "eret", ERET, EL0T, {}, {}],
    ["ERET at EL2", "eret", ERET, EL2H, {}, {}],
    ["ERET while software step is on", "eret", ERET, EL1H, step, {}],
    ["ERET to a higher level", "eret", ERET, EL1H, { SPSR_EL1: BigInt(EL2H) }, {}],
    ["ERET to AArch32", "eret", ERET, EL1H, { SPSR_EL1: 0x10n }, {}],
    ["ERET that sets PSTATE.IL", "eret", ERET, EL1H, { SPSR_EL1: 1n << 20n }, {}],
    ["ERET that unmasks an interrupt", "eret", ERET, EL1H, {}, pending],
    ["MSR DAIFClr that unmasks an interrupt", "msrImmediate", DAIF_CLEAR_2, EL1H | masked, {}, pending],
    ["MSR DAIFClr at EL0", "msrImmediate", DAIF_CLEAR_2, EL0T, {}, {}],
    ["MRS DAIF at EL0", "mrs", MRS_DAIF_X3, EL0T, {}, {}],
    ["IC IVAU at EL0", "sys", IC_IVAU_X3, EL0T, {}, {}],
    ["IC IVAU that EL2 traps", "sys", IC_IVAU_X3, EL1H, { HCR_EL2: 1n << 24n }, {}],
    ["MSR TTBR0_EL1 at EL0", "msr", MSR_TTBR0_X3, EL0T, {}, {}],
    ["MSR TTBR0_EL1 that EL2 traps", "msr", MSR_TTBR0_X3, EL1H, { HCR_EL2: 1n << 26n }, {}],
    ["MSR TTBR1_EL1 while software step is on", "msr", MSR_TTBR1_X3, EL1H, step, {}],
    ["MSR TTBR1_EL1 at EL2", "msr", MSR_TTBR1_X3, EL2H, {}, {}],
    ["MSR VBAR_EL1 at EL0", "msr", MSR_VBAR_X3, EL0T, {}, {}],
    ["MRS MIDR_EL1 at EL0", "mrs", MRS_MIDR_X3, EL0T, {}, {}],
    ["MRS MIDR_EL1 at EL2", "mrs", MRS_MIDR_X3, EL2H, {}, {}],
    ["HVC", "hvc", SVC, EL1H, {}, {}],
  ] satisfies [string, SystemOp, number, number, Words, Record<number, number>][]
) {
  Deno.test(`${what} is TypeScript's, and comes there with nothing changed`, () => {
    const got = subject(pstate, registers, fields), wanted = subject(pstate, registers, fields);
    assertEquals(got.execute(op, word), ELSEWHERE);
    assertEquals(visible(got.block), visible(wanted.block));
  });
}
