/** How a violation reads. */
import { attributesOf, type Circumstances, type Descriptor, isTable, outputOf, type Reason } from "./rules.ts";
import { EL10, EL2, GLOBAL, type RegimeNumber, type Writer } from "./remembered.ts";

/** What was left out. */
export type Missing = "break" | "invalidation" | "barrier";

/** One change that needed more than was done. */
export interface Violation {
  readonly missing: Missing;
  readonly reason: Reason;
  readonly regime: RegimeNumber;
  readonly vmid: number;
  readonly asid: number;
  /** VA, or IPA for stage 2. */
  readonly address: bigint;
  readonly before: Descriptor;
  readonly after: Descriptor;
  /** PA of the new entry. */
  readonly at: number;
  /** `undefined`: the store wasn't watched, because no table in force led there. */
  readonly writer: Writer | undefined;
  /** vCPUs whose TLBs may hold the old entry. */
  readonly holders: readonly number[];
  /** What was wrong with the invalidation. */
  readonly flaw: string | undefined;
}

const REGIMES = ["EL1&0", "EL2", "stage 2"];
const SHAREABILITY = ["non-shareable", "reserved shareability", "outer shareable", "inner shareable"];

const hex = (value: number | bigint) => `0x${value.toString(16)}`;

/** The VA or IPA of a page, VA bit 55 extended upwards. */
export function addressOf(vpn: number, regime: RegimeNumber): bigint {
  const address = BigInt(vpn) << 12n;
  return regime === EL10 && address >> 55n & 1n ? address | 0xffn << 56n : address;
}

/** Who wrote. */
function describeWriter(writer: Writer | undefined): string {
  if (!writer) return "somebody while no table in force led there";
  if (writer.vcpu < 0) return `EL2 (${writer.owner ?? "memory of nobody"})`;
  return `vCPU ${writer.vcpu} at PC ${hex(BigInt(writer.pcHi >>> 0) << 32n | BigInt(writer.pcLo >>> 0))}`;
}

/** A descriptor, decoded. */
export function describe(entry: Descriptor, circumstances: Circumstances): string {
  const value = hex(BigInt(entry.hi >>> 0) << 32n | BigInt(entry.lo >>> 0));
  if ((entry.lo & 1) === 0) return `${value} (invalid)`;
  if (isTable(entry)) return `${value} (level ${entry.level} table at ${hex(outputOf(entry, true))})`;
  const { stage } = circumstances;
  const bit = (n: number) => (n < 32 ? entry.lo >>> n : entry.hi >>> (n - 32)) & 1;
  const rights = stage === 2
    ? `${bit(6) ? "r" : "-"}${bit(7) ? "w" : "-"}${bit(54) ? "-" : "x"}`
    : `${bit(7) ? "read-only" : "writable"}${bit(6) ? ", EL0" : ""}${bit(53) ? ", PXN" : ""}${bit(54) ? ", UXN" : ""}`;
  const what = [
    `level ${entry.level} ${entry.level === 3 ? "page" : "block"} of ${2 ** (entry.bits - 10)} KiB to ${hex(outputOf(entry))}`,
    `attributes ${hex(attributesOf(entry.lo, circumstances))}`,
    SHAREABILITY[entry.lo >>> 8 & 3],
    rights,
  ];
  if (stage === 1) what.push(bit(11) ? "non-global" : "global");
  if (bit(52)) what.push("contiguous");
  if (!bit(10)) what.push("access flag clear");
  return `${value} (${what.join(", ")})`;
}

/** One line. */
export function line(violation: Violation, circumstances: Circumstances): string {
  const { missing, reason, regime, vmid, asid, address, before, after, at, writer, holders, flaw } = violation;
  const where = [
    `${regime === EL10 || regime === EL2 ? "VA" : "IPA"} ${hex(address)}`,
    REGIMES[regime],
    ...(regime === EL2 ? [] : [`VMID ${vmid}`]),
    ...(regime === EL10 ? [asid === GLOBAL ? "global" : `ASID ${asid}`] : []),
    `level ${after.level}`,
  ];
  const what = {
    break: "a live entry was replaced by another valid one",
    invalidation: "the old entry was not invalidated",
    barrier: "a DSB is missing",
  }[missing];
  return `${where.join(", ")}: change of ${reason}, but ${what}${flaw ? ` (${flaw})` : ""}. Was ${describe(before, circumstances)}, is ${
    describe(after, circumstances)
  } at PA ${hex(at)}, written by ${describeWriter(writer)}; TLBs that may hold the old one: vCPU ${holders.join(", ")}`;
}
