/**
 * Layout of a CPU's state in the shared memory: the one place that knows where a
 * register lies. Offsets are bytes from the start of the block, which holds the
 * state of the vCPU that the physical CPU runs now.
 */

/** X0 to X30 and SP, 8 bytes each: see {@linkcode x}. */
export const X = 0x000;
/**
 * X0 to X30. X19 to X30, SP and X0 to X2 come first: nine of ten accesses of compiled programs are to these, and where the block begins at
 * address 0, the host's instructions have one byte for the offsets below 128 and four for others.
 */
export const x = (n: number): number => X + 8 * ((n + 13) & 31);
/** SP of the current Exception level and SPSel, in the place of register 31. */
export const SP = X + 0x060;
/** Always zero: where reads of XZR go. */
export const ZERO = 0x100;
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
/** 1 when a virtual interrupt is pending, masked or not, 32 bits; the engine's. */
export const INTERRUPTS = 0x144;
/** The watch over exceptions without end: how often the same came in a row; with which syndrome the row began (0: none), and where. */
export const LOOP_COUNT = 0x148;
export const LOOP_ESR = 0x14c;
export const LOOP_ORIGIN = 0x150;
/** TLB banks of EL0, EL1 and EL1 with PAN in the present address space, 32 bits each; 0: not known. The engine's. */
export const BANKS = 0x158;
/** What FP_ENABLED is at EL0 and EL1, 32 bits each; true when one of the banks is known. */
export const FP_ENABLED_AT = 0x164;
/** Instructions that the interpreter executed before it last entered a region, since the last sample (`engine/tier1/hotness.ts`), 32 bits. */
export const INTERPRETED = 0x17c;
/** Record of the present instruction (address in the shared memory), 32 bits. Private to `engine/` from 0x17c to 0x1ff. */
export const IP = 0x180;
/** First record of the present page, 32 bits. */
export const RECORDS = 0x184;
/** VA of the present page, 64 bits. */
export const PAGE_VA = 0x188;
/** Instructions left, 32 bits; written before anything that leaves the run loop. */
export const BUDGET = 0x190;
/** BUDGET when a compiled region left last, 32 bits: what was executed since, the interpreter executed. */
export const REGION_BUDGET = 0x194;
/** Where a branch goes, when it leaves the page, 64 bits. */
export const TARGET = 0x198;
/** VA of a slow access, 64 bits. */
export const ADDRESS = 0x1a0;
/** TLB bank of the present context, 32 bits (address in the shared memory). */
export const TLB = 0x1a8;
/** TLB bank for unprivileged accesses (LDTR), 32 bits. */
export const TLB_UNPRIVILEGED = 0x1ac;
/** Operands and results of slow paths: three times 16 bytes. */
export const SCRATCH = 0x1b0;
/** Exclusive monitor: address in the shared memory (0: open), and what was loaded. */
export const EXCLUSIVE = 0x1e0;
/** Size of the exclusive access in bytes, 32 bits. */
export const EXCLUSIVE_SIZE = 0x1e4;
/** The loaded value, 16 bytes in two halves. */
export const EXCLUSIVE_LOW = 0x1e8;
export const EXCLUSIVE_HIGH = 0x1f0;
/** 1 when FP and SIMD instructions don't trap, 32 bits. */
export const FP_ENABLED = 0x1f8;
/** What software step executed since the last exception or return, 32 bits; 0: nothing, 1: an instruction, 2: a load-exclusive. */
export const STEPPED = 0x1fc;
/** V0 to V31, 16 bytes each. */
export const V = 0x200;
/** System registers, 8 bytes each, in the order of the table in `sysregs/`. */
export const SYSREGS = 0x400;
/** One byte per system register: bit EL says "reads go straight to the slot", bit 4 + EL the same for writes. */
export const FAST_ACCESS = 0x2000;
/** More of the watch over exceptions without end: return address, ESR, the low half of FAR and by how much it changes, flags. The engine's. */
export const LOOP_RETURN = 0x23e0;
export const LOOP_LAST_ESR = 0x23e8;
export const LOOP_FAR = 0x23ec;
export const LOOP_STEP = 0x23f0;
export const LOOP_FLAGS = 0x23f4;
/** A record at which regions leave, when it is worth a look (`engine/tier1/detours.ts`), 32 bits; 0: none. The engine's. */
export const DETOUR = 0x23f8;
/**
 * What set the flags, as `engine/tier1/flags.ts` numbers it, 32 bits, and its operands, 64 bits each; 0: they are in NZCV, as outside of
 * compiled code they always are. The engine's.
 */
export const FLAGS_KIND = 0x23fc;
export const FLAGS_A = 0x2400;
export const FLAGS_B = 0x2408;
/**
 * What is left of the run beyond the slice that BUDGET has, 32 bits, and how much of it compiled code may have at a time where its budget
 * ends, 32 bits; 0: it leaves. The engine's.
 */
export const BEYOND = 0x2410;
export const PERIOD = 0x2414;
/** What the run may retire less what is in neither BUDGET nor BEYOND, 32 bits: without those two, what it has retired. The engine's. */
export const GIVEN = 0x2418;
/**
 * Virtual time at the run's first instruction, whole nanoseconds (64 bits) and parts of one, and the parts that each instruction takes
 * (`ExactTime` of the core), 32 bits; 0 of these: the clock must be asked. The engine's.
 */
export const TIME_STEP = 0x241c;
export const TIME_NS = 0x2420;
export const TIME_PARTS = 0x2428;
/** What INTERPRETED had at samples that compiled code went on over by itself, 32 bits. The engine's. */
export const INTERPRETED_EARLIER = 0x242c;
/** Size of a block. */
export const STATE_SIZE = 0x2440;
