/** Tier 0: loads and stores, with the TLB look-up in line. */
import type { AccessOptions } from "../isa/dsl.ts";
import { atomic, call, type FunctionBuilder, type I32, i32, type I64, i64, type V128, v128 } from "../wasm/mod.ts";
import * as at from "../state.ts";
import { registerOffset } from "../sysregs/mod.ts";
import { Atomic, DTLB_ADDEND, DTLB_BITS, DTLB_ENTRY_SHIFT, DTLB_READ, DTLB_SECOND, DTLB_WRITE } from "./layout.ts";
import { atomicLaneStores, laneStores, loadLane, Tier0State } from "./tier0_state.ts";

const SCTLR_EL1 = registerOffset("SCTLR_EL1"), HCR_EL2 = registerOffset("HCR_EL2");
/** SCTLR_EL1.DZE, HCR_EL2.TDZ: whether DC ZVA may be executed at EL0, below EL2. */
const DZE = 1 << 14, TDZ = 1 << 28;

/** Memory accesses of one variant. */
export abstract class Tier0Memory extends Tier0State {
  /** Host address of a readable location, or a jump out. */
  protected readable(address: I64, size: number, unprivileged: boolean, element: number = size): I32 {
    const { f, base, imports } = this.place;
    const va = this.let(address);
    const host = f.local("i32");
    const entry = this.entry(va, unprivileged);
    const page = pageOf(va, size);
    f.if(
      i64.eq(page, i64.load(entry, DTLB_READ)),
      () => f.set(host, i32.add(i32.load(entry, DTLB_ADDEND), i32.wrap(va))),
      () =>
        f.if(
          i64.eq(page, i64.load(entry, DTLB_READ + DTLB_SECOND)),
          () => f.set(host, i32.add(i32.load(entry, DTLB_ADDEND + DTLB_SECOND), i32.wrap(va))),
          () => {
            this.place.spill();
            f.store("i64", i32.const(0), va, base + at.ADDRESS);
            f.set(host, call("i32", imports.slowLoad, i32.const(size), i32.const(+unprivileged | (element << 1))));
            f.if(i32.eqz(host.value), () => this.place.leave());
            this.place.resume();
          },
        ),
    );
    return host.value;
  }

  protected entry(va: I64, unprivileged: boolean): I32 {
    return this.let(i32.add(this.load32(unprivileged ? at.TLB_UNPRIVILEGED : at.TLB), entryIn(this.place.f, va)));
  }

  protected checkAligned(va: I64, size: number, isStore = false): void {
    if (size === 1) return;
    const { f, base, imports } = this.place;
    f.if(i32.wrap(i64.and(va, i64.const(BigInt(size - 1)))), () => {
      this.place.spill();
      f.store("i64", i32.const(0), va, base + at.ADDRESS);
      const kind = isStore ? Atomic.misalignedStore : Atomic.misaligned;
      f.if(i32.eqz(call("i32", imports.slowAtomic, i32.const(size), i32.const(kind))), () => this.place.leave());
    });
  }

  load(address: I64, log2: number, options: AccessOptions = {}): I64 {
    const va = this.let(address);
    if (options.ordered) this.checkAligned(va, 1 << log2);
    const host = this.readable(va, 1 << log2, options.unprivileged ?? false, options.element);
    return this.let(options.ordered && this.environment.sharesMemory ? atomic.load64(log2)(host) : loadLane(log2, host, 0));
  }

  loadLow(address: I64, log2: number): V128 {
    const host = this.readable(address, 1 << log2, false);
    return this.let(log2 === 3 ? v128.load64_zero(host) : v128.load32_zero(host));
  }

  load128(address: I64, options: AccessOptions = {}): V128 {
    return this.let(v128.load(this.readable(address, 16, false, options.element)));
  }

  store(address: I64, log2: number, value: I64, options: AccessOptions = {}): void {
    const va = this.let(address);
    if (options.ordered) this.checkAligned(va, 1 << log2, true);
    const kind = (options.ordered && this.environment.sharesMemory ? atomicLaneStores : laneStores)[log2];
    this.write(
      va,
      1 << log2,
      options.unprivileged ?? false,
      (host, offset) => this.place.f.store(kind, host, value, offset),
      options.element,
    );
  }

  store128(address: I64, value: V128, options: AccessOptions = {}): void {
    this.write(address, 16, false, (host, offset) => this.place.f.store("v128", host, value, offset), options.element);
  }

  loadPair(address: I64, log2: number): readonly [I64, I64] {
    const host = this.readable(address, 2 << log2, false, 1 << log2);
    return [this.let(loadLane(log2, host, 0)), this.let(loadLane(log2, host, 1 << log2))];
  }

