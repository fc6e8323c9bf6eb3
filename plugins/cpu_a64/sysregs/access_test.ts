import { assertEquals } from "@std/assert";
import { SPSEL, STATE_SIZE } from "../state.ts";
import {
  access,
  type AccessResult,
  accessUnknown,
  decodeSystemIss,
  fastAccess,
  getLong,
  instructionAccess,
  packEncoding,
  registerByName,
  registerOffset,
  registers,
  setLong,
  setWord,
  type StateBlock,
  systemInstructions,
  systemIss,
  trapControls,
} from "./mod.ts";

/** A block in the middle of a larger memory, with every register zero but these. */
function blockWith(values: Record<string, bigint>): StateBlock {
  const block = { words: new Uint32Array(STATE_SIZE / 2), base: STATE_SIZE / 8 };
  setWord(block, SPSEL, 1);
  for (const [name, value] of Object.entries(values)) setLong(block, registerOffset(name), value);
  return block;
}

const OK = "ok", UNDEFINED = "undefined";
const toEl1 = { trapTo: 1, ec: 0x18 } as const, toEl2 = { trapTo: 2, ec: 0x18 } as const;
const fpToEl1 = { trapTo: 1, ec: 0x07 } as const, fpToEl2 = { trapTo: 2, ec: 0x07 } as const;
const TGE = 1n << 27n;

type Case = readonly [
  what: string,
  register: string,
  direction: "r" | "w",
  controls: Record<string, bigint>,
  el0: AccessResult,
  el1: AccessResult,
];

