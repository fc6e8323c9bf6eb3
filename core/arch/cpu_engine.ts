/**
 * Contract of the CPU engine: the hardware under EL2. The border is the
 * architecture's: plugins program EL2 registers and get the exceptions that the
 * architecture takes to EL2.
 */
import { capability } from "../plugin/capability.ts";
import type { Capability } from "../plugin/capability.ts";
import type { Pa, Va } from "../memory/address.ts";
import type { Stop, Stopped } from "./stops.ts";

/** Where an exception came from: the interrupted PC and the syndrome. */
export interface FaultOrigin {
  /** The PC that it returns to. */
  readonly pc: Va;
  /** ESR_EL1. */
  readonly esr: bigint;
}

/** Why {@linkcode CpuEngine.run} came back. */
export type Exit =
  /** The budget is used up, or an event asked for a new look at time and interrupts. */
  | { readonly kind: "budget" }
  /** An exception was taken to EL2: ESR_EL2, FAR_EL2, HPFAR_EL2, ELR_EL2 and SPSR_EL2 say which. */
  | { readonly kind: "exception" }
  /** The CPU waits and nothing is pending: WFI or WFE with their EL2 traps off. */
  | { readonly kind: "wait"; readonly instruction: "WFI" | "WFE" }
  /** An exception without end, such as a vector that faults on itself. `origin`: the one that it began with, when another. */
  | { readonly kind: "fault-loop"; readonly detail: string; readonly origin?: FaultOrigin }
  /** Where a debugger wants it to stop. A run that follows goes on as if there had been none, over this stop. */
  | { readonly kind: "breakpoint" } & Stopped;

/** What a new vCPU is told about itself. */
export interface VcpuConfig {
  /** MPIDR_EL1 as the guest reads it (VMPIDR_EL2). */
  readonly mpidr: bigint;
}

/** Architectural state of one vCPU. Registers have the names that the Arm manuals print. */
export interface VcpuState {
  /** X0 to X30; 31 reads zero and ignores writes (SRT's meaning in an ISS). */
  x(n: number): bigint;
  /** Writes X0 to X30; the low 64 bits count. */
  setX(n: number, value: bigint): void;
  /** V0 to V31, 128 bits. */
  v(n: number): bigint;
  /** Writes V0 to V31; the low 128 bits count. */
  setV(n: number, value: bigint): void;
  /** The PC while EL0 or EL1 runs. While EL2 handles an exception it is ELR_EL2. */
  pc: Va;
  /** The stack pointer in use. */
  sp: bigint;
  /** The stack pointer of the guest's code, also while EL2 handles an exception. */
  guestSp: bigint;
  /** PSTATE in SPSR format: NZCV, DAIF, EL and SP selection. */
  pstate: bigint;
  /** A system register, without traps, as EL2 sees it: `read("ESR_EL2")`. Unknown names throw. */
  read(register: string): bigint;
  /** Writes a system register, without traps. Unknown names throw. */
  write(register: string, value: bigint): void;
  /** The low word of ESR_EL2, unsigned: what every exit looks at. */
  readonly syndrome: number;
  /** The IPA that stage 2 refused, by HPFAR_EL2 and FAR_EL2: see {@linkcode CpuEngine.run}. */
  readonly faultIpa: number;
  /** While EL2 handles an exception: skips the instruction that was trapped. ELR_EL2 moves on, and SPSR_EL2's SS and BTYPE are cleared. */
  skip(): void;
  /** {@linkcode setX} with a whole number from 0 to 2^53 - 1, which is quicker. */
  setXNumber(n: number, value: number): void;
  /** Instructions retired since creation. */
  readonly retired: number;
  /** True when an interrupt would wake WFI, whatever PSTATE.DAIF says. */
  wakeupPending(): boolean;
  /** Sets the event register (SEV from another CPU). */
  setEvent(): void;
  /** Puts every register to its architectural reset value. */
  reset(): void;
  /** All registers as plain data; {@linkcode restore} takes it back. */
  save(): Uint8Array;
  /** Takes back what {@linkcode save} gave, and {@linkcode retired}. Throws for anything else. */
  restore(data: Uint8Array, retired?: number): void;
  /** Disassembly at a VA, for reports; `undefined` when it isn't mapped. */
  disassemble(va: Va): string | undefined;
}

/** Parts that {@linkcode ExactTime} divides a nanosecond into. Every number up to 16 divides it. */
export const PARTS_PER_NS = 720_720;

