import { assertEquals } from "@std/assert";
import { DAIF, EL, EVENT, EXCLUSIVE, PC, SP, STATE_SIZE } from "../state.ts";
import { type Feature, getLong, getWord, registerOffset, setLong, setWord } from "../sysregs/mod.ts";
import { Block } from "./block.ts";
import { ExceptionUnit, type InterruptKind, type SmcPolicy } from "./exceptions.ts";
import { packPstate, unbankSp, unpackPstate } from "./pstate.ts";

const EL0T = 0, EL1T = 4, EL1H = 5, EL2H = 9;
const TGE = 1n << 27n, TDE = 1n << 8n, SPAN = 1n << 23n;

interface Setup {
  pstate?: number;
  pc?: bigint;
  registers?: Record<string, bigint>;
  features?: Feature[];
  smc?: SmcPolicy;
}

/** A CPU with vectors at 0xffff_8000_0001_0000 (EL1) and 0x4000_0800 (EL2), and its debug lock open. */
function cpu({ pstate = EL1H, pc = 0x40_0000n, registers = {}, features = [], smc }: Setup = {}) {
  const block = new Block(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }), STATE_SIZE);
  unpackPstate(block, pstate);
  const all = { VBAR_EL1: 0xffff_8000_0001_0000n, VBAR_EL2: 0x4000_0800n, SP_EL0: 0xe0n, SP_EL1: 0xe1n, SP_EL2: 0xe2n, ...registers };
  for (const [name, value] of Object.entries(all)) setLong(block, registerOffset(name), value);
  unbankSp(block);
  setLong(block, PC, pc);
  const unit = new ExceptionUnit(block, new Set(features), smc);
  const read = (name: string) => getLong(block, registerOffset(name));
  return {
    unit,
    block,
    read,
    pc: () => getLong(block, PC),
    sp: () => getLong(block, SP),
    el: () => getWord(block, EL),
    pstate: () => packPstate(block),
    ec: (el: 1 | 2) => Number(read(`ESR_EL${el}`) >> 26n),
    iss: (el: 1 | 2) => Number(read(`ESR_EL${el}`) & 0x1ff_ffffn),
  };
}

type Cpu = ReturnType<typeof cpu>;
type Row = readonly [
  what: string,
  setup: Setup,
  act: (unit: ExceptionUnit) => void,
  expected: { el: 1 | 2; ec: number; iss?: number; offset: number; returns?: bigint; far?: bigint; hpfar?: bigint },
];

