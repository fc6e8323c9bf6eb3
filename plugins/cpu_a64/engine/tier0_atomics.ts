/** Tier 0: atomic operations, and the exclusive monitor. */
import type { Semantics } from "../isa/dsl.ts";
import { atomic, type I32, i32, type I64, i64, select } from "../wasm/mod.ts";
import * as at from "../state.ts";
import { Atomic } from "./layout.ts";
import { Tier0Memory } from "./tier0_memory.ts";
import { loadLane } from "./tier0_state.ts";

/** Atomic and exclusive accesses of one variant. */
export abstract class Tier0Atomics extends Tier0Memory {
  /** Host address of a naturally aligned, writable location, or a jump out. */
  protected atomicHost(address: I64, size: number, isExclusive = false): I32 {
    const va = this.let(address);
    const isAligned = i64.eqz(i64.and(va, i64.const(BigInt(size - 1))));
    return this.exclusive(va, size, isExclusive ? Atomic.write : Atomic.update, isAligned);
  }

  atomic(op: Parameters<Semantics["atomic"]>[0], address: I64, log2: number, value: I64): I64 {
    const { f } = this.place;
    const operand = this.let(value);
    const host = this.atomicHost(address, 1 << log2);
    const plain = op === "clr" ? "and" : op;
    if (plain === "add" || plain === "sub" || plain === "and" || plain === "or" || plain === "xor" || plain === "xchg") {
      const by = op === "clr" ? i64.xor(operand, i64.const(-1n)) : operand;
      return this.let(log2 === 3 ? atomic.rmw64(plain)(host, by) : i64.extend_u(atomic.rmw32(plain, log2)(host, i32.wrap(by))));
    }
    // Minimum and maximum: a compare-and-swap loop.
    const old = f.local("i64");
    const seen = f.local("i64");
    const width = 8n << BigInt(log2);
    const extended = (v: I64) => op.startsWith("s") ? i64.shr_s(i64.shl(v, i64.const(64n - width)), i64.const(64n - width)) : v;
    const masked = (v: I64) => log2 === 3 ? v : i64.and(v, i64.const((1n << width) - 1n));
    f.set(seen, loadLane(log2, host, 0));
    f.loop((again) => {
      f.set(old, seen.value);
      const a = extended(old.value);
      const b = extended(masked(operand));
      const keep = { smax: i64.ge_s(a, b), smin: i64.le_s(a, b), umax: i64.ge_u(a, b), umin: i64.le_u(a, b) }[op as "smax"];
      f.set(seen, swap(log2, host, old.value, select(keep, old.value, masked(operand))));
      f.brIf(again, i64.ne(seen.value, old.value));
    });
    return old.value;
  }

  compareAndSwap(address: I64, log2: number, expected: I64, replacement: I64): I64 {
    const from = this.let(expected);
    const to = this.let(replacement);
    return this.let(swap(log2, this.atomicHost(address, 1 << log2), from, to));
  }

