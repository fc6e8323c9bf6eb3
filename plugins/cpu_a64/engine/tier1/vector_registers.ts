/** V registers of a region: in loops they are in locals, as general registers are; elsewhere what is in the state block is true. */
import type { Declaration, DecodeEnvironment, Raw, Register } from "../../isa/dsl.ts";
import { FLUSH, ROUNDING } from "../../isa/fp_operations.ts";
import {
  type F32,
  f32x4,
  type F64,
  f64x2,
  i16x8,
  type I32,
  i32,
  i32x4,
  type I64,
  i64,
  i64x2,
  i8x16,
  type Local,
  type V128,
  v128,
} from "../../wasm/mod.ts";
import * as at from "../../state.ts";
import { Tier0 } from "../tier0.ts";
import { type Loop, members } from "./held.ts";
import type { RegionPlace } from "./region_place.ts";

/** Emits accesses to V registers. */
export abstract class RegionVectors extends Tier0 {
  /** The outermost loop that the present place is in. */
  protected present: Loop | undefined;
  readonly #vectors: (Local<"v128"> | undefined)[] = [];

  /** A register's number, in the present instruction. */
  protected abstract numberOf(register: Register): number;
  protected abstract fieldsOf(): Raw<string>;

  /** Whether the host's arithmetic is as FPCR wants it, and FPSR.IXC set, where the present outermost loop began. */
  readonly #isPlain: Local<"i32">;

  constructor(override readonly place: RegionPlace, environment: DecodeEnvironment, any: Declaration) {
    super(place, any, {}, environment);
    this.#isPlain = place.f.local("i32");
  }

  /** Before a loop; at a place for what is known later. */
  protected loadVectors({ usedVectors, asksPlain, writesFpcr }: Loop): void {
    if (asksPlain) {
      const conditions = super.fpIsPlain(ROUNDING | FLUSH).map((condition) => i32.ne(condition, i32.const(0)));
      this.place.f.set(this.#isPlain, writesFpcr ? i32.const(0) : conditions.reduce((one, other) => i32.and(one, other)));
    }
    for (const n of members(usedVectors)) this.place.f.set(this.#local(n), v128.load(i32.const(0), this.place.base + at.V + 16 * n));
  }

  /** After a loop; at a place for what is known later. */
  protected storeVectors({ writtenVectors }: Loop): void {
    for (const n of members(writtenVectors)) {
      this.place.f.store("v128", i32.const(0), this.#local(n).value, this.place.base + at.V + 16 * n);
    }
  }

  #local(n: number): Local<"v128"> {
    return this.#vectors[n] ??= this.place.f.unscoped(() => this.place.f.local("v128"));
  }

  /** Its value in a loop, else `undefined`. */
  #value(register: Register): V128 | undefined {
    if (this.present === undefined) return undefined;
    const n = this.numberOf(register);
    this.present.usedVectors |= 1 << n;
    return this.#local(n).value;
  }

  /** Writes it in a loop; false elsewhere. */
  #set(register: Register, value: V128): boolean {
    if (this.present === undefined) return false;
    const n = this.numberOf(register);
    this.place.f.set(this.#local(n), value);
    this.present.usedVectors |= 1 << n;
    this.present.writtenVectors |= 1 << n;
    return true;
  }

  override get holdsVectors(): boolean {
    return this.present !== undefined;
  }

  override fpIsPlain(fields: number): readonly I32[] {
    if (this.present === undefined || fields & ~(ROUNDING | FLUSH)) return super.fpIsPlain(fields);
    this.present.asksPlain = true;
    return [this.#isPlain.value];
  }

  override v(register: Register): V128 {
    return this.#value(register) ?? super.v(register);
  }

  override setV(register: Register, value: V128): void {
    if (!this.#set(register, value)) super.setV(register, value);
  }

  override vLow32(register: Register, bits: 8 | 16 | 32): I32 {
    const value = this.#value(register);
    if (value === undefined) return super.vLow32(register, bits);
    return bits === 32 ? i32x4.extract_lane(value, 0) : bits === 16 ? i16x8.extract_lane_u(value, 0) : i8x16.extract_lane_u(value, 0);
  }

  override vLow64(register: Register): I64 {
    const value = this.#value(register);
    return value === undefined ? super.vLow64(register) : i64x2.extract_lane(value, 0);
  }

  override vSingle(register: Register): F32 {
    const value = this.#value(register);
    return value === undefined ? super.vSingle(register) : f32x4.extract_lane(value, 0);
  }

  override vDouble(register: Register): F64 {
    const value = this.#value(register);
    return value === undefined ? super.vDouble(register) : f64x2.extract_lane(value, 0);
  }

  override setVLow64(register: Register, value: I64): void {
    if (this.present === undefined) super.setVLow64(register, value);
    else this.#set(register, i64x2.replace_lane(v128.const(0n, 0n), 0, value));
  }

  override setVSingle(register: Register, value: F32): void {
    if (this.present === undefined) super.setVSingle(register, value);
    else this.#set(register, f32x4.replace_lane(v128.const(0n, 0n), 0, value));
  }

  override setVDouble(register: Register, value: F64): void {
    if (this.present === undefined) super.setVDouble(register, value);
    else this.#set(register, f64x2.replace_lane(v128.const(0n, 0n), 0, value));
  }

  override vLane(register: Register, log2: number, index: number): I64 {
    const value = this.#value(register);
    return value === undefined ? super.vLane(register, log2, index) : lane(value, log2, index);
  }

  override setVLane(register: Register, log2: number, index: number, value: I64): void {
    const whole = this.#value(register);
    if (whole === undefined) super.setVLane(register, log2, index, value);
    else this.#set(register, withLane(whole, log2, index, value));
  }

  override vLaneAt(register: Register, log2: number, index: (fields: Raw<string>) => number): I64 {
    return this.vLane(register, log2, index(this.fieldsOf()));
  }

  override setVLaneAt(register: Register, log2: number, index: (fields: Raw<string>) => number, value: I64): void {
    this.setVLane(register, log2, index(this.fieldsOf()), value);
  }
}

/** A lane of `1 << log2` bytes, zero-extended. */
function lane(value: V128, log2: number, index: number): I64 {
  if (log2 === 3) return i64x2.extract_lane(value, index);
  return i64.extend_u([i8x16.extract_lane_u, i16x8.extract_lane_u, i32x4.extract_lane][log2](value, index));
}

function withLane(whole: V128, log2: number, index: number, value: I64): V128 {
  if (log2 === 3) return i64x2.replace_lane(whole, index, value);
  return [i8x16, i16x8, i32x4][log2].replace_lane(whole, index, i32.wrap(value));
}
