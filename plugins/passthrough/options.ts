/** What a manifest says of a device that a domain gets. */
import type { Mapping, MemoryType } from "../../core/mod.ts";

/** Options. */
export interface PassthroughOptions {
  /** PA. */
  readonly at: number;
  readonly size: number;
  readonly ipa?: number;
  readonly type: MemoryType;
  /** The board's. */
  readonly lines: readonly number[];
  /** The domain's, in the order of `lines`. */
  readonly interrupts?: readonly number[];
  readonly node: string;
  readonly compatible?: readonly string[];
  readonly properties: Readonly<Record<string, unknown>>;
  readonly stdout: boolean;
}

/** The name that manifests use. */
export const NAME = "passthrough";

/** Where the guest sees it. */
export function guestAddress({ ipa, at }: PassthroughOptions): number {
  return ipa ?? at;
}

/** How it is mapped: registers are data. */
export function mappingFor({ type }: PassthroughOptions): Mapping {
  return { read: true, write: true, execute: false, type };
}
