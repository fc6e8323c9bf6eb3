/** What other plugins may know of the interrupt controllers: where devices send messages. */
import { capability } from "../../core/mod.ts";
import type { Capability, Ipa } from "../../core/mod.ts";

/**
 * Message-signalled interrupts of one domain: a page to which devices write. The interrupt controller's device tree node that goes with it
 * has the label `msi`, for `msi-parent` and `msi-map`.
 */
export interface MessageInterrupts {
  /** IPA of the doorbell page, 64 KiB at most. */
  readonly at: Ipa;
  /** Bytes. */
  readonly size: number;
  /** A device's write of 32 bits. `deviceId` identifies it, as a bus does. A guest chooses address and data: what isn't a doorbell is ignored. */
  write(deviceId: number, ipa: Ipa, data: number): void;
}

/** Message-signalled interrupts of a domain. */
export const MessageInterrupts: Capability<MessageInterrupts> = capability("MessageInterrupts", "domain");

/**
 * The redistributors of one domain, as an ITS reaches them. `v` is a vCPU's index, which is GICR_TYPER.Processor_Number; what is out of
 * range, or concerns a vCPU whose LPIs are off, is ignored.
 */
export interface LpiTargets {
  /** vCPUs. */
  readonly vcpus: number;
  /** Says that there are LPIs, in the identification registers too. Once, before the first vCPU runs. */
  open(): void;
  /** Makes an LPI pending. */
  pend(v: number, intid: number): void;
  /** Takes that back. */
  clear(v: number, intid: number): void;
  /** Moves what is pending of an LPI. */
  move(from: number, to: number, intid: number): void;
  /** Moves all that is pending. Returns how many that were. */
  moveAll(from: number, to: number): number;
  /** Reads an LPI's configuration again. */
  invalidate(v: number, intid: number): void;
  /** Reads all configuration again. Returns how many pending LPIs that changed. */
  invalidateAll(v: number): number;
}

/** Where an ITS sends LPIs. */
export const LpiTargets: Capability<LpiTargets> = capability("LpiTargets", "domain");