const PC0 = 0x40_0000n;
const rows: readonly Row[] = [
  ["SVC from EL0", { pstate: EL0T }, (u) => u.supervisorCall(7), { el: 1, ec: 0x15, iss: 7, offset: 0x400, returns: PC0 + 4n }],
  ["SVC from EL1 with SP_EL1", {}, (u) => u.supervisorCall(0xffff), { el: 1, ec: 0x15, iss: 0xffff, offset: 0x200, returns: PC0 + 4n }],
  ["SVC from EL1 with SP_EL0", { pstate: EL1T }, (u) => u.supervisorCall(0), { el: 1, ec: 0x15, offset: 0, returns: PC0 + 4n }],
  ["SVC from EL0 under TGE", { pstate: EL0T, registers: { HCR_EL2: TGE } }, (u) => u.supervisorCall(1), {
    el: 2,
    ec: 0x15,
    iss: 1,
    offset: 0x400,
    returns: PC0 + 4n,
  }],
  ["SVC at EL2", { pstate: EL2H }, (u) => u.supervisorCall(1), { el: 2, ec: 0x15, offset: 0x200, returns: PC0 + 4n }],
  ["the return address carries", { pc: 0xffff_fffcn }, (u) => u.hypervisorCall(0), {
    el: 2,
    ec: 0x16,
    offset: 0x400,
    returns: 0x1_0000_0000n,
  }],
  ["HVC from EL1", {}, (u) => u.hypervisorCall(3), { el: 2, ec: 0x16, iss: 3, offset: 0x400, returns: PC0 + 4n }],
  ["HVC from EL0 is UNDEFINED", { pstate: EL0T }, (u) => u.hypervisorCall(3), { el: 1, ec: 0, iss: 0, offset: 0x400 }],
  ["HVC with HCD is UNDEFINED", { registers: { HCR_EL2: 1n << 29n } }, (u) => u.hypervisorCall(3), { el: 1, ec: 0, offset: 0x200 }],
  ["SMC with TSC points at itself", { registers: { HCR_EL2: 1n << 19n } }, (u) => u.secureMonitorCall(0), {
    el: 2,
    ec: 0x17,
    offset: 0x400,
    returns: PC0,
  }],
  ["SMC without TSC is UNDEFINED", {}, (u) => u.secureMonitorCall(0), { el: 1, ec: 0, offset: 0x200 }],
  ["SMC with TSC from EL0 is UNDEFINED", { pstate: EL0T, registers: { HCR_EL2: 1n << 19n } }, (u) => u.secureMonitorCall(0), {
    el: 1,
    ec: 0,
    offset: 0x400,
  }],
  ["SMC of a CPU that never traps it", { smc: "undefined", registers: { HCR_EL2: 1n << 19n } }, (u) => u.secureMonitorCall(0), {
    el: 1,
    ec: 0,
    offset: 0x200,
  }],
  ["BRK", {}, (u) => u.breakpointInstruction(0x800), { el: 1, ec: 0x3c, iss: 0x800, offset: 0x200, returns: PC0 }],
  ["BRK with TDE", { registers: { MDCR_EL2: TDE } }, (u) => u.breakpointInstruction(0), { el: 2, ec: 0x3c, offset: 0x400 }],
  ["UNDEFINED under TGE", { pstate: EL0T, registers: { HCR_EL2: TGE } }, (u) => u.undefined(), { el: 2, ec: 0, offset: 0x400 }],
  ["illegal state", { pstate: EL1H | 1 << 20 }, (u) => u.illegalState(), { el: 1, ec: 0x0e, iss: 0, offset: 0x200 }],
  ["PC alignment", { pstate: EL0T, pc: 0x1_0000_0002n }, (u) => u.pcAlignment(), {
    el: 1,
    ec: 0x22,
    offset: 0x400,
    returns: 0x1_0000_0002n,
    far: 0x1_0000_0002n,
  }],
  ["SP alignment", {}, (u) => u.spAlignment(), { el: 1, ec: 0x26, iss: 0, offset: 0x200 }],
  ["data abort of EL0", { pstate: EL0T }, (u) => u.dataAbort(0x1234, 0xff, { status: 7, isWrite: true }), {
    el: 1,
    ec: 0x24,
    iss: 0x47,
    offset: 0x400,
    far: 0xff_0000_1234n,
  }],
  ["data abort of EL1", {}, (u) => u.dataAbort(8, 0, { status: 0x21 }), { el: 1, ec: 0x25, iss: 0x21, offset: 0x200, far: 8n }],
  ["stage 2 data abort", {}, (u) => u.dataAbort(0x18, 0xffff_8000, { status: 6, access: 1 << 24 | 2 << 22 }, 0x0900_0018), {
    el: 2,
    ec: 0x24,
    iss: 0x180_0006,
    offset: 0x400,
    far: 0xffff_8000_0000_0018n,
    hpfar: 0x9_0000n,
  }],
  ["instruction abort of EL0 under TGE", { pstate: EL0T, registers: { HCR_EL2: TGE } }, (u) => u.instructionAbort(4, 0, { status: 4 }), {
    el: 2,
    ec: 0x20,
    iss: 4,
    offset: 0x400,
    far: 4n,
  }],
  ["instruction abort of EL1", {}, (u) => u.instructionAbort(4, 0, { status: 0xf }), { el: 1, ec: 0x21, iss: 0xf, offset: 0x200 }],
  ["stage 2 fault on a table walk", {}, (u) => u.instructionAbort(4, 0, { status: 5, isTableWalk: true }, 0x1000), {
    el: 2,
    ec: 0x20,
    iss: 0x85,
    offset: 0x400,
    hpfar: 0x10n,
  }],
  ["trapped register", {}, (u) => u.trapped({ trapTo: 2, ec: 0x18 }, 0xd518_cba7), { el: 2, ec: 0x18, iss: 0x3a30f6, offset: 0x400 }],
  ["floating point disabled", { pstate: EL0T }, (u) => u.trapped({ trapTo: 1, ec: 7 }, 0), {
    el: 1,
    ec: 7,
    iss: 0x1e0_0000,
    offset: 0x400,
  }],
  ["floating point disabled, hidden by TGE", { pstate: EL0T }, (u) => u.trapped({ trapTo: 2, ec: 0 }, 0), {
    el: 2,
    ec: 0,
    iss: 0,
    offset: 0x400,
  }],
  ["step of EL0", { pstate: EL0T }, (u) => (u.endStep(2), u.softwareStep()), { el: 1, ec: 0x32, iss: 0x100_0062, offset: 0x400 }],
  ["step of EL1", {}, (u) => (u.endStep(), u.softwareStep()), { el: 1, ec: 0x33, iss: 0x100_0022, offset: 0x200 }],
  ["step of nothing", {}, (u) => u.softwareStep(), { el: 1, ec: 0x33, iss: 0x22, offset: 0x200 }],
  ["breakpoint with TDE", { registers: { MDCR_EL2: TDE } }, (u) => u.breakpoint(), { el: 2, ec: 0x30, iss: 0x22, offset: 0x400 }],
  ["watchpoint", {}, (u) => u.watchpoint(0x88, 0, true), { el: 1, ec: 0x35, iss: 0x62, offset: 0x200, far: 0x88n }],
  ["SError", { pstate: EL0T }, (u) => u.interrupt("serror", 1), { el: 1, ec: 0x2f, offset: 0x580 }],
];

