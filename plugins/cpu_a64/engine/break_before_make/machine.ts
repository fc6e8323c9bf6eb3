/** What the checker wants to know of the machine. */
import type { RegimeNumber } from "./remembered.ts";

/** Registers that it reads. */
export type CheckedRegister =
  | "SCTLR_EL1"
  | "TCR_EL1"
  | "TTBR0_EL1"
  | "TTBR1_EL1"
  | "MAIR_EL1"
  | "SCTLR_EL2"
  | "TCR_EL2"
  | "TTBR0_EL2"
  | "MAIR_EL2"
  | "VTCR_EL2"
  | "VTTBR_EL2"
  | "HCR_EL2";

/** The machine's side of the checker. vCPUs are the engine's numbers. */
export interface CheckedMachine {
  /** ID_AA64MMFR2_EL1.BBM. */
  readonly bbmLevel: number;
  /** Stage 2 is made of tables, not an MPU. */
  readonly hasStage2Tables: boolean;
  /** The shared memory. */
  words(): Uint32Array;
  /** Byte offset in the shared memory of a PA, or -1. */
  ramOffset(pa: number): number;
  /** Stores to a frame of the shared memory come past the checker from now on. */
  protect(frame: number): void;
  /** The present vCPU; -1: none. */
  vcpu(): number;
  /** All that have run. */
  vcpus(): number[];
  /** Half of a register: 0 low, 1 high. */
  register(vcpu: number, name: CheckedRegister, half: 0 | 1): number;
  /** Translation of a regime is on. */
  isOn(vcpu: number, regime: RegimeNumber): boolean;
  /** ASID and VMID in force; of the present vCPU by default. */
  asid(vcpu?: number): number;
  vmid(vcpu?: number): number;
  /** The PC of the present instruction, in halves. */
  pc(): { readonly pcLo: number; readonly pcHi: number };
  /** A vCPU comes into the block; this is where its registers are otherwise. */
  entered(vcpu: number, saved: Uint8Array): void;
  /** A vCPU is gone. */
  left(vcpu: number): void;
  /** A line for people. */
  report(text: () => string): void;
}
