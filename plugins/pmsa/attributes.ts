/**
 * What a region allows, as the bits of PRBAR_EL2 and PRLAR_EL2. Arm DDI 0600, "PRBAR_EL2, Protection Region Base Address
 * Register" and "PRLAR_EL2". The bits are one number, so that equal attributes are equal numbers.
 */
import type { Mapping, MemoryType } from "../../core/mod.ts";

/** PRBAR[5:0] in bits 5 to 0, AttrIndx in bits 8 to 6. */
export type Attributes = number;

/** Who may use a region: AP in PRBAR has no "EL1 only". */
export type Audience = "hypervisor" | "guest";

/** PRBAR.XN[1]: nobody executes. XN[0] would tell EL1 from EL0. */
const EXECUTE_NEVER = 0b10;
/** PRBAR.AP: bit 2, lower Exception levels too; bit 3, read-only. */
const LOWER = 1 << 2, READ_ONLY = 1 << 3;
const OUTER_SHAREABLE = 0b10 << 4, INNER_SHAREABLE = 0b11 << 4;

/** AttrIndx by type. Normal Write-Back is 7 and Device-nGnRE 4, as an engineer who knows Xen's constants expects. */
const index: Readonly<Record<MemoryType, number>> = {
  "device-ngnrne": 0,
  "normal-nc": 1,
  "normal-wt": 2,
  "device-ngre": 3,
  "device-ngnre": 4,
  "device-gre": 5,
  "normal-wb": 7,
};
const typeAt = new Map(Object.entries(index).map(([type, at]) => [at, type as MemoryType]));

/** MAIR_EL2's byte of each type. Arm ARM DDI 0487, "MAIR_EL1". */
const mairByte: Readonly<Record<MemoryType, bigint>> = {
  "device-ngnrne": 0x00n,
  "device-ngnre": 0x04n,
  "device-ngre": 0x08n,
  "device-gre": 0x0cn,
  "normal-nc": 0x44n,
  "normal-wt": 0xbbn,
  "normal-wb": 0xffn,
};

/** MAIR_EL2 for these indexes. */
export const MAIR: bigint = Object.entries(index).reduce((mair, [type, at]) => mair | mairByte[type as MemoryType] << BigInt(8 * at), 0n);

/** The bits of a mapping. Throws a `RangeError` for what AP can't say, and for the hypervisor's own memory that is writable and executable. */
export function attributesOf({ read, write, execute, type }: Mapping, audience: Audience): Attributes {
  if (!read) throw new RangeError("an MPU region can't be unreadable: PRBAR_EL2.AP has no such value");
  if (audience === "hypervisor" && write && execute) throw new RangeError("hypervisor memory is never writable and executable");
  const isCacheable = type === "normal-wb" || type === "normal-wt";
  return (execute ? 0 : EXECUTE_NEVER) | (audience === "guest" ? LOWER : 0) | (write ? 0 : READ_ONLY) |
    (isCacheable ? INNER_SHAREABLE : OUTER_SHAREABLE) | index[type] << 6;
}

/** The mapping that the bits stand for. */
export function mappingOf(attributes: Attributes): Mapping {
  return {
    read: true,
    write: (attributes & READ_ONLY) === 0,
    execute: (attributes & EXECUTE_NEVER) === 0,
    type: typeAt.get(attributes >> 6)!,
  };
}

/** PRBAR_EL2[5:0]. */
export function baseBits(attributes: Attributes): bigint {
  return BigInt(attributes & 0x3f);
}

/** PRLAR_EL2.AttrIndx, in place. EN and NS are clear. */
export function limitBits(attributes: Attributes): bigint {
  return BigInt(attributes >> 6 << 1);
}

/** `rw- normal-wb`. */
export function attributesText(attributes: Attributes): string {
  const { write, execute, type } = mappingOf(attributes);
  return `r${write ? "w" : "-"}${execute ? "x" : "-"} ${type}`;
}