Deno.test("exceptions go where they should, and say why", () => {
  for (const [what, setup, act, want] of rows) {
    const c = cpu(setup);
    const before = c.pstate();
    act(c.unit);
    assertEquals(c.el(), want.el, `${what}: level`);
    assertEquals(c.ec(want.el), want.ec, `${what}: class`);
    if (want.iss !== undefined) assertEquals(c.iss(want.el).toString(16), want.iss.toString(16), `${what}: ISS`);
    assertEquals(c.read(`ESR_EL${want.el}`) >> 25n & 1n, 1n, `${what}: IL`);
    assertEquals(c.pc(), c.read(`VBAR_EL${want.el}`) + BigInt(want.offset), `${what}: vector`);
    assertEquals(c.read(`ELR_EL${want.el}`), want.returns ?? setup.pc ?? PC0, `${what}: return address`);
    assertEquals(Number(c.read(`SPSR_EL${want.el}`)), before, `${what}: SPSR`);
    assertEquals(c.pstate(), 0x3c0 | want.el << 2 | 1, `${what}: PSTATE`);
    assertEquals(c.sp(), want.el === 1 ? 0xe1n : 0xe2n, `${what}: SP`);
    if (want.far !== undefined) assertEquals(c.read(`FAR_EL${want.el}`), want.far, `${what}: FAR`);
    if (want.hpfar !== undefined) assertEquals(c.read("HPFAR_EL2"), want.hpfar, `${what}: HPFAR`);
  }
});

Deno.test("PSTATE on entry: flags stay, IL, SS and UAO go, PAN follows SPAN", () => {
  const everything = 0xf0f0_0005;
  const paths: readonly (readonly [Setup, number])[] = [
    [{ pstate: everything }, 0xf040_03c5],
    [{ pstate: 0x9000_0000, features: ["PAN"] }, 0x9040_03c5],
    [{ pstate: 0x9000_0000, features: ["PAN"], registers: { SCTLR_EL1: SPAN } }, 0x9000_03c5],
    [{ pstate: 0x9000_0000 }, 0x9000_03c5],
  ];
  for (const [setup, pstate] of paths) {
    const c = cpu(setup);
    c.unit.undefined();
    assertEquals(c.pstate().toString(16), pstate.toString(16));
  }
  const toEl2 = cpu({ pstate: EL1H, features: ["PAN"] });
  toEl2.unit.hypervisorCall(0);
  assertEquals(toEl2.pstate(), 0x3c9);
});

Deno.test("an interrupt leaves ESR alone and uses its own vector", () => {
  for (const [kind, offset] of [["irq", 0x80n], ["fiq", 0x100n]] as const) {
    const c = cpu({ registers: { ESR_EL1: 0x1234n } });
    c.unit.interrupt(kind, 1);
    assertEquals(c.read("ESR_EL1"), 0x1234n);
    assertEquals(c.pc(), c.read("VBAR_EL1") + 0x200n + offset);
    assertEquals(c.read("ELR_EL1"), PC0);
  }
});

