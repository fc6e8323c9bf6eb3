/**
 * Breakpoints and watchpoints of whoever looks on from outside: a debugger. They are the hypervisor's own: the guest's debug
 * registers (`debug.ts`) stay the guest's, and nothing that it can see tells of these. The records of code with a breakpoint are never
 * decoded, so that whatever arrives there comes by; pages with a watchpoint stay out of the data TLB. Without any, none of this is asked.
 */
import type { Stop } from "../../../core/mod.ts";
import type { CodeCache } from "./code_cache.ts";
import { READ, UPDATE, WRITE } from "./mmu/mod.ts";

/** A stop as the engine looks for it. */
export interface StopFor {
  readonly stop: Stop;
  /** Numbers of the vCPUs that it concerns; absent: all. */
  readonly vcpus?: ReadonlySet<number>;
}

/** A range within 4 GiB. Bits 63:32 of a data address are compared without its tag. */
interface Range extends StopFor {
  readonly hi: number;
  readonly lo: number;
  /** The last byte's low half. */
  readonly last: number;
}

/** Bits 63:32 of an address that count: the top byte may be a tag. */
const HIGH = 0x00ff_ffff;

/** All stops of a physical CPU. */
export class Stops {
  /** Some code has one. */
  hasCode = false;
  /** Some data has one. */
  hasData = false;
  /** Some data has one by its physical address, which takes a whole walk to know. */
  hasPhysicalData = false;
  /** The present instruction executes, whatever stops there. */
  isPassing = false;
  /** The access that the present instruction isn't to make. */
  hit: { readonly stop: Stop; readonly address: bigint } | undefined;
  /** Where the latest run stopped: the next one goes on over it. */
  #last: { readonly vcpu: number; readonly retired: number; readonly pc: bigint } | undefined;
  #code: Range[] = [];
  #physicalCode: Range[] = [];
  #data: Range[] = [];
  #physicalData: Range[] = [];
  /** Records that stay undecoded: numbers within their frame, by frame. */
  readonly #armed = new Map<number, Set<number>>();

  constructor(readonly code: CodeCache) {
    code.traps = this.#armed;
  }

  /** A run stops before an instruction. `retired`: by that vCPU since it was made. */
  stopped(vcpu: number, retired: number, pc: bigint): void {
    this.hit = undefined;
    this.#last = { vcpu, retired, pc };
  }

  /** True for the instruction that the latest run stopped before. */
  passes(vcpu: number, retired: number, pc: bigint): boolean {
    const last = this.#last;
    return last !== undefined && last.vcpu === vcpu && last.retired === retired && last.pc === pc;
  }

  /** Executes an instruction that has a trap in place of a record. */
  over(record: number, execute: () => number): number {
    const { code } = this;
    code.passed = record;
    try {
      return execute();
    } finally {
      code.passed = -1;
      const host = code.hostOf(record);
      if (host >= 0) code.reset(host);
    }
  }

  /** Replaces all of them. The TLBs must be emptied then. */
  set(stops: readonly StopFor[]): void {
    const of = (wanted: (stop: Stop) => boolean) => stops.filter(({ stop }) => wanted(stop)).flatMap(rangesOf);
    const isCode = ({ on }: Stop) => on === "execute", isPhysical = ({ space }: Stop) => space === "physical";
    this.#code = of((stop) => isCode(stop) && !isPhysical(stop));
    this.#physicalCode = of((stop) => isCode(stop) && isPhysical(stop));
    this.#data = of((stop) => !isCode(stop) && !isPhysical(stop));
    this.#physicalData = of((stop) => !isCode(stop) && isPhysical(stop));
    this.hasCode = this.#code.length + this.#physicalCode.length > 0;
    this.hasPhysicalData = this.#physicalData.length > 0;
    this.hasData = this.#data.length > 0 || this.hasPhysicalData;
    this.#armed.clear();
  }

