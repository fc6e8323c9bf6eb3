/**
 * Tier 0's side of the DSL: the semantics of one instruction with its operands
 * read from a decoded record. Used for the handlers inside the interpreter's loop
 * and for those outside of it.
 */
import type { AccessOptions, Declaration, DecodeEnvironment, Field, IntegerOps, Raw, Register, Semantics, SystemOp } from "../isa/dsl.ts";
import {
  atomic,
  call,
  type Callable,
  type FunctionBuilder,
  type I32,
  i32,
  i32x4,
  i64,
  i64x2,
  i8x16,
  i16x8,
  type I64,
  type Local,
  select,
  type Type,
  type V128,
  v128,
  Value,
} from "../wasm/mod.ts";
import * as at from "../state.ts";
import { hostFusesMultiplyAdd } from "./host_features.ts";
import { DTLB_ADDEND, DTLB_BITS, DTLB_ENTRY_SHIFT, DTLB_READ, DTLB_WRITE, RECORD_SIZE, RECORDS_PER_PAGE } from "./layout.ts";

/** Functions of the engine that generated code calls. Each returns 0 for "leave the instruction" unless said otherwise. */
export interface Imports {
  /** (size, flags) → host address of the data at ADDRESS (SCRATCH after a slow read). Flags: 1 unprivileged, plus the element size times 2. */
  readonly slowLoad: Callable;
  /** (size, flags): stores SCRATCH at ADDRESS. */
  readonly slowStore: Callable;
  /** (size) → host address for an atomic access at ADDRESS. */
  readonly slowAtomic: Callable;
  /** (operation, word) → a Status. */
  readonly system: Callable;
  /** (operation): SCRATCH in, SCRATCH out. */
  readonly softFloat: Callable;
}

/** Where generated code sits: what differs between the loop and a handler of its own. */
export interface Place {
  readonly f: FunctionBuilder;
  readonly imports: Imports;
  /** Base of the CPU's state block in the shared memory. */
  readonly base: number;
  /** Address of the record. */
  readonly ip: I32;
  /** Its first eight bytes: one load, and one check of the memory's bounds, for all operands in them. */
  readonly head: I64;
  /** Address of the first record of the page. */
  readonly records: I32;
  /** Makes IP and BUDGET in the state block true. */
  spill(): void;
  /** After a call into the engine, which may have changed BUDGET. */
  resume(): void;
  /** Leaves with `Status.leave`. */
  leave(): void;
  /** Leaves with `Status.stop`: the instruction is done. */
  stop(): void;
  /** Continues at a record of this page. */
  jump(record: I32): void;
  /** Continues at a VA. */
  branch(target: I64): void;
}

/** An operand in the record: where, and how it is computed from the fields. */
export interface Slot {
  readonly offset: number;
  readonly bytes: 1 | 2 | 4 | 8;
  readonly compute: (fields: Raw<string>) => number | bigint;
}

/** Operations of `SystemOp` as the numbers that `Imports.system` takes. */
export const systemOps: readonly SystemOp[] = [
  "svc", "hvc", "smc", "brk", "hlt", "undefined", "eret", "mrs", "msr", "msrImmediate", "sys", "wfi", "wfe", "sev", "sevl", "clrex", "isb", "spAlignment", "fpTrap", "dgh", "drps",
]; // prettier-ignore

const conditionMasks = Array.from({ length: 16 }, (_, cond) => {
  let mask = 0;
  for (let nzcv = 0; nzcv < 16; nzcv++) {
    const n = nzcv >> 3 & 1, z = nzcv >> 2 & 1, c = nzcv >> 1 & 1, v = nzcv & 1;
    const base = [z, c, n, v, c & ~z, +(n === v), +(n === v) & ~z, 1][cond >> 1] & 1;
    if (cond === 15 ? 1 : base ^ (cond & 1)) mask |= 1 << nzcv;
  }
  return mask;
});

/** Size of a page of records, for the test whether a branch stays inside. */
const PAGE_SPAN = RECORDS_PER_PAGE * RECORD_SIZE;

/** Emits one variant of a declaration. */
export class Tier0 implements Semantics {
  readonly slots: Slot[] = [];
  readonly #named = new Map<string, Slot>();
  /** Bytes of the record that are in use, as a bit set; the handler's number is first. */
  #taken = 3;
  #left = false;

