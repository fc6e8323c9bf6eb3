/** Self-hosted debug. Arm ARM DDI 0487, "Debug registers". Six breakpoints (the last two context-aware), four watchpoints. */
import { LOW32, NONE, RO0, RO1, type Row, row, RW0, RW1, RW2, WO1 } from "./row.ts";
import { debug, debugChannel, debugOs, debugRom } from "./traps.ts";

/** As ID_AA64DFR0_EL1 tells them. */
export const BREAKPOINTS = 6;
export const CONTEXT_BREAKPOINTS = 2;
export const WATCHPOINTS = 4;

const ALL = 2n ** 64n - 1n;

const breakpoints: readonly Row[] = Array.from({ length: BREAKPOINTS }, (_, n) => [
  // A context-aware one compares CONTEXTIDR_EL1, which has no alignment.
  row(`DBGBVR${n}_EL1`, [2, 0, 0, n, 4], RW1, {
    hook: "debug",
    mask: n < BREAKPOINTS - CONTEXT_BREAKPOINTS ? ALL ^ 3n : ALL,
    traps: debug,
  }),
  // E, PMC, BAS, HMC, SSC, LBN, BT.
  row(`DBGBCR${n}_EL1`, [2, 0, 0, n, 5], RW1, { hook: "debug", mask: 0x00ff_e1e7n, traps: debug }),
]).flat();

const watchpoints: readonly Row[] = Array.from({ length: WATCHPOINTS }, (_, n) => [
  row(`DBGWVR${n}_EL1`, [2, 0, 0, n, 6], RW1, { hook: "debug", mask: ALL ^ 3n, traps: debug }),
  // E, PAC, LSC, BAS, HMC, SSC, LBN, WT, MASK.
  row(`DBGWCR${n}_EL1`, [2, 0, 0, n, 7], RW1, { hook: "debug", mask: 0x1f1f_ffffn, traps: debug }),
]).flat();

export const debugRegisters: readonly Row[] = [
  row("OSDTRRX_EL1", [2, 0, 0, 0, 2], RW1, { mask: LOW32, traps: debug }),
  row("MDCCINT_EL1", [2, 0, 0, 2, 0], RW1, { mask: 0x6000_0000n, traps: debug }),
  // SS, TDCC, KDE, MDE. The rest is for an external debugger, which can't be there.
  row("MDSCR_EL1", [2, 0, 0, 2, 2], RW1, { hook: "debug", mask: 0xb001n, traps: debug }),
  row("OSDTRTX_EL1", [2, 0, 0, 3, 2], RW1, { mask: LOW32, traps: debug }),
  row("OSECCR_EL1", [2, 0, 0, 6, 2], RW1, { mask: NONE, traps: debug }),
  ...breakpoints,
  ...watchpoints,
  // No debug ROM table.
  row("MDRAR_EL1", [2, 0, 1, 0, 0], RO1, { mask: NONE, traps: debugRom }),
  row("OSLAR_EL1", [2, 0, 1, 0, 4], WO1, { hook: "debug", mask: 1n, traps: debugOs }),
  // OSLM says that the lock is there; OSLK, locked out of reset.
  row("OSLSR_EL1", [2, 0, 1, 1, 4], RO1, { mask: NONE, reset: 0xan, traps: debugOs }),
  row("OSDLR_EL1", [2, 0, 1, 3, 4], RW1, { mask: NONE, traps: debugOs }),
  row("DBGPRCR_EL1", [2, 0, 1, 4, 4], RW1, { mask: 1n, traps: debugOs }),
  // Writing ones sets, or clears, claim tags; they are read from CLR, while SET tells how many there are.
  row("DBGCLAIMSET_EL1", [2, 0, 7, 8, 6], RW1, { hook: "debug", mask: NONE, ones: 0xffn, traps: debug }),
  row("DBGCLAIMCLR_EL1", [2, 0, 7, 9, 6], RW1, { hook: "debug", mask: 0xffn, traps: debug }),
  row("DBGAUTHSTATUS_EL1", [2, 0, 7, 14, 6], RO1, { mask: NONE, traps: debug }),
  row("MDCCSR_EL0", [2, 3, 0, 1, 0], RO0, { mask: NONE, traps: debugChannel }),
  row("DBGDTR_EL0", [2, 3, 0, 4, 0], RW0, { mask: NONE, traps: debugChannel }),
  row("DBGDTRRX_EL0", [2, 3, 0, 5, 0], RW0, { writeName: "DBGDTRTX_EL0", mask: NONE, traps: debugChannel }),
  row("DBGVCR32_EL2", [2, 4, 0, 7, 0], RW2, { mask: NONE }),
];
