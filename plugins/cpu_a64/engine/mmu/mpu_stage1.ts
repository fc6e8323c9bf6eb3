/**
 * An MPU as the first and only check of its own translation regime: EL1's for EL1&0, EL2's for EL2.
 * Arm DDI 0600, "Protected Memory System Architecture", the results of matching an address.
 */
import { effectiveShareability } from "./attributes.ts";
import type { MpuControl } from "./environment.ts";
import { BACKGROUND, OK, TRANSLATION } from "./faults.ts";
import { alignedBits, type MpuRegions, NO_REGION } from "./mpu_regions.ts";
import { attributeOf } from "./mpu_stage2.ts";
import { mpuPrivilegedRights, mpuUserRights } from "./permissions.ts";
import type { Translation } from "./result.ts";

/**
 * Looks an address of at most 48 bits up. {@linkcode OK}: address, rights and attributes are in the result, rights of the access
 * excepted; {@linkcode BACKGROUND}: no region, but the background region, and the result says how far it reaches; else a fault status.
 * `isPrivileged`: the access is one of the MPU's own Exception level.
 */
export function checkMpu(
  words: Uint32Array,
  regions: MpuRegions,
  control: MpuControl,
  address: number,
  isPrivileged: boolean,
  result: Translation,
): number {
  const region = regions.find(address);
  const page = address - address % 4096;
  result.sizeBits = result.stage1Bits = alignedBits(address, regions.start, regions.end);
  result.from = Math.max(0, regions.start - page);
  result.to = Math.min(4096, regions.end - page);
  if (region < 0) return region === NO_REGION && control.hasBackground && isPrivileged ? BACKGROUND : TRANSLATION;

  const at = regions.index(region);
  const bar = words[at];
  const attributes = attributeOf(words, control.mair, words[at + 2]);
  result.ipa = result.pa = address;
  result.entries = 0;
  result.global = true;
  result.contiguous = false;
  result.attributes = attributes;
  result.shareability = effectiveShareability(attributes, (bar >>> 4) & 3);
  result.stage1Device = attributes < 0x10;
  result.userRights = mpuUserRights(bar, control.writeImpliesXn);
  result.privilegedRights = mpuPrivilegedRights(bar, control.writeImpliesXn);
  return OK;
}
