/**
 * The hypervisor's virtual addresses, the same on every board. Level 0 slots are 512 GiB:
 *
 *     slots   0..31    identity map of the image's page that switches tables: 16 TiB, all that 44 bits of PA reach
 *     slot   32        the image, the fixmap, a device tree, vmap, the frame table
 *     slots 256..511   direct map of RAM
 *
 * Why an identity region of its own: a table switch that put its page over something else would have to take that away first, and
 * restore it afterwards, on every CPU. Why the others keep clear of it: then no load address can collide with them.
 */
import { hex } from "../../../core/mod.ts";

const MIB = 2 ** 20, GIB = 2 ** 30;
/** Bytes of a level 0 slot. */
export const SLOT = 2 ** 39;
/** First slot that isn't for the identity map. */
const FIRST_SLOT = 32;
const BASE = FIRST_SLOT * SLOT;

/** A range of virtual addresses. */
export interface Region {
  readonly at: number;
  readonly size: number;
}

/** What a layout must have. */
export type Layout = Readonly<Record<"identity" | "image" | "fixmap" | "deviceTree" | "vmap" | "frameTable" | "directMap", Region>>;

/** The one layout. */
export const layout: Layout = {
  identity: { at: 0, size: BASE },
  image: { at: BASE + 2 * MIB, size: 8 * MIB },
  fixmap: { at: BASE + 10 * MIB, size: 2 * MIB },
  deviceTree: { at: BASE + 12 * MIB, size: 4 * MIB },
  vmap: { at: BASE + GIB, size: GIB },
  frameTable: { at: BASE + 32 * GIB, size: 32 * GIB },
  directMap: { at: 256 * SLOT, size: 256 * SLOT },
};

/** What is wrong with a layout, or nothing. */
export function layoutProblem(regions: Layout): string | undefined {
  const entries = Object.entries(regions).sort(([, a], [, b]) => a.at - b.at);
  for (const [index, [name, { at, size }]] of entries.entries()) {
    if (at % (2 * MIB) !== 0 || size % (2 * MIB) !== 0) return `${name} at ${hex(at)} isn't aligned to 2 MiB`;
    if (name !== "identity" && at < regions.identity.at + regions.identity.size) return `${name} at ${hex(at)} is in the identity region`;
    if (at + size > 2 ** 48) return `${name} ends above 48 bits`;
    const next = entries[index + 1];
    if (next && at + size > next[1].at) return `${name} overlaps ${next[0]}`;
  }
  // They share their tables down to level 2, so that the boot tables are one chain.
  const block = (at: number) => Math.floor(at / GIB);
  for (const name of ["image", "fixmap", "deviceTree"] as const) {
    const { at, size } = regions[name];
    if (block(at) !== block(regions.image.at) || block(at + size - 1) !== block(at)) return `${name} isn't in the image's GiB`;
  }
  return undefined;
}

const problem = layoutProblem(layout);
if (problem !== undefined) throw new Error(`EL2's address layout: ${problem}`);
