/**
 * The slow paths of memory access: TLB misses, page crossers, devices, faults.
 * Generated code comes here with the address in `ADDRESS`; a result of 0 means
 * that an exception was taken and the instruction is over.
 */
import type { PhysicalBus } from "../../../core/mod.ts";
import * as at from "../state.ts";
import { registerOffset } from "../sysregs/mod.ts";
import { EXTERNAL, Fetches, type FetchParts } from "./fetches.ts";
import { LargePages } from "./large_pages.ts";
import { PAN, READ, RIGHT_READ, RIGHT_WRITE, UNALIGNED, UNPRIVILEGED, UPDATE, WRITE } from "./mmu/mod.ts";
import { Atomic } from "./layout.ts";
import { type DeviceAccess, farAccess } from "./neighbours.ts";
import type { SlowPages } from "./slow_pages.ts";
import { accessSyndrome } from "./syndrome.ts";

const SCTLR_EL1 = registerOffset("SCTLR_EL1");
const SCTLR_A = 1 << 1;
const PAGE = 4096, MPU_GRANULE = 64;

/** Unsupported exclusive or atomic access; alignment fault. */
const UNSUPPORTED_ATOMIC = 0b110101;
const ALIGNMENT = 0b100001;

/** What loads and stores are about, beside fetches. */
export interface AccessParts extends FetchParts {
  readonly bus: PhysicalBus;
  /** Makes the PC in the block true. */
  syncPc(): void;
  /** Number of the vCPU in the block. */
  occupant(): number;
  /** The present instruction takes long. */
  tookLong(): void;
}

/** Slow paths of one physical CPU. */
export class Accesses extends Fetches {
  /** Set where devices are another thread's. */
  devices: DeviceAccess | undefined;
  readonly #large: LargePages;
  readonly #slow: SlowPages;
  readonly #bus: PhysicalBus;
  readonly syncPc: () => void;
  readonly #occupant: () => number;
  readonly #tookLong: () => void;

  constructor(parts: AccessParts) {
    super(parts);
    this.#large = new LargePages(this.tlb, this.mmu.result);
    this.#slow = this.walks.slow;
    this.#bus = parts.bus;
    this.syncPc = parts.syncPc;
    this.#occupant = parts.occupant;
    this.#tookLong = parts.tookLong;
  }

