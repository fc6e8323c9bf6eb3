/**
 * The break-before-make checker. A translation table entry that changes in a way that a TLB must not see goes valid, invalid, DSB,
 * TLBI, DSB, valid. Hardware that meets both entries may raise a TLB conflict abort, or use either, or a mixture; software that gets
 * away with it on one core fails on the next. Here every such change is reported, with who made it.
 *
 * What it takes to hardware to be: a TLB without end for each vCPU, that holds what walks have found; and at the moment when an
 * entry goes invalid, every vCPU whose base registers lead to it has walked it. It walks nothing else on its own account.
 *
 * What can a hostile guest do here? Make violations: reports are bounded, and so is what is remembered.
 */
import { granuleOfTg0, granuleOfTg1 } from "../mmu/descriptors.ts";
import type { Translation } from "../mmu/mod.ts";
import { EL10, EL2, type Entry, GLOBAL, type RegimeNumber, Remembered, type Space, STAGE2, type Writer } from "./remembered.ts";
import { circumstancesOf } from "./circumstances.ts";
import { baseOf, holdersOf, rootOf } from "./holders.ts";
import { Invalidations } from "./invalidations.ts";
import type { CheckedMachine } from "./machine.ts";
import { addressOf, line, type Missing, type Violation } from "./report.ts";
import { type Circumstances, type Descriptor, isCacheable, isTable, needsBreak, type Reason, sizeOf, tableOf } from "./rules.ts";
import { TableFrames, type Use } from "./tables.ts";
import type { Invalidation } from "./tlbi.ts";
import { leafBelow, type Step, walkStage2 } from "./walker.ts";

/** Entries that are remembered, of all vCPUs together. */
const LIMIT = 1 << 18;
/** Violations that are kept; further ones are counted. */
const KEPT = 64;
/** Changes to a table that nothing in force leads to, after which it isn't watched any more. */
const IDLE_WRITES = 8;

/** An entry that a walk has just found. */
const FRESH = { broken: undefined, isGoing: false, flaw: undefined, isHalf: false };
/** VA bit 55 of a page number. */
const UPPER = 2 ** 43;

/** Checks what one physical CPU's vCPUs do. */
export class BreakBeforeMake {
  readonly violations: Violation[] = [];
  /** All of them, and what was checked. */
  readonly stats = { violations: 0, walks: 0, changes: 0 };
  readonly frames: TableFrames;
  readonly remembered: Remembered;
  readonly #seen = new Set<string>();
  readonly #invalidations: Invalidations;
  /** A store to a table that has been or is being made. */
  #pending: { host: number; size: number; writer: Writer } | undefined;

  constructor(readonly machine: CheckedMachine, limit: number = LIMIT) {
    this.remembered = new Remembered(limit);
    this.#invalidations = new Invalidations(this.remembered);
    this.frames = new TableFrames(() => machine.words(), (frame) => machine.protect(frame), limit);
  }

  // ---- what the CPU tells

