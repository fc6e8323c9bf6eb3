/** Whom a call means, and where it may start: both exactly, whatever a guest passes. */
import type { Domain, Vcpu } from "../../core/mod.ts";

/** Aff3 and Aff2 to Aff0 of MPIDR_EL1. */
const AFFINITY = 0xff_00ff_ffffn;
/** The affinity fields that count at each level: the ones below are ignored. */
const LEVELS: readonly bigint[] = [AFFINITY, AFFINITY & ~0xffn, AFFINITY & ~0xffffn, AFFINITY & ~0xff_ffffn];

/** vCPUs whose affinity is `target` from a level up. None when `target` has other bits, or the level isn't one. */
export function atAffinity(domain: Domain, target: bigint, level: number): readonly Vcpu[] {
  const mask = LEVELS[level];
  if (mask === undefined || (target & ~AFFINITY) !== 0n) return [];
  return domain.vcpus.filter((vcpu) => (vcpu.state.read("VMPIDR_EL2") & mask) === (target & mask));
}

/** True for an aligned address of executable memory that is the domain's own. */
export function isEntryPoint(domain: Domain, entry: bigint): boolean {
  if (entry >> 48n !== 0n || (entry & 3n) !== 0n) return false;
  const mapping = domain.space.lookup(Number(entry))?.mapping;
  return mapping !== undefined && mapping.execute && mapping.type.startsWith("normal");
}