/** DAIF: I is 2. */
const interruptRows: readonly (readonly [what: string, el: number, daif: number, hcr: bigint, physical: 0 | 1 | 2, virtual: boolean])[] = [
  ["EL0", EL0T, 0, 0n, 1, false],
  ["EL0 masked", EL0T, 2, 0n, 0, false],
  ["EL1", EL1H, 0, 0n, 1, false],
  ["EL1 masked", EL1H, 2, 0n, 0, false],
  ["EL1 masked by others only", EL1H, 13, 0n, 1, false],
  ["EL2 waits for EL1", EL2H, 0, 0n, 0, false],
  ["IMO, EL1", EL1H, 0, 1n << 4n, 2, true],
  ["IMO, EL1: its mask counts for virtual ones only", EL1H, 2, 1n << 4n, 2, false],
  ["IMO, EL2", EL2H, 0, 1n << 4n, 2, false],
  ["IMO, EL2 masked", EL2H, 2, 1n << 4n, 0, false],
  ["TGE", EL0T, 2, TGE, 2, false],
  ["TGE and IMO", EL0T, 0, TGE | 1n << 4n, 2, false],
  ["FMO isn't for IRQ", EL1H, 0, 1n << 3n, 1, false],
];

Deno.test("which level takes an interrupt", () => {
  for (const [what, pstate, daif, hcr, physical, virtual] of interruptRows) {
    const c = cpu({ pstate, registers: { HCR_EL2: hcr } });
    setWord(c.block, DAIF, daif);
    assertEquals(c.unit.physicalTarget("irq"), physical, what);
    assertEquals(c.unit.isVirtualTaken("irq"), virtual, what);
  }
  const masks: readonly (readonly [InterruptKind, number])[] = [["fiq", 1], ["irq", 2], ["serror", 4]];
  for (const [kind, mask] of masks) {
    const c = cpu();
    setWord(c.block, DAIF, mask);
    assertEquals(c.unit.physicalTarget(kind), 0, kind);
    setWord(c.block, DAIF, 15 - mask);
    assertEquals(c.unit.physicalTarget(kind), 1, kind);
  }
});

Deno.test("WFI and WFE trap as SCTLR_EL1 and HCR_EL2 say", () => {
  const traps: readonly (readonly [string, Setup, boolean, 0 | 1 | 2])[] = [
    ["EL0, nTWI off", { pstate: EL0T }, false, 1],
    ["EL0, nTWI off, TGE", { pstate: EL0T, registers: { HCR_EL2: TGE } }, false, 2],
    ["EL0, nTWI on", { pstate: EL0T, registers: { SCTLR_EL1: 1n << 16n } }, false, 0],
    ["EL0, nTWI on, WFE", { pstate: EL0T, registers: { SCTLR_EL1: 1n << 16n } }, true, 1],
    ["EL0, nTWE on, TWE", { pstate: EL0T, registers: { SCTLR_EL1: 1n << 18n, HCR_EL2: 1n << 14n } }, true, 2],
    ["EL1", {}, false, 0],
    ["EL1, TWI", { registers: { HCR_EL2: 1n << 13n } }, false, 2],
    ["EL1, TWI, WFE", { registers: { HCR_EL2: 1n << 13n } }, true, 0],
    ["EL2, TWI", { pstate: EL2H, registers: { HCR_EL2: 1n << 13n } }, false, 0],
  ];
  for (const [what, setup, isWfe, to] of traps) {
    const c = cpu(setup);
    assertEquals(c.unit.waitTrapped(isWfe), to !== 0, what);
    if (to === 0) continue;
    assertEquals(c.el(), to, what);
    assertEquals([c.ec(to), c.iss(to)], [1, 0x1e0_0000 | (isWfe ? 1 : 0)], what);
    assertEquals(c.read(`ELR_EL${to}`), PC0, what);
  }
});

function returning(from: number, spsr: number, registers: Record<string, bigint> = {}): Cpu & { legal: boolean } {
  const el = from >> 2;
  const c = cpu({ pstate: from, registers: { [`SPSR_EL${el}`]: BigInt(spsr), [`ELR_EL${el}`]: 0x8000n, ...registers } });
  const legal = c.unit.exceptionReturn();
  return { ...c, legal };
}

Deno.test("ERET: legal returns restore everything", () => {
  const returns: readonly (readonly [from: number, spsr: number, sp: bigint])[] = [
    [EL1H, 0xf000_0000 | EL0T, 0xe0n],
    [EL1H, 0x6000_0280 | EL1H, 0xe1n],
    [EL1H, 0x80 | EL1T, 0xe0n],
    [EL2H, 0x3c0 | EL1H, 0xe1n],
    [EL2H, EL0T, 0xe0n],
    [EL2H, 0xc0 | EL2H, 0xe2n],
    [EL1H, 0x10_0000 | EL0T, 0xe0n],
  ];
  for (const [from, spsr, sp] of returns) {
    const c = returning(from, spsr);
    assertEquals(c.legal, true);
    assertEquals(c.pstate().toString(16), (spsr >>> 0).toString(16));
    assertEquals([c.pc(), c.sp()], [0x8000n, sp]);
    assertEquals([getWord(c.block, EVENT), getWord(c.block, EXCLUSIVE)], [1, 0]);
  }
});

