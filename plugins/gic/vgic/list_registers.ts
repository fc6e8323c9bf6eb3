/**
 * Keeps a vCPU's list registers and the bitmaps in step: `fold` takes over what the guest acknowledged and ended, `flush` shows it what is
 * pending and active. Outside of a run the list registers always mirror the bitmaps.
 *
 * When more interrupts want list registers than there are, pending ones come first, by priority. A maintenance interrupt tells when the
 * pending ones are used up (NPIE), or when the guest ends an active one that has no list register (LRENPIE); EOIcount says how many.
 */
import type { VcpuState } from "../../../core/mod.ts";
import { Hcr, List, listRegisterNames, Vmcr } from "./ich.ts";
import { begin, countedEnds, depth, end, forgetInactive } from "./nesting.ts";
import { MAX_LIST_REGISTERS, rowIndex, wordIndex } from "./state.ts";
import type { GicState } from "./state.ts";

/** Order of candidates: lower comes first. */
const READY = 0;
const ACTIVE = 1;
/** Pending, but its group is off at the CPU interface. */
const OFF = 2;
const RANK_SHIFT = 24;
const PRIORITY_SHIFT = 16;
const INTID_MASK = 0xffff;
/** LPIs begin here. */
export const FIRST_LPI = 8192;
/** INTID of a list register that holds no LPI; above it an SGI of GICv2 has its source. */
const SMALL_INTID = 0x3ff;
const SOURCE_SHIFT = 10;

/** Interrupts that no bitmap holds: LPIs, at most 16 bits of INTID. They are edges of group 1 and have no active state. */
export interface LargeInterrupts {
  /** Names what is pending and enabled for a vCPU; of many the first by priority suffice. */
  forEachDeliverable(v: number, most: number, visit: (intid: number, priority: number) => void): void;
  /** The vCPU acknowledged it. */
  acknowledged(v: number, intid: number): void;
  /** After a run: what became pending meanwhile is pending, whatever was acknowledged. */
  takeLate(v: number): void;
  /** Registers of RD_base that exist for their sake, at aligned offsets. */
  readRegister(v: number, offset: number): number;
  writeRegister(v: number, offset: number, value: number): void;
}

/** What {@linkcode ListRegisters.fold} found. */
export const Folded = {
  NOTHING: 0,
  /** Something was acknowledged or ended. */
  CHANGED: 1,
  /** An SPI ended here that may be pending for another vCPU. */
  RELEASED: 2,
} as const;

/** The list registers of all vCPUs of a domain. */
export class ListRegisters {
  /** Candidates of the flush in progress: rank, priority and INTID in one number. */
  readonly #keys: number[] = [];
  /** What the fold in progress saw become active: group, priority and INTID in one number. */
  readonly #began: number[] = [];

  /** Set once there are LPIs. */
  large: LargeInterrupts | undefined;

  /** `limit`: list registers to use, at most what the CPU has. */
  constructor(private readonly state: GicState, private readonly limit: number) {}

  /** Reads the list registers back. Cheap when none is in use. */
  fold(v: number, cpu: VcpuState): number {
    const { state } = this;
    const used = state.listUsed[v];
    if (used === 0 && state.spilled[v].length === 0) return Folded.NOTHING;
    let result: number = Folded.NOTHING;
    const began = this.#began;
    began.length = 0;
    for (let n = 0; n < used; n++) {
      const slot = v * MAX_LIST_REGISTERS + n;
      const before = state.listHigh[slot];
      const after = Number(cpu.read(listRegisterNames[n]) >> 32n);
      if (after === before) continue;
      result |= Folded.CHANGED;
      state.listHigh[slot] = after;
      const acknowledged = (before & List.PENDING) !== 0 && (after & List.PENDING) === 0;
      if (state.listLow[slot] >= FIRST_LPI) {
        if (acknowledged) this.large?.acknowledged(v, state.listLow[slot]);
        continue;
      }
      const intid = state.listLow[slot] & SMALL_INTID;
      if (acknowledged) this.#acknowledged(v, intid, state.listLow[slot] >>> SOURCE_SHIFT);
      // Pending and active, it had to end before it could be acknowledged.
      if ((before & List.ACTIVE) !== 0 && (acknowledged || (after & List.ACTIVE) === 0)) end(state.nesting[v], intid);
      if ((after & List.ACTIVE) !== 0) {
        if (acknowledged) began.push(after & List.GROUP_AND_PRIORITY | intid);
        state.active[rowIndex(state, v, intid >>> 5)] |= 1 << (intid & 31);
      } else {
        result |= this.#deactivated(v, intid);
      }
    }
    if (began.length > 1) sortByGroupPriority(began, readVmcr(cpu));
    for (const entry of began) begin(state.nesting[v], entry & SMALL_INTID);
    if (state.spilled[v].length > 0) result |= this.#foldEnded(v, cpu);
    return result;
  }

