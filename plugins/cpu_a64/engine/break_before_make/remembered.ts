/**
 * A TLB without end: what a vCPU's walks have found, or could have found, and no TLBI has dropped since. Hardware may
 * keep an entry for ever; a direct-mapped TLB would forget the very entries that a mistake needs.
 */
import type { Descriptor } from "./rules.ts";

/** Translation regimes, and stage 2 alone. */
export const EL10 = 0, EL2 = 1, STAGE2 = 2;
export type RegimeNumber = typeof EL10 | typeof EL2 | typeof STAGE2;

/** ASID of entries that hold for all. */
export const GLOBAL = -1;

/** Who wrote an entry. */
export interface Writer {
  /** -1: EL2. */
  readonly vcpu: number;
  /** PC of the store, in halves. */
  readonly pcLo: number;
  readonly pcHi: number;
  /** EL2: whose the table is. */
  readonly owner?: string;
  /** DSBs for stores that the vCPU had executed. */
  readonly stores: number;
}

/** What a TLB may hold. */
export interface Entry extends Descriptor {
  lo: number;
  hi: number;
  /** PA of the descriptor. */
  at: number;
  readonly vcpu: number;
  readonly asid: number;
  /** It is invalid in memory, by whom. */
  broken: Writer | undefined;
  /** A TLBI is on its way. */
  isGoing: boolean;
  /** Why a TLBI that meant it didn't do. */
  flaw: string | undefined;
  /** The stage 2 part has been dropped; a combined entry may be left. */
  isHalf: boolean;
}

/** Entries of one vCPU, VMID and ASID: leaves and tables by place and size. */
export class Space {
  readonly leaves: Map<number, Entry> = new Map();
  readonly tables: Map<number, Entry> = new Map();
  /** Sizes that were ever there. */
  readonly #leafSizes: number[] = [];
  readonly #tableSizes: number[] = [];

  /** Roots that walks for it began at. */
  readonly roots: Set<number> = new Set();

  constructor(readonly vcpu: number, readonly asid: number) {}

  get(map: "leaves" | "tables", vpn: number, bits: number): Entry | undefined {
    return this[map].get(keyOf(vpn, bits));
  }

  put(map: "leaves" | "tables", entry: Entry): void {
    const sizes = map === "leaves" ? this.#leafSizes : this.#tableSizes;
    if (!sizes.includes(entry.bits)) sizes.push(entry.bits);
    this[map].set(keyOf(entry.vpn, entry.bits), entry);
  }

  delete(map: "leaves" | "tables", entry: Entry): void {
    const key = keyOf(entry.vpn, entry.bits);
    if (this[map].get(key) === entry) this[map].delete(key);
  }

  /** Entries that meet the range of `1 << bits` bytes. */
  overlapping(map: "leaves" | "tables", vpn: number, bits: number): Entry[] {
    const found: Entry[] = [];
    const entries = this[map];
    if (entries.size === 0) return found;
    for (const size of map === "leaves" ? this.#leafSizes : this.#tableSizes) {
      if (size >= bits) {
        const entry = entries.get(keyOf(vpn, size));
        if (entry) found.push(entry);
        continue;
      }
      const count = 2 ** (bits - size);
      if (count <= entries.size) {
        const step = 2 ** (size - 12);
        const first = vpn - vpn % 2 ** (bits - 12);
        for (let i = 0; i < count; i++) {
          const entry = entries.get(keyOf(first + i * step, size));
          if (entry) found.push(entry);
        }
      } else {
        const block = Math.floor(vpn / 2 ** (bits - 12));
        for (const entry of entries.values()) {
          if (entry.bits === size && Math.floor(entry.vpn / 2 ** (bits - 12)) === block) found.push(entry);
        }
      }
    }
    return found;
  }

  /** Entries that a TLB must not hold beside another, unless they say the same. */
  meeting({ vpn, bits }: Descriptor, isTable: boolean): Entry[] {
    const tables = bits > 12 ? this.overlapping("tables", vpn, bits).filter((entry) => entry.bits === bits) : [];
    const leaves = this.overlapping("leaves", vpn, bits);
    return [...tables, ...isTable ? leaves.filter((entry) => entry.bits >= bits) : leaves];
  }

