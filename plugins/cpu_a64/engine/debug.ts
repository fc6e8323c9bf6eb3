/**
 * Hardware breakpoints and watchpoints. While one is enabled its pages stay out
 * of the TLBs, so that whatever touches them comes to a slow path, which asks
 * here; other pages run as ever. Arm ARM DDI 0487, "Breakpoint exceptions" and
 * "Watchpoint exceptions"; without EL3 and without AArch32, whose fields are reserved.
 */
import * as at from "../state.ts";
import { BREAKPOINTS, CONTEXT_BREAKPOINTS, registerOffset, WATCHPOINTS } from "../sysregs/mod.ts";
import type { Block } from "./block.ts";
import type { ExceptionUnit } from "./exceptions.ts";

const MDSCR_EL1 = registerOffset("MDSCR_EL1"), MDE = 1 << 15;
const CONTEXTIDR_EL1 = registerOffset("CONTEXTIDR_EL1");
const VTCR_EL2 = registerOffset("VTCR_EL2"), VS = 1 << 19;

const slots = (name: (n: number) => string, count: number): readonly number[] =>
  Array.from({ length: count }, (_, n) => registerOffset(name(n)));
const BVR = slots((n) => `DBGBVR${n}_EL1`, BREAKPOINTS), BCR = slots((n) => `DBGBCR${n}_EL1`, BREAKPOINTS);
const WVR = slots((n) => `DBGWVR${n}_EL1`, WATCHPOINTS), WCR = slots((n) => `DBGWCR${n}_EL1`, WATCHPOINTS);

/** DBGBCR_EL1.BT: compares the address, CONTEXTIDR_EL1, the VMID; works through links alone unless it is an address. */
const LINKED = 1, BY_CONTEXT = 2, BY_VMID = 8;
/** DBGWCR_EL1.WT. */
const WATCHPOINT_LINKED = 1 << 20;
/** Bits 63:32 of an address that are compared: the top byte may be a tag. */
const HIGH = 0x00ff_ffff;

/** A breakpoint that may match. */
interface Breakpoint {
  readonly control: number;
  /** -1: it compares a context and may match anywhere. */
  readonly index: number;
  readonly lo: number;
  readonly hi: number;
}

/** A watchpoint that may match. */
interface Watchpoint {
  readonly control: number;
  readonly lo: number;
  readonly hi: number;
  /** Bits of the low word that are compared: all but a block of 8 bytes or more, or of 4. */
  readonly compared: number;
  /** Which bytes of a block of 8, or 4, are watched. */
  readonly bytes: number;
}

/** Matches addresses against the debug registers in the state block. */
export class DebugUnit {
  /** True while some page must be stepped through. */
  hasBreakpoints = false;
  /** True while some page must stay out of the data TLB. */
  hasWatchpoints = false;
  #breakpoints: Breakpoint[] = [];
  #watchpoints: Watchpoint[] = [];

  /** @param vmidRegister offset of the register whose top 16 bits are the VMID */
  constructor(readonly block: Block, readonly exceptions: ExceptionUnit, private readonly vmidRegister: number) {}

  /** After a change of the debug registers. Tells whether pages that are cached may have to go. */
  update(): boolean {
    const before = this.hasBreakpoints || this.hasWatchpoints;
    const { block } = this;
    this.#breakpoints = [];
    this.#watchpoints = [];
    if (block.get(MDSCR_EL1) & MDE) {
      for (let n = 0; n < BREAKPOINTS; n++) this.#addBreakpoint(n);
      for (let n = 0; n < WATCHPOINTS; n++) this.#addWatchpoint(n);
    }
    this.hasBreakpoints = this.#breakpoints.length > 0;
    this.hasWatchpoints = this.#watchpoints.length > 0;
    return before || this.hasBreakpoints || this.hasWatchpoints;
  }

