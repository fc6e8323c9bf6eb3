/**
 * Software generated interrupts. Arm IHI 0069, "ICC_SGI1R_EL1": which processing elements one write reaches. One that reaches a vCPU that is
 * off, or whose redistributor sleeps, waits there.
 */
import type { Vgic } from "../vgic/vgic.ts";

/** A decoded write to ICC_SGI0R_EL1, ICC_SGI1R_EL1 or ICC_ASGI1R_EL1. */
export interface SgiRequest {
  readonly intid: number;
  /** All but the sender. */
  readonly others: boolean;
  /** Aff3, Aff2 and Aff1, a byte each. */
  readonly cluster: number;
  /** Aff0 of bit 0 of the list. */
  readonly firstAff0: number;
  /** One bit per Aff0. */
  readonly list: number;
}

/** Decodes the register's value. */
export function decodeSgi(value: bigint): SgiRequest {
  const high = Number(value >> 32n & 0xffff_ffffn);
  const low = Number(value & 0xffff_ffffn);
  return {
    intid: low >>> 24 & 15,
    others: (high >>> 8 & 1) !== 0,
    cluster: (high >>> 16 & 0xff) << 16 | (high & 0xff) << 8 | low >>> 16 & 0xff,
    firstAff0: (high >>> 12 & 15) * 16,
    list: low & 0xffff,
  };
}

/** Whether a request reaches a vCPU. `affinity`: its Aff3 to Aff0, a byte each. */
export function reaches(request: SgiRequest, affinity: number, isSender: boolean): boolean {
  if (request.others) return !isSender;
  const bit = (affinity & 0xff) - request.firstAff0;
  return affinity >>> 8 === request.cluster && bit >= 0 && bit < 16 && (request.list >>> bit & 1) !== 0;
}

/** A write by a vCPU. `forGroup0`: to ICC_SGI0R_EL1 or ICC_ASGI1R_EL1, which reach SGIs of group 0 only; ICC_SGI1R_EL1 reaches both groups. */
export function sendSgi(gic: Vgic, sender: number, value: bigint, forGroup0: boolean): void {
  const request = decodeSgi(value);
  for (const { index } of gic.vcpus) {
    if (reaches(request, gic.affinity(index), index === sender)) gic.sendSgi(index, request.intid, forGroup0);
  }
}
