/**
 * What the CPU lends to other plugins: the arithmetic of the architecture's timers, so that EL2 software and hardware agree to the
 * tick, and which timers the CPUs have.
 */
import { capability } from "../../core/mod.ts";
import type { Capability, MmioHandler } from "../../core/mod.ts";
import { type ArchitecturalTimer, architecturalTimers, type CpuModel } from "./sysregs/mod.ts";

export type { ArchitecturalTimer } from "./sysregs/mod.ts";
export { firstNsOf, nextChangeTicks, outputLevel, ticksAt, virtualCount } from "./engine/timers.ts";

/** The timers of the board's CPUs. */
export interface CpuTimers {
  /** Those that the model has. */
  readonly timers: readonly ArchitecturalTimer[];
  /** Grows whenever a timer register of any vCPU may have changed, by whomever: who saw the same number before needs not look again. */
  readonly writes: number;
}

/** Provided by `cpu_a64`. */
export const CpuTimers: Capability<CpuTimers> = capability("CpuTimers");

/**
 * The frame GICV: the virtual CPU interface in memory, 8 KiB, of whichever vCPU accesses it. It works on the vCPU's list registers while
 * its ICC_SRE_EL1.SRE is 0 (then its ICC registers are UNDEFINED), and is RAZ/WI otherwise. Who uses it gives it a physical address.
 */
export const VirtualCpuInterface: Capability<MmioHandler> = capability("VirtualCpuInterface");

/** The timers of a model; without one, those that every model of the A profile has. */
export function timersOf(model?: CpuModel): readonly ArchitecturalTimer[] {
  return architecturalTimers.filter(({ feature }) =>
    feature === undefined || (model ? model.features.has(feature) : feature === "NonSecure")
  );
}