/** Virtual time of a run in whole numbers: see {@linkcode nsAfter}. */
export interface ExactTime {
  /** Nanoseconds at the first instruction. */
  readonly ns: number;
  /** And parts of one, less than {@linkcode PARTS_PER_NS}. */
  readonly parts: number;
  /** Parts that each instruction takes. */
  readonly partsPerInstruction: number;
}

/** Virtual time after so many instructions of the run, in whole nanoseconds. */
export function nsAfter({ ns, parts, partsPerInstruction }: ExactTime, instructions: number): number {
  return ns + Math.floor((parts + instructions * partsPerInstruction) / PARTS_PER_NS);
}

/** Virtual time for the counter while a vCPU runs. */
export interface RunWindow {
  /** Most instructions to retire before coming back. */
  readonly budget: number;
  /** Virtual time at the first instruction, in nanoseconds. */
  readonly startNs: number;
  /** Virtual nanoseconds per instruction. */
  readonly nsPerInstruction: number;
  /** The same exactly, for a counter that doesn't ask the clock at each read. */
  readonly exact?: ExactTime;
  /**
   * Comes back after so many instructions that take the engine a thousand times as long as others, though they don't leave it. Where this is
   * given it may also come back after very many that take it a hundred times as long.
   */
  readonly mostSlow?: number;
  /** For a debugger: comes back with `breakpoint` after so many instructions, which is less than the budget and more than none. */
  readonly stopAfter?: number;
}

/** What a load or store moves. */
export interface DescribedAccess {
  /** A store. */
  readonly write: boolean;
  /** Registers that move, the one at the lowest address first. */
  readonly transfers: readonly {
    /** 31 is XZR. */
    readonly register: number;
    /** In bytes: 1, 2, 4 or 8. */
    readonly size: number;
    /** Loads: sign-extend, to 64 bits if `wide`, else to 32. */
    readonly signExtend: boolean;
    /** The register is 64 bits wide. */
    readonly wide: boolean;
  }[];
  /** Base register (31 is SP) and its value afterwards. */
  readonly writeback?: { readonly register: number; readonly value: bigint };
}

/** Bytes that an instruction loads or stores. */
export interface DataAccess {
  /** `update`: reads, and then writes. */
  readonly kind: "read" | "write" | "update";
  /** The first byte, tag and all. */
  readonly address: Va;
  /** In bytes: 1 to 16. */
  readonly size: number;
  /** The general register that moves, where it is one: it has the data after a read, and before a write. 31 is XZR. */
  readonly register?: number;
  /** A store-exclusive's: 0 in it afterwards says that it has stored. */
  readonly statusRegister?: number;
  /** A compare-and-swap's: it writes when it reads this. */
  readonly expected?: bigint;
}

/** A piece of EL2's own code to run. */
export interface El2Call {
  /** The first instruction's address, as EL2's translation has it now. */
  readonly entry: Va;
  /** X0 and up; X30 is `returnTo`. */
  readonly x: readonly bigint[];
  /** The run is over when the PC gets here. */
  readonly returnTo: Va;
  /** The stack pointer; without one the code has none. */
  readonly sp?: bigint;
  /** After so many it isn't coming back. */
  readonly maxInstructions: number;
  /** Called before each instruction: the vCPU's EL2 registers are what it will see. */
  readonly onInstruction?: (pc: Va) => void;
}

/** How a piece of EL2's own code ended. */
export type El2Stop =
  | { readonly kind: "returned"; readonly instructions: number; readonly x0: bigint }
  /** It took an exception, to EL2: where, ESR_EL2, FAR_EL2. */
  | { readonly kind: "exception"; readonly pc: Va; readonly esr: bigint; readonly far: bigint }
  /** It used its instructions up, or left EL2 or waited. */
  | { readonly kind: "budget" | "left"; readonly pc: Va };

/** A system register that a debugger may look at. */
export interface VisibleRegister {
  /** As the Arm manuals print it. */
  readonly name: string;
  /** The lowest Exception level in its name. */
  readonly level: number;
  /** A debugger may write it as well. */
  readonly isWritable: boolean;
}