const cases: readonly Case[] = [
  ["EL1 register", "ELR_EL1", "r", {}, UNDEFINED, OK],
  ["EL2 register", "ESR_EL2", "w", {}, UNDEFINED, UNDEFINED],
  ["read-only: writes are UNDEFINED", "MIDR_EL1", "w", {}, UNDEFINED, UNDEFINED],
  ["write-only: reads are UNDEFINED", "OSLAR_EL1", "r", {}, UNDEFINED, UNDEFINED],
  ["thread register", "TPIDR_EL0", "w", {}, OK, OK],
  ["thread register, read-only at EL0", "TPIDRRO_EL0", "w", {}, UNDEFINED, OK],
  ["TVM traps writes", "SCTLR_EL1", "w", { HCR_EL2: 1n << 26n }, UNDEFINED, toEl2],
  ["TVM lets reads through", "SCTLR_EL1", "r", { HCR_EL2: 1n << 26n }, UNDEFINED, OK],
  ["TRVM traps reads", "TTBR0_EL1", "r", { HCR_EL2: 1n << 30n }, UNDEFINED, toEl2],
  ["TVM isn't for VBAR_EL1", "VBAR_EL1", "w", { HCR_EL2: 1n << 26n }, UNDEFINED, OK],
  ["TACR", "ACTLR_EL1", "r", { HCR_EL2: 1n << 21n }, UNDEFINED, toEl2],
  ["TID1", "REVIDR_EL1", "r", { HCR_EL2: 1n << 16n }, UNDEFINED, toEl2],
  ["TID2 reaches EL0, where EL1 lets it", "CTR_EL0", "r", { HCR_EL2: 1n << 17n, SCTLR_EL1: 1n << 15n }, toEl2, toEl2],
  ["TID2 for writes", "CSSELR_EL1", "w", { HCR_EL2: 1n << 17n }, UNDEFINED, toEl2],
  ["UCT comes before TID2", "CTR_EL0", "r", { HCR_EL2: 1n << 17n }, toEl1, toEl2],
  ["TID3", "ID_AA64PFR0_EL1", "r", { HCR_EL2: 1n << 18n }, UNDEFINED, toEl2],
  ["MIDR_EL1 has no trap", "MIDR_EL1", "r", { HCR_EL2: 0x7n << 16n }, UNDEFINED, OK],
  ["TCPAC", "CPACR_EL1", "w", { CPTR_EL2: 1n << 31n }, UNDEFINED, toEl2],
  ["UMA off", "DAIF", "r", {}, toEl1, OK],
  ["UMA on", "DAIF", "w", { SCTLR_EL1: 1n << 9n }, OK, OK],
  ["NZCV is free", "NZCV", "w", {}, OK, OK],
  ["TGE moves EL1's traps to EL2", "DAIF", "r", { HCR_EL2: TGE }, toEl2, OK],
  ["FPEN 00", "FPCR", "r", {}, fpToEl1, fpToEl1],
  ["FPEN 01: EL0 only", "FPSR", "w", { CPACR_EL1: 1n << 20n }, fpToEl1, OK],
  ["FPEN 10 is as 00", "FPCR", "r", { CPACR_EL1: 2n << 20n }, fpToEl1, fpToEl1],
  ["FPEN 11", "FPCR", "r", { CPACR_EL1: 3n << 20n }, OK, OK],
  ["TFP", "FPCR", "r", { CPACR_EL1: 3n << 20n, CPTR_EL2: 1n << 10n }, fpToEl2, fpToEl2],
  ["FPEN comes before TFP", "FPCR", "r", { CPTR_EL2: 1n << 10n }, fpToEl1, fpToEl1],
  ["FPEN under TGE is UNDEFINED at EL2", "FPCR", "r", { HCR_EL2: TGE }, { trapTo: 2, ec: 0 }, { trapTo: 2, ec: 0 }],
  ["virtual counter, EL0VCTEN off", "CNTVCT_EL0", "r", { CNTHCTL_EL2: 3n }, toEl1, OK],
  ["virtual counter, EL0VCTEN on", "CNTVCT_EL0", "r", { CNTKCTL_EL1: 2n }, OK, OK],
  ["frequency: either counter opens it", "CNTFRQ_EL0", "r", { CNTKCTL_EL1: 2n }, OK, OK],
  ["frequency: both off", "CNTFRQ_EL0", "r", {}, toEl1, OK],
  ["frequency is EL2's to write", "CNTFRQ_EL0", "w", { CNTKCTL_EL1: 3n }, UNDEFINED, UNDEFINED],
  ["physical counter, EL1PCTEN off", "CNTPCT_EL0", "r", { CNTKCTL_EL1: 1n }, toEl2, toEl2],
  ["physical counter, all on", "CNTPCT_EL0", "r", { CNTKCTL_EL1: 1n, CNTHCTL_EL2: 1n }, OK, OK],
  ["physical counter, EL0PCTEN off", "CNTPCT_EL0", "r", { CNTHCTL_EL2: 1n }, toEl1, OK],
  ["physical timer, EL1PCEN off", "CNTP_CTL_EL0", "w", { CNTKCTL_EL1: 1n << 9n, CNTHCTL_EL2: 1n }, toEl2, toEl2],
  ["physical timer, all on", "CNTP_CVAL_EL0", "w", { CNTKCTL_EL1: 1n << 9n, CNTHCTL_EL2: 2n }, OK, OK],
  ["virtual timer, EL0VTEN off", "CNTV_CVAL_EL0", "r", {}, toEl1, OK],
  ["TDA", "MDSCR_EL1", "r", { MDCR_EL2: 1n << 9n }, UNDEFINED, toEl2],
  ["TDE counts as TDA", "DBGBVR0_EL1", "w", { MDCR_EL2: 1n << 8n }, UNDEFINED, toEl2],
  ["TDA leaves the OS lock", "OSLAR_EL1", "w", { MDCR_EL2: 1n << 9n }, UNDEFINED, OK],
  ["TDOSA", "OSLAR_EL1", "w", { MDCR_EL2: 1n << 10n }, UNDEFINED, toEl2],
  ["TDRA", "MDRAR_EL1", "r", { MDCR_EL2: 1n << 11n }, UNDEFINED, toEl2],
  ["TDCC", "MDCCSR_EL0", "r", { MDSCR_EL1: 1n << 12n }, toEl1, OK],
  ["DCC open", "MDCCSR_EL0", "r", {}, OK, OK],
  ["PMU closed to EL0", "PMCR_EL0", "r", {}, toEl1, OK],
  ["PMU open to EL0", "PMCR_EL0", "w", { PMUSERENR_EL0: 1n }, OK, OK],
  ["CR opens the cycle counter for reading", "PMCCNTR_EL0", "r", { PMUSERENR_EL0: 4n }, OK, OK],
  ["CR doesn't for writing", "PMCCNTR_EL0", "w", { PMUSERENR_EL0: 4n }, toEl1, OK],
  ["SW opens the software increment", "PMSWINC_EL0", "w", { PMUSERENR_EL0: 2n }, OK, OK],
  ["ER opens the selector for both", "PMSELR_EL0", "w", { PMUSERENR_EL0: 8n }, OK, OK],
  ["PMUSERENR_EL0 may be read by EL0", "PMUSERENR_EL0", "r", {}, OK, OK],
  ["PMUSERENR_EL0 isn't EL0's to write", "PMUSERENR_EL0", "w", { PMUSERENR_EL0: 1n }, UNDEFINED, OK],
  ["TPM", "PMCCNTR_EL0", "r", { PMUSERENR_EL0: 1n, MDCR_EL2: 1n << 6n }, toEl2, toEl2],
  ["TPMCR is for PMCR_EL0", "PMCR_EL0", "r", { PMUSERENR_EL0: 1n, MDCR_EL2: 1n << 5n }, toEl2, toEl2],
  ["TPMCR isn't for others", "PMCCNTR_EL0", "r", { PMUSERENR_EL0: 1n, MDCR_EL2: 1n << 5n }, OK, OK],
  ["GIC: SGIs trap where IRQs go to EL2", "ICC_SGI1R_EL1", "w", { ICC_SRE_EL1: 1n, HCR_EL2: 1n << 4n }, UNDEFINED, toEl2],
  ["GIC: acknowledging doesn't", "ICC_IAR1_EL1", "r", { ICC_SRE_EL1: 1n, HCR_EL2: 1n << 4n }, UNDEFINED, OK],
  ["GIC: TC", "ICC_PMR_EL1", "w", { ICC_SRE_EL1: 1n, ICH_HCR_EL2: 1n << 10n }, UNDEFINED, toEl2],
  ["GIC: TALL0", "ICC_IAR0_EL1", "r", { ICC_SRE_EL1: 1n, ICH_HCR_EL2: 1n << 11n }, UNDEFINED, toEl2],
  ["GIC: TALL1", "ICC_EOIR1_EL1", "w", { ICC_SRE_EL1: 1n, ICH_HCR_EL2: 1n << 12n }, UNDEFINED, toEl2],
  ["GIC: TDIR", "ICC_DIR_EL1", "w", { ICC_SRE_EL1: 1n, ICH_HCR_EL2: 1n << 14n }, UNDEFINED, toEl2],
  ["GIC: without system registers none is there", "ICC_PMR_EL1", "w", {}, UNDEFINED, UNDEFINED],
  ["GIC: nor does an SGI trap", "ICC_SGI1R_EL1", "w", { HCR_EL2: 1n << 4n }, UNDEFINED, UNDEFINED],
  ["GIC: ICC_SRE_EL2.Enable off", "ICC_SRE_EL1", "r", {}, UNDEFINED, toEl2],
  ["GIC: ICC_SRE_EL2.Enable on", "ICC_SRE_EL1", "r", { ICC_SRE_EL2: 8n }, UNDEFINED, OK],
];

