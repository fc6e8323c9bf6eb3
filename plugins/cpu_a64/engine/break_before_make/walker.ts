/** Walks of the checker's own: what tables say now, without a vCPU's access. */
import { granuleOfTg0 } from "../mmu/descriptors.ts";
import type { CheckedMachine } from "./machine.ts";
import { EL10, type RegimeNumber } from "./remembered.ts";
import { type Descriptor, isCacheable, isTable, sizeOf, tableOf } from "./rules.ts";

/** An entry on the way, and where it lies (PA). */
export interface Step extends Descriptor {
  readonly at: number;
}

/** Byte offset in the shared memory of an address that a regime's tables or leaves hold: an IPA for EL1&0. -1 when it isn't RAM. */
export function hostOf(machine: CheckedMachine, regime: RegimeNumber, address: number): number {
  const vcpu = machine.vcpu();
  if (regime !== EL10 || (machine.register(vcpu, "HCR_EL2", 0) & 1) === 0) return machine.ramOffset(address);
  if (!machine.hasStage2Tables) return machine.ramOffset(address);
  const steps = walkStage2(machine, vcpu, Math.floor(address / 4096));
  const leaf = steps.at(-1);
  if (!leaf || isTable(leaf)) return -1;
  return machine.ramOffset(tableOf(leaf.lo, leaf.hi, leaf.bits) + address % 2 ** leaf.bits);
}

/** The stage 2 walk for an IPA page: entries from the root on, until one can't be walked through. */
export function walkStage2(machine: CheckedMachine, vcpu: number, vpn: number): Step[] {
  const vtcr = machine.register(vcpu, "VTCR_EL2", 0);
  const granule = granuleOfTg0(vtcr >>> 14 & 3);
  const words = machine.words();
  const steps: Step[] = [];
  let level = (granule === 12 ? 2 : 3) - (vtcr >>> 6 & 3);
  let width = 64 - (vtcr & 63) - sizeOf(level, granule);
  // Bit 0 is CnP.
  let table = tableOf(machine.register(vcpu, "VTTBR_EL2", 0), machine.register(vcpu, "VTTBR_EL2", 1), 1);
  for (; level >= 0 && level <= 3 && width > 0; level++) {
    const bits = sizeOf(level, granule);
    const at = table + Math.floor(vpn / 2 ** (bits - 12)) % 2 ** width * 8;
    const host = machine.ramOffset(at);
    if (host < 0) return steps;
    const step: Step = { at, lo: words[host >>> 2] | 0, hi: words[(host >>> 2) + 1] | 0, level, bits, vpn: vpn - vpn % 2 ** (bits - 12) };
    if (!isCacheable(step)) return steps;
    steps.push(step);
    if (!isTable(step)) return steps;
    table = tableOf(step.lo, step.hi, granule);
    width = granule - 3;
  }
  return steps;
}

/** The leaf for a page from a table of a regime down; `undefined` when there is none. */
export function leafBelow(
  machine: CheckedMachine,
  regime: RegimeNumber,
  { table, level, granule }: { readonly table: number; readonly level: number; readonly granule: number },
  vpn: number,
): Step | undefined {
  const words = machine.words();
  for (; level <= 3; level++) {
    const bits = sizeOf(level, granule);
    const at = table + Math.floor(vpn / 2 ** (bits - 12)) % 2 ** (granule - 3) * 8;
    const host = hostOf(machine, regime, at);
    if (host < 0) return undefined;
    const step: Step = { at, lo: words[host >>> 2] | 0, hi: words[(host >>> 2) + 1] | 0, level, bits, vpn: vpn - vpn % 2 ** (bits - 12) };
    if (!isCacheable(step)) return undefined;
    if (!isTable(step)) return step;
    table = tableOf(step.lo, step.hi, granule);
  }
  return undefined;
}