  compareAndSwapPair(address: I64, log2: number, expected: readonly [I64, I64], replacement: readonly [I64, I64]): readonly [I64, I64] {
    const { f } = this.place;
    const [e0, e1] = expected.map((v) => this.let(v));
    const [r0, r1] = replacement.map((v) => this.let(v));
    const host = this.atomicHost(address, 2 << log2);
    if (log2 === 2) {
      const old = this.let(atomic.cmpxchg64(host, joined(e0, e1), joined(r0, r1)));
      return [i64.and(old, i64.const(0xffff_ffffn)), i64.shr_u(old, i64.const(32n))];
    }
    const low = f.local("i64");
    const high = f.local("i64");
    this.#whole(() => {
      f.set(low, i64.load(host, 0));
      f.set(high, i64.load(host, 8));
      f.if(i32.and(i64.eq(low.value, e0), i64.eq(high.value, e1)), () => {
        f.store("i64", host, r0, 0);
        f.store("i64", host, r1, 8);
      });
    });
    return [low.value, high.value];
  }

  /**
   * An access of 128 bits, for which WebAssembly has no atomic operation. Where threads share the memory, a lock keeps them apart from each
   * other; smaller accesses to the same place can come in between.
   */
  #whole(access: () => void): void {
    const { sharesMemory } = this.environment;
    if (sharesMemory === undefined) return access();
    const { f } = this.place;
    f.loop((again) => f.brIf(again, atomic.cmpxchg32(2)(i32.const(sharesMemory.lock), i32.const(0), i32.const(1))));
    access();
    f.store("i32 atomic", i32.const(sharesMemory.lock), i32.const(0));
  }

  loadExclusive(address: I64, log2: number): I64 {
    const host = this.#exclusiveHost(address, 1 << log2);
    const value = this.let(this.environment.sharesMemory ? atomic.load64(log2)(host) : loadLane(log2, host, 0));
    this.#monitor(host, 1 << log2, value);
    return value;
  }

  loadExclusivePair(address: I64, log2: number): readonly [I64, I64] {
    const host = this.#exclusiveHost(address, 2 << log2);
    const { f } = this.place;
    const low = f.local("i64");
    const high = f.local("i64");
    this.#whole(() => {
      f.set(low, loadLane(log2, host, 0));
      f.set(high, loadLane(log2, host, 1 << log2));
    });
    if (this.environment.sharesMemory) f.fence();
    this.#monitor(host, 2 << log2, low.value);
    this.store64(at.EXCLUSIVE_HIGH, high.value);
    return [low.value, high.value];
  }

  /** Readable and aligned. */
  #exclusiveHost(address: I64, size: number): I32 {
    const va = this.let(address);
    this.checkAligned(va, size);
    return this.readable(va, size, false);
  }

  #monitor(host: I32, size: number, low: I64): void {
    this.store32(at.EXCLUSIVE, host);
    this.store32(at.EXCLUSIVE_SIZE, i32.const(size));
    this.store64(at.EXCLUSIVE_LOW, low);
  }

  storeExclusive(address: I64, log2: number, value: I64): I32 {
    const { f } = this.place;
    const failed = f.local("i32");
    const to = this.let(value);
    const host = this.atomicHost(address, 1 << log2, true);
    f.set(failed, i32.const(1));
    f.if(this.#monitored(host, 1 << log2), () => {
      const expected = this.let(this.load64(at.EXCLUSIVE_LOW));
      f.set(failed, i64.ne(swap(log2, host, expected, to), expected));
    });
    this.store32(at.EXCLUSIVE, i32.const(0));
    return failed.value;
  }

  storeExclusivePair(address: I64, log2: number, values: readonly [I64, I64]): I32 {
    const { f } = this.place;
    const failed = f.local("i32");
    const [low, high] = values.map((v) => this.let(v));
    const host = this.atomicHost(address, 2 << log2, true);
    f.set(failed, i32.const(1));
    f.if(this.#monitored(host, 2 << log2), () => {
      if (log2 === 2) {
        const expected = this.let(joined(this.load64(at.EXCLUSIVE_LOW), this.load64(at.EXCLUSIVE_HIGH)));
        return f.set(failed, i64.ne(atomic.cmpxchg64(host, expected, joined(low, high)), expected));
      }
      this.#whole(() => {
        const same = i32.and(
          i64.eq(i64.load(host), this.load64(at.EXCLUSIVE_LOW)),
          i64.eq(i64.load(host, 8), this.load64(at.EXCLUSIVE_HIGH)),
        );
        f.if(same, () => {
          f.store("i64", host, low, 0);
          f.store("i64", host, high, 8);
          f.set(failed, i32.const(0));
        });
      });
    });
    this.store32(at.EXCLUSIVE, i32.const(0));
    return failed.value;
  }

  #monitored(host: I32, size: number): I32 {
    return i32.and(i32.eq(this.load32(at.EXCLUSIVE), host), i32.eq(this.load32(at.EXCLUSIVE_SIZE), i32.const(size)));
  }
}

function swap(log2: number, host: I32, expected: I64, replacement: I64): I64 {
  if (log2 === 3) return atomic.cmpxchg64(host, expected, replacement);
  return i64.extend_u(atomic.cmpxchg32(log2)(host, i32.wrap(expected), i32.wrap(replacement)));
}

/** Two words as they lie in memory. */
function joined(low: I64, high: I64): I64 {
  return i64.or(i64.and(low, i64.const(0xffff_ffffn)), i64.shl(high, i64.const(32n)));
}
