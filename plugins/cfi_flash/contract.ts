/**
 * What other plugins may ask of the flash, and how they put an image to where the guest finds it: into flash or RAM.
 */
import { capability, hex } from "../../core/mod.ts";
import type { Capability, Domain } from "../../core/mod.ts";

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

/** Puts an image to an IPA before boot. Returns what is wrong, for the user, when it isn't RAM or flash from end to end. */
export function placeImage(domain: Domain, flash: Flash | undefined, ipa: number, bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return "an empty image";
  if (flash?.holds(ipa, bytes.length)) {
    flash.place(ipa, bytes);
    return undefined;
  }
  try {
    domain.writeMemory(ipa, bytes);
    return undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const places = domain.ram.map(({ at, size }) => `RAM ${hex(at)} to ${hex(at + size - 1)}`).join(", ");
    return `${hex(bytes.length)} bytes at ${hex(ipa)} lie outside the guest's memory (${places}${
      flash ? ", and flash" : "; it has no cfi_flash"
    })`;
  }
}
