import { assertEquals } from "@std/assert";
import type { VcpuState } from "../../../core/mod.ts";
import type { A64Engine } from "./engine.ts";
import { BASE, programMachine } from "./tests/program_machine.ts";

/** Programs run at EL1 with PSTATE.D clear; their vectors, and their ends, are HVCs. */
const NEXT_PAGE = BASE + 0x1000;
const VECTORS = BASE + 0x3000;
const TABLE = BASE + 0x8_0000;
/** The same RAM, for EL0 too, which EL1 mustn't execute. */
const DATA = 0x8000_5000;
const HVC = 0xd4000002, ADD_X0 = 0x91000400, B_NEXT_PAGE = 0x14000400;
const EL1H = 0x1c5n, D = 0x200n, SS = 0x20_0000n;
const MDE = 0x8000n, KDE = 0x2000n, STEP = 1n;
const BREAKPOINT = 0x31, STEPPED = 0x33, WATCHPOINT = 0x35;
/** E and PMC for EL1. */
const AT_EL1 = 3n;

interface Registers {
  readonly [name: string]: bigint | number;
}

function machine(words: readonly number[], registers: Registers = {}) {
  const { engine, ram } = programMachine({ [BASE]: words, [NEXT_PAGE]: [ADD_X0, ADD_X0, HVC], [VECTORS + 0x200]: [HVC] });
  ram.write64(TABLE + 8, 0x4000_0701n);
  ram.write64(TABLE + 16, 0x4000_0741n);
  const create = (number: number) => {
    const vcpu = engine.createVcpu({ mpidr: BigInt(number) });
    const initial: Registers = {
      HCR_EL2: 1n << 31n,
      TTBR0_EL1: TABLE,
      TCR_EL1: 25n | 1n << 23n | 2n << 32n,
      MAIR_EL1: 0xff,
      SCTLR_EL1: 0x30d0_0801n,
      VBAR_EL1: VECTORS,
      OSLAR_EL1: 0,
      MDSCR_EL1: MDE | KDE,
    };
    for (const [name, value] of Object.entries({ ...initial, ...registers })) vcpu.write(name, BigInt(value));
    vcpu.pstate = EL1H;
    vcpu.pc = BigInt(BASE);
    return vcpu;
  };
  return { engine, ram, vcpu: create(0), create };
}

const run = (engine: A64Engine, vcpu: VcpuState, budget = 1000) => engine.run(vcpu, { budget, startNs: 0, nsPerInstruction: 1 });

/** Class and address of the exception that EL1 took since the last look; class 0: none. */
function taken(vcpu: VcpuState): [number, number] {
  const ec = Number(vcpu.read("ESR_EL1") >> 26n);
  vcpu.write("ESR_EL1", 0n);
  return [ec, ec === 0 ? 0 : Number(vcpu.read("ELR_EL1"))];
}

const straight = [ADD_X0, ADD_X0, ADD_X0, HVC];

Deno.test("a breakpoint hits before its instruction executes", () => {
  for (const n of [0, 5]) {
    const { engine, vcpu } = machine(straight, { [`DBGBVR${n}_EL1`]: BASE + 8, [`DBGBCR${n}_EL1`]: AT_EL1 });
    assertEquals(run(engine, vcpu).kind, "exception");
    assertEquals(taken(vcpu), [BREAKPOINT, BASE + 8]);
    assertEquals(vcpu.x(0), 2n);
  }
});

Deno.test("a page with a breakpoint executes as ever where there is none", () => {
  const { engine, vcpu } = machine(straight, { DBGBVR0_EL1: BASE + 0x10, DBGBCR0_EL1: AT_EL1 });
  assertEquals(run(engine, vcpu).kind, "exception");
  assertEquals([...taken(vcpu), vcpu.x(0)], [0, 0, 3n]);
  assertEquals(vcpu.retired, 4);
});

Deno.test("a breakpoint that is off, or for another level or context, doesn't hit", () => {
  const cases: Registers[] = [
    { DBGBCR1_EL1: 2n }, // E
    { DBGBCR1_EL1: 1n | 2n << 1n }, // EL0
    { DBGBCR1_EL1: AT_EL1 | 1n << 14n }, // SSC: reserved without EL3
    { MDSCR_EL1: KDE },
    { MDSCR_EL1: MDE },
    { OSLAR_EL1: 1n },
    { MDCR_EL2: 1n << 8n, DBGBVR1_EL1: BASE + 0x20 },
    { DBGBVR1_EL1: 0x1_0000_0000n + BigInt(BASE + 4) },
  ];
  for (const registers of cases) {
    const { engine, vcpu } = machine(straight, { DBGBVR1_EL1: BASE + 4, DBGBCR1_EL1: AT_EL1, ...registers });
    run(engine, vcpu);
    assertEquals([...taken(vcpu), vcpu.x(0)], [0, 0, 3n], JSON.stringify(Object.keys(registers)));
  }
});