  constructor(
    readonly place: Place,
    readonly declaration: Declaration,
    readonly known: Readonly<Record<string, number>>,
    readonly environment: DecodeEnvironment,
  ) {}

  /** Writes the whole handler, up to the jump to the next instruction. */
  build(): void {
    const { place, declaration } = this;
    place.f.scope(() => {
      if (declaration.fp) {
        place.f.if(i32.eqz(this.#load32(at.FP_ENABLED)), () => {
          this.system("fpTrap");
          place.leave();
        });
      }
      const fields: Record<string, number | Field> = {};
      for (const { name } of declaration.fields) fields[name] = { field: name };
      Object.assign(fields, this.known);
      declaration.emit(this, fields as Readonly<Record<string, number & Field>>);
      if (!this.#left) place.jump(i32.add(place.ip, i32.const(RECORD_SIZE)));
    });
  }

  // ---- operands

  #slot(key: string, bytes: 1 | 2 | 4 | 8, compute: (fields: Raw<string>) => number | bigint): Slot {
    const found = this.#named.get(key);
    if (found) return found;
    let offset = 0;
    const mask = (1 << bytes) - 1;
    while (offset < RECORD_SIZE && (this.#taken >> offset) & mask) offset += bytes;
    if (offset >= RECORD_SIZE) throw new Error(`${this.declaration.bits}: the operands don't fit a record`);
    this.#taken |= mask << offset;
    const slot = { offset, bytes, compute };
    this.slots.push(slot);
    this.#named.set(key, slot);
    return slot;
  }

  /** The operand in a slot, zero-extended. */
  #operand({ offset, bytes }: Slot): I32 {
    const { head, ip } = this.place;
    if (offset >= 8) return bytes === 4 ? i32.load(ip, offset) : bytes === 2 ? i32.load16_u(ip, offset) : i32.load8_u(ip, offset);
    const low = i32.wrap(offset ? i64.shr_u(head, i64.const(BigInt(offset * 8))) : head);
    // The topmost operand needs no mask: the shift cleared what is above.
    return offset + bytes === 8 || bytes === 4 ? low : i32.and(low, i32.const(2 ** (bytes * 8) - 1));
  }

  /** Offset of a register from the start of the state block. */
  #register(register: Register, kind: string, offsetOf: (n: number) => number): I32 {
    if (typeof register === "number") return i32.const(offsetOf(register));
    const { field, next = 0 } = register;
    return this.#operand(this.#slot(`${kind} ${field}+${next}`, 2, (fields) => offsetOf((fields[field] + next) & 31)));
  }

  #anonymous = 0;

  i32(compute: (fields: Raw<string>) => number): I32 {
    return this.#operand(this.#slot(`i32 ${this.#anonymous++}`, 4, compute));
  }

  u8(compute: (fields: Raw<string>) => number): I32 {
    return this.#operand(this.#slot(`u8 ${this.#anonymous++}`, 1, compute));
  }

  i64(compute: (fields: Raw<string>) => bigint): I64 {
    return i64.load(this.place.ip, this.#slot(`i64 ${this.#anonymous++}`, 8, compute).offset);
  }

  // ---- state

  #load32(offset: number): I32 {
    return i32.load(i32.const(0), this.place.base + offset);
  }

