/** Who walks a table: the vCPUs whose base registers lead to it. */
import type { CheckedMachine } from "./machine.ts";
import { EL10, EL2, type RegimeNumber, STAGE2 } from "./remembered.ts";
import { isTable, tableOf } from "./rules.ts";
import type { TableFrames, Use } from "./tables.ts";

/** Where TTBR<n>_ELx or VTTBR_EL2 of a vCPU points. */
export function baseOf(machine: CheckedMachine, regime: RegimeNumber, vcpu: number, isUpper: boolean): number {
  const name = regime === STAGE2 ? "VTTBR_EL2" : regime === EL2 ? "TTBR0_EL2" : isUpper ? "TTBR1_EL1" : "TTBR0_EL1";
  // Bit 0 is CnP.
  return (machine.register(vcpu, name, 1) & 0xffff) * 0x1_0000_0000 + ((machine.register(vcpu, name, 0) & ~1) >>> 0);
}

/** The root from which valid entries still lead to a use; `undefined` when there is none. */
export function rootOf(frames: TableFrames, use: Use): Use | undefined {
  let child = use;
  for (let parent = use.parent; parent; parent = child.parent) {
    const { frame } = parent;
    if (frames.find(frame.host) !== frame) return undefined;
    const lo = frame.copy[child.parentIndex * 2] | 0, hi = frame.copy[child.parentIndex * 2 + 1] | 0;
    if (!isTable({ lo, level: parent.level }) || tableOf(lo, hi, child.granule) !== child.table) return undefined;
    child = parent;
  }
  return child;
}

/** TCR_EL1.EPD0 and EPD1: a TLB miss of that half faults without a walk. */
const EPD0 = 1 << 7, EPD1 = 1 << 23;

/** vCPUs whose base registers lead to a use now, with translation on, and walks. */
export function holdersOf(machine: CheckedMachine, frames: TableFrames, use: Use): number[] {
  const root = rootOf(frames, use);
  if (!root) return [];
  const { regime, vmid, isUpper } = use;
  return machine.vcpus().filter((vcpu) =>
    machine.isOn(vcpu, regime) && (regime === EL2 || machine.vmid(vcpu) === vmid) &&
    (regime !== EL10 || (machine.register(vcpu, "TCR_EL1", 0) & (isUpper ? EPD1 : EPD0)) === 0) &&
    baseOf(machine, regime, vcpu, isUpper) === root.table
  );
}
