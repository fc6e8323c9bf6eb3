/** Grant tables: pages that a domain lends to another by entries in memory that both it and the hypervisor write. */
import { capability } from "../../core/mod.ts";
import type { Capability, Domain } from "../../core/mod.ts";
import type { Physmap } from "./physmap.ts";
import type { SharedFrame } from "./shared_frame.ts";

export { Physmap } from "./physmap.ts";
export { SharedFrame } from "./shared_frame.ts";

/** Results of single operations: Xen's public header grant_table.h, GNTST_*. */
export const GrantStatus = {
  okay: 0,
  general_error: -1,
  bad_domain: -2,
  bad_gntref: -3,
  bad_handle: -4,
  bad_virt_addr: -5,
  bad_dev_addr: -6,
  no_device_space: -7,
  permission_denied: -8,
  bad_page: -9,
  bad_copy_arg: -10,
  no_space: -13,
} as const;

/** A page to map. */
export interface GrantMapping {
  /** Whose grant. */
  readonly owner: string;
  /** Which entry of its table. */
  readonly reference: number;
  /** The mapper's guest frame. */
  readonly gfn: bigint;
  /** The mapper may not write. */
  readonly readOnly: boolean;
}

/** An end of a copy: a grant of somebody's, or a frame of one's own. */
export type CopyEnd =
  | { readonly owner: string; readonly reference: number; readonly offset: number }
  | { readonly gfn: bigint; readonly offset: number };

/** The grants of one domain, and what it maps of others'. Nothing throws whatever the arguments are. */
export interface DomainGrants {
  /** Whose they are. */
  readonly domain: Domain;
  /** What the guest itself put into its address space. */
  readonly physmap: Physmap;
  /** Frames of its table. */
  readonly size: number;
  /** The most that it may have. */
  readonly maxSize: number;
  /** A frame of the table; the table grows as far as that. `undefined` beyond the most, or when no memory is left. */
  frame(index: number): SharedFrame | undefined;
  /** Maps. Status, and a handle when it is {@linkcode GrantStatus.okay}. */
  map(request: GrantMapping): { readonly status: number; readonly handle: number };
  /** Takes a mapping back. */
  unmap(handle: number, gfn: bigint): number;
  /** Copies bytes within one page to within one page. */
  copy(source: CopyEnd, target: CopyEnd, length: number): number;
  /** Maps a page of another domain's that nobody granted: 0 or an error of `Errno`. */
  mapForeign(owner: string, foreignGfn: bigint, gfn: bigint): number;
  /** A capability of that domain's, for a call of another domain about it. */
  find<T>(key: Capability<T>): T | undefined;
  /** Before the domain goes. Returns how to forget it. */
  onRelease(hook: () => void): () => void;
  /** Grants in use by mappings, and mappings of its own. */
  readonly counts: { readonly active: number; readonly maps: number };
}

/** The board's grant tables. */
export interface GrantTables {
  /** Of a domain that lives. */
  of(domain: string): DomainGrants | undefined;
}

/** Provided by `grant_tables`. */
export const GrantTables: Capability<GrantTables> = capability("GrantTables");

/** The domain's own. */
export const Grants: Capability<DomainGrants> = capability("Grants", "domain");