Deno.test("ERET: illegal returns stay at their level, set IL and keep the rest of SPSR", () => {
  const returns: readonly (readonly [what: string, from: number, spsr: number, registers?: Record<string, bigint>])[] = [
    ["a higher level", EL1H, EL2H],
    ["EL3", EL2H, 0xd],
    ["EL0 with SP_EL0's neighbour", EL1H, 1],
    ["a mode with M[1]", EL1H, 2],
    ["AArch32", EL1H, 0x10],
    ["AArch32 supervisor", EL2H, 0x13],
    ["EL1 under TGE", EL2H, EL1H, { HCR_EL2: TGE }],
  ];
  for (const [what, from, mode, registers] of returns) {
    const c = returning(from, 0xa020_0140 | mode, registers);
    assertEquals(c.legal, false, what);
    assertEquals(c.pstate().toString(16), ((0xa010_0140 | from) >>> 0).toString(16), what);
    assertEquals([c.pc(), c.sp()], [0x8000n, from === EL1H ? 0xe1n : 0xe2n], what);
  }
});

Deno.test("ERET and vectors ignore address tags where the target does", () => {
  const tagged = { ELR_EL1: 0xab00_0000_0000_8000n, TCR_EL1: 1n << 37n };
  assertEquals(returning(EL1H, EL0T, tagged).pc(), 0x8000n);
  assertEquals(returning(EL1H, EL0T, { ...tagged, TCR_EL1: 1n << 38n }).pc(), 0xab00_0000_0000_8000n);
  assertEquals(returning(EL1H, EL0T, { ELR_EL1: 0x12ff_8000_0000_8000n, TCR_EL1: 1n << 38n }).pc(), 0xffff_8000_0000_8000n);
  assertEquals(returning(EL2H, EL2H, { ELR_EL2: 0x1280_0000_0000_8000n, TCR_EL2: 1n << 20n }).pc(), 0x80_0000_0000_8000n);
});

Deno.test("software step: SPSR.SS arms it, one instruction runs, then the exception is due", () => {
  const c = returning(EL1H, 1 << 21 | EL0T, { MDSCR_EL1: 1n });
  assertEquals(c.unit.stepState(), "notPending");
  c.unit.endStep();
  assertEquals(c.unit.stepState(), "pending");
  c.unit.softwareStep();
  assertEquals([c.el(), c.unit.stepState()], [1, "inactive"]);
  assertEquals(Number(c.read("SPSR_EL1")), EL0T);
});

Deno.test("software step: a fault keeps SS, SVC has used it up", () => {
  const fault = returning(EL1H, 1 << 21 | EL0T, { MDSCR_EL1: 1n });
  fault.unit.dataAbort(0, 0, { status: 7 });
  assertEquals(Number(fault.read("SPSR_EL1")), 1 << 21);
  const call = returning(EL1H, 1 << 21 | EL0T, { MDSCR_EL1: 1n });
  call.unit.supervisorCall(0);
  assertEquals(Number(call.read("SPSR_EL1")), 0);
});

Deno.test("software step needs the lock open, and KDE at its own level", () => {
  const state = (from: number, spsr: number, registers: Record<string, bigint>) =>
    returning(from, 1 << 21 | spsr, registers).unit.stepState();
  assertEquals(state(EL1H, EL0T, { MDSCR_EL1: 0n }), "inactive");
  assertEquals(state(EL1H, EL0T, { MDSCR_EL1: 1n, OSLSR_EL1: 0xan }), "inactive");
  assertEquals(state(EL2H, EL1H, { MDSCR_EL1: 1n }), "inactive");
  assertEquals(state(EL2H, EL1H, { MDSCR_EL1: 1n | 1n << 13n }), "notPending");
  assertEquals(state(EL2H, EL1H | 0x200, { MDSCR_EL1: 1n | 1n << 13n }), "inactive");
  assertEquals(state(EL2H, EL1H, { MDSCR_EL1: 1n, MDCR_EL2: TDE }), "notPending");
});