  /** `flags`: bit 0 unprivileged; the rest is the size of an element, which is what must be aligned. */
  load(size: number, flags: number): number {
    const { block } = this;
    const unprivileged = flags & 1;
    const unaligned = (block.get(at.ADDRESS) & ((flags >> 1) - 1)) !== 0;
    const lo = block.get(at.ADDRESS);
    const hi = block.get(at.ADDRESS + 4);
    const scratch = block.address + at.SCRATCH;
    let first = before(PAGE, lo, size);
    const host = first === size ? this.#translate(lo, hi, size, READ, unprivileged, unaligned) : 0;
    if (host < 0) return 0;
    if (first === size && this.mmu.result.sizeBits < 12) first = before(MPU_GRANULE, lo, size);
    if (first < size) {
      // Each part for itself; nothing is visible before both are there.
      if (!this.#readPart(lo, hi, first, scratch, unprivileged, unaligned)) return 0;
      return this.#readPart((lo + first) >>> 0, next(hi, lo, first), size - first, scratch + first, unprivileged, unaligned) ? scratch : 0;
    }
    if (host > 0) return host;
    return this.#device(lo, hi, size, scratch, false) ? scratch : 0;
  }

  store(size: number, flags: number): number {
    const { block } = this;
    const unprivileged = flags & 1;
    const unaligned = (block.get(at.ADDRESS) & ((flags >> 1) - 1)) !== 0;
    const lo = block.get(at.ADDRESS);
    const hi = block.get(at.ADDRESS + 4);
    const scratch = block.address + at.SCRATCH;
    let first = before(PAGE, lo, size);
    const host = first === size ? this.#translate(lo, hi, size, WRITE, unprivileged, unaligned) : 0;
    if (host < 0) return 0;
    if (first === size && this.mmu.result.sizeBits < 12) first = before(MPU_GRANULE, lo, size);
    if (first < size) {
      const lo2 = (lo + first) >>> 0, hi2 = next(hi, lo, first);
      const one = this.#translate(lo, hi, first, WRITE, unprivileged, unaligned);
      if (one < 0) return 0;
      if (one === 0) return this.#external(lo, hi, true);
      const two = this.#translate(lo2, hi2, size - first, WRITE, unprivileged, unaligned);
      if (two < 0) return 0;
      if (two === 0) return this.#external(lo2, hi2, true);
      this.#put(one, first, scratch);
      this.#put(two, size - first, scratch + first);
      this.#tookLong();
      return 1;
    }
    if (host === 0) return this.#device(lo, hi, size, scratch, true) ? 1 : 0;
    this.#put(host, size, scratch);
    return 1;
  }

  /** `kind`: one of {@linkcode Atomic}; a store-exclusive writes. */
  atomic(size: number, kind: number): number {
    const { block } = this;
    const lo = block.get(at.ADDRESS);
    const hi = block.get(at.ADDRESS + 4);
    if (kind === Atomic.zero) return this.#zero(lo, hi);
    if (lo & (size - 1)) return this.#abort(lo, hi, ALIGNMENT, kind === Atomic.write || kind === Atomic.misalignedStore);
    const host = this.#translate(lo, hi, size, kind === Atomic.write ? WRITE : UPDATE, 0, false);
    if (host > 0) {
      this.#written(host, size);
      return host;
    }
    return host < 0 ? 0 : this.#abort(lo, hi, UNSUPPORTED_ATOMIC, true);
  }

  /** DC ZVA outside of generated code. False: an exception was taken. */
  zero(lo: number, hi: number): boolean {
    const host = this.#zero(lo, hi);
    if (host !== 0) this.block.bytes.fill(0, host, host + 64);
    return host !== 0;
  }

  /** Host address of the 64 bytes around an address that are about to be zeroed; 0: an exception was taken. FAR_ELx gets the address as it is. */
  #zero(lo: number, hi: number): number {
    const found = this.#translate(lo, hi, 64, WRITE, 0, false, true);
    if (found < 0) return 0;
    if (found === 0) return this.#external(lo, hi, true);
    const host = found - (lo & 63);
    this.#written(host, 64);
    return host;
  }