  /** Not everything found a list register: what matters may change without one of them changing. */
  crowded(v: number): boolean {
    return (this.state.hcr[v] & ~(Hcr.EN | Hcr.TDIR)) !== 0;
  }

  /** Whether the guest still has it pending in a list register: while the vCPU runs, or before {@linkcode fold}. */
  showsPending(v: number, cpu: VcpuState, intid: number): boolean {
    const { state } = this;
    for (let n = 0; n < state.listUsed[v]; n++) {
      if ((state.listLow[v * MAX_LIST_REGISTERS + n] & SMALL_INTID) !== intid) continue;
      return (Number(cpu.read(listRegisterNames[n]) >> 32n) & List.PENDING) !== 0;
    }
    return false;
  }

  /** Shows the vCPU what is pending and active. True when it has a pending interrupt in a list register. */
  flush(v: number, cpu: VcpuState): boolean {
    const { state } = this;
    state.dirty[v] = 0;
    const keys = this.#keys;
    keys.length = 0;
    this.#collect(v);
    if (keys.length === 0) {
      if (state.listUsed[v] > 0) this.#clearFrom(v, 0, cpu);
      this.#control(v, state.nesting[v].length > 0 ? this.#maintenance(v, 0, cpu) : Hcr.EN | Hcr.TDIR, cpu);
      return false;
    }
    if (keys.length > this.limit) this.#rank(v, readVmcr(cpu));
    if (keys.length > 1) keys.sort((a, b) => a - b);
    const count = Math.min(keys.length, this.limit);
    let pending = false;
    for (let n = 0; n < count; n++) {
      const intid = keys[n] & INTID_MASK;
      const high = intid < FIRST_LPI ? this.#entry(v, intid) : lpiEntry(keys[n] >>> PRIORITY_SHIFT & 0xff);
      if ((high & List.PENDING) !== 0) pending = true;
      this.#write(v, n, isSourced(state, intid) ? intid | this.#source(v, intid) << SOURCE_SHIFT : intid, high, cpu);
    }
    this.#clearFrom(v, count, cpu);
    state.listUsed[v] = count;
    this.#control(v, this.#maintenance(v, count, cpu), cpu);
    return pending;
  }

  /** After a reset of the vCPU: nothing is known of its registers. */
  forget(v: number): void {
    const { state } = this;
    state.listUsed[v] = this.limit;
    state.listHigh.fill(0xffff_ffff, v * MAX_LIST_REGISTERS, (v + 1) * MAX_LIST_REGISTERS);
    state.hcr[v] = 0xffff_ffff;
    state.nesting[v].length = 0;
    state.spilled[v].length = 0;
  }

  /** True when something would be delivered to a vCPU if it weren't asleep: the request to wake it. Arm IHI 0069, "Power management". */
  wakes(v: number): boolean {
    const { state } = this;
    for (let word = 0; word < state.words; word++) {
      const w = wordIndex(state, v, word);
      const row = rowIndex(state, v, word);
      const pending = (state.latch[w] | (state.line[w] & ~state.edge[w])) & state.enable[w] & state.target[row];
      if (pending !== 0 && (pending & this.#forwardedGroups(w) & ~this.#activeAnywhere(word, state.active[row])) !== 0) return true;
    }
    if (this.large === undefined || (state.control & 2) === 0) return false;
    let found = false;
    this.large.forEachDeliverable(v, 1, () => found = true);
    return found;
  }

  /** Everything that is active on this vCPU or deliverable to it. */
  #collect(v: number): void {
    const { state } = this;
    const keys = this.#keys;
    const forwarding = state.asleep[v] === 0 ? 0xffff_ffff : 0;
    for (let word = 0; word < state.words; word++) {
      const w = wordIndex(state, v, word);
      const row = rowIndex(state, v, word);
      const active = state.active[row];
      let deliverable = (state.latch[w] | (state.line[w] & ~state.edge[w])) & state.enable[w] & state.target[row] & forwarding;
      if (deliverable !== 0) deliverable &= this.#forwardedGroups(w) & ~this.#activeAnywhere(word, active);
      for (let rest = active | deliverable; rest !== 0; rest &= rest - 1) {
        const bit = 31 - Math.clz32(rest & -rest);
        const rank = (active >>> bit & 1) !== 0 ? ACTIVE : READY;
        keys.push(rank << RANK_SHIFT | state.priority[w * 32 + bit] << PRIORITY_SHIFT | word << 5 | bit);
      }
    }
    // One more than there is room for tells that not all found room.
    if (this.large === undefined || forwarding === 0 || (state.control & 2) === 0) return;
    this.large.forEachDeliverable(
      v,
      this.limit + 1,
      (intid, priority) => keys.push(READY << RANK_SHIFT | priority << PRIORITY_SHIFT | intid),
    );
  }

  /** Bits whose group the distributor forwards. */
  #forwardedGroups(w: number): number {
    const { control, group } = this.state;
    return ((control & 1) !== 0 ? ~group[w] : 0) | ((control & 2) !== 0 ? group[w] : 0);
  }