Deno.test("PSTATE.D masks a breakpoint at EL1 until an instruction clears it", () => {
  const { engine, vcpu } = machine([ADD_X0, 0xd50348ff, /* msr daifclr, #8 */ ADD_X0, HVC], { DBGBVR0_EL1: BASE, DBGBCR0_EL1: AT_EL1 });
  vcpu.write("DBGBVR1_EL1", BigInt(BASE + 8));
  vcpu.write("DBGBCR1_EL1", AT_EL1);
  vcpu.pstate = EL1H | D;
  run(engine, vcpu);
  assertEquals([...taken(vcpu), vcpu.x(0)], [BREAKPOINT, BASE + 8, 1n]);
});

Deno.test("a breakpoint hits after a branch to its page, also when the page executed before", () => {
  const { engine, vcpu } = machine([B_NEXT_PAGE]);
  run(engine, vcpu);
  assertEquals([...taken(vcpu), vcpu.x(0)], [0, 0, 2n]);
  vcpu.write("DBGBVR0_EL1", BigInt(NEXT_PAGE + 4));
  vcpu.write("DBGBCR0_EL1", AT_EL1);
  vcpu.pc = BigInt(BASE);
  run(engine, vcpu);
  assertEquals([...taken(vcpu), vcpu.x(0)], [BREAKPOINT, NEXT_PAGE + 4, 3n]);
  vcpu.write("DBGBCR0_EL1", 0n);
  run(engine, vcpu);
  vcpu.pc = BigInt(BASE);
  run(engine, vcpu);
  assertEquals([...taken(vcpu), vcpu.x(0)], [0, 0, 5n]);
});

Deno.test("code sets a breakpoint ahead of itself", () => {
  const { engine, vcpu } = machine([0xd51000a7, /* msr dbgbcr0_el1, x7 */ ...straight], { DBGBVR0_EL1: BASE + 8 });
  vcpu.setX(7, AT_EL1);
  run(engine, vcpu);
  assertEquals([...taken(vcpu), vcpu.x(0)], [BREAKPOINT, BASE + 8, 1n]);
});

Deno.test("a breakpoint is its vCPU's own", () => {
  const { engine, vcpu, create } = machine(straight);
  const second = create(1);
  second.write("DBGBVR0_EL1", BigInt(BASE + 4));
  second.write("DBGBCR0_EL1", AT_EL1);
  run(engine, vcpu);
  run(engine, second);
  assertEquals([taken(vcpu)[0], taken(second)[0]], [0, BREAKPOINT]);
});

Deno.test("context breakpoints: by themselves anywhere, linked at an address", () => {
  const first = (control: bigint, registers: Registers) => {
    const { engine, vcpu } = machine(straight, { CONTEXTIDR_EL1: 7, DBGBVR4_EL1: 7, DBGBCR4_EL1: control, ...registers });
    run(engine, vcpu);
    return taken(vcpu);
  };
  const CONTEXT = AT_EL1 | 2n << 20n, LINKED_CONTEXT = AT_EL1 | 3n << 20n;
  const address = { DBGBVR0_EL1: BASE + 4, DBGBCR0_EL1: AT_EL1 | 1n << 20n | 4n << 16n };
  assertEquals(first(CONTEXT, {}), [BREAKPOINT, BASE]);
  assertEquals(first(CONTEXT, { CONTEXTIDR_EL1: 8 }), [0, 0]);
  assertEquals(first(LINKED_CONTEXT, {}), [0, 0]);
  assertEquals(first(LINKED_CONTEXT, address), [BREAKPOINT, BASE + 4]);
  assertEquals(first(LINKED_CONTEXT, { ...address, CONTEXTIDR_EL1: 8 }), [0, 0]);
  assertEquals(first(0n, address), [0, 0]);
  // The first four compare addresses only.
  assertEquals(first(0n, { DBGBVR0_EL1: 7, DBGBCR0_EL1: CONTEXT }), [0, 0]);
});

