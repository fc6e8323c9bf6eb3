/** Tier 0: operands out of a decoded record, registers and flags in the state block. */
import type { Declaration, DecodeEnvironment, Field, IntegerOps, Raw, Register } from "../isa/dsl.ts";
import type { Operands } from "../isa/operands.ts";
import { type F32, f32, type F64, f64, type I32, i32, type I64, i64, type Type, type V128, v128, type Value } from "../wasm/mod.ts";
import * as at from "../state.ts";
import { RECORD_SIZE } from "./layout.ts";
import type { Place, Slot } from "./place.ts";

/** For each condition, which values of NZCV it holds for. */
export const conditionMasks = Array.from({ length: 16 }, (_, cond) => {
  let mask = 0;
  for (let nzcv = 0; nzcv < 16; nzcv++) {
    const n = nzcv >> 3 & 1, z = nzcv >> 2 & 1, c = nzcv >> 1 & 1, v = nzcv & 1;
    const base = [z, c, n, v, c & ~z, +(n === v), +(n === v) & ~z, 1][cond >> 1] & 1;
    if (cond === 15 ? 1 : base ^ (cond & 1)) mask |= 1 << nzcv;
  }
  return mask;
});

/** Registers and operands of one variant of a declaration. */
export abstract class Tier0State {
  /** Operands that a record must hold. */
  readonly slots: Slot[] = [];
  readonly #named = new Map<string, Slot>();
  /** Bytes of the record that are in use, as a bit set; the handler's number is first. */
  #taken = 3;
  #anonymous = 0;

  constructor(
    readonly place: Place,
    readonly declaration: Declaration,
    readonly operands: Operands,
    readonly environment: DecodeEnvironment,
  ) {}

  /** A value for many uses. */
  let<T extends Type>(value: Value<T>): Value<T> {
    return this.place.f.let(value);
  }

  // ---- operands