  #activeAnywhere(word: number, own: number): number {
    if (word === 0) return own;
    const { state } = this;
    let active = own;
    for (let v = 0; v < state.vcpus; v++) active |= state.active[rowIndex(state, v, word)];
    return active;
  }

  /** There isn't room for all: what the CPU interface won't signal goes last, and active ones are ordered as the guest ends them. */
  #rank(v: number, vmcr: number): void {
    const { state } = this;
    const keys = this.#keys;
    for (let n = 0; n < keys.length; n++) {
      const intid = keys[n] & INTID_MASK;
      if (keys[n] >>> RANK_SHIFT === ACTIVE) {
        keys[n] = ACTIVE << RANK_SHIFT | depth(state.nesting[v], intid) << PRIORITY_SHIFT | intid;
        continue;
      }
      const group = intid >= FIRST_LPI ? 1 : state.group[wordIndex(state, v, intid >>> 5)] >>> (intid & 31) & 1;
      if ((vmcr >>> group & 1) === 0) keys[n] |= OFF << RANK_SHIFT;
    }
  }

  /** High word of the list register for an interrupt. */
  #entry(v: number, intid: number): number {
    const { state } = this;
    const word = intid >>> 5;
    const w = wordIndex(state, v, word);
    const row = rowIndex(state, v, word);
    const mask = 1 << (intid & 31);
    const edge = (state.edge[w] & mask) !== 0;
    const active = (state.active[row] & mask) !== 0;
    const pending = ((state.latch[w] | (edge ? 0 : state.line[w])) & mask) !== 0;
    // A level is sampled again when it ends, so it isn't pending and active in a list register.
    const sourced = isSourced(state, intid);
    const deliverable = pending && (!active ||
      (edge && !sourced && (state.enable[w] & state.target[row] & this.#forwardedGroups(w) & mask) !== 0 && state.asleep[v] === 0));
    // Somebody must look when this one ends: the level may still be high, or the edge is for somebody else.
    const notify = pending && (!edge || !deliverable || (sourced && hasSeveral(state.sgiSources[v * 16 + intid])));
    return ((deliverable ? List.PENDING : 0) | (active ? List.ACTIVE : 0) | (notify ? List.EOI : 0) |
      (state.group[w] & mask ? 1 << List.GROUP_SHIFT : 0) | state.priority[w * 32 + (intid & 31)] << List.PRIORITY_SHIFT) >>> 0;
  }

  /** Notes what found no list register, and says which maintenance interrupts tell when to look again. */
  #maintenance(v: number, count: number, cpu: VcpuState): number {
    const { state } = this;
    const keys = this.#keys;
    let hcr = Hcr.EN | Hcr.TDIR;
    for (let n = count; n < keys.length; n++) if (keys[n] >>> RANK_SHIFT === READY) hcr |= Hcr.NPIE;
    const spilled = state.spilled[v];
    const nesting = state.nesting[v];
    if (nesting.length > 0 && (readVmcr(cpu) & Vmcr.VEOIM) !== 0) forgetInactive(nesting, (intid) => this.#isActive(v, intid));
    countedEnds(nesting, (intid) => this.#isListedActive(v, count, intid), spilled);
    if (spilled.length > 0) hcr |= Hcr.LRENPIE;
    if (keys.length > count) {
      const vmcr = readVmcr(cpu);
      // Which interrupts matter changes with the groups' enables.
      hcr |= (vmcr & Vmcr.VENG0) !== 0 ? Hcr.VGRP0_DIE : Hcr.VGRP0_EIE;
      hcr |= ((vmcr & Vmcr.VENG1) !== 0 ? Hcr.VGRP0_DIE : Hcr.VGRP0_EIE) << 2;
    }
    return hcr;
  }

  #isActive(v: number, intid: number): boolean {
    return (this.state.active[rowIndex(this.state, v, intid >>> 5)] >>> (intid & 31) & 1) !== 0;
  }

  #isListedActive(v: number, count: number, intid: number): boolean {
    const { listLow, listHigh } = this.state;
    for (let n = 0; n < count; n++) {
      const slot = v * MAX_LIST_REGISTERS + n;
      if ((listLow[slot] & SMALL_INTID) === intid && listLow[slot] < FIRST_LPI && (listHigh[slot] & List.ACTIVE) !== 0) return true;
    }
    return false;
  }

  /** The guest ended interrupts that had no list register: the first that were spilled. */
  #foldEnded(v: number, cpu: VcpuState): number {
    const { state } = this;
    const count = Number(cpu.read("ICH_HCR_EL2") >> BigInt(Hcr.EOI_COUNT_SHIFT) & 0x1fn);
    if (count === 0) return Folded.NOTHING;
    let result: number = Folded.CHANGED;
    for (const intid of state.spilled[v].splice(0, count)) {
      end(state.nesting[v], intid);
      result |= this.#deactivated(v, intid);
    }
    state.hcr[v] = 0xffff_ffff; // so that the count is written back as zero
    return result;
  }

  /** What was pending is so no longer; an SGI of GICv2 may be pending from another vCPU yet. */
  #acknowledged(v: number, intid: number, source: number): void {
    const { state } = this;
    if (isSourced(state, intid)) {
      const n = v * 16 + intid;
      state.activeSource[n] = source;
      if ((state.sgiSources[n] &= ~(1 << source)) !== 0) return;
    }
    state.latch[wordIndex(state, v, intid >>> 5)] &= ~(1 << (intid & 31));
  }

  /** Whose SGI of GICv2 a list register shows: one at a time. */
  #source(v: number, intid: number): number {
    const { state } = this;
    const n = v * 16 + intid;
    const active = (state.active[rowIndex(state, v, 0)] >>> intid & 1) !== 0;
    return active ? state.activeSource[n] : 31 - Math.clz32(state.sgiSources[n] & -state.sgiSources[n]);
  }

  #deactivated(v: number, intid: number): number {
    const { state } = this;
    const row = rowIndex(state, v, intid >>> 5);
    const mask = 1 << (intid & 31);
    if ((state.active[row] & mask) === 0) return Folded.NOTHING;
    state.active[row] &= ~mask;
    return (state.target[row] & mask) === 0 ? Folded.RELEASED : Folded.NOTHING;
  }

  #clearFrom(v: number, from: number, cpu: VcpuState): void {
    const { state } = this;
    for (let n = from; n < state.listUsed[v]; n++) this.#write(v, n, 0, 0, cpu);
    if (from === 0) state.listUsed[v] = 0;
  }

  #write(v: number, n: number, low: number, high: number, cpu: VcpuState): void {
    const { state } = this;
    const slot = v * MAX_LIST_REGISTERS + n;
    if (state.listHigh[slot] === high && state.listLow[slot] === low) return;
    state.listLow[slot] = low;
    state.listHigh[slot] = high;
    cpu.write(listRegisterNames[n], BigInt(high) << 32n | BigInt(low));
  }

  #control(v: number, hcr: number, cpu: VcpuState): void {
    if (this.state.hcr[v] === hcr) return;
    this.state.hcr[v] = hcr;
    cpu.write("ICH_HCR_EL2", BigInt(hcr));
  }
}

