/**
 * Who has which pages of a device while the machine runs: `check` sees the manifest only, and domains may be created later. Kept by the
 * device's handler, of which each machine has its own; what is here follows from who is attached, and comes back by attaching.
 */
import { hex, PAGE_SIZE } from "../../core/mod.ts";
import type { MmioHandler } from "../../core/mod.ts";

const owners = new WeakMap<MmioHandler, Map<number, string>>();

/** Takes pages for an owner. Throws a `RangeError`, and takes none, when somebody has one of them. Returns what gives them back. */
export function take(device: MmioHandler, at: number, size: number, owner: string): () => void {
  const taken = owners.get(device) ?? new Map<number, string>();
  owners.set(device, taken);
  const pages = Array.from({ length: size / PAGE_SIZE }, (_, n) => at + n * PAGE_SIZE);
  const page = pages.find((candidate) => taken.has(candidate));
  if (page !== undefined) throw new RangeError(`the device at ${hex(page)} has one owner, ${taken.get(page)}: ${owner} can't have it`);
  for (const free of pages) taken.set(free, owner);
  return () => {
    for (const mine of pages) taken.delete(mine);
  };
}
