/** A bank of RAM: what is known of each of its frames. */
import { PAGE_SIZE } from "./address.ts";
import { Buddy, MAX_ORDER } from "./buddy.ts";
import type { RamBank } from "./physical_memory.ts";
import type { SavedBank } from "./saved_ram.ts";

/** Order 18 blocks are 1 GiB: indexes of a bank start below it at a multiple of that, so that alignment is the address's. */
const ALIGNMENT = PAGE_SIZE * 2 ** MAX_ORDER;

/** With who owns its frames. */
export interface Bank extends RamBank {
  readonly buddy: Buddy;
  /** Taken by address only: it isn't handed out. */
  readonly isBeside: boolean;
  /** Address of index 0. */
  readonly origin: number;
  /** Owner number of each frame; 0: free. */
  readonly owner: Uint16Array;
  readonly references: Uint32Array;
  /** 1: had an owner, and may hold its bytes. */
  readonly dirty: Uint8Array;
}

/** A bank that nobody owns anything of. `hostOffset`: where it is in the shared memory. */
export function newBank(base: number, size: number, hostOffset: number, isBeside: boolean): Bank {
  const origin = Math.floor(base / ALIGNMENT) * ALIGNMENT;
  const frames = size / PAGE_SIZE;
  return {
    base,
    size,
    hostOffset,
    origin,
    buddy: new Buddy((base - origin) / PAGE_SIZE, frames),
    owner: new Uint16Array(frames),
    references: new Uint32Array(frames),
    dirty: new Uint8Array(frames),
    isBeside,
  };
}

/** For a snapshot. */
export function saveBank({ owner, references, dirty, buddy }: Bank): SavedBank {
  return { owner: owner.slice(), references: references.slice(), dirty: dirty.slice(), free: buddy.save() };
}

/** Makes a bank what it was, and adds each owner's frames to `held`. Throws a `RangeError` for nonsense. */
export function loadBank({ owner, references, dirty, buddy }: Bank, saved: SavedBank, held: number[]): void {
  const counts = new Uint32Array(held.length);
  const { owner: owners, dirty: wasDirty } = saved;
  for (let frame = 0; frame < owner.length; frame++) {
    const number = owners[frame];
    if (number >= counts.length) throw new RangeError(`a frame belongs to owner ${number}, who has no name`);
    // What was owned up to now is scrubbed before it is owned again.
    dirty[frame] = number === 0 && (wasDirty[frame] | owner[frame] | dirty[frame]) !== 0 ? 1 : wasDirty[frame];
    counts[number]++;
  }
  counts.forEach((count, number) => held[number] += number > 0 ? count : 0);
  owner.set(owners);
  references.set(saved.references);
  buddy.load(saved.free);
}

/** Takes a reference from each frame of a range, and returns how many are free by that. `allocated`: addresses, of which theirs go. */
export function releaseFrames(bank: Bank, first: number, count: number, allocated: Set<number> | undefined): number {
  const { base, buddy, owner, references, dirty } = bank;
  let all = 0;
  // Neighbours go together: frames one by one would be merged one by one.
  for (let frame = first, gone = 0; frame <= first + count; frame++) {
    if (frame < first + count && --references[frame] === 0) {
      dirty[frame] = 1;
      owner[frame] = 0;
      gone++;
    } else if (gone > 0) {
      buddy.releaseRange(buddy.first + frame - gone, gone);
      if (allocated !== undefined) forget(allocated, base + (frame - gone) * PAGE_SIZE, gone);
      all += gone;
      gone = 0;
    }
  }
  return all;
}

/** Removes the addresses of so many frames. */
function forget(addresses: Set<number>, from: number, count: number): void {
  const end = from + count * PAGE_SIZE;
  if (count > addresses.size) { for (const pa of addresses) if (pa >= from && pa < end) addresses.delete(pa); }
  else for (let pa = from; pa < end; pa += PAGE_SIZE) addresses.delete(pa);
}
