/**
 * Tier 0's side of the DSL: the semantics of one instruction with its operands
 * read from a decoded record. Used for the handlers inside the interpreter's loop
 * and for those outside of it.
 */
import type { DecodeEnvironment, Raw, Register, Semantics, SystemOp } from "../isa/dsl.ts";
import { call, type I32, i32, type I64, i64, type Local, select, type Type, type Value } from "../wasm/mod.ts";
import * as at from "../state.ts";
import { hostFusesMultiplyAdd } from "./host_features.ts";
import { RECORD_SIZE, RECORDS_PER_PAGE, Status } from "./layout.ts";
import { Tier0Atomics } from "./tier0_atomics.ts";

/** Operations of `SystemOp` as the numbers that `Imports.system` takes. */
export const systemOps: readonly SystemOp[] = [
  "svc",
  "hvc",
  "smc",
  "brk",
  "hlt",
  "undefined",
  "eret",
  "mrs",
  "msr",
  "msrImmediate",
  "sys",
  "wfi",
  "wfe",
  "sev",
  "sevl",
  "clrex",
  "dsb",
  "spAlignment",
  "fpTrap",
]; // prettier-ignore

/** Size of a page of records, for the test whether a branch stays inside. */
const PAGE_SPAN = RECORDS_PER_PAGE * RECORD_SIZE;

/** FPSR.IXC. */
const IXC = 1 << 4;

/** Emits one variant of a declaration. */
export class Tier0 extends Tier0Atomics implements Semantics {
  #left = false;

  /** Writes the whole handler, up to the jump to the next instruction. */
  build(): void {
    const { place, declaration } = this;
    place.f.scope(() => {
      if (declaration.fp) {
        place.f.if(i32.eqz(this.load32(at.FP_ENABLED)), () => {
          this.system("fpTrap");
          place.leave();
        });
      }
      declaration.emit(this, this.operands);
      if (!this.#left) place.jump(i32.add(place.ip, i32.const(RECORD_SIZE)));
    });
  }

  // ---- control

  pc(): I64 {
    return i64.add(this.load64(at.PAGE_VA), i64.extend_u(i32.shr_u(i32.sub(this.place.ip, this.place.records), i32.const(2))));
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
    this.place.branch(i64.add(this.load64(at.PAGE_VA), i64.extend_s(i32.shr_s(within, i32.const(2)))));
    this.#left = true;
  }

  branch(target: I64): void {
    this.place.branch(target);
    this.#left = true;
  }

  fence(): void {
    this.place.f.fence();
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
      f.if(i32.eq(status.value, i32.const(Status.branch)), () => this.place.branch(this.load64(at.TARGET)));
      f.if(i32.eq(status.value, i32.const(Status.leave)), () => this.place.leave());
      this.place.stop();
    });
    this.place.resume();
  }

  i32Shared(name: string, compute: (fields: Raw<string>) => number): I32 {
    return this.operand(this.slot(`shared ${name}`, 4, compute));
  }

  #index(index: (fields: Raw<string>, environment: DecodeEnvironment) => number): { fast: I32; slot: I32 } {
    const n = this.let(this.operand(this.slot("register index", 2, (fields) => index(fields, this.environment))));
    return { fast: i32.load8_u(n, this.place.base + at.FAST_ACCESS), slot: i32.shl(n, i32.const(3)) };
  }

  readSystemRegister(rt: Register, index: (fields: Raw<string>, environment: DecodeEnvironment) => number): void {
    const { f, base } = this.place;
    const { fast, slot } = this.#index(index);
    f.if(
      i32.and(i32.shr_u(fast, this.load32(at.EL)), i32.const(1)),
      () => this.x.write(rt, i64.load(slot, base + at.SYSREGS)),
      () => this.system("mrs"),
    );
  }

  writeSystemRegister(
    rt: Register,
    isNarrow: boolean,
    index: (fields: Raw<string>, environment: DecodeEnvironment) => number,
  ): void {
    const { f, base } = this.place;
    const { fast, slot } = this.#index(index);
    const value = this.x.read(rt);
    const mask = () => this.i32((fields) => this.environment.narrowMask(index(fields, this.environment)) | 0);
    f.if(
      i32.and(i32.shr_u(fast, i32.add(this.load32(at.EL), i32.const(4))), i32.const(1)),
      () => f.store("i64", slot, isNarrow ? i64.extend_u(i32.and(i32.wrap(value), mask())) : value, base + at.SYSREGS),
      () => this.system("msr"),
    );
  }

  get holdsVectors(): boolean {
    return false;
  }

  fpIsPlain(fields: number): readonly I32[] {
    return [i32.eqz(i32.and(this.fpcr(), i32.const(fields))), i32.and(this.fpsr(), i32.const(IXC))];
  }

  fpcr(): I32 {
    return this.load32(at.FPCR);
  }

  fpsr(): I32 {
    return this.load32(at.FPSR);
  }

  raise(flags: I32): void {
    this.store32(at.FPSR, i32.or(this.fpsr(), flags));
  }

  get hostFusesMultiplyAdd(): boolean {
    return hostFusesMultiplyAdd();
  }

  softFloat(op: number | I32, operands: readonly I64[]): I64 {
    const { f, imports } = this.place;
    operands.forEach((operand, i) => this.store64(at.SCRATCH + 8 * i, operand));
    f.call(imports.softFloat, typeof op === "number" ? i32.const(op) : op);
    return this.let(this.load64(at.SCRATCH));
  }

  // ---- plumbing

  variable<T extends Type>(initial: Value<T>): { get(): Value<T>; set(value: Value<T>): void } {
    const local: Local<T> = this.place.f.local(initial.type);
    this.place.f.set(local, initial);
    return { get: () => local.value, set: (value) => this.place.f.set(local, value) };
  }

  if(condition: I32, yes: () => void, no?: () => void): void {
    this.place.f.if(condition, yes, no);
  }

  ifAll(conditions: readonly I32[], yes: () => void, no: () => void): void {
    this.if(conditions.map((condition) => i32.ne(condition, i32.const(0))).reduce((one, other) => i32.and(one, other)), yes, no);
  }

  repeatWhile(body: () => I32): void {
    this.place.f.loop((again) => this.place.f.brIf(again, body()));
  }
}
