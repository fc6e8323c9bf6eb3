/** Guest memory as queues reach it: every access is checked, nothing throws but {@linkcode QueueError}. */
import type { Domain } from "../../core/mod.ts";

/** The driver broke the rules of its queue: the device needs a reset. Never leaves the device. */
export class QueueError extends Error {
  override readonly name = "QueueError";
}

/** What a transport lends to its queues. */
export interface Dma {
  /** Undefined when not all of it is guest RAM that the device may reach. */
  read(ipa: number, size: number): Uint8Array | undefined;
  /** False, and nothing written, then. */
  write(ipa: number, bytes: Uint8Array): boolean;
  /** Guest RAM: ranges that don't touch, sorted. */
  readonly ram: readonly { readonly at: number; readonly size: number }[];
}

/** DMA into a domain's RAM. */
export function domainDma(domain: Domain): Dma {
  return {
    read(ipa, size) {
      try {
        return domain.readMemory(ipa, size);
      } catch (error) {
        if (error instanceof RangeError) return undefined;
        throw error;
      }
    },
    write(ipa, bytes) {
      try {
        domain.writeMemory(ipa, bytes);
        return true;
      } catch (error) {
        if (error instanceof RangeError) return false;
        throw error;
      }
    },
    ram: mergedRam(domain),
  };
}

/** RAM with banks that touch joined. */
export function mergedRam({ ram }: Pick<Domain, "ram">): { at: number; size: number }[] {
  const merged: { at: number; size: number }[] = [];
  for (const { at, size } of ram.toSorted((a, b) => a.at - b.at)) {
    const last = merged.at(-1);
    if (last !== undefined && last.at + last.size === at) last.size += size;
    else merged.push({ at, size });
  }
  return merged;
}

/** Little-endian reads and writes that either work or throw a {@linkcode QueueError}. */
export class GuestMemory {
  constructor(private readonly dma: Dma) {}

  /** True when all of it is RAM. Exact for every number: no sum of it wraps. */
  holds(ipa: number, size: number): boolean {
    return this.dma.ram.some(({ at, size: length }) => ipa >= at && ipa - at <= length - size);
  }

  read(ipa: number, size: number): Uint8Array {
    // Asked first, so that a length of 4 GiB allocates nothing.
    const bytes = this.holds(ipa, size) ? this.dma.read(ipa, size) : undefined;
    if (bytes === undefined) throw new QueueError(`${size} bytes at IPA 0x${ipa.toString(16)} can't be read: not all of it is guest RAM`);
    return bytes;
  }

  write(ipa: number, bytes: Uint8Array): void {
    if (this.dma.write(ipa, bytes)) return;
    throw new QueueError(`${bytes.length} bytes at IPA 0x${ipa.toString(16)} can't be written: not all of it is guest RAM`);
  }

  read16(ipa: number): number {
    const bytes = this.read(ipa, 2);
    return bytes[0] | bytes[1] << 8;
  }

  read32(ipa: number): number {
    const bytes = this.read(ipa, 4);
    return (bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24) >>> 0;
  }

  write16(ipa: number, value: number): void {
    this.write(ipa, Uint8Array.of(value & 0xff, value >>> 8 & 0xff));
  }
}