/** Executes guest code. */
export interface CpuEngine {
  /** The CPU model, for instance `cortex-a57`. */
  readonly model: string;
  /** Frequency of the system counter, CNTFRQ_EL0, in Hz. */
  readonly counterFrequencyHz: number;
  /** How {@linkcode VcpuState.save} lays registers out: snapshots of another layout are refused. */
  readonly stateLayout?: string;
  /** A vCPU in reset state. Its EL2 registers are in reset state as well. */
  createVcpu(config: VcpuConfig): VcpuState;
  /** Frees what the engine holds for it. */
  destroyVcpu(vcpu: VcpuState): void;
  /** It was powered down: its caches and TLBs are empty from now on. */
  poweredDown?(vcpu: VcpuState): void;
  /**
   * Runs until an exit. If the vCPU is handling an exception at EL2, returns
   * from it first (ERET to ELR_EL2 with SPSR_EL2). HPFAR_EL2 has the IPA of permission
   * faults as well, where the architecture leaves it UNKNOWN.
   */
  run(vcpu: VcpuState, window: RunWindow): Exit;
  /** Instructions that the latest {@linkcode run} retired. */
  readonly lastRetired: number;
  /** Instructions of the latest {@linkcode run} that {@linkcode RunWindow.mostSlow} counts. */
  readonly lastSlow?: number;
  /** Instructions that the run in progress has retired so far, for device handlers that are called from within it. */
  readonly retiredNow?: number;
  /** The name of the system register that an ISS of EC 0x18 speaks of, as in `ICC_SGI1R_EL1`; `undefined` when the engine doesn't know it. */
  registerName?(iss: number): string | undefined;
  /** Asks a run in progress to come back after the current instruction (callable from device handlers). */
  kick(): void;
  /**
   * TLB maintenance by the hypervisor: drops stage 2 and combined entries of a VMID; all of them without one. VMID 0, which no domain
   * has, stands for what no stage 2 took part in: EL2's own translations.
   */
  invalidateTlb(vmid?: number): void;
  /** Tells that host code wrote guest memory (image placed, DMA), so that stale decoded code is dropped. */
  memoryWritten(pa: Pa, size: number): void;
  /** System registers whose reading changes nothing. */
  readonly visibleRegisters?: readonly VisibleRegister[];
  /** Replaces the stops of a debugger; between runs. `vcpus`: whom one concerns, all when absent. */
  setStops?(stops: readonly { readonly stop: Stop; readonly vcpus?: readonly VcpuState[] }[]): void;
  /** Takes a synchronous exception to EL1 in the vCPU's present context, as hardware would. */
  injectException(vcpu: VcpuState, exception: Injected): void;
  /**
   * Where a load (or store) at EL1 of this vCPU would go, by both stages and with their permissions: AT S12E1R and S12E1W as EL2 executes
   * them. `undefined`: it would fault.
   */
  translate?(vcpu: VcpuState, va: Va, write: boolean): { readonly ipa: number; readonly pa: Pa } | undefined;
  /**
   * Takes the load or store that caused the present data abort apart, when its syndrome doesn't (ISV is 0) and
   * FAR_EL2 is its first byte. `undefined`: an instruction that can't be emulated (SIMD, exclusive, atomic).
   */
  describeAccess?(vcpu: VcpuState): DescribedAccess | undefined;
  /** What an instruction would load and store: its word, its address, and general registers before it (31 is SP). For traces. */
  dataAccesses?(word: number, pc: Va, register: (n: number) => bigint): readonly DataAccess[];
  /**
   * Runs EL2's own code on a vCPU: instructions for which EL2's registers and translation are true. What it wrote to system registers
   * and memory stays; general registers, PSTATE and the exception that EL2 handles are as before afterwards. No virtual time passes.
   */
  runAtEl2?(vcpu: VcpuState, call: El2Call): El2Stop;
  /**
   * A load of 1, 2, 4 or 8 bytes by EL2, or with a value a store (which returns 0), translated by the vCPU's EL2 registers, also while
   * another vCPU runs. Throws a `RangeError` for what would be an exception.
   */
  accessAtEl2?(vcpu: VcpuState, va: Va, size: number, value?: bigint): bigint;
}

/** An exception that EL2 hands to EL1. */
export type Injected =
  | { readonly kind: "undefined" }
  | {
    readonly kind: "abort";
    /** Data or instruction abort. */
    readonly access: "read" | "write" | "fetch";
    /** FAR_EL1. */
    readonly va: Va;
    /** DFSC or IFSC; 0b010000 is a synchronous external abort. */
    readonly status: number;
  };

/** The CPU engine of the board. */
export const CpuEngine: Capability<CpuEngine> = capability("CpuEngine");