  protected slot(key: string, bytes: 1 | 2 | 4 | 8, compute: (fields: Raw<string>) => number | bigint): Slot {
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
  protected operand({ offset, bytes }: Slot): I32 {
    const { head, ip } = this.place;
    if (offset >= 8) return bytes === 4 ? i32.load(ip, offset) : bytes === 2 ? i32.load16_u(ip, offset) : i32.load8_u(ip, offset);
    const low = i32.wrap(offset ? i64.shr_u(head, i64.const(BigInt(offset * 8))) : head);
    // The topmost operand needs no mask: the shift cleared what is above.
    return offset + bytes === 8 || bytes === 4 ? low : i32.and(low, i32.const(2 ** (bytes * 8) - 1));
  }

  /** Offset of a register from the start of the state block. */
  protected register(register: Register, kind: string, offsets: readonly number[]): I32 {
    if (typeof register === "number") return i32.const(offsets[register]);
    const { field, next = 0 } = register;
    const { low, mask } = this.declaration.fields.find(({ name }) => name === field)!;
    return this.operand(this.slot(`${kind} ${field}+${next}`, 2, ({ word }) => offsets[(((word >>> low) & mask) + next) & 31]));
  }

  i32(compute: (fields: Raw<string>) => number): I32 {
    return this.operand(this.slot(`i32 ${this.#anonymous++}`, 4, compute));
  }

  u8(compute: (fields: Raw<string>) => number): I32 {
    return this.operand(this.slot(`u8 ${this.#anonymous++}`, 1, compute));
  }

  i64(compute: (fields: Raw<string>) => bigint): I64 {
    return i64.load(this.place.ip, this.slot(`i64 ${this.#anonymous++}`, 8, compute).offset);
  }

  // ---- state

  protected load32(offset: number): I32 {
    return i32.load(i32.const(0), this.place.base + offset);
  }

  protected store32(offset: number, value: I32): void {
    this.place.f.store("i32", i32.const(0), value, this.place.base + offset);
  }

  protected load64(offset: number): I64 {
    return i64.load(i32.const(0), this.place.base + offset);
  }

  protected store64(offset: number, value: I64): void {
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
    read: (r) => i32.load(this.register(r, "read", READ), this.place.base),
    write: (r, value) => this.place.f.store("i64", this.register(r, "write", WRITE), i64.extend_u(value), this.place.base),
    readSp: (r) => i32.load(this.register(r, "sp", SP), this.place.base),
    writeSp: (r, value) => this.place.f.store("i64", this.register(r, "sp", SP), i64.extend_u(value), this.place.base),
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
    read: (r) => i64.load(this.register(r, "read", READ), this.place.base),
    write: (r, value) => this.place.f.store("i64", this.register(r, "write", WRITE), value, this.place.base),
    readSp: (r) => i64.load(this.register(r, "sp", SP), this.place.base),
    writeSp: (r, value) => this.place.f.store("i64", this.register(r, "sp", SP), value, this.place.base),
    immediate: (compute) => this.i64((fields) => BigInt(compute(fields))),
    from64: (value) => value,
    to64: (value) => value,
    from32: (value) => i64.extend_u(value),
  };

  v(register: Register): V128 {
    return v128.load(this.register(register, "v", VECTORS), this.place.base);
  }

  setV(register: Register, value: V128): void {
    this.place.f.store("v128", this.register(register, "v", VECTORS), value, this.place.base);
  }

  vLow32(register: Register, bits: 8 | 16 | 32): I32 {
    const address = this.register(register, "v", VECTORS);
    return bits === 32
      ? i32.load(address, this.place.base)
      : bits === 16
      ? i32.load16_u(address, this.place.base)
      : i32.load8_u(address, this.place.base);
  }

  vLow64(register: Register): I64 {
    return i64.load(this.register(register, "v", VECTORS), this.place.base);
  }

  vSingle(register: Register): F32 {
    return f32.load(this.register(register, "v", VECTORS), this.place.base);
  }

  vDouble(register: Register): F64 {
    return f64.load(this.register(register, "v", VECTORS), this.place.base);
  }

  setVSingle(register: Register, value: F32): void {
    this.setVLow32(register, i32.reinterpret_f32(value));
  }

  setVDouble(register: Register, value: F64): void {
    this.setVLow64(register, i64.reinterpret_f64(value));
  }

  setVLow32(register: Register, value: I32): void {
    this.setVLow64(register, i64.extend_u(value));
  }

  setVLow64(register: Register, value: I64): void {
    const address = this.let(this.register(register, "v", VECTORS));
    this.place.f.store("i64", address, value, this.place.base);
    this.place.f.store("i64", address, i64.const(0n), this.place.base + 8);
  }

  vLane(register: Register, log2: number, index: number): I64 {
    return loadLane(log2, this.register(register, "v", VECTORS), this.place.base + (index << log2));
  }

  setVLane(register: Register, log2: number, index: number, value: I64): void {
    this.place.f.store(laneStores[log2], this.register(register, "v", VECTORS), value, this.place.base + (index << log2));
  }

  vLaneAt(register: Register, log2: number, index: (fields: Raw<string>) => number): I64 {
    const byte = this.u8((fields) => index(fields) << log2);
    return loadLane(log2, i32.add(this.register(register, "v", VECTORS), byte), this.place.base);
  }

  setVLaneAt(register: Register, log2: number, index: (fields: Raw<string>) => number, value: I64): void {
    const byte = this.u8((fields) => index(fields) << log2);
    this.place.f.store(laneStores[log2], i32.add(this.register(register, "v", VECTORS), byte), value, this.place.base);
  }

  // ---- flags

  nzcv(): I32 {
    return this.load32(at.NZCV);
  }

  setNzcv(value: I32): void {
    this.store32(at.NZCV, value);
  }

  addWithFlags<T extends "i32" | "i64">(ops: IntegerOps<T>, left: Value<T>, right: Value<T>, carry: 0 | 1 | I32): Value<T> {
    const a = this.let(left);
    const b = this.let(right);
    const sum = ops.add(a, b);
    const r = this.let(typeof carry === "number" ? (carry ? ops.add(sum, ops.const(1)) : sum) : ops.add(sum, ops.from32(carry)));
    const carryOut = carry === 0 ? ops.lt_u(r, a) : sign(ops, ops.or(ops.and(a, b), ops.and(ops.or(a, b), ops.not(r))));
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
    return this.operand(this.slot(`mask ${field}`, 2, (fields) => conditionMasks[fields[field]]));
  }
}

const NUMBERS = Array.from({ length: 32 }, (_, n) => n);
/** Offsets of X0 to X30, and of what 31 stands for. */
const offsets = (last: number) => NUMBERS.map((n) => n === 31 ? last : at.x(n));
const READ = offsets(at.ZERO), WRITE = offsets(at.TRASH), SP = offsets(at.SP), VECTORS = NUMBERS.map((n) => at.V + 16 * n);

/** Stores of a lane, by log2 of its bytes. */
export const laneStores = ["i64.8", "i64.16", "i64.32", "i64"] as const;

/** The same, for stores that other threads see in order. */
export const atomicLaneStores = ["i64.8 atomic", "i64.16 atomic", "i64.32 atomic", "i64 atomic"] as const;

/** A zero-extended lane. */
export function loadLane(log2: number, address: I32, offset: number): I64 {
  // As 32 bits, so that whoever takes the lower half gets them as they are.
  return log2 === 3 ? i64.load(address, offset) : i64.extend_u([i32.load8_u, i32.load16_u, i32.load][log2](address, offset));
}

function sign<T extends "i32" | "i64">(ops: IntegerOps<T>, value: Value<T>): I32 {
  return i32.wrap(ops.to64(ops.shr_u(value, ops.const(ops.bits - 1))));
}