  get size(): number {
    return this.leaves.size + this.tables.size;
  }

  clear(): void {
    this.leaves.clear();
    this.tables.clear();
  }
}

function keyOf(vpn: number, bits: number): number {
  return Math.floor(vpn / 2 ** (bits - 12)) * 64 + bits;
}

/** All spaces. */
export class Remembered {
  /** By regime and VMID, then vCPU, then ASID. */
  readonly #groups = new Map<number, Map<number, Map<number, Space>>>();
  /** Entries that were forgotten because there were too many. */
  forgotten = 0;
  #count = 0;

  /** @param limit most entries that are kept, about */
  constructor(readonly limit: number) {}

  /** A space; made when it is new. */
  space(regime: RegimeNumber, vmid: number, vcpu: number, asid: number): Space {
    const key = vmid * 4 + regime;
    let group = this.#groups.get(key);
    if (!group) this.#groups.set(key, group = new Map());
    let spaces = group.get(vcpu);
    if (!spaces) group.set(vcpu, spaces = new Map());
    let space = spaces.get(asid);
    if (!space) spaces.set(asid, space = new Space(vcpu, asid));
    return space;
  }

  /** Spaces of a regime and VMID (`undefined`: all), a vCPU (`undefined`: all), and the ASIDs that `wants` takes. */
  *spaces(regime: RegimeNumber, vmid: number | undefined, vcpu: number | undefined, wants: (asid: number) => boolean): Generator<Space> {
    for (const [key, group] of this.#groups) {
      if ((key & 3) !== regime || (vmid !== undefined && key >>> 2 !== vmid)) continue;
      for (const [holder, spaces] of group) {
        if (vcpu !== undefined && holder !== vcpu) continue;
        for (const [asid, space] of spaces) if (wants(asid)) yield space;
      }
    }
  }

  /** Spaces of an ASID and the global ones, of every vCPU or one. */
  near(regime: RegimeNumber, vmid: number, vcpu: number | undefined, asid: number): Space[] {
    const group = this.#groups.get(vmid * 4 + regime);
    const found: Space[] = [];
    if (!group) return found;
    for (const [holder, spaces] of group) {
      if (vcpu !== undefined && holder !== vcpu) continue;
      const global = spaces.get(GLOBAL);
      if (global) found.push(global);
      const own = asid === GLOBAL ? undefined : spaces.get(asid);
      if (own) found.push(own);
    }
    return found;
  }

  /** Where an entry of a table may be held: a page in its ASID's or the global ones; a table belongs to each ASID that walked it. */
  around({ regime, vmid, asid }: { regime: RegimeNumber; vmid: number; asid: number }, level: number): Space[] {
    return level === 3 ? this.near(regime, vmid, undefined, asid) : [...this.spaces(regime, vmid, undefined, () => true)];
  }

  /** Counts a new entry; when there are too many, all of the fullest space go. */
  grew(): void {
    if (++this.#count < this.limit) return;
    let total = 0;
    let fullest: Space | undefined;
    for (const group of this.#groups.values()) {
      for (const spaces of group.values()) {
        for (const [asid, space] of spaces) {
          if (space.size === 0) spaces.delete(asid);
          total += space.size;
          if (!fullest || space.size > fullest.size) fullest = space;
        }
      }
    }
    if (total >= this.limit && fullest) {
      this.forgotten += fullest.size;
      total -= fullest.size;
      fullest.clear();
    }
    this.#count = total;
  }

  /** A vCPU is gone, or has been off. */
  forgetVcpu(vcpu: number): void {
    for (const group of this.#groups.values()) group.delete(vcpu);
  }

  /** EL2 has dropped a VMID, or all. */
  forgetVmid(vmid: number | undefined): void {
    for (const key of this.#groups.keys()) {
      if ((key & 3) !== EL2 && (vmid === undefined || key >>> 2 === vmid)) this.#groups.delete(key);
    }
  }
}