  /** A walk of the present vCPU has succeeded. `vaHi` and `vaLo`: what was translated. */
  walked(result: Translation, vaHi: number, vaLo: number, el: number): void {
    const { machine } = this;
    const vcpu = machine.vcpu();
    this.stats.walks++;
    const regime = el === 2 ? EL2 : EL10;
    const vmid = el === 2 ? 0 : machine.vmid();
    if (result.entries > 0) {
      const vpn = (vaHi & 0xff_ffff) * 0x10_0000 + (vaLo >>> 12);
      const last = result.entries - 1;
      const lo = result.entryLo[last] | 0, hi = result.entryHi[last] | 0, at = result.entryAddress[last];
      const asid = regime === EL10 && (lo & (1 << 11)) !== 0 ? machine.asid() : GLOBAL;
      const space = this.remembered.space(regime, vmid, vcpu, asid);
      const granule = this.#granule(regime, vaHi);
      const level = result.startLevel + last;
      const bits = sizeOf(level, granule);
      const known = space.get("leaves", vpn, bits);
      if (!known || known.lo !== lo || known.hi !== hi || known.at !== at || known.isGoing || known.broken) {
        this.flush();
        this.#learn(result, regime, vmid, vcpu, asid, vpn, granule, (vaHi & (1 << 23)) !== 0 && regime === EL10);
      }
    }
    if (result.stage2Level >= 0 && el !== 2 && machine.hasStage2Tables) {
      const vpn = Math.floor(result.ipa / 4096);
      const lo = result.stage2Lo | 0, hi = result.stage2Hi | 0;
      const space = this.remembered.space(STAGE2, vmid, vcpu, GLOBAL);
      const granule = granuleOfTg0(machine.register(vcpu, "VTCR_EL2", 0) >>> 14 & 3);
      const bits = sizeOf(result.stage2Level, granule);
      const known = space.get("leaves", vpn, bits);
      if (!known || known.lo !== lo || known.hi !== hi || known.isGoing || known.broken) {
        this.flush();
        this.#learnStage2(vmid, vcpu, vpn, granule);
      }
    }
  }

  /** The present vCPU stores, or is about to store, `size` bytes at `host`, which {@linkcode TableFrames.watches} has named. */
  written(host: number, size: number, by?: Writer): void {
    this.flush();
    const vcpu = this.machine.vcpu();
    this.#pending = { host, size, writer: by ?? { ...this.machine.pc(), vcpu, stores: this.#invalidations.stores(vcpu) } };
  }

  /** EL2 has written an entry. */
  writtenByEl2(host: number, size: number, owner: string | undefined): void {
    if (!this.frames.watches(host)) return;
    this.written(host, size, { vcpu: -1, pcLo: 0, pcHi: 0, owner, stores: 0 });
    this.flush();
  }

  /** DSB: the instruction's CRm. */
  dsb(crm: number): void {
    this.flush();
    this.#invalidations.dsb(this.machine.vcpu(), crm);
  }

  /** A TLBI by the present vCPU. */
  invalidate(invalidation: Invalidation): void {
    this.flush();
    this.#invalidations.invalidate(this.machine.vcpu(), invalidation);
  }

  /** Another vCPU comes into the block; `saved` is where its registers are otherwise. */
  entered(vcpu: number, saved: Uint8Array): void {
    this.flush();
    this.machine.entered(vcpu, saved);
  }

  /** A vCPU is gone. */
  left(vcpu: number): void {
    this.machine.left(vcpu);
    this.forgetVcpu(vcpu);
  }

  /** EL2 has invalidated a VMID, or all, on every CPU, and waited for it. */
  invalidatedByEl2(vmid: number | undefined): void {
    this.flush();
    this.remembered.forgetVmid(vmid);
  }

  /** A vCPU is gone, or starts anew: its TLB is empty. */
  forgetVcpu(vcpu: number): void {
    this.flush();
    this.remembered.forgetVcpu(vcpu);
    this.#invalidations.forgetVcpu(vcpu);
  }

  /** Looks at the store that {@linkcode written} announced. */
  flush(): void {
    const pending = this.#pending;
    if (!pending) return;
    this.#pending = undefined;
    const { host, size, writer } = pending;
    const frame = this.frames.find(host);
    if (!frame) return;
    const words = this.machine.words();
    const end = ((host & 0xfff) + size + 7) >>> 3;
    for (let index = (host & 0xfff) >>> 3; index < end; index++) {
      const from = (frame.host >>> 2) + index * 2;
      const lo = words[from] | 0, hi = words[from + 1] | 0;
      const oldLo = frame.copy[index * 2] | 0, oldHi = frame.copy[index * 2 + 1] | 0;
      if (lo === oldLo && hi === oldHi) continue;
      frame.copy[index * 2] = lo;
      frame.copy[index * 2 + 1] = hi;
      frame.writers.set(index, writer);
      this.stats.changes++;
      for (const use of [...frame.uses.values()]) this.#changed(use, index, oldLo, oldHi, lo, hi, writer);
      if (frame.uses.size === 0) return this.frames.release(frame);
    }
  }

