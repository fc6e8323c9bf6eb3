/**
 * Rights of a leaf. Arm ARM DDI 0487, "Access control", pseudocode "AArch64.S1DirectBasePermissions" and
 * "AArch64.S2DirectBasePermissions".
 */
import * as d from "./descriptors.ts";
import { RIGHT_EXECUTE, RIGHT_READ, RIGHT_WRITE } from "./result.ts";

const ALL = RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE;

/** AP with the table attributes on the way applied: only the low half matters. */
function effectiveAp(lo: number, hierarchy: number): number {
  let ap = lo;
  if (hierarchy & d.HI_AP_TABLE_READ_ONLY) ap |= d.AP_READ_ONLY;
  if (hierarchy & d.HI_AP_TABLE_USER) ap &= ~d.AP_USER;
  return ap;
}

/** EL0's rights. */
export function userRights(lo: number, hi: number, hierarchy: number, writeImpliesXn: boolean): number {
  const ap = effectiveAp(lo, hierarchy);
  const write = (ap & d.AP_USER) !== 0 && (ap & d.AP_READ_ONLY) === 0;
  const never = ((hi & d.HI_UXN) | (hierarchy & d.HI_XN_TABLE)) !== 0 || (write && writeImpliesXn);
  return (ap & d.AP_USER ? RIGHT_READ : 0) | (write ? RIGHT_WRITE : 0) | (never ? 0 : RIGHT_EXECUTE);
}

/** EL1's rights with PAN clear. What EL0 may write, EL1 may not execute. */
export function privilegedRights(lo: number, hi: number, hierarchy: number, writeImpliesXn: boolean): number {
  const ap = effectiveAp(lo, hierarchy);
  const write = (ap & d.AP_READ_ONLY) === 0;
  const never = ((hi & d.HI_PXN) | (hierarchy & d.HI_PXN_TABLE)) !== 0 || (write && (writeImpliesXn || (ap & d.AP_USER) !== 0));
  return RIGHT_READ | (write ? RIGHT_WRITE : 0) | (never ? 0 : RIGHT_EXECUTE);
}

/** EL2's rights in its own regime: AP[1] is RES1, one XN bit. */
export function el2Rights(lo: number, hi: number, hierarchy: number, writeImpliesXn: boolean): number {
  const write = ((lo & d.AP_READ_ONLY) | (hierarchy & d.HI_AP_TABLE_READ_ONLY)) === 0;
  const never = ((hi & d.HI_UXN) | (hierarchy & d.HI_XN_TABLE)) !== 0 || (write && writeImpliesXn);
  return RIGHT_READ | (write ? RIGHT_WRITE : 0) | (never ? 0 : RIGHT_EXECUTE);
}

/** Stage 2's rights for an EL: S2AP, and XN with one bit or two (FEAT_XNX). */
export function stage2Rights(lo: number, hi: number, xnx: boolean, el: number): number {
  let never = (hi & (1 << 22)) !== 0;
  if (xnx && (hi & (1 << 21)) !== 0) never = (el === 0) === never;
  return (lo & d.S2AP_READ ? RIGHT_READ : 0) | (lo & d.S2AP_WRITE ? RIGHT_WRITE : 0) | (never ? 0 : RIGHT_EXECUTE);
}

/** Rights of an MPU's own Exception level in a region: AP[1] makes it read-only, XN[1] is its XN. Arm DDI 0600, "PRBAR_EL1". */
export function mpuPrivilegedRights(bar: number, writeImpliesXn: boolean): number {
  const write = (bar & 8) === 0;
  const never = (bar & 2) !== 0 || (write && writeImpliesXn);
  return RIGHT_READ | (write ? RIGHT_WRITE : 0) | (never ? 0 : RIGHT_EXECUTE);
}

/** Rights of EL0 in a region of the EL1 MPU: the same, where AP[0] lets it in at all. */
export function mpuUserRights(bar: number, writeImpliesXn: boolean): number {
  return (bar & 4) === 0 ? 0 : mpuPrivilegedRights(bar, writeImpliesXn);
}

/** Without tables everything is allowed. */
export const ALL_RIGHTS = ALL;