Deno.test("a stepped branch to another page, mapped or not, ends its step there", () => {
  const leaves = 0xd61f0100; // br x8
  for (const [word, target] of [[B_NEXT_PAGE, NEXT_PAGE + 4], [leaves, 0x1000]]) {
    const { engine, vcpu } = machine([HVC, word]);
    vcpu.setX(8, 0x1000n);
    run(engine, vcpu);
    vcpu.write("MDSCR_EL1", KDE | STEP);
    vcpu.write("SPSR_EL2", EL1H | SS);
    run(engine, vcpu);
    assertEquals([...taken(vcpu), vcpu.x(0)], [STEPPED, target, 0n]);
  }
});

Deno.test("the syndrome of a step tells load-exclusives, and that nothing was stepped", () => {
  const LDXR_X2 = 0xc85f7c22, LDAXP = 0xc87f8c22, LDAR = 0xc8dffc22, STXR_W4 = 0xc8047c22, CASPA = 0x48607c22, SVC = 0xd4000001;
  const rows: readonly [number, bigint, number][] = [
    [ADD_X0, SS, 0x100_0022],
    [LDXR_X2, SS, 0x100_0062],
    [LDAXP, SS, 0x100_0062],
    [LDAR, SS, 0x100_0022],
    [STXR_W4, SS, 0x100_0022],
    [CASPA, SS, 0x100_0022],
    [ADD_X0, 0n, 0x22],
  ];
  for (const [word, ss, syndrome] of rows) {
    const { engine, vcpu } = machine([HVC, word, HVC]);
    vcpu.setX(1, BigInt(DATA));
    run(engine, vcpu);
    vcpu.write("MDSCR_EL1", KDE | STEP);
    vcpu.write("SPSR_EL2", EL1H | ss);
    run(engine, vcpu);
    assertEquals(Number(vcpu.read("ESR_EL1")) & 0x1ff_ffff, syndrome, word.toString(16));
    assertEquals(taken(vcpu), [STEPPED, ss ? BASE + 8 : BASE + 4]);
  }
  // SVC ends its step by itself; what its handler executes is masked, and the exception comes after the return.
  const { engine, vcpu } = machine([HVC, SVC, ADD_X0]);
  run(engine, vcpu);
  vcpu.write("MDSCR_EL1", KDE | STEP);
  vcpu.write("SPSR_EL2", EL1H | SS);
  run(engine, vcpu);
  assertEquals([...taken(vcpu), vcpu.read("SPSR_EL1") & SS], [0x15, BASE + 8, 0n]);
});

Deno.test("MSR DAIF starts stepping before the next instruction", () => {
  const { engine, vcpu } = machine([ADD_X0, 0xd51b4227, /* msr daif, x7 */ ADD_X0, HVC], { MDSCR_EL1: KDE | STEP });
  vcpu.pstate = EL1H | D;
  run(engine, vcpu);
  assertEquals([...taken(vcpu), vcpu.x(0)], [STEPPED, BASE + 8, 1n]);
});

Deno.test("a step and a breakpoint come before an illegal state, and keep it", () => {
  const IL = 0x10_0000n;
  const due = (control: bigint, registers: Registers) => {
    const { engine, vcpu } = machine(straight, { MDSCR_EL1: control, ...registers });
    vcpu.pstate = EL1H | IL;
    run(engine, vcpu);
    return [taken(vcpu)[0], vcpu.read("SPSR_EL1") & IL];
  };
  assertEquals(due(KDE | STEP, {}), [STEPPED, IL]);
  assertEquals(due(KDE | MDE, { DBGBVR0_EL1: BASE, DBGBCR0_EL1: AT_EL1 }), [BREAKPOINT, IL]);
  assertEquals(due(KDE, {}), [0x0e, IL]);
});

/** DBGWCR_EL1 at EL1: loads (1), stores (2) or both; bytes of the block; log2 of a larger block. */
const watch = (kinds: number, bytes = 0xff, mask = 0) => BigInt(3 | kinds << 3 | bytes << 5 | mask << 24);
const STR = 0xf9000022, LDR = 0xf9400023, STRB_2 = 0x39000822, LDRB_2 = 0x39400823, STTR_8 = 0xf8008822;
const STR_256 = 0xf9008022, STP_MINUS_8 = 0xa93f8c22, STUR_MINUS_4 = 0xf81fc022;
const LDADD = 0xf8220023, LDXR = 0xc85f7c23, STXR = 0xc8047c22, DC_ZVA = 0xd50b7421;
const USER = 1n << 1n;

