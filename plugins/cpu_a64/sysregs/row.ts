/** What one row of the system register table says, and how rows are written. */
import type { Feature } from "./features.ts";
import type { TrapRule } from "./traps.ts";

/** op0, op1, CRn, CRm, op2 as MRS and MSR encode them. */
export type Encoding = readonly [op0: number, op1: number, crn: number, crm: number, op2: number];

/** Lowest Exception level that may read and write; absent: nobody may (the access is UNDEFINED). */
export interface Access {
  readonly read?: 0 | 1 | 2 | 3;
  readonly write?: 0 | 1 | 2 | 3;
}

/**
 * Who in the engine answers an access. Without a hook the register is plain
 * storage: a read returns the slot, a write stores `(value & mask) | ones`.
 */
export type Hook =
  /** A view of PSTATE: NZCV, DAIF, CurrentEL, SPSel, PAN, UAO. */
  | "pstate"
  /** FPCR and FPSR, which live outside the slots. */
  | "fp"
  /** Reads depend on other registers: MIDR_EL1, MPIDR_EL1, ID_AA64PFR0_EL1, CCSIDR_EL1, DCZID_EL0, ISR_EL1. */
  | "computed"
  /** Stored like plain, and the address translation regime changed: cached contexts must be looked up anew. */
  | "mmu"
  /** Counters and timers of the generic timer. */
  | "timer"
  /** GIC CPU interface and hypervisor control registers. */
  | "gic"
  /** Performance monitors. */
  | "pmu"
  /** OS lock, claim tags, and breakpoints, which the engine compiles into its checks. */
  | "debug"
  /** Regions of the memory protection units. */
  | "mpu"
  /** Stored like plain, and what traps or is pending changed: HCR_EL2, MDCR_EL2, CPTR_EL2, CPACR_EL1. */
  | "control";

/** Everything about a row but its name, encoding and access. */
export interface RowDetails {
  readonly hook?: Hook;
  /** Bits that a write changes; all 64 without it. The others keep RES0 and RES1. */
  readonly mask?: bigint;
  /** Bits that always read as one (RES1, RAO/WI). */
  readonly ones?: bigint;
  /** Bits that become writable, and lose RES1, with a feature. */
  readonly featureBits?: Partial<Record<Feature, bigint>>;
  /** Where a feature gives the register another layout: its writable bits, which aren't RES1; the rest of `mask` is RES0. */
  readonly featureMask?: Partial<Record<Feature, bigint>>;
  /** Value at reset; `"model"`: the CPU model's row has it (zero when it doesn't). */
  readonly reset?: bigint | "model";
  /** Rules that send an access to EL1 or EL2, in order of priority. */
  readonly traps?: readonly TrapRule[];
  /** Without this feature the encoding is UNDEFINED. */
  readonly feature?: Feature;
  /** With this feature the encoding is another register's, which has the later row. */
  readonly without?: Feature;
  /** Second name, where reads and writes of one encoding are printed differently. */
  readonly writeName?: string;
}

/** A row as the tables declare it. */
export interface Row extends RowDetails {
  readonly name: string;
  readonly encoding: Encoding;
  readonly access: Access;
}

export const RW0: Access = { read: 0, write: 0 };
export const RW1: Access = { read: 1, write: 1 };
export const RW2: Access = { read: 2, write: 2 };
export const RO0: Access = { read: 0 };
export const RO1: Access = { read: 1 };
export const RO2: Access = { read: 2 };
export const WO0: Access = { write: 0 };
export const WO1: Access = { write: 1 };

/** Writes a row. */
export function row(name: string, encoding: Encoding, access: Access, details: RowDetails = {}): Row {
  return { name, encoding, access, ...details };
}

/** Masks for registers whose upper half is RES0, and for read-only ones. */
export const LOW32 = 0xffff_ffffn;
export const NONE = 0n;