Deno.test("register accesses from EL0 and EL1 follow the controls", () => {
  for (const [what, name, direction, controls, el0, el1] of cases) {
    const block = blockWith(controls);
    const register = registerByName(name);
    assertEquals(access(register, 0, direction === "w", block), el0, `${what}: EL0`);
    assertEquals(access(register, 1, direction === "w", block), el1, `${what}: EL1`);
  }
});

Deno.test("EL2 is trapped by CPTR_EL2.TFP only", () => {
  const everything = blockWith({ HCR_EL2: 2n ** 34n - 1n, MDCR_EL2: 0xfffn, ICH_HCR_EL2: 0xffffn, CPTR_EL2: 1n << 31n });
  for (const register of registers) {
    if (register.access.read !== undefined && register.access.read <= 2) {
      assertEquals(access(register, 2, false, everything), OK, register.name);
    }
  }
  assertEquals(access(registerByName("FPCR"), 2, false, blockWith({ CPTR_EL2: 1n << 10n })), fpToEl2);
});

Deno.test("SP_EL0 is UNDEFINED while it is the stack pointer in use", () => {
  const block = blockWith({});
  assertEquals(access(registerByName("SP_EL0"), 1, true, block), OK);
  setWord(block, SPSEL, 0);
  assertEquals(access(registerByName("SP_EL0"), 1, true, block), UNDEFINED);
  assertEquals(access(registerByName("SP_EL1"), 2, true, block), OK);
});

