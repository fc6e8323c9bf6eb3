/** Vendor Specific Hypervisor Service: by its UID a guest knows which hypervisor it runs on. Arm DEN 0028, "General service queries". */
import type { SmcccCall, SmcccResult } from "../../core/mod.ts";
import { uuidWords } from "./uuid.ts";

/** Function identifiers. Call Count, 0x8600_ff00, is deprecated since SMCCC 1.2 and isn't there. */
export const VendorHypervisor = { UID: 0x8600_ff01, REVISION: 0x8600_ff03 } as const;

const UID = uuidWords("7c1d9a52-6e0b-4f3a-9b1c-2d8e5f40a6b3");
/** Major and minor revision of the service: it has no functions of its own yet. */
const REVISION: readonly bigint[] = [0n, 1n];

/** Answers a call. */
export function hypervisorCall({ functionId }: SmcccCall): SmcccResult {
  switch (functionId) {
    case VendorHypervisor.UID:
      return UID;
    case VendorHypervisor.REVISION:
      return REVISION;
    default:
      return BigInt.asUintN(64, -1n);
  }
}