  /** Host address; 0: a device; -1: an exception was taken. */
  #translate(lo: number, hi: number, size: number, access: number, unprivileged: number, unaligned: boolean, zeroBlock = false): number {
    const { block } = this;
    const asUser = unprivileged !== 0 && this.#hasUserAccess();
    const el = asUser ? 0 : block.get(at.EL);
    if (unaligned && el < 2 && block.get(SCTLR_EL1) & SCTLR_A) return this.#abort(lo, hi, ALIGNMENT, access !== READ) - 1;
    // What generated code didn't find in the first place: an entry moves to its second one when another page needs that.
    const cached = this.#slow.has(hi, lo) ? 0 : this.tlb.findData(this.bank(asUser), hi, lo, access !== READ);
    if (cached !== 0) return cached;
    if (!this.#walk(lo, hi, access, asUser, unaligned || zeroBlock ? UNALIGNED : 0)) return this.#fault(lo, hi, zeroBlock);
    const isDebugged = this.#isDebugged(lo, hi);
    if (isDebugged && this.#watched(zeroBlock ? lo & ~63 : lo, hi, size, access, el)) return -1;
    const host = this.ram.offset(this.mmu.result.pa);
    if (host < 0) {
      this.#slow.note(hi, lo);
      return 0;
    }
    if (!isDebugged && this.#cache(lo, hi, host, asUser)) this.#slow.forget(hi, lo);
    else this.#slow.note(hi, lo);
    return host;
  }

  /**
   * For code that can take no exception: host address for an access at ADDRESS to plain RAM, whose translation is in the TLB then.
   * 0: whatever else it is, and when the TLB lost a translation by it, which the caller may remember. `flags`: bit 0 unprivileged; from
   * bit 1 on 0 for a read, 1 for a write, 2 for both.
   */
  fill(size: number, flags: number): number {
    const { block } = this;
    const lo = block.get(at.ADDRESS), hi = block.get(at.ADDRESS + 4);
    if (this.#slow.has(hi, lo)) return 0;
    const asUser = (flags & 1) !== 0 && this.#hasUserAccess();
    const access = [READ, WRITE, UPDATE][flags >> 1];
    if (before(PAGE, lo, size) < size || !this.#walk(lo, hi, access, asUser, 0) || this.#isDebugged(lo, hi)) return 0;
    const host = this.ram.offset(this.mmu.result.pa);
    if (host < 0) return 0;
    if (!this.#cache(lo, hi, host, asUser) || this.tlb.hasLost) return 0;
    return access !== READ && this.#isWatched(host) ? 0 : host;
  }

  /** LDTR and STTR act as EL0 does. */
  #hasUserAccess(): boolean {
    return this.block.get(at.EL) === 1 && !this.block.get(at.UAO);
  }

  #walk(lo: number, hi: number, access: number, asUser: boolean, flags: number): boolean {
    const { block } = this;
    const el = block.get(at.EL);
    if (asUser) flags |= UNPRIVILEGED;
    else if (el === 1 && block.get(at.PAN)) flags |= PAN;
    const bank = this.block.get(asUser ? at.TLB_UNPRIVILEGED : at.TLB);
    this.walks.update();
    if (this.checker === undefined && !this.stops.hasPhysicalData && this.#large.find(bank, hi, lo, access, (flags & UNALIGNED) !== 0)) {
      return true;
    }
    if (!this.mmu.translate(hi, lo, el, access, flags)) return false;
    if (this.mmu.mpu === undefined) this.#large.keep(bank, hi, lo);
    this.checker?.walked(this.mmu.result, hi, lo, asUser ? 0 : el);
    return true;
  }

  /** Stores to a page of code, or of watched translation tables, must not go past us. */
  #isWatched(host: number): boolean {
    return this.code.holds(host) || this.checker?.frames.watches(host) === true;
  }

  /** Puts what the walk found into the TLB, if it may be there. */
  #cache(lo: number, hi: number, host: number, asUser: boolean): boolean {
    const { rights, attributes, global, sizeBits, stage1Bits } = this.mmu.result;
    // Device memory keeps its alignment rule by never being cached here; so do SCTLR_EL1.A, and a page that an MPU divides its borders.
    if (sizeBits < 12 || attributes < 0x10 || this.block.get(SCTLR_EL1) & SCTLR_A) return false;
    const bank = this.bank(asUser);
    const isWritable = (rights & RIGHT_WRITE) !== 0 && !this.#isWatched(host);
    this.tlb.fillData(bank, hi, lo, host, host >>> 12, (rights & RIGHT_READ) !== 0, isWritable, global);
    if (stage1Bits > 12) this.tlb.noteBlock(bank, hi, lo, stage1Bits);
    return true;
  }

  /** After a walk: whether accesses to its page have to be looked at, each. */
  #isDebugged(lo: number, hi: number): boolean {
    return this.debug.holdsData(lo, hi) || this.stops.holdsData(lo, hi, this.mmu.result.ipa);
  }