  #store32(offset: number, value: I32): void {
    this.place.f.store("i32", i32.const(0), value, this.place.base + offset);
  }

  #load64(offset: number): I64 {
    return i64.load(i32.const(0), this.place.base + offset);
  }

  #store64(offset: number, value: I64): void {
    this.place.f.store("i64", i32.const(0), value, this.place.base + offset);
  }

  width(bits: 32 | 64): IntegerOps<"i32" | "i64"> {
    return (bits === 64 ? this.x : this.w) as unknown as IntegerOps<"i32" | "i64">;
  }

  readonly w: IntegerOps<"i32"> = {
    ...i32,
    type: "i32",
    bits: 32,
    const: (value) => i32.const(Number(value)),
    not: (a) => i32.xor(a, i32.const(-1)),
    read: (r) => i32.load(this.#register(r, "read", readOffset), this.place.base),
    write: (r, value) => this.place.f.store("i64", this.#register(r, "write", writeOffset), i64.extend_u(value), this.place.base),
    readSp: (r) => i32.load(this.#register(r, "sp", spOffset), this.place.base),
    writeSp: (r, value) => this.place.f.store("i64", this.#register(r, "sp", spOffset), i64.extend_u(value), this.place.base),
    immediate: (compute) => this.i32((fields) => Number(compute(fields))),
    from64: (value) => i32.wrap(value),
    to64: (value) => i64.extend_u(value),
    from32: (value) => value,
  };

  readonly x: IntegerOps<"i64"> = {
    ...i64,
    type: "i64",
    bits: 64,
    const: (value) => i64.const(BigInt(value)),
    not: (a) => i64.xor(a, i64.const(-1n)),
    read: (r) => i64.load(this.#register(r, "read", readOffset), this.place.base),
    write: (r, value) => this.place.f.store("i64", this.#register(r, "write", writeOffset), value, this.place.base),
    readSp: (r) => i64.load(this.#register(r, "sp", spOffset), this.place.base),
    writeSp: (r, value) => this.place.f.store("i64", this.#register(r, "sp", spOffset), value, this.place.base),
    immediate: (compute) => this.i64((fields) => BigInt(compute(fields))),
    from64: (value) => value,
    to64: (value) => value,
    from32: (value) => i64.extend_u(value),
  };

  v(register: Register): V128 {
    return v128.load(this.#register(register, "v", vOffset), this.place.base);
  }

  setV(register: Register, value: V128): void {
    this.place.f.store("v128", this.#register(register, "v", vOffset), value, this.place.base);
  }

  vLow32(register: Register, bits: 8 | 16 | 32): I32 {
    const address = this.#register(register, "v", vOffset);
    return bits === 32 ? i32.load(address, this.place.base) : bits === 16 ? i32.load16_u(address, this.place.base) : i32.load8_u(address, this.place.base);
  }

  vLow64(register: Register): I64 {
    return i64.load(this.#register(register, "v", vOffset), this.place.base);
  }

  setVLow32(register: Register, value: I32): void {
    this.setVLow64(register, i64.extend_u(value));
  }

  setVLow64(register: Register, value: I64): void {
    const address = this.let(this.#register(register, "v", vOffset));
    this.place.f.store("i64", address, value, this.place.base);
    this.place.f.store("i64", address, i64.const(0n), this.place.base + 8);
  }

  vLane(register: Register, log2: number, index: number): I64 {
    return loadLane(log2, this.#register(register, "v", vOffset), this.place.base + (index << log2));
  }

  setVLane(register: Register, log2: number, index: number, value: I64): void {
    this.place.f.store(laneStores[log2], this.#register(register, "v", vOffset), value, this.place.base + (index << log2));
  }

  vLaneAt(register: Register, log2: number, index: (fields: Raw<string>) => number): I64 {
    const byte = this.u8((fields) => index(fields) << log2);
    return loadLane(log2, i32.add(this.#register(register, "v", vOffset), byte), this.place.base);
  }

  setVLaneAt(register: Register, log2: number, index: (fields: Raw<string>) => number, value: I64): void {
    const byte = this.u8((fields) => index(fields) << log2);
    this.place.f.store(laneStores[log2], i32.add(this.#register(register, "v", vOffset), byte), value, this.place.base);
  }

  // ---- flags

  nzcv(): I32 {
    return this.#load32(at.NZCV);
  }

  setNzcv(value: I32): void {
    this.#store32(at.NZCV, value);
  }

  addWithFlags<T extends "i32" | "i64">(ops: IntegerOps<T>, left: Value<T>, right: Value<T>, carry: 0 | 1 | I32): Value<T> {
    const a = this.let(left);
    const b = this.let(right);
    const sum = ops.add(a, b);
    const r = this.let(typeof carry === "number" ? (carry ? ops.add(sum, ops.const(1)) : sum) : ops.add(sum, ops.from32(carry)));
    const carryOut = carry === 0
      ? ops.lt_u(r, a)
      : sign(ops, ops.or(ops.and(a, b), ops.and(ops.or(a, b), ops.not(r))));
    const overflow = sign(ops, ops.and(ops.xor(a, r), ops.xor(b, r)));
    this.#pack(ops, r, carryOut, overflow);
    return r;
  }

  subtractWithFlags<T extends "i32" | "i64">(ops: IntegerOps<T>, left: Value<T>, right: Value<T>): Value<T> {
    const a = this.let(left);
    const b = this.let(right);
    const r = this.let(ops.sub(a, b));
    this.#pack(ops, r, ops.ge_u(a, b), sign(ops, ops.and(ops.xor(a, b), ops.xor(a, r))));
    return r;
  }

  logicFlags<T extends "i32" | "i64">(ops: IntegerOps<T>, result: Value<T>): void {
    const r = this.let(result);
    this.setNzcv(i32.or(i32.shl(sign(ops, r), i32.const(3)), i32.shl(ops.eqz(r), i32.const(2))));
  }

  #pack<T extends "i32" | "i64">(ops: IntegerOps<T>, r: Value<T>, carry: I32, overflow: I32): void {
    const nz = i32.or(i32.shl(sign(ops, r), i32.const(3)), i32.shl(ops.eqz(r), i32.const(2)));
    this.setNzcv(i32.or(nz, i32.or(i32.shl(carry, i32.const(1)), overflow)));
  }

  condition(cond: number | Field): I32 {
    const mask = typeof cond === "number" ? i32.const(conditionMasks[cond]) : this.#mask(cond.field);
    return i32.and(i32.shr_u(mask, this.nzcv()), i32.const(1));
  }

  #mask(field: string): I32 {
    return this.#operand(this.#slot(`mask ${field}`, 2, (fields) => conditionMasks[fields[field]]));
  }

  // ---- memory

  /** Host address of a readable location, or a jump out. */
  #readable(address: I64, size: number, unprivileged: boolean, element: number = size): I32 {
    const { f, base, imports } = this.place;
    const va = this.let(address);
    const host = f.local("i32");
    const entry = this.#entry(va, unprivileged);
    f.if(
      i64.eq(pageOf(va, size), i64.load(entry, DTLB_READ)),
      () => f.set(host, i32.add(i32.load(entry, DTLB_ADDEND), i32.wrap(va))),
      () => {
        this.place.spill();
        f.store("i64", i32.const(0), va, base + at.ADDRESS);
        f.set(host, call("i32", imports.slowLoad, i32.const(size), i32.const(+unprivileged | (element << 1))));
        f.if(i32.eqz(host.value), () => this.place.leave());
        this.place.resume();
      },
    );
    return host.value;
  }

  #entry(va: I64, unprivileged: boolean): I32 {
    const index = i32.and(i32.wrap(i64.shr_u(va, i64.const(BigInt(12 - DTLB_ENTRY_SHIFT)))), i32.const(((1 << DTLB_BITS) - 1) << DTLB_ENTRY_SHIFT));
    return this.let(i32.add(this.#load32(unprivileged ? at.TLB_UNPRIVILEGED : at.TLB), index));
  }

  #checkAligned(va: I64, size: number): void {
    if (size === 1) return;
    const { f, base, imports } = this.place;
    f.if(i32.wrap(i64.and(va, i64.const(BigInt(size - 1)))), () => {
      this.place.spill();
      f.store("i64", i32.const(0), va, base + at.ADDRESS);
      f.if(i32.eqz(call("i32", imports.slowAtomic, i32.const(size), i32.const(0))), () => this.place.leave());
    });
  }

  load(address: I64, log2: number, options: AccessOptions = {}): I64 {
    const va = this.let(address);
    if (options.ordered) this.#checkAligned(va, 1 << log2);
    const host = this.#readable(va, 1 << log2, options.unprivileged ?? false, options.element);
    return this.let(loadLane(log2, host, 0));
  }

  load128(address: I64, options: AccessOptions = {}): V128 {
    return this.let(v128.load(this.#readable(address, 16, false, options.element)));
  }

  store(address: I64, log2: number, value: I64, options: AccessOptions = {}): void {
    const va = this.let(address);
    if (options.ordered) this.#checkAligned(va, 1 << log2);
    this.#write(
      va,
      1 << log2,
      options.unprivileged ?? false,
      (host, offset) => this.place.f.store(laneStores[log2], host, value, offset),
      options.element,
    );
  }

  store128(address: I64, value: V128, options: AccessOptions = {}): void {
    this.#write(address, 16, false, (host, offset) => this.place.f.store("v128", host, value, offset), options.element);
  }

  loadPair(address: I64, log2: number): readonly [I64, I64] {
    const host = this.#readable(address, 2 << log2, false, 1 << log2);
    return [this.let(loadLane(log2, host, 0)), this.let(loadLane(log2, host, 1 << log2))];
  }

  storePair(address: I64, log2: number, [first, second]: readonly [I64, I64]): void {
    const { f } = this.place;
    this.#write(address, 2 << log2, false, (host, offset) => {
      const to = f.let(host);
      f.store(laneStores[log2], to, first, offset);
      f.store(laneStores[log2], to, second, offset + (1 << log2));
    }, 1 << log2);
  }

  #write(address: I64, size: number, unprivileged: boolean, put: (host: I32, offset: number) => void, element: number = size): void {
    const { f, base, imports } = this.place;
    const va = this.let(address);
    const entry = this.#entry(va, unprivileged);
    f.if(
      i64.eq(pageOf(va, size), i64.load(entry, DTLB_WRITE)),
      () => put(i32.add(i32.load(entry, DTLB_ADDEND), i32.wrap(va)), 0),
      () => {
        this.place.spill();
        f.store("i64", i32.const(0), va, base + at.ADDRESS);
        put(i32.const(0), base + at.SCRATCH);
        f.if(i32.eqz(call("i32", imports.slowStore, i32.const(size), i32.const(+unprivileged | (element << 1)))), () => this.place.leave());
        this.place.resume();
      },
    );
  }

  zeroBlock(address: I64): void {
    const { f } = this.place;
    const va = this.let(i64.and(address, i64.const(-64n)));
    const entry = this.#entry(va, false);
    f.if(
      i64.eq(i64.and(va, i64.const(-4096n)), i64.load(entry, DTLB_WRITE)),
      () => {
        const host = this.let(i32.add(i32.load(entry, DTLB_ADDEND), i32.wrap(va)));
        for (let i = 0; i < 64; i += 16) f.store("v128", host, v128.const(0n, 0n), i);
      },
      () => this.system("sys"),
    );
  }

  /** Host address of a naturally aligned, writable location, or a jump out. */
  #atomicHost(address: I64, size: number): I32 {
    const { f, base, imports } = this.place;
    const va = this.let(address);
    const host = f.local("i32");
    const entry = this.#entry(va, false);
    const aligned = i64.eqz(i64.and(va, i64.const(BigInt(size - 1))));
    f.if(
      i32.and(aligned, i64.eq(i64.and(va, i64.const(-4096n)), i64.load(entry, DTLB_WRITE))),
      () => f.set(host, i32.add(i32.load(entry, DTLB_ADDEND), i32.wrap(va))),
      () => {
        this.place.spill();
        f.store("i64", i32.const(0), va, base + at.ADDRESS);
        f.set(host, call("i32", imports.slowAtomic, i32.const(size), i32.const(1)));
        f.if(i32.eqz(host.value), () => this.place.leave());
        this.place.resume();
      },
    );
    return host.value;
  }

  atomic(op: Parameters<Semantics["atomic"]>[0], address: I64, log2: number, value: I64): I64 {
    const { f } = this.place;
    const operand = this.let(value);
    const host = this.#atomicHost(address, 1 << log2);
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
    return this.let(swap(log2, this.#atomicHost(address, 1 << log2), from, to));
  }

  compareAndSwapPair(address: I64, log2: number, expected: readonly [I64, I64], replacement: readonly [I64, I64]): readonly [I64, I64] {
    const { f } = this.place;
    const [e0, e1] = expected.map((v) => this.let(v));
    const [r0, r1] = replacement.map((v) => this.let(v));
    const host = this.#atomicHost(address, 2 << log2);
    if (log2 === 2) {
      const join = (low: I64, high: I64) => i64.or(i64.and(low, i64.const(0xffff_ffffn)), i64.shl(high, i64.const(32n)));
      const old = this.let(atomic.cmpxchg64(host, join(e0, e1), join(r0, r1)));
      return [i64.and(old, i64.const(0xffff_ffffn)), i64.shr_u(old, i64.const(32n))];
    }
    // 128 bits: no such operation in WebAssembly; one host thread runs all vCPUs of a machine.
    const low = this.let(i64.load(host, 0));
    const high = this.let(i64.load(host, 8));
    f.if(i32.and(i64.eq(low, e0), i64.eq(high, e1)), () => {
      f.store("i64", host, r0, 0);
      f.store("i64", host, r1, 8);
    });
    return [low, high];
  }

  loadExclusive(address: I64, log2: number): I64 {
    const host = this.#exclusiveHost(address, 1 << log2);
    const value = this.let(loadLane(log2, host, 0));
    this.#monitor(host, 1 << log2, value);
    return value;
  }

  loadExclusivePair(address: I64, log2: number): readonly [I64, I64] {
    const host = this.#exclusiveHost(address, 2 << log2);
    const low = this.let(loadLane(log2, host, 0));
    const high = this.let(loadLane(log2, host, 1 << log2));
    this.#monitor(host, 2 << log2, low);
    this.#store64(at.EXCLUSIVE_HIGH, high);
    return [low, high];
  }

  /** Readable and aligned. */
  #exclusiveHost(address: I64, size: number): I32 {
    const va = this.let(address);
    this.#checkAligned(va, size);
    return this.#readable(va, size, false);
  }

  #monitor(host: I32, size: number, low: I64): void {
    this.#store32(at.EXCLUSIVE, host);
    this.#store32(at.EXCLUSIVE_SIZE, i32.const(size));
    this.#store64(at.EXCLUSIVE_LOW, low);
  }

  storeExclusive(address: I64, log2: number, value: I64): I32 {
    const { f } = this.place;
    const failed = f.local("i32");
    const to = this.let(value);
    const host = this.#atomicHost(address, 1 << log2);
    f.set(failed, i32.const(1));
    f.if(this.#monitored(host, 1 << log2), () => {
      const expected = this.let(this.#load64(at.EXCLUSIVE_LOW));
      f.set(failed, i64.ne(swap(log2, host, expected, to), expected));
    });
    this.#store32(at.EXCLUSIVE, i32.const(0));
    return failed.value;
  }

  storeExclusivePair(address: I64, log2: number, values: readonly [I64, I64]): I32 {
    const { f } = this.place;
    const failed = f.local("i32");
    const [low, high] = values.map((v) => this.let(v));
    const host = this.#atomicHost(address, 2 << log2);
    f.set(failed, i32.const(1));
    f.if(this.#monitored(host, 2 << log2), () => {
      const same = i32.and(
        i64.eq(loadLane(log2, host, 0), this.#load64(at.EXCLUSIVE_LOW)),
        i64.eq(loadLane(log2, host, 1 << log2), this.#load64(at.EXCLUSIVE_HIGH)),
      );
      f.if(same, () => {
        f.store(laneStores[log2], host, low, 0);
        f.store(laneStores[log2], host, high, 1 << log2);
        f.set(failed, i32.const(0));
      });
    });
    this.#store32(at.EXCLUSIVE, i32.const(0));
    return failed.value;
  }

  #monitored(host: I32, size: number): I32 {
    return i32.and(i32.eq(this.#load32(at.EXCLUSIVE), host), i32.eq(this.#load32(at.EXCLUSIVE_SIZE), i32.const(size)));
  }

  // ---- control

  pc(): I64 {
    return i64.add(this.#load64(at.PAGE_VA), i64.extend_u(i32.shr_u(i32.sub(this.place.ip, this.place.records), i32.const(2))));
  }

  branchTo(offset: (fields: Raw<string>) => number): void {
    this.#relative(this.i32((fields) => offset(fields) * 4));
  }

  branchToIf(condition: I32, offset: (fields: Raw<string>) => number): void {
    this.#relative(select(condition, this.i32((fields) => offset(fields) * 4), i32.const(RECORD_SIZE)));
  }

  /** Distances in records' bytes are four times those in the guest's. */
  #relative(distance: I32): void {
    const { f, records } = this.place;
    const next = this.let(i32.add(this.place.ip, distance));
    const within = this.let(i32.sub(next, records));
    f.if(i32.lt_u(within, i32.const(PAGE_SPAN)), () => this.place.jump(next));
    this.place.branch(i64.add(this.#load64(at.PAGE_VA), i64.extend_s(i32.shr_s(within, i32.const(2)))));
    this.#left = true;
  }

  branch(target: I64): void {
    this.place.branch(target);
    this.#left = true;
  }

  // ---- system

  system(op: SystemOp): void {
    const { f, imports } = this.place;
    this.place.spill();
    const status = f.local("i32");
    // These two are the same for every word; without it more operands fit.
    const word = op === "fpTrap" || op === "spAlignment" ? i32.const(0) : this.i32Shared("word", (fields) => fields.word | 0);
    f.set(status, call("i32", imports.system, i32.const(systemOps.indexOf(op)), word));
    f.if(status.value, () => {
      f.if(i32.eq(status.value, i32.const(1)), () => this.place.leave());
      this.place.stop();
    });
    this.place.resume();
  }

  i32Shared(name: string, compute: (fields: Raw<string>) => number): I32 {
    return this.#operand(this.#slot(`shared ${name}`, 4, compute));
  }

  #index(index: (fields: Raw<string>, environment: DecodeEnvironment) => number): { fast: I32; slot: I32 } {
    const n = this.let(this.#operand(this.#slot("register index", 2, (fields) => index(fields, this.environment))));
    return { fast: i32.load8_u(n, this.place.base + at.FAST_ACCESS), slot: i32.shl(n, i32.const(3)) };
  }

  readSystemRegister(rt: Register, index: (fields: Raw<string>, environment: DecodeEnvironment) => number): void {
    const { f, base } = this.place;
    const { fast, slot } = this.#index(index);
    f.if(
      i32.and(i32.shr_u(fast, this.#load32(at.EL)), i32.const(1)),
      () => this.x.write(rt, i64.load(slot, base + at.SYSREGS)),
      () => this.system("mrs"),
    );
  }

  writeSystemRegister(rt: Register, index: (fields: Raw<string>, environment: DecodeEnvironment) => number): void {
    const { f, base } = this.place;
    const { fast, slot } = this.#index(index);
    f.if(
      i32.and(i32.shr_u(fast, i32.add(this.#load32(at.EL), i32.const(4))), i32.const(1)),
      () => f.store("i64", slot, this.x.read(rt), base + at.SYSREGS),
      () => this.system("msr"),
    );
  }

  fpcr(): I32 {
    return this.#load32(at.FPCR);
  }

  fpsr(): I32 {
    return this.#load32(at.FPSR);
  }

  raise(flags: I32): void {
    this.#store32(at.FPSR, i32.or(this.fpsr(), flags));
  }

  get hostFusesMultiplyAdd(): boolean {
    return hostFusesMultiplyAdd();
  }

  softFloat(op: number | I32, operands: readonly I64[]): I64 {
    const { f, imports } = this.place;
    operands.forEach((operand, i) => this.#store64(at.SCRATCH + 8 * i, operand));
    f.call(imports.softFloat, typeof op === "number" ? i32.const(op) : op);
    return this.let(this.#load64(at.SCRATCH));
  }

  // ---- plumbing

  let<T extends Type>(value: Value<T>): Value<T> {
    return this.place.f.let(value);
  }

  variable<T extends Type>(initial: Value<T>): { get(): Value<T>; set(value: Value<T>): void } {
    const local: Local<T> = this.place.f.local(initial.type);
    this.place.f.set(local, initial);
    return { get: () => local.value, set: (value) => this.place.f.set(local, value) };
  }

  if(condition: I32, yes: () => void, no?: () => void): void {
    this.place.f.if(condition, yes, no);
  }

  repeatWhile(body: () => I32): void {
    this.place.f.loop((again) => this.place.f.brIf(again, body()));
  }
}

const readOffset = (n: number) => n === 31 ? at.ZERO : at.X + 8 * n;
const writeOffset = (n: number) => n === 31 ? at.TRASH : at.X + 8 * n;
const spOffset = (n: number) => n === 31 ? at.SP : at.X + 8 * n;
const vOffset = (n: number) => at.V + 16 * n;

const laneStores = ["i64.8", "i64.16", "i64.32", "i64"] as const;

function loadLane(log2: number, address: I32, offset: number): I64 {
  return [i64.load8_u, i64.load16_u, i64.load32_u, i64.load][log2](address, offset);
}

/** Page of the access's last byte: differs from the page of the first when it crosses. */
function pageOf(va: I64, size: number): I64 {
  return i64.and(size === 1 ? va : i64.add(va, i64.const(BigInt(size - 1))), i64.const(-4096n));
}

function sign<T extends "i32" | "i64">(ops: IntegerOps<T>, value: Value<T>): I32 {
  return i32.wrap(ops.to64(ops.shr_u(value, ops.const(ops.bits - 1))));
}

function swap(log2: number, host: I32, expected: I64, replacement: I64): I64 {
  if (log2 === 3) return atomic.cmpxchg64(host, expected, replacement);
  return i64.extend_u(atomic.cmpxchg32(log2)(host, i32.wrap(expected), i32.wrap(replacement)));
}

/** For declarations' decoding, re-exported so that users need one import. */
export type { DecodeEnvironment };
void i8x16, void i16x8, void i32x4, void i64x2;
