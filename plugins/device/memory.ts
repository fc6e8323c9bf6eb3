/** A domain's RAM as its devices reach it: every access is checked, nothing throws. */
import type { Domain } from "../../core/mod.ts";
import type { DeviceDma } from "./model.ts";

/** DMA into a domain's RAM. */
export function domainMemory(domain: Domain): DeviceDma {
  return {
    read(ipa, size) {
      try {
        return domain.readMemory(ipa, size);
      } catch (error) {
        rethrowOthers(error);
        return undefined;
      }
    },
    readInto(ipa, into) {
      try {
        domain.readMemoryInto(ipa, into);
        return true;
      } catch (error) {
        rethrowOthers(error);
        return false;
      }
    },
    write(ipa, bytes) {
      try {
        domain.writeMemory(ipa, bytes);
        return true;
      } catch (error) {
        rethrowOthers(error);
        return false;
      }
    },
    ram: mergedRam(domain),
  };
}

/** Returns for what a domain's memory throws where not all of a range is RAM. */
function rethrowOthers(error: unknown): void {
  if (!(error instanceof RangeError)) throw error;
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
