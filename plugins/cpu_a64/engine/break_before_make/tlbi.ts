/** What a TLBI asks for, taken apart. Arm ARM DDI 0487, "TLBI VAE1, TLBI VAE1NXS" and its siblings. */
import type { TlbOperation } from "../../sysregs/mod.ts";

/** Entries that go. Pages are of 4 KiB. */
export interface Invalidation {
  readonly regime: "EL1" | "EL2";
  /** `undefined`: every VMID. */
  readonly vmid: number | undefined;
  /** `undefined`: every vCPU. */
  readonly vcpu: number | undefined;
  /** `undefined`: every ASID, global entries too. */
  readonly asid: number | undefined;
  readonly stages: 1 | 2 | 12;
  readonly lastLevel: boolean;
  /** First page, VA or IPA >> 12; `undefined`: all. */
  readonly vpn?: number;
  readonly pages?: number;
}

/** The entries that a TLBI with its argument means. */
export function invalidationOf(
  operation: TlbOperation,
  lo: number,
  hi: number,
  vcpu: number | undefined,
  vmid: number,
): Invalidation {
  const { regime, match, stages, lastLevel } = operation;
  const isEl1 = regime === "EL1";
  const base = { regime, vcpu, stages, lastLevel, vmid: isEl1 ? (match === "all" ? undefined : vmid) : undefined };
  const asid = isEl1 && (match === "asid" || match === "va") ? hi >>> 16 : undefined;
  if (match === "all" || match === "vmid" || match === "asid") return { ...base, asid };
  if (operation.isRange) {
    const granule = [12, 12, 14, 16][(hi >>> 14) & 3];
    const scale = 2 ** (granule - 12);
    const pages = (((hi >>> 7) & 31) + 1) * 2 ** (5 * ((hi >>> 12) & 3) + 1) * scale;
    // BaseADDR is signed for a VA; VA[55:12] are 44 bits here.
    const sign = match !== "ipa" && hi & 0x10 ? 2 ** 44 - 2 ** 37 * scale : 0;
    return { ...base, asid, vpn: sign + ((hi & 0x1f) * 2 ** 32 + (lo >>> 0)) * scale, pages };
  }
  // VA[55:12], or IPA[51:12] below.
  const top = match === "ipa" ? hi & 0xff : hi & 0xfff;
  return { ...base, asid, vpn: top * 2 ** 32 + (lo >>> 0) };
}