Deno.test("an encoding without a row is UNDEFINED, unless HCR_EL2.TIDCP asks for the implementation defined ones", () => {
  const trapping = blockWith({ HCR_EL2: 1n << 20n });
  assertEquals(accessUnknown(packEncoding(3, 1, 15, 2, 0), 1, trapping), toEl2);
  assertEquals(accessUnknown(packEncoding(1, 1, 11, 2, 0), 1, trapping), toEl2);
  assertEquals(accessUnknown(packEncoding(3, 1, 15, 2, 0), 1, blockWith({})), UNDEFINED);
  assertEquals(accessUnknown(packEncoding(3, 1, 14, 2, 0), 1, trapping), UNDEFINED);
});

type InstructionCase = readonly [name: string, controls: Record<string, bigint>, el0: AccessResult, el1: AccessResult, el2: AccessResult];
const instructionCases: readonly InstructionCase[] = [
  ["DC ZVA", {}, toEl1, OK, OK],
  ["DC ZVA", { SCTLR_EL1: 1n << 14n }, OK, OK, OK],
  ["DC ZVA", { SCTLR_EL1: 1n << 14n, HCR_EL2: 1n << 28n }, toEl2, toEl2, OK],
  ["IC IVAU", { SCTLR_EL1: 1n << 26n }, OK, OK, OK],
  ["IC IVAU", { HCR_EL2: 1n << 24n }, toEl1, toEl2, OK],
  ["DC CVAU", { SCTLR_EL1: 1n << 26n, HCR_EL2: 1n << 24n }, toEl2, toEl2, OK],
  ["DC CIVAC", { SCTLR_EL1: 1n << 26n, HCR_EL2: 1n << 23n }, toEl2, toEl2, OK],
  ["DC CISW", { HCR_EL2: 1n << 22n }, UNDEFINED, toEl2, OK],
  ["TLBI VAE1IS", { HCR_EL2: 1n << 25n }, UNDEFINED, toEl2, OK],
  ["TLBI VMALLE1", {}, UNDEFINED, OK, OK],
  ["TLBI VMALLS12E1IS", {}, UNDEFINED, UNDEFINED, OK],
  ["AT S1E1R", {}, UNDEFINED, OK, OK],
  ["AT S12E1R", {}, UNDEFINED, UNDEFINED, OK],
];

Deno.test("system instructions follow the controls", () => {
  for (const [name, controls, ...expected] of instructionCases) {
    const instruction = systemInstructions.find((row) => row.name === name)!;
    const block = blockWith(controls);
    expected.forEach((result, el) => assertEquals(instructionAccess(instruction, el, block), result, `${name} at EL${el}`));
  }
});

Deno.test("the syndrome of a trapped MSR", () => {
  // msr icc_sgi1r_el1, x7: op0 3, op2 5, op1 0, CRn 12, Rt 7, CRm 11, a write.
  const iss = systemIss(0xd518_cba7);
  assertEquals(iss, 3 << 20 | 5 << 17 | 0 << 14 | 12 << 10 | 7 << 5 | 11 << 1);
  assertEquals(decodeSystemIss(iss), { packed: registerByName("ICC_SGI1R_EL1").packed, rt: 7, isRead: false });
  // mrs x3, ctr_el0
  assertEquals(decodeSystemIss(systemIss(0xd53b_0023)), { packed: registerByName("CTR_EL0").packed, rt: 3, isRead: true });
});

Deno.test("64-bit slots go in and out whole", () => {
  const block = blockWith({ ELR_EL1: 0xffff_8000_8000_0001n });
  assertEquals(getLong(block, registerOffset("ELR_EL1")), 0xffff_8000_8000_0001n);
});

Deno.test("what goes straight to the slot, under controls", () => {
  const fast = (name: string, isStorable: boolean, controls: Record<string, bigint>) =>
    fastAccess(registerByName(name), isStorable, blockWith(controls));
  assertEquals(fast("TPIDR_EL0", true, {}), 0b0111_0111);
  assertEquals(fast("ELR_EL1", true, {}), 0b0110_0110);
  assertEquals(fast("SCTLR_EL1", false, {}), 0b0000_0110);
  assertEquals(fast("SCTLR_EL1", false, { HCR_EL2: 1n << 30n }), 0b0000_0100);
  assertEquals(fast("CTR_EL0", false, { SCTLR_EL1: 1n << 15n }), 0b0000_0111);
  assertEquals(fast("CNTVCT_EL0", false, {}), 0);
  assertEquals(trapControls.has("CNTKCTL_EL1"), true);
});
