/** What a physical CPU is made with, and whom it has in its block. */
import type { PhysicalBus, PhysicalMemory } from "../../../core/mod.ts";
import type { CpuModel } from "../sysregs/mod.ts";
import type { SmcPolicy } from "./exceptions.ts";
import type { DeviceAccess, Neighbours } from "./neighbours.ts";
import type { TranslationStore } from "./tier1/cache/keeper.ts";
import type { Tier1Mode } from "./tier1/tier1.ts";

/** What a physical CPU is made with. */
export interface CpuOptions {
  readonly memory: PhysicalMemory;
  readonly bus: PhysicalBus;
  readonly model: CpuModel;
  readonly counterFrequencyHz: number;
  readonly smc: SmcPolicy;
  /** When code is compiled; without it, never. */
  readonly tier1?: Tier1Mode;
  /** Where compiled code is kept from one run to the next; without it, it isn't. */
  readonly translations?: TranslationStore;
  /** Told of code that the interpreter keeps since the compiler has a fault with it; without it the fault is thrown. */
  readonly uncompiled?: (text: () => string) => void;
  /** Virtual time as the board has it, in nanoseconds, exact also between runs; without it the counter follows the windows of the runs. */
  readonly nowNs?: () => number;
  /** Turns the break-before-make checker on: told of each violation once. */
  readonly breakBeforeMake?: (text: () => string) => void;
  /** Samples where instructions go. */
  readonly profiles?: boolean;
  /** Other CPUs that run at the same time, in threads of their own. */
  readonly neighbours?: Neighbours;
  /** Where devices are another thread's. */
  readonly devices?: DeviceAccess;
  /** Pages of decoded code that are kept; the engine's own number when absent. */
  readonly codePages?: number;
  /** SEV: every vCPU's event register is set. */
  readonly sendEvent: () => void;
}

/** What a physical CPU knows of the vCPU in its block. */
export interface Occupant {
  /** Unique among the vCPUs of an engine. */
  readonly number: number;
  /** The block's content while another one is in it. */
  readonly saved: Uint8Array;
  /** Instructions retired before the present run. */
  readonly retired: number;
  /** Where CPUs are threads: what the fault loop's watcher saw, while the vCPU isn't in the block. */
  loop?: readonly number[];
}
