/** System control, translation, exception and thread registers of EL0 and EL1. Arm ARM DDI 0487, "General system control registers". */
import { LOW32, NONE, RO1, type Row, row, RW0, RW1 } from "./row.ts";
import { auxiliary, coprocessorAccess, floatingPoint, unlessCurrentStack, unlessEl0, virtualMemory } from "./traps.ts";

/**
 * SCTLR_EL1 writable in Armv8.0: M, A, C, SA, SA0, UMA, I, DZE, UCT, nTWI, nTWE, WXN, UCI.
 * With an MPU also BR, its background region.
 * RES1: EOS, TSCXT, EIS, SPAN, nTLSMD, LSMAOE; SED and ITD as well where EL0 has no AArch32.
 */
export const SCTLR_MASK = 0x040d_d21fn;
export const SCTLR_ONES = 0x30d0_0980n;
/** Real Cortex-A cores leave reset with SA, SA0, nTWI and nTWE set. */
export const SCTLR_RESET = 0x0005_0018n;
/** SPSR in the AArch64 format: NZCV, SS, IL, DAIF, M. */
export const SPSR_MASK = 0xf030_03dfn;
export const SPSR_FEATURES = { PAN: 1n << 22n, UAO: 1n << 23n };

export const el1Registers: readonly Row[] = [
  row("SCTLR_EL1", [3, 0, 1, 0, 0], RW1, {
    hook: "mmu",
    mask: SCTLR_MASK,
    ones: SCTLR_ONES,
    featureBits: { PAN: 1n << 23n, MixedEndian: 0x0300_0000n, PMSA: 1n << 17n },
    reset: SCTLR_RESET,
    traps: virtualMemory,
  }),
  row("ACTLR_EL1", [3, 0, 1, 0, 1], RW1, { mask: NONE, traps: auxiliary }),
  row("CPACR_EL1", [3, 0, 1, 0, 2], RW1, { hook: "control", mask: 0x0030_0000n, traps: coprocessorAccess }),
  row("TTBR0_EL1", [3, 0, 2, 0, 0], RW1, { hook: "mmu", mask: ~1n & (2n ** 64n - 1n), traps: virtualMemory }),
  row("TTBR1_EL1", [3, 0, 2, 0, 1], RW1, { hook: "mmu", mask: ~1n & (2n ** 64n - 1n), traps: virtualMemory }),
  row("TCR_EL1", [3, 0, 2, 0, 2], RW1, { hook: "mmu", mask: 0x77_ffff_ffbfn, traps: virtualMemory }),
  row("SPSR_EL1", [3, 0, 4, 0, 0], RW1, { mask: SPSR_MASK, featureBits: SPSR_FEATURES }),
  row("ELR_EL1", [3, 0, 4, 0, 1], RW1),
  row("SP_EL0", [3, 0, 4, 1, 0], RW1, { traps: unlessCurrentStack }),
  row("SPSel", [3, 0, 4, 2, 0], RW1, { hook: "pstate", mask: 1n }),
  row("CurrentEL", [3, 0, 4, 2, 2], RO1, { hook: "pstate", mask: NONE }),
  row("PAN", [3, 0, 4, 2, 3], RW1, { hook: "pstate", mask: 1n << 22n, feature: "PAN" }),
  row("UAO", [3, 0, 4, 2, 4], RW1, { hook: "pstate", mask: 1n << 23n, feature: "UAO" }),
  row("AFSR0_EL1", [3, 0, 5, 1, 0], RW1, { mask: NONE, traps: virtualMemory }),
  row("AFSR1_EL1", [3, 0, 5, 1, 1], RW1, { mask: NONE, traps: virtualMemory }),
  row("ESR_EL1", [3, 0, 5, 2, 0], RW1, { mask: LOW32, traps: virtualMemory }),
  row("FAR_EL1", [3, 0, 6, 0, 0], RW1, { traps: virtualMemory }),
  row("PAR_EL1", [3, 0, 7, 4, 0], RW1),
  row("MAIR_EL1", [3, 0, 10, 2, 0], RW1, { hook: "mmu", traps: virtualMemory }),
  row("AMAIR_EL1", [3, 0, 10, 3, 0], RW1, { mask: NONE, traps: virtualMemory }),
  row("VBAR_EL1", [3, 0, 12, 0, 0], RW1, { mask: ~0x7ffn & (2n ** 64n - 1n) }),
  row("ISR_EL1", [3, 0, 12, 1, 0], RO1, { hook: "computed", mask: NONE }),
  row("CONTEXTIDR_EL1", [3, 0, 13, 0, 1], RW1, { mask: LOW32, traps: virtualMemory }),
  row("TPIDR_EL1", [3, 0, 13, 0, 4], RW1),
  row("TPIDR_EL0", [3, 3, 13, 0, 2], RW0),
  row("TPIDRRO_EL0", [3, 3, 13, 0, 3], { read: 0, write: 1 }),
  row("NZCV", [3, 3, 4, 2, 0], RW0, { hook: "pstate", mask: 0xf000_0000n }),
  row("DAIF", [3, 3, 4, 2, 1], RW0, { hook: "pstate", mask: 0x3c0n, traps: [unlessEl0("SCTLR_EL1", [9])] }),
  // Trap enables of FPCR are RAZ/WI: no exception is trapped. FZ16 comes with FP16.
  row("FPCR", [3, 3, 4, 4, 0], RW0, { hook: "fp", mask: 0x07c0_0000n, featureBits: { FP16: 1n << 19n }, traps: floatingPoint }),
  row("FPSR", [3, 3, 4, 4, 1], RW0, { hook: "fp", mask: 0x0800_009fn, traps: floatingPoint }),
];