  // ---- changes of entries

  #changed(use: Use, index: number, oldLo: number, oldHi: number, lo: number, hi: number, writer: Writer): void {
    const { frame, level, bits, regime } = use;
    const vpn = use.vpn + index * 2 ** (bits - 12);
    const before: Descriptor = { lo: oldLo, hi: oldHi, level, vpn, bits };
    const after: Descriptor = { lo, hi, level, vpn, bits };
    const at = frame.pa + index * 8;
    const wasLive = isCacheable(before);
    if (!wasLive && !isCacheable(after)) return;
    const holders = holdersOf(this.machine, this.frames, use);
    if (holders.length === 0) {
      // Nobody walks here now. Should TLBs hold what the entry was, the next walk tells.
      const isCut = use.parent !== undefined && rootOf(this.frames, use) === undefined;
      if (isCut || ++frame.idleWrites > IDLE_WRITES) {
        for (const [key, other] of frame.uses) if (other === use) frame.uses.delete(key);
      }
      return;
    }
    const circumstances = circumstancesOf(this.machine, regime);
    if (wasLive && isCacheable(after)) {
      const reason = needsBreak(before, after, circumstances);
      if (reason) this.#report("break", { reason, use, before, after, at, writer, holders, flaw: undefined }, circumstances);
      return;
    }
    if (wasLive) return this.#broken(use, before, at, holders, writer);
    const spaces = this.remembered.around(use, level);
    this.#meet(spaces, after, at, use, writer, circumstances);
    if (!isTable(after)) return;
    // The table may have changed while nothing led to it.
    const below = { table: tableOf(lo, hi, use.granule), level: level + 1, granule: use.granule };
    for (const space of spaces) {
      for (const entry of space.overlapping("leaves", vpn, bits)) {
        const now = entry.bits < bits ? leafBelow(this.machine, regime, below, entry.vpn) : undefined;
        if (now) this.#meet([space], now, now.at, use, this.#writerOf(now.at), circumstances);
      }
    }
  }

  /** Entries that TLBs may hold meet another one: at most one report, and they are forgotten. */
  #meet(
    spaces: readonly Space[],
    after: Descriptor,
    at: number,
    use: Pick<Use, "regime" | "vmid" | "asid">,
    writer: Writer | undefined,
    circumstances: Circumstances,
  ): void {
    let first: { entry: Entry; reason: Reason } | undefined;
    const holders = new Set<number>();
    for (const space of spaces) {
      for (const entry of space.meeting(after, isTable(after))) {
        const reason = needsBreak(entry, after, circumstances);
        if (!reason) continue;
        first ??= { entry, reason };
        holders.add(entry.vcpu);
        space.delete(isTable(entry) ? "tables" : "leaves", entry);
      }
    }
    if (!first) return;
    const { entry, reason } = first;
    const isBarrier = entry.flaw !== undefined || entry.isGoing;
    const flaw = entry.flaw ??
      (entry.isGoing ? "no DSB after the TLBI" : entry.isHalf ? "stage 2 alone was invalidated, not what combines both stages" : undefined);
    const missing = isBarrier ? "barrier" : "invalidation";
    this.#report(missing, { reason, use, before: entry, after, at, writer, holders: [...holders], flaw }, circumstances);
  }

  /** The entry is invalid now. Whoever could walk it until then may hold it. */
  #broken(use: Use, before: Descriptor, at: number, holders: readonly number[], writer: Writer): void {
    const { regime, vmid, bits } = use;
    const map = isTable(before) ? "tables" : "leaves";
    // Tables that walks remember belong to an ASID, whatever the leaf says.
    const isGlobal = regime !== EL10 || (!isTable(before) && (before.lo & (1 << 11)) === 0);
    for (const vcpu of holders) {
      const asid = isGlobal ? GLOBAL : this.machine.asid(vcpu);
      const space = this.remembered.space(regime, vmid, vcpu, asid);
      const known = space.get(map, before.vpn, bits);
      if (known) known.isGoing = false;
      else this.#put(space, map, { ...before, at, vcpu, asid });
    }
    for (const space of this.remembered.around(use, before.level)) {
      const entry = space.get(map, before.vpn, bits);
      if (entry && entry.at === at) Object.assign(entry, { broken: writer, isHalf: false, flaw: undefined });
    }
  }

  #put(space: Space, map: "leaves" | "tables", entry: Descriptor & { at: number; vcpu: number; asid: number }): void {
    space.put(map, { ...entry, ...FRESH });
    this.remembered.grew();
  }

  // ---- walks

  /** Notes the tables and the leaf of a stage 1 walk. */
  #learn(
    result: Translation,
    regime: RegimeNumber,
    vmid: number,
    vcpu: number,
    asid: number,
    vpn: number,
    granule: number,
    isUpper: boolean,
  ): void {
    let table = baseOf(this.machine, regime, vcpu, isUpper);
    let parent: Use | undefined;
    for (let i = 0; i < result.entries; i++) {
      const step = { at: result.entryAddress[i], lo: result.entryLo[i] | 0, hi: result.entryHi[i] | 0, level: result.startLevel + i };
      const use = this.#step(step, { regime, vmid, vcpu, asid, vpn, granule, table, parent, isUpper });
      if (i === 0 && use) this.#arrive(this.remembered.space(regime, vmid, vcpu, asid), use);
      parent = use;
      table = tableOf(step.lo, step.hi, granule);
    }
  }

  /** Walks for a space begin at a root. If it is another one than before, what TLBs hold by the old one must be what this one says. */
  #arrive(space: Space, root: Use): void {
    if (space.roots.has(root.table)) return;
    space.roots.add(root.table);
    if (space.roots.size === 1) return;
    const { frame, level, bits, granule, regime, isUpper } = root;
    for (const entry of [...space.leaves.values()]) {
      const index = Math.floor((entry.vpn - root.vpn) / 2 ** (bits - 12));
      if (entry.vpn >= UPPER !== isUpper || index < 0 || index >= 512) continue;
      const lo = frame.copy[index * 2] | 0, hi = frame.copy[index * 2 + 1] | 0;
      const now: Step | undefined = isTable({ lo, level })
        ? leafBelow(this.machine, regime, { table: tableOf(lo, hi, granule), level: level + 1, granule }, entry.vpn)
        : { lo, hi, level, bits, vpn: root.vpn + index * 2 ** (bits - 12), at: frame.pa + index * 8 };
      if (now) this.#meet([space], now, now.at, root, this.#writerOf(now.at), circumstancesOf(this.machine, regime));
    }
  }

  /** Who wrote an entry, if its table was watched then. */
  #writerOf(at: number): Writer | undefined {
    const host = this.machine.ramOffset(at);
    return host < 0 ? undefined : this.frames.find(host)?.writers.get(at % 4096 >>> 3);
  }

  /** Notes the tables and the leaf of the stage 2 walk for an IPA page. */
  #learnStage2(vmid: number, vcpu: number, vpn: number, granule: number): void {
    let table = baseOf(this.machine, STAGE2, vcpu, false);
    let parent: Use | undefined;
    for (const step of walkStage2(this.machine, vcpu, vpn)) {
      parent = this.#step(step, { regime: STAGE2, vmid, vcpu, asid: GLOBAL, vpn, granule, table, parent, isUpper: false });
      table = tableOf(step.lo, step.hi, granule);
    }
  }

  /** One entry of a walk. Returns the use of its frame. */
  #step(
    { at, lo, hi, level }: { at: number; lo: number; hi: number; level: number },
    walk: Pick<Use, "regime" | "vmid" | "asid" | "vpn" | "table" | "parent" | "isUpper"> & { vcpu: number; granule: number },
  ): Use | undefined {
    const { regime, vmid, asid, vcpu, granule, table, parent, isUpper } = walk;
    const bits = sizeOf(level, granule);
    const pages = 2 ** (bits - 12);
    const vpn = walk.vpn - walk.vpn % pages;
    const use = this.#use(at, { regime, vmid, asid, level, vpn: vpn - (at % 4096 >>> 3) * pages, bits, granule, table, parent, isUpper });
    const entry: Descriptor = { lo, hi, level, vpn, bits };
    const map = isTable(entry) ? "tables" : "leaves";
    const tag = regime === EL10 && map === "tables" ? this.machine.asid() : asid;
    const space = this.remembered.space(regime, vmid, vcpu, tag);
    const known = space.get(map, vpn, bits);
    if (known && known.lo === lo && known.hi === hi && known.at === at) {
      Object.assign(known, FRESH);
      return use;
    }
    const circumstances = circumstancesOf(this.machine, regime);
    const writer = this.#writerOf(at);
    // An ASID's non-global entries and the global ones are in one TLB.
    const near = this.remembered.near(regime, vmid, vcpu, asid === GLOBAL && regime === EL10 ? this.machine.asid() : asid);
    this.#meet(near, entry, at, { regime, vmid, asid }, writer, circumstances);
    this.#put(space, map, { ...entry, at, vcpu, asid: tag });
    return use;
  }

  /** Notes that a walk has come to a frame, and from where. */
  #use(at: number, use: Omit<Use, "frame" | "parentIndex">): Use | undefined {
    const { machine } = this;
    const host = machine.ramOffset(at);
    if (host < 0) return undefined;
    const frame = this.frames.watch(at, host);
    const key = `${use.regime} ${use.vmid} ${use.level} ${use.vpn} ${use.table}`;
    const known = frame.uses.get(key);
    if (known && known.parent === use.parent) {
      known.asid = use.asid;
      return known;
    }
    const { parent } = use;
    const parentIndex = parent
      ? Math.floor((use.vpn + (at % 4096 >>> 3) * 2 ** (use.bits - 12) - parent.vpn) / 2 ** (parent.bits - 12))
      : 0;
    const made: Use = { ...use, frame, parentIndex };
    this.frames.keep(key, made);
    frame.idleWrites = 0;
    return made;
  }

  #granule(regime: RegimeNumber, vaHi: number): number {
    const { machine } = this;
    const tcr = machine.register(machine.vcpu(), regime === EL2 ? "TCR_EL2" : "TCR_EL1", 0);
    return regime === EL10 && vaHi & (1 << 23) ? granuleOfTg1(tcr >>> 30) : granuleOfTg0(tcr >>> 14 & 3);
  }

  // ---- reports

  #report(
    missing: Missing,
    { use, after, ...rest }: Omit<Violation, "missing" | "regime" | "vmid" | "asid" | "address"> & {
      use: Pick<Use, "regime" | "vmid" | "asid">;
    },
    circumstances: Circumstances,
  ): void {
    const violation: Violation = {
      missing,
      regime: use.regime,
      vmid: use.vmid,
      asid: use.asid,
      address: addressOf(Math.max(after.vpn, rest.before.vpn), use.regime),
      after,
      ...rest,
    };
    this.stats.violations++;
    if (this.violations.length < KEPT) this.violations.push(violation);
    const key =
      `${missing} ${violation.reason} ${violation.at} ${violation.writer?.vcpu} ${violation.writer?.pcHi} ${violation.writer?.pcLo}`;
    if (this.#seen.has(key) || this.#seen.size > 4096) return;
    this.#seen.add(key);
    this.machine.report(() => line(violation, circumstances));
  }
}