  #addBreakpoint(n: number): void {
    const { block } = this;
    const control = block.get(BCR[n]);
    const type = control >>> 20 & 15;
    const byAddress = (type & ~LINKED) === 0;
    // One that compares a context and is linked matches through the one that names it.
    if (!isEnabled(control) || (!byAddress && (!isContextAware(n) || !isContextType(type) || type & LINKED))) return;
    this.#breakpoints.push({ control, index: byAddress ? -1 : n, lo: block.get(BVR[n]) & ~3, hi: block.get(BVR[n] + 4) & HIGH });
  }

  #addWatchpoint(n: number): void {
    const { block } = this;
    const control = block.get(WCR[n]);
    const mask = control >>> 24 & 31;
    // Masks of 1 and 2 are reserved: such a watchpoint is off.
    if (!isEnabled(control) || mask === 1 || mask === 2) return;
    const lo = block.get(WVR[n]);
    const select = control >>> 5 & 0xff;
    const isHalf = (lo & 4) !== 0;
    const compared = mask > 2 ? -(2 ** mask) | 0 : isHalf ? ~3 : ~7;
    const bytes = mask > 2 ? 0xff : isHalf ? select & 15 : select;
    this.#watchpoints.push({ control, lo: lo & compared, hi: block.get(WVR[n] + 4) & HIGH, compared, bytes });
  }

  /** True when a breakpoint may match in the page of this VA: whatever executes there goes step by step. */
  holdsCode(lo: number, hi: number): boolean {
    if (!this.hasBreakpoints) return false;
    return this.#breakpoints.some((one) => one.index >= 0 || (one.hi === (hi & HIGH) && ((one.lo ^ lo) & ~0xfff) === 0));
  }

  /** True when a watchpoint may match in the page of this VA. */
  holdsData(lo: number, hi: number): boolean {
    if (!this.hasWatchpoints) return false;
    return this.#watchpoints.some((one) => one.hi === (hi & HIGH) && ((one.lo ^ lo) & one.compared & ~0xfff) === 0);
  }

  /** True when the instruction at this VA raises a Breakpoint exception. */
  breaks(lo: number, hi: number): boolean {
    if (!this.hasBreakpoints || !this.exceptions.isDebugEnabled()) return false;
    const el = this.block.get(at.EL);
    return this.#breakpoints.some(({ control, index, ...address }) => {
      if (!reaches(control, el)) return false;
      if (index >= 0) return this.#matchesContext(index);
      if (address.lo !== (lo & ~3) || address.hi !== (hi & HIGH)) return false;
      return (control >>> 20 & LINKED) === 0 || this.#matchesLinked(control);
    });
  }

  /**
   * The first of the bytes accessed that raises a Watchpoint exception, as an offset from the VA; -1: none.
   * @param size in bytes, within one page; @param el 0 for an unprivileged access
   */
  watches(lo: number, hi: number, size: number, isWrite: boolean, el: number): number {
    if (!this.hasWatchpoints || !this.exceptions.isDebugEnabled()) return -1;
    let first = -1;
    for (const { control, compared, bytes, ...address } of this.#watchpoints) {
      if (!(control >>> 3 & (isWrite ? 2 : 1)) || !reaches(control, el) || address.hi !== (hi & HIGH)) continue;
      if (control & WATCHPOINT_LINKED && !this.#matchesLinked(control)) continue;
      const end = first < 0 ? size : first;
      for (let i = 0; i < end; i++) {
        if (((lo + i) & compared) !== address.lo || !(bytes >>> (lo + i & ~compared & 7) & 1)) continue;
        first = i;
        break;
      }
    }
    return first;
  }

  /** LBN names a context-aware breakpoint that is enabled, may be linked to, and matches. */
  #matchesLinked(control: number): boolean {
    const n = control >>> 16 & 15;
    if (!isContextAware(n)) return false;
    const linked = this.block.get(BCR[n]);
    const type = linked >>> 20 & 15;
    return (linked & 1) !== 0 && isContextType(type) && (type & LINKED) !== 0 && this.#matchesContext(n);
  }

  #matchesContext(n: number): boolean {
    const { block } = this;
    const type = block.get(BCR[n]) >>> 20 & 15;
    if (type & BY_CONTEXT && block.get(CONTEXTIDR_EL1) !== block.get(BVR[n])) return false;
    const vmid = block.get(VTCR_EL2) & VS ? 0xffff : 0xff;
    return !(type & BY_VMID) || ((block.get(this.vmidRegister + 4) >>> 16 ^ block.get(BVR[n] + 4)) & vmid) === 0;
  }
}

/** E is set and HMC, SSC and PMC (or PAC) are one of the combinations that name EL0 or EL1 and aren't reserved. */
function isEnabled(control: number): boolean {
  const levels = control >>> 1 & 3;
  const isHigher = (control & 1 << 13) !== 0;
  return (control & 1) !== 0 && (control & 3 << 14) === 0 && levels !== 0 && !(isHigher && levels === 2);
}

/** PMC, or PAC: bit 0 says EL1, bit 1 EL0. EL2 never executes here. */
function reaches(control: number, el: number): boolean {
  return (control >>> 1 & (el === 0 ? 2 : el === 1 ? 1 : 0)) !== 0;
}

function isContextAware(n: number): boolean {
  return n >= BREAKPOINTS - CONTEXT_BREAKPOINTS && n < BREAKPOINTS;
}

/** BT without its link bit: CONTEXTIDR_EL1, the VMID, or both. Others are reserved before Armv8.1. */
function isContextType(type: number): boolean {
  const kind = type & ~LINKED;
  return kind === BY_CONTEXT || kind === BY_VMID || kind === (BY_CONTEXT | BY_VMID);
}
