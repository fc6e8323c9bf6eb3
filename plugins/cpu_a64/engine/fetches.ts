/** The slow path of fetches: pages that the TLB doesn't have, breakpoints, faults. */
import * as at from "../state.ts";
import type { Block } from "./block.ts";
import type { BreakBeforeMake } from "./break_before_make/mod.ts";
import type { CodeCache } from "./code_cache.ts";
import type { DebugUnit } from "./debug.ts";
import type { ExceptionUnit } from "./exceptions.ts";
import { FETCH, type Mmu } from "./mmu/mod.ts";
import type { RamMap } from "./ram_map.ts";
import type { Stops } from "./stops.ts";
import type { Bank, Tlb } from "./tlb.ts";
import type { Walks } from "./walks.ts";

/** Synchronous external abort. */
export const EXTERNAL = 0b010000;

/** The parts of a CPU that fetches are about. */
export interface FetchParts {
  readonly block: Block;
  readonly mmu: Mmu;
  readonly tlb: Tlb;
  readonly code: CodeCache;
  readonly ram: RamMap;
  readonly exceptions: ExceptionUnit;
  readonly debug: DebugUnit;
  readonly stops: Stops;
  readonly walks: Walks;
  /** Called when an exception was taken: the run loop must look anew. */
  redirect(): void;
}

/** Fetches of one physical CPU. */
export class Fetches {
  /** Looks at walks and at stores to tables, when it is on. */
  checker: BreakBeforeMake | undefined;
  /** PC is where a branch went, and the run loop must look at it. */
  hasArrived = false;
  readonly block: Block;
  readonly mmu: Mmu;
  readonly tlb: Tlb;
  readonly code: CodeCache;
  readonly ram: RamMap;
  readonly exceptions: ExceptionUnit;
  readonly debug: DebugUnit;
  readonly stops: Stops;
  readonly walks: Walks;
  readonly redirect: () => void;
  #isStepping = false;

  constructor(parts: FetchParts) {
    this.block = parts.block;
    this.mmu = parts.mmu;
    this.tlb = parts.tlb;
    this.code = parts.code;
    this.ram = parts.ram;
    this.exceptions = parts.exceptions;
    this.debug = parts.debug;
    this.stops = parts.stops;
    this.walks = parts.walks;
    this.redirect = parts.redirect;
  }

  /** One instruction only may execute: no branch goes on by itself. Said before each run of the interpreter. */
  set isStepping(isStepping: boolean) {
    this.#isStepping = isStepping;
    const { debug, stops } = this;
    this.walks.open(!isStepping && !debug.hasBreakpoints && !debug.hasWatchpoints && !stops.hasCode && !stops.hasData);
  }

  get isStepping(): boolean {
    return this.#isStepping;
  }

  /** A branch to TARGET leaves its page. 0: an exception was taken, or the run loop must look first. */
  arrive(): number {
    const { block } = this;
    this.exceptions.routines.dropTag();
    const lo = block.get(at.TARGET), hi = block.get(at.TARGET + 4);
    if (!this.#isStepping && !this.debug.holdsCode(lo, hi)) return this.fetch();
    block.setPair(at.PC, lo, hi);
    this.hasArrived = true;
    return 0;
  }

  /** Finds the records for TARGET and makes its page the present one; 0 when that is an exception. */
  fetch(): number {
    const { block } = this;
    const lo = block.get(at.TARGET);
    const hi = block.get(at.TARGET + 4);
    if (lo & 3) {
      block.setPair(at.PC, lo, hi);
      this.exceptions.pcAlignment();
      this.redirect();
      return 0;
    }
    const bank = this.bank(false);
    const cached = this.tlb.findFetch(bank, hi, lo);
    if (cached !== 0) return this.#enter(cached, hi, lo);
    const { mmu } = this;
    if (!mmu.translate(hi, lo, block.get(at.EL), FETCH, 0)) return this.#fetchFault(lo, hi);
    this.checker?.walked(mmu.result, hi, lo, block.get(at.EL));
    const { pa, global, sizeBits, stage1Bits } = mmu.result;
    const host = this.ram.offset(pa);
    if (host < 0) {
      block.setPair(at.PC, lo, hi);
      this.exceptions.instructionAbort(lo, hi, { status: EXTERNAL });
      this.redirect();
      return 0;
    }
    if (this.stops.hasCode) this.stops.fetched(lo, hi, mmu.result.ipa, host);
    // A page that an MPU divides is looked up at each arrival, and left where its part ends.
    if (sizeBits < 12) return this.#enter(this.code.view(host, mmu.result.from, mmu.result.to), hi, lo);
    const records = this.code.records(host);
    if (!this.debug.holdsCode(lo, hi)) {
      this.tlb.fillFetch(bank, hi, lo, records, global);
      if (stage1Bits > 12) this.tlb.noteBlock(bank, hi, lo, stage1Bits);
    }
    return this.#enter(records, hi, lo);
  }

  /** Makes a page the present one; the record of the address. */
  #enter(records: number, hi: number, lo: number): number {
    this.block.set(at.RECORDS, records);
    this.block.setPair(at.PAGE_VA, lo & ~0xfff, hi);
    return records + ((lo & 0xffc) << 2);
  }

  #fetchFault(lo: number, hi: number): 0 {
    const { fault } = this.mmu;
    this.block.setPair(at.PC, lo, hi);
    this.exceptions.instructionAbort(lo, hi, { status: fault.status, isTableWalk: fault.s1ptw }, fault.stage === 2 ? fault.ipa : undefined);
    this.redirect();
    return 0;
  }

  /** The IPA of the PC in the block; -1 where it isn't mapped to execute. */
  ipaOfPc(): number {
    const { block, mmu } = this;
    return mmu.translate(block.get(at.PC + 4), block.get(at.PC), block.get(at.EL), FETCH, 0) ? mmu.result.ipa : -1;
  }

  /** The bank of the present translation context, or that of EL0 for LDTR and STTR. */
  protected bank(asUser: boolean): Bank {
    return this.tlb.at(this.block.get(asUser ? at.TLB_UNPRIVILEGED : at.TLB))!;
  }
}