  /** A page was looked up to execute in it: its instructions with a stop get no record. `host`: of any byte of the page. */
  fetched(lo: number, hi: number, ipa: number, host: number): void {
    const page = (lo & ~0xfff) >>> 0;
    for (const range of this.#code) if (touches(range, page, hi & HIGH, 4096)) this.#arm(host, range.lo);
    if (this.#physicalCode.length === 0) return;
    const ipaPage = ipa - ipa % 4096;
    for (const range of this.#physicalCode) if (touchesIpa(range, ipaPage, 4096)) this.#arm(host, range.lo);
  }

  #arm(host: number, lo: number): void {
    const frame = host >>> 12, index = (lo & 0xfff) >>> 2;
    const armed = this.#armed.get(frame);
    if (armed?.has(index)) return;
    if (armed) armed.add(index);
    else this.#armed.set(frame, new Set([index]));
    this.code.reset((frame << 12 >>> 0) + index * 4);
  }

  /** The stop at the instruction that is next. `ipa` tells its physical address; -1: it can't be said. */
  execute(vcpu: number, lo: number, hi: number, ipa: () => number): Stop | undefined {
    const found = this.#code.find((range) => range.lo === lo && range.hi === (hi & HIGH) && isFor(range, vcpu));
    if (found || this.#physicalCode.length === 0) return found?.stop;
    const address = ipa();
    return this.#physicalCode.find((range) => Number(range.stop.address) === address && isFor(range, vcpu))?.stop;
  }

  /** True when a stop may concern the page of a byte of data. `ipa` counts only where {@linkcode hasPhysicalData}. */
  holdsData(lo: number, hi: number, ipa: number): boolean {
    if (!this.hasData) return false;
    const page = (lo & ~0xfff) >>> 0;
    if (this.#data.some((range) => touches(range, page, hi & HIGH, 4096))) return true;
    return this.#physicalData.some((range) => touchesIpa(range, ipa - ipa % 4096, 4096));
  }

  /** Looks for a stop at an access within one page, and keeps it as {@linkcode hit}. `access`: READ, WRITE or UPDATE. */
  watches(vcpu: number, lo: number, hi: number, ipa: number, size: number, access: number): boolean {
    if (this.isPassing) return false;
    const matches = (range: Range) => isFor(range, vcpu) && concerns(range.stop, access);
    const found = this.#data.find((range) => touches(range, lo, hi & HIGH, size) && matches(range));
    if (found) {
      this.hit = { stop: found.stop, address: BigInt(hi) << 32n | BigInt(Math.max(lo, found.lo)) };
      return true;
    }
    const physical = this.#physicalData.find((range) => touchesIpa(range, ipa, size) && matches(range));
    if (physical === undefined) return false;
    this.hit = { stop: physical.stop, address: BigInt(Math.max(ipa, physical.hi * 2 ** 32 + physical.lo)) };
    return true;
  }
}

function concerns({ on }: Stop, access: number): boolean {
  return on === "access" || access === UPDATE || access === (on === "write" ? WRITE : READ);
}

function isFor({ vcpus }: StopFor, vcpu: number): boolean {
  return vcpus === undefined || vcpus.has(vcpu);
}

function touches(range: Range, lo: number, hi: number, size: number): boolean {
  return range.hi === hi && lo <= range.last && lo + size > range.lo;
}

function touchesIpa(range: Range, ipa: number, size: number): boolean {
  return touches(range, ipa % 2 ** 32, Math.floor(ipa / 2 ** 32), size);
}

/** A stop's range, in two where it crosses 4 GiB. */
function rangesOf(one: StopFor): Range[] {
  const { address, size, space } = one.stop;
  const lo = Number(address & 0xffff_ffffn), hi = Number(address >> 32n & 0xffff_ffffn);
  const high = (value: number) => space === "virtual" ? value & HIGH : value;
  const end = lo + Math.max(1, size);
  if (end <= 2 ** 32) return [{ ...one, hi: high(hi), lo, last: end - 1 }];
  return [{ ...one, hi: high(hi), lo, last: 2 ** 32 - 1 }, { ...one, hi: high(hi + 1), lo: 0, last: end - 2 ** 32 - 1 }];
}
