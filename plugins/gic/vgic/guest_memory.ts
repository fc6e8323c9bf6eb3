/** Guest RAM as the interrupt controllers reach it: tables whose addresses a guest chose. */
import type { Domain } from "../../../core/mod.ts";

/** Reads and writes that can't fail with an error. */
export interface GuestMemory {
  /** Copies bytes out; `undefined` when not all of them are guest RAM. */
  read(ipa: number, size: number): Uint8Array | undefined;
  /** Copies bytes in. False, and nothing changed, when not all of it is guest RAM. */
  write(ipa: number, bytes: Uint8Array): boolean;
}

/** The RAM of a domain. A range that goes over the end of a bank is refused, also where another bank follows. */
export function guestMemory(domain: Domain): GuestMemory {
  const has = (ipa: number, size: number) => domain.ram.some((bank) => ipa >= bank.at && ipa + size <= bank.at + bank.size);
  return {
    read: (ipa, size) => has(ipa, size) ? domain.readMemory(ipa, size) : undefined,
    write(ipa, bytes) {
      if (!has(ipa, bytes.length)) return false;
      domain.writeMemory(ipa, bytes);
      return true;
    },
  };
}