Deno.test("EL2 injects into the context that it interrupted", () => {
  const c = cpu({ pstate: EL0T, features: ["PAN"], registers: { MDCR_EL2: 0n } });
  c.unit.dataAbort(0x123, 0, { status: 6 }, 0x5000);
  assertEquals(c.el(), 2);
  c.unit.injectAbort("write", 0x123, 0xffff_0000, 0x10);
  assertEquals(c.el(), 2);
  assertEquals([c.ec(1), c.iss(1)], [0x24, 0x50]);
  assertEquals(c.read("ELR_EL1"), PC0);
  assertEquals(c.read("SPSR_EL1"), 0n);
  assertEquals(c.read("FAR_EL1"), 0xffff_0000_0000_0123n);
  assertEquals(c.read("ELR_EL2"), 0xffff_8000_0001_0400n);
  assertEquals(Number(c.read("SPSR_EL2")), 0x4003c5);
  c.unit.exceptionReturn();
  assertEquals([c.el(), c.pc(), c.sp()], [1, 0xffff_8000_0001_0400n, 0xe1n]);
});

Deno.test("EL2 injects UNDEFINED at EL1, and nothing into itself", () => {
  const c = cpu();
  c.unit.trapped({ trapTo: 2, ec: 0x18 }, 0xd518_cba7);
  c.unit.injectUndefined();
  assertEquals(c.ec(1), 0);
  assertEquals(c.read("ELR_EL2"), 0xffff_8000_0001_0200n);
  const own = cpu({ pstate: EL2H, registers: { SPSR_EL2: 9n, ELR_EL2: 0x77n } });
  own.unit.injectUndefined();
  assertEquals(own.read("ELR_EL2"), 0x77n);
});

Deno.test("a vector that can't be fetched is a loop, found at once", () => {
  const c = cpu({ pstate: EL0T });
  c.unit.supervisorCall(0);
  const fetch = () => c.unit.instructionAbort(getWord(c.block, PC), getWord(c.block, PC + 4), { status: 7 });
  fetch();
  assertEquals(c.unit.loop.isLooping, false);
  fetch();
  assertEquals(c.unit.loop.isLooping, false);
  fetch();
  assertEquals(c.unit.loop.isLooping, true);
  assertEquals(c.unit.loop.detail, "the exception vector at 0xffff_8000_0001_0200 faults on itself, ESR_EL1 0x8600_0007");
});

Deno.test("a vector that faults after its first instruction is a loop, found with patience", () => {
  const c = cpu();
  const vector = c.read("VBAR_EL1") + 0x200n;
  for (let count = 1; count <= 1024; count++) {
    assertEquals(c.unit.loop.isLooping, false);
    setLong(c.block, PC, vector + 8n);
    c.unit.dataAbort(16 * count, 0, { status: 7 });
  }
  assertEquals(c.unit.loop.isLooping, true);
  c.unit.interrupt("irq", 1);
  assertEquals(c.unit.loop.isLooping, false);
});

/** Takes the same data abort at EL1 so often, FAR moving by `step`. */
function aborts(c: ReturnType<typeof cpu>, times: number, step: number, between: () => void = () => {}) {
  for (let count = 0; count < times; count++) {
    setLong(c.block, PC, 0x1000n);
    c.unit.dataAbort((0x8000_0000 + count * step) >>> 0, 0, { status: 7 });
    between();
  }
}

Deno.test("faults in a row elsewhere are a loop when none is returned from, with much patience, also while the stack sinks", () => {
  for (const step of [0, -176]) {
    const c = cpu();
    setLong(c.block, PC, 0x4440n);
    c.unit.undefined();
    aborts(c, 4095, step);
    assertEquals(c.unit.loop.isLooping, false);
    aborts(c, step === 0 ? 1 : 4096, step);
    assertEquals(c.unit.loop.isLooping, true);
    assertEquals(c.unit.loop.detail, "the same fault at 0x1000 without end, none of which is returned from, ESR_EL1 0x9600_0007");
    assertEquals(c.unit.loop.origin, { pc: 0x4440n, esr: 0x0200_0000n });
  }
});

Deno.test("faults that are returned from, that get on, or that code asks for are no loop", () => {
  const returning = cpu();
  aborts(returning, 5000, 0, () => returning.unit.exceptionReturn());
  assertEquals(returning.unit.loop.isLooping, false);
  const probing = cpu();
  aborts(probing, 5000, 4096);
  assertEquals(probing.unit.loop.isLooping, false);
  const asking = cpu();
  for (let count = 0; count < 5000; count++) {
    setLong(asking.block, PC, 0x1000n);
    asking.unit.breakpointInstruction(1);
  }
  assertEquals(asking.unit.loop.isLooping, false);
});