/**
 * Of interrupts that were acknowledged in one run and none of which has ended, each preempted the one before: its group priority is above.
 * Arm IHI 0069, "Priority grouping". A guest that changes a binary point between two of them is taken to have had the present one before.
 */
function sortByGroupPriority(began: number[], vmcr: number): void {
  const ignored0 = Math.max(vmcr >>> Vmcr.VBPR0_SHIFT & 7, 2) + 1;
  const ignored1 = (vmcr & Vmcr.VCBPR) !== 0 ? ignored0 : Math.max(vmcr >>> Vmcr.VBPR1_SHIFT & 7, 3);
  const groupPriority = (entry: number) => {
    const ignored = (entry >>> List.GROUP_SHIFT & 1) !== 0 ? ignored1 : ignored0;
    return entry >>> List.PRIORITY_SHIFT & 0xff & 0xff << ignored;
  };
  began.sort((a, b) => groupPriority(b) - groupPriority(a));
}

function readVmcr(cpu: VcpuState): number {
  return Number(cpu.read("ICH_VMCR_EL2") & 0xffff_ffffn);
}

/** An SGI of GICv2 is pending once for each vCPU that sent it. */
function isSourced(state: GicState, intid: number): boolean {
  return intid < 16 && state.sgiSources.length > 0;
}

function hasSeveral(bits: number): boolean {
  return (bits & bits - 1) !== 0;
}

/** High word of the list register for a pending LPI. */
function lpiEntry(priority: number): number {
  return (List.PENDING | 1 << List.GROUP_SHIFT | priority << List.PRIORITY_SHIFT) >>> 0;
}
