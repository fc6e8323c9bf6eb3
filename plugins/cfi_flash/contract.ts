/** What other plugins may ask of the flash: to have images put into it before the guest starts. */
import { capability } from "../../core/mod.ts";
import type { Capability } from "../../core/mod.ts";

/** The flash of a domain, all its banks. */
export interface Flash {
  /** True when all of a range of IPAs lies in the flash. */
  holds(ipa: number, size: number): boolean;
  /**
   * Puts bytes into it, as at the factory: once in the life of a domain, so what the guest has changed survives its reboots.
   * Throws when the board's RAM can't hold the sectors.
   */
  place(ipa: number, bytes: Uint8Array): void;
}

/** The flash of a domain. */
export const Flash: Capability<Flash> = capability("Flash", "domain");
