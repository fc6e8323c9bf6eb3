/**
 * Layout of a CPU's state in the shared memory: the one place that knows where a
 * register lies. Offsets are bytes from the start of the block, which holds the
 * state of the vCPU that the physical CPU runs now.
 */

/** X0 to X30, 8 bytes each. */
export const X = 0x000;
/** Always zero: where reads of XZR go. */
export const ZERO = 0x0f8;
/** SP of the current Exception level and SPSel. */
export const SP = 0x100;
/** Where writes to XZR go. Never read. */
export const TRASH = 0x108;
/** PC, valid outside of the run loop. */
export const PC = 0x110;
/** PSTATE.NZCV as a number 0 to 15 (N is bit 3), 32 bits. */
export const NZCV = 0x118;
/** PSTATE.DAIF as a number 0 to 15 (D is bit 3), 32 bits. */
export const DAIF = 0x11c;
/** PSTATE.EL, 0 to 2, 32 bits. */
export const EL = 0x120;
/** PSTATE.SPSel, 0 or 1, 32 bits. */
export const SPSEL = 0x124;
/** PSTATE.PAN, 0 or 1, 32 bits. */
export const PAN = 0x128;
/** PSTATE.UAO, 0 or 1, 32 bits. */
export const UAO = 0x12c;
/** PSTATE.SS (software step), 32 bits. */
export const SS = 0x130;
/** PSTATE.IL (illegal execution state), 32 bits. */
export const IL = 0x134;
/** FPCR, 32 bits. */
export const FPCR = 0x138;
/** FPSR, 32 bits. */
export const FPSR = 0x13c;
/** Event register of WFE and SEV, 0 or 1, 32 bits. */
export const EVENT = 0x140;
/** Engine: first address from 0x180 on is private to `engine/` (exclusive monitor, scratch, TLB pointers). */
export const ENGINE = 0x180;
/** V0 to V31, 16 bytes each. */
export const V = 0x200;
/** System registers, 8 bytes each, in the order of the table in `sysregs/`. */
export const SYSREGS = 0x400;
/** Size of a block. */
export const STATE_SIZE = 0x2000;