  storePair(address: I64, log2: number, [first, second]: readonly [I64, I64]): void {
    const { f } = this.place;
    this.write(address, 2 << log2, false, (host, offset) => {
      const to = f.let(host);
      f.store(laneStores[log2], to, first, offset);
      f.store(laneStores[log2], to, second, offset + (1 << log2));
    }, 1 << log2);
  }

  loadPair128(address: I64): readonly [V128, V128] {
    const host = this.readable(address, 32, false, 16);
    return [this.let(v128.load(host)), this.let(v128.load(host, 16))];
  }

  storePair128(address: I64, [first, second]: readonly [V128, V128]): void {
    const { f } = this.place;
    this.write(address, 32, false, (host, offset) => {
      const to = f.let(host);
      f.store("v128", to, first, offset);
      f.store("v128", to, second, offset + 16);
    }, 16);
  }

  /** Has `put` store at a writable location, or jumps out. */
  protected write(
    address: I64,
    size: number,
    unprivileged: boolean,
    put: (host: I32, offset: number) => void,
    element: number = size,
  ): void {
    const { f, base, imports } = this.place;
    const va = this.let(address);
    const entry = this.entry(va, unprivileged);
    const page = pageOf(va, size);
    const addend = f.local("i32");
    f.set(addend, i32.load(entry, DTLB_ADDEND));
    f.block((done) => {
      f.block((found) => {
        f.brIf(found, i64.eq(page, i64.load(entry, DTLB_WRITE)));
        f.set(addend, i32.load(entry, DTLB_ADDEND + DTLB_SECOND));
        f.brIf(found, i64.eq(page, i64.load(entry, DTLB_WRITE + DTLB_SECOND)));
        this.place.spill();
        f.store("i64", i32.const(0), va, base + at.ADDRESS);
        put(i32.const(0), base + at.SCRATCH);
        f.if(i32.eqz(call("i32", imports.slowStore, i32.const(size), i32.const(+unprivileged | (element << 1)))), () => this.place.leave());
        this.place.resume();
        f.br(done);
      });
      put(i32.add(addend.value, i32.wrap(va)), 0);
    });
  }

  zeroBlock(address: I64): void {
    const { f } = this.place;
    const va = this.let(address);
    // EL2 isn't asked: it goes the long way.
    const isProhibited = i32.or(
      i32.and(i32.eqz(this.load32(at.EL)), i32.eqz(i32.and(this.load32(SCTLR_EL1), i32.const(DZE)))),
      i32.and(this.load32(HCR_EL2), i32.const(TDZ)),
    );
    f.if(isProhibited, () => this.system("sys"), () => {
      const host = this.let(i32.and(this.zeroable(va), i32.const(-64)));
      for (let i = 0; i < 64; i += 16) f.store("v128", host, v128.const(0n, 0n), i);
    });
  }

  /** Host address of a byte of the block that DC ZVA may zero, or a jump out. */
  protected zeroable(va: I64): I32 {
    return this.exclusive(va, 64, Atomic.zero, i32.const(1));
  }

  /** Host address of a writable location within a page, if `condition` holds; else, and where the TLB doesn't know, what `slowAtomic` says. */
  protected exclusive(va: I64, size: number, kind: number, condition: I32): I32 {
    const { f, base, imports } = this.place;
    const host = f.local("i32");
    const entry = this.entry(va, false);
    const page = this.let(i64.and(va, i64.const(-4096n)));
    f.if(
      i32.and(condition, i64.eq(page, i64.load(entry, DTLB_WRITE))),
      () => f.set(host, i32.add(i32.load(entry, DTLB_ADDEND), i32.wrap(va))),
      () => {
        this.place.spill();
        f.store("i64", i32.const(0), va, base + at.ADDRESS);
        f.set(host, call("i32", imports.slowAtomic, i32.const(size), i32.const(kind)));
        f.if(i32.eqz(host.value), () => this.place.leave());
        this.place.resume();
      },
    );
    return host.value;
  }

  abstract system(op: "sys"): void;
}

/** Offset of an address's entry in a bank. */
export function entryIn(f: FunctionBuilder, va: I64): I32 {
  // `dataEntry` of layout.ts.
  const low = f.let(i32.wrap(va));
  const high = i32.shl(i32.shr_u(low, i32.const(21)), i32.const(DTLB_ENTRY_SHIFT + 1));
  const mixed = i32.xor(i32.shr_u(low, i32.const(12 - DTLB_ENTRY_SHIFT)), high);
  return i32.and(mixed, i32.const(((1 << DTLB_BITS) - 1) << DTLB_ENTRY_SHIFT));
}

/** Page of the access's last byte: differs from the page of the first when it crosses. */
export function pageOf(va: I64, size: number): I64 {
  return i64.and(size === 1 ? va : i64.add(va, i64.const(BigInt(size - 1))), i64.const(-4096n));
}
