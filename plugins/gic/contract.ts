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
