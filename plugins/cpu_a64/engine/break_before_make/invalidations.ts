/**
 * TLBI and DSB. A TLBI drops what it names only after the stores before it can be seen, which takes a DSB, and
 * is done only when a further DSB is. Arm ARM DDI 0487, "TLB maintenance instructions", "Ordering and completion of TLB maintenance".
 */
import { EL10, EL2, type Entry, type Remembered, type Space, STAGE2 } from "./remembered.ts";
import type { Invalidation } from "./tlbi.ts";

type Kind = "leaves" | "tables";

/** An entry that a TLBI has named. */
interface Going {
  readonly space: Space;
  readonly kind: Kind;
  readonly entry: Entry;
  readonly isBroadcast: boolean;
}

/** DSB's CRm[1:0]: loads only, all accesses. */
const LOADS = 1, ALL = 3;
/** DSB's CRm[3:2]: of this CPU alone. */
const NON_SHAREABLE = 1;

/** What is on its way out of the TLBs. */
export class Invalidations {
  /** DSBs that waited for stores, by vCPU. */
  readonly #stores = new Map<number, number>();
  readonly #going = new Map<number, Going[]>();

  constructor(readonly remembered: Remembered) {}

  /** DSBs for stores that a vCPU has executed. */
  stores(vcpu: number): number {
    return this.#stores.get(vcpu) ?? 0;
  }

  /** A vCPU is gone, or starts anew. */
  forgetVcpu(vcpu: number): void {
    this.#going.delete(vcpu);
  }

  /** A vCPU executes DSB; `crm` says for what and how far. */
  dsb(vcpu: number, crm: number): void {
    if ((crm & 3) !== LOADS) this.#stores.set(vcpu, this.stores(vcpu) + 1);
    const list = this.#going.get(vcpu);
    if ((crm & 3) !== ALL || !list) return;
    // A TLBI that is broadcast is complete with a DSB that reaches as far.
    const isLocal = crm >>> 2 === NON_SHAREABLE;
    const left: Going[] = [];
    for (const going of list) {
      if (isLocal && going.isBroadcast) left.push(going);
      else if (going.entry.isGoing) going.space.delete(going.kind, going.entry);
    }
    if (left.length > 0) this.#going.set(vcpu, left);
    else this.#going.delete(vcpu);
  }

  /** A vCPU executes a TLBI. */
  invalidate(by: number, { regime, vmid, vcpu, asid, stages, lastLevel, vpn, pages }: Invalidation): void {
    const isBroadcast = vcpu === undefined;
    const drop = (space: Space, entry: Entry, kind: Kind) => {
      if (entry.isGoing) return;
      if (entry.broken?.vcpu === by && entry.broken.stores === this.stores(by)) {
        entry.flaw = "no DSB between the break and the TLBI";
        return;
      }
      entry.flaw = undefined;
      entry.isGoing = true;
      let list = this.#going.get(by);
      if (!list) this.#going.set(by, list = []);
      list.push({ space, kind, entry, isBroadcast });
    };
    // A TLBI by VA takes entries of its ASID and global ones; one by ASID takes no global ones.
    const wants = (held: number) => asid === undefined || held === asid || (vpn !== undefined && held < 0);
    if (stages !== 2) {
      for (const space of this.remembered.spaces(regime === "EL2" ? EL2 : EL10, vmid, vcpu, wants)) {
        select(space, lastLevel, vpn, pages, drop);
      }
    }
    if (regime === "EL2") return;
    for (const space of this.remembered.spaces(STAGE2, vmid, vcpu, () => true)) {
      if (stages === 12) select(space, false, undefined, undefined, drop);
      else if (stages === 2) select(space, lastLevel, vpn, pages, (_, entry) => void (entry.isHalf = true));
      // What combines both stages goes with stage 1: after that, nothing is left of an IPA whose stage 2 entry went before.
      else if (vpn === undefined && asid === undefined) {
        select(space, false, undefined, undefined, (space, entry, kind) => entry.isHalf && drop(space, entry, kind));
      }
    }
  }
}

/** Entries of a space that meet a range of pages. */
function select(
  space: Space,
  lastLevel: boolean,
  vpn: number | undefined,
  pages: number | undefined,
  each: (space: Space, entry: Entry, kind: Kind) => void,
): void {
  for (const kind of lastLevel ? ["leaves"] as const : ["leaves", "tables"] as const) {
    if (space[kind].size === 0) continue;
    if (vpn !== undefined && (pages ?? 1) === 1) {
      for (const entry of space.overlapping(kind, vpn, 12)) each(space, entry, kind);
      continue;
    }
    const from = vpn ?? 0, to = vpn === undefined ? Infinity : vpn + pages!;
    for (const entry of space[kind].values()) {
      if (entry.vpn < to && entry.vpn + 2 ** (entry.bits - 12) > from) each(space, entry, kind);
    }
  }
}