  /** Takes the exception of a watchpoint that matches. An atomic access is a write only when its read alone doesn't match. */
  #watched(lo: number, hi: number, size: number, access: number, el: number): boolean {
    const { debug, stops, block } = this;
    if (stops.hasData && el < 2 && stops.watches(this.#occupant(), lo, hi, this.mmu.result.ipa, size, access)) {
      // The instruction hasn't been executed.
      block.set(at.BUDGET, block.get(at.BUDGET) + 1);
      return true;
    }
    let isWrite = access === WRITE;
    let first = debug.watches(lo, hi, size, isWrite, el);
    if (first < 0 && access === UPDATE) first = debug.watches(lo, hi, size, isWrite = true, el);
    if (first < 0) return false;
    this.syncPc();
    this.exceptions.watchpoint(lo + first, hi, isWrite);
    this.redirect();
    return true;
  }

  #put(host: number, size: number, scratch: number): void {
    this.block.bytes.copyWithin(host, scratch, scratch + size);
    this.#written(host, size);
  }

  /** A store past the TLB has been made; an atomic one is about to be. */
  #written(host: number, size: number): void {
    this.code.written(host, size);
    if (this.checker?.frames.watches(host)) this.checker.written(host, size);
  }

  /** One page's part of a crossing read. */
  #readPart(lo: number, hi: number, size: number, into: number, unprivileged: number, unaligned: boolean): boolean {
    const host = this.#translate(lo, hi, size, READ, unprivileged, unaligned);
    if (host < 0) return false;
    if (host === 0) return this.#external(lo, hi, false) !== 0;
    this.block.bytes.copyWithin(into, host, host + size);
    return true;
  }

  /** Passes an access to the device that owns the physical window. */
  #device(lo: number, hi: number, size: number, scratch: number, write: boolean): boolean {
    const { pa } = this.mmu.result;
    if (this.devices && size <= 8) {
      this.syncPc();
      const answer = farAccess(this.devices, pa, size, this.block.view, scratch, write);
      // PC is the instruction's own: it is left, and comes again.
      return answer === "again" ? !(this.hasArrived = true) : answer === "done" || this.#external(lo, hi, write) !== 0;
    }
    const owner = this.#bus.find(pa);
    if (!owner || size > 8) return this.#external(lo, hi, write) !== 0;
    const { view } = this.block;
    const offset = pa - owner.at;
    this.syncPc();
    if (write) owner.handler.write(offset, size, BigInt.asUintN(size * 8, view.getBigUint64(scratch, true)), undefined);
    else view.setBigUint64(scratch, BigInt.asUintN(size * 8, BigInt(owner.handler.read(offset, size, undefined))), true);
    return true;
  }

  #external(lo: number, hi: number, write: boolean): 0 {
    return this.#abort(lo, hi, EXTERNAL, write);
  }

  #abort(lo: number, hi: number, status: number, write: boolean): 0 {
    this.syncPc();
    this.exceptions.dataAbort(lo, hi, { status, isWrite: write });
    this.redirect();
    return 0;
  }

  #fault(lo: number, hi: number, zeroBlock: boolean): -1 {
    const { fault } = this.mmu;
    this.syncPc();
    const stage2 = fault.stage === 2;
    if (stage2) this.#slow.note(hi, lo);
    this.exceptions.dataAbort(lo, hi, {
      status: fault.status,
      isWrite: fault.write,
      isTableWalk: fault.s1ptw,
      access: stage2 && !zeroBlock ? accessSyndrome(this.instruction()) : 0,
    }, stage2 ? fault.ipa : undefined);
    this.redirect();
    return -1;
  }

  /** Word of the present instruction; 0 when its page is gone. */
  instruction(): number {
    const { block } = this;
    const host = this.code.hostOf(block.get(at.IP));
    return host < 0 ? 0 : block.words[host >>> 2];
  }
}

/** Bytes of an access before the border that it crosses. It has at most 64 bytes, so there is one border at most. */
function before(unit: number, lo: number, size: number): number {
  return Math.min(size, unit - (lo & (unit - 1)));
}

/** High half of an address that moved up by less than a page. */
function next(hi: number, lo: number, by: number): number {
  return lo + by > 0xffff_ffff ? (hi + 1) >>> 0 : hi;
}
