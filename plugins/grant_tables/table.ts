/**
 * One domain's grant table, version 1: entries of 8 bytes (Xen's public header grant_table.h, `struct grant_entry_v1`), and what is in use
 * of them.
 *
 * What can a hostile guest do here? Change its entries at any moment. Each is read once, as 64 bits; what was found then is kept while the
 * grant is in use, and no later value counts. It can make its own grants unusable, not anybody's else.
 */
import { PAGE_SIZE } from "../../core/mod.ts";
import type { Domain } from "../../core/mod.ts";
import type { PageHost } from "../event_channels/contract.ts";
import { GrantStatus } from "./contract.ts";
import type { SharedFrame } from "./contract.ts";

const ENTRY_SIZE = 8, PER_FRAME = PAGE_SIZE / ENTRY_SIZE;
const TYPE = 3, PERMIT = 1, READONLY = 1 << 2, READING = 1 << 3, WRITING = 1 << 4;

/** A grant that is in use: plain data. */
export interface ActiveGrant {
  /** The domain that uses it, by its number. */
  readonly domid: number;
  readonly pa: number;
  /** Uses that read, and that write as well. */
  readers: number;
  writers: number;
}

/** A use that was granted, or why not. */
export type Pinned = { readonly status: 0; readonly pa: number } | { readonly status: number; readonly pa?: undefined };

/** The table, and its uses. */
export class GrantTable {
  readonly frames: SharedFrame[] = [];

  constructor(
    readonly domain: Domain,
    readonly host: PageHost,
    readonly active: Map<number, ActiveGrant>,
    readonly maxFrames: number,
    readonly makeFrame: () => SharedFrame,
  ) {}

  frame(index: number): SharedFrame | undefined {
    if (!Number.isInteger(index) || index < 0 || index >= this.maxFrames) return undefined;
    try {
      while (this.frames.length <= index) this.frames.push(this.makeFrame());
    } catch {
      return undefined; // no memory is left
    }
    return this.frames[index];
  }

  /** Takes one use. The frame has a reference more then. */
  pin(reference: number, domid: number, readOnly: boolean): Pinned {
    const frame = Number.isInteger(reference) && reference >= 0 ? this.frames[Math.floor(reference / PER_FRAME)] : undefined;
    if (frame === undefined) return { status: GrantStatus.bad_gntref };
    const at = reference % PER_FRAME * ENTRY_SIZE;
    const entry = frame.page.get64(at);
    const flags = Number(entry & 0xffffn);
    if ((flags & TYPE) !== PERMIT || Number(entry >> 16n & 0xffffn) !== domid) return { status: GrantStatus.general_error };
    if (!readOnly && (flags & READONLY) !== 0) return { status: GrantStatus.general_error };
    let grant = this.active.get(reference);
    if (grant === undefined) {
      const found = this.domain.space.lookup(Number(entry >> 32n) * PAGE_SIZE);
      const { memory } = this.host;
      const isOwn = found !== undefined && memory.isRam(found.pa, PAGE_SIZE) && memory.ownerOf(found.pa)?.owner === this.domain.name;
      if (!isOwn || (!readOnly && !found.mapping.write)) return { status: GrantStatus.bad_page };
      grant = { domid, pa: found.pa, readers: 0, writers: 0 };
      this.active.set(reference, grant);
    } else if (grant.domid !== domid) {
      return { status: GrantStatus.general_error };
    }
    this.host.memory.reference(this.domain.name, grant.pa);
    if (readOnly) grant.readers++;
    else grant.writers++;
    this.#mark(reference, READING | (readOnly ? 0 : WRITING), true);
    return { status: 0, pa: grant.pa };
  }

  /** Gives one use back, but for the frame's reference, which is the caller's. */
  unpin(reference: number, readOnly: boolean): void {
    const grant = this.active.get(reference);
    if (grant === undefined) return;
    if (readOnly) grant.readers--;
    else grant.writers--;
    if (!readOnly && grant.writers === 0) this.#mark(reference, WRITING, false);
    if (grant.readers + grant.writers > 0) return;
    this.#mark(reference, READING, false);
    this.active.delete(reference);
  }

  /** The domain goes. */
  release(): void {
    for (const frame of this.frames.splice(0)) frame.release();
  }

  #mark(reference: number, bits: number, value: boolean): void {
    const page = this.frames[Math.floor(reference / PER_FRAME)]?.page;
    const at = reference % PER_FRAME * ENTRY_SIZE;
    if (page === undefined) return;
    const flags = page.get8(at);
    page.set8(at, value ? flags | bits : flags & ~bits);
  }
}