/** Offset from `DATA` and WnR, or nothing when the watchpoint doesn't hit. */
const watchpoints: readonly [string, number, number, bigint, [number, 0 | 1] | undefined, Registers?][] = [
  ["store", STR, DATA, watch(2), [0, 1]],
  ["store, loads watched", STR, DATA, watch(1), undefined],
  ["load", LDR, DATA, watch(1), [0, 0]],
  ["load, stores watched", LDR, DATA, watch(2), undefined],
  ["disabled", STR, DATA, watch(3) & ~1n, undefined],
  ["MDE clear", STR, DATA, watch(3), undefined, { MDSCR_EL1: KDE }],
  ["KDE clear", STR, DATA, watch(3), undefined, { MDSCR_EL1: MDE }],
  ["OS lock", STR, DATA, watch(3), undefined, { OSLAR_EL1: 1 }],
  ["the next double word", STR, DATA + 8, watch(3), undefined],
  ["a byte of the access", STR, DATA, watch(3, 0x20), [5, 1]],
  ["the selected byte", STRB_2, DATA, watch(3, 4), [2, 1]],
  ["a byte beside", LDRB_2, DATA, watch(3, 0xfb), undefined],
  ["upper word by address", STR, DATA + 4, watch(3, 0x0f), [4, 1]],
  ["upper word, byte of the lower", LDRB_2, DATA + 4, watch(3, 0xff), undefined],
  ["masked block", STR_256, DATA, watch(2, 0xff, 9), [256, 1]],
  ["beside a masked block", STR_256, DATA, watch(2, 0xff, 8), undefined],
  ["block of 2 GiB", STR, DATA, watch(2, 0xff, 31), [0, 1], { DBGWVR0_EL1: 0x8000_0000 }],
  ["second of a pair, next page", STP_MINUS_8, DATA, watch(3, 0x80), [7, 1]],
  ["first of a pair, page before", STP_MINUS_8, DATA - 8, watch(3), [-8, 1]],
  ["unaligned across pages", STUR_MINUS_4, DATA, watch(3), [0, 1]],
  ["atomic, loads watched", LDADD, DATA, watch(1), [0, 0]],
  ["atomic, stores watched", LDADD, DATA, watch(2), [0, 1]],
  ["load-exclusive", LDXR, DATA, watch(3), [0, 0]],
  ["store-exclusive", STXR, DATA, watch(2), [0, 1]],
  ["store-exclusive, loads watched", STXR, DATA, watch(1), undefined],
  ["DC ZVA", DC_ZVA, DATA + 56, watch(2), [56, 1]],
  ["unprivileged store counts as EL0's", STTR_8, DATA + 8, watch(3) & ~6n | USER << 1n, [8, 1]],
  ["unprivileged store isn't EL1's", STTR_8, DATA + 8, watch(3), undefined],
  ["linked to a context", STR, DATA, watch(3) | 1n << 20n | 5n << 16n, [0, 1], { DBGBCR5_EL1: AT_EL1 | 3n << 20n }],
  ["linked to another context", STR, DATA, watch(3) | 1n << 20n | 5n << 16n, undefined, {
    DBGBCR5_EL1: AT_EL1 | 3n << 20n,
    CONTEXTIDR_EL1: 1,
  }],
];

for (const [name, word, address, control, expected, registers] of watchpoints) {
  Deno.test(`watchpoint: ${name}`, () => {
    const { engine, ram, vcpu } = machine([ADD_X0, word, HVC]);
    vcpu.setX(1, BigInt(DATA));
    // The page is in the TLB before it is watched.
    run(engine, vcpu);
    const before = ram.view(BASE + 0x4000, 0x2000).fill(0xa5).slice();
    vcpu.setX(2, 0x1111_2222_3333_4444n);
    for (const [key, value] of Object.entries({ DBGWVR0_EL1: address, DBGWCR0_EL1: control, FAR_EL1: 0, ...registers })) {
      vcpu.write(key, BigInt(value));
    }
    vcpu.pc = BigInt(BASE);
    run(engine, vcpu);
    const syndrome = Number(vcpu.read("ESR_EL1")) & 0x1ff_ffff;
    const [ec, elr] = taken(vcpu);
    if (!expected) return assertEquals([ec, vcpu.read("FAR_EL1")], [0, 0n]);
    const [offset, isWrite] = expected;
    assertEquals([ec, elr, syndrome], [WATCHPOINT, BASE + 4, 0x22 | isWrite << 6]);
    assertEquals(vcpu.read("FAR_EL1"), BigInt(DATA + offset));
    assertEquals(ram.view(BASE + 0x4000, 0x2000).slice(), before, "nothing is written");
  });
}
