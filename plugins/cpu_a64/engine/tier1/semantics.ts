/**
 * Tier 1's side of the DSL: the semantics of instructions whose fields are all known, with general registers and
 * flags in locals of the region's function.
 *
 * What doesn't go straight on leaves the region before the instruction, which the interpreter then executes: faults,
 * devices, writes to code, whatever concerns the system. So a region never holds a state that must be repaired.
 */
import type { DecodeEnvironment, Field, IntegerOps, Raw, Register, SystemOp } from "../../isa/dsl.ts";
import type { Decoded } from "../../isa/decoder.ts";
import type { VariantOperands } from "../../isa/operands.ts";
import { type I32, i32, type I64, i64, type Local, type Value } from "../../wasm/mod.ts";
import * as at from "../../state.ts";
import type { Slot } from "../place.ts";
import { registers } from "../../sysregs/mod.ts";
import { InlineRegisters } from "./system_registers.ts";
import { Flags, Kind } from "./flags.ts";
import type { Ending, RegionPlace } from "./region_place.ts";
import { common, type JointChecks, type Origins } from "./joint_checks.ts";
import { RegionMemory } from "./memory.ts";
import { type Held, type Loop, members } from "./held.ts";

/** SP among the registers; XZR has the number too, by the other accessors. */
const SP = 31;

/** What is known of a place, whichever way it is reached. */
export interface Facts {
  /** What set the flags. */
  readonly flags: number | undefined;
  /** What general registers are, in a fast copy of a loop. */
  readonly origins: Origins;
}

/** Where a block begins, or goes on. */
export interface Whereabouts {
  readonly held: Held;
  /** The outermost loop that it is in. */
  readonly loop: Loop | undefined;
  /** In a fast copy of a loop: what its copies have in common. */
  readonly joint: JointChecks | undefined;
  readonly facts: Facts;
}

/** Emits the instructions of a region, one after the other. */
export class RegionSemantics extends RegionMemory {
  readonly flags: Flags;
  /** Set by an instruction that doesn't go on at the next one. */
  ending: Ending | undefined;
  #fields: Raw<string> = { word: 0 };
  #pc = 0;
  #depth = 0;
  readonly #locals: (Local<"i64"> | undefined)[] = [];
  readonly #inline: InlineRegisters;

  constructor(override readonly place: RegionPlace, readonly variants: VariantOperands, any: Decoded) {
    super(place, variants.environment, any.declaration);
    this.#inline = new InlineRegisters(place);
    this.flags = new Flags(place.f, () => place.pack());
  }

  /** Emits an instruction. @param pc offset from the start of the page, in bytes */
  instruction(decoded: Decoded, pc: number): void {
    const { declaration } = decoded;
    this.#fields = decoded.fields;
    this.#pc = pc;
    this.ending = undefined;
    this.place.f.scope(() => declaration.emit(this, this.variants.of(decoded)));
  }

  /** What comes next stands here. */
  enter({ held, loop, joint, facts }: Whereabouts): void {
    this.holds = { ...held };
    this.present = loop;
    this.flags.known = facts.flags;
    this.enterCopy(joint, facts.origins);
  }

  /** What is known behind the instructions so far. */
  get facts(): Facts {
    return { flags: this.flags.known, origins: this.origins };
  }

  /** The outermost loop that the present place is in. */
  get loop(): Loop | undefined {
    return this.present;
  }

  /** What the present place's locals hold. */
  get held(): Held {
    const { registers, windows } = this.holds;
    const loop = this.present;
    return { registers: registers | (loop?.used ?? 0), windows };
  }

  /** Before a loop: loads what it uses. */
  loadFor(loop: Loop): void {
    const { f } = this.place;
    f.later(() => {
      for (const n of members(loop.used & ~loop.before.registers)) f.set(this.localOf(n), this.load64(offsetOf(n)));
      this.loadVectors(loop);
      this.setWindows(loop);
    });
  }

  /** After a loop: stores what it wrote. */
  storeFor(loop: Loop): void {
    this.place.f.later(() => {
      for (const n of members(loop.written)) this.store64(offsetOf(n), this.localOf(n).value);
      this.storeVectors(loop);
    });
  }

  protected override localOf(n: number): Local<"i64"> {
    return this.#locals[n] ??= this.place.f.unscoped(() => this.place.f.local("i64"));
  }

  /** A general register's value, 31 is SP. */
  #value(n: number): I64 {
    const bit = 1 << n;
    if (this.present) this.present.used |= bit;
    else if (!(this.holds.registers & bit)) {
      this.place.f.set(this.localOf(n), this.load64(offsetOf(n)));
      this.holds.registers |= bit;
    }
    return this.asRead(n, this.localOf(n).value);
  }

  protected override fieldsOf(): Raw<string> {
    return this.#fields;
  }

  protected override numberOf(register: Register): number {
    return typeof register === "number" ? register : (this.#fields[register.field] + (register.next ?? 0)) & 31;
  }

  #write(n: number, value: I64): void {
    const bit = 1 << n;
    const { f } = this.place;
    this.noteWrite(n, value);
    if (this.present) {
      // Where it leaves, all that it may have written is stored.
      f.set(this.localOf(n), value);
      this.present.used |= bit;
      this.present.written |= bit;
    } else {
      this.store64(offsetOf(n), f.tee(this.localOf(n), value));
      this.holds.registers |= bit;
    }
  }

  // ---- operands

  protected override slot(_key: string, bytes: 1 | 2 | 4 | 8, compute: (fields: Raw<string>) => number | bigint): Slot {
    return { offset: 0, bytes, compute };
  }

  protected override operand({ bytes, compute }: Slot): I32 {
    const value = Number(compute(this.#fields));
    return i32.const(bytes === 4 ? value : value & (2 ** (bytes * 8) - 1));
  }

  override i64(compute: (fields: Raw<string>) => bigint): I64 {
    return i64.const(compute(this.#fields));
  }

  protected override register(register: Register, _kind: string, offsets: readonly number[]): I32 {
    return i32.const(offsets[this.numberOf(register)]);
  }

  // ---- registers

  override readonly w: IntegerOps<"i32"> = {
    ...i32,
    type: "i32",
    bits: 32,
    const: (value) => i32.const(Number(value)),
    not: (a) => i32.xor(a, i32.const(-1)),
    read: (r) => this.numberOf(r) === 31 ? i32.const(0) : i32.wrap(this.#value(this.numberOf(r))),
    write: (r, value) => {
      if (this.numberOf(r) !== 31) this.#write(this.numberOf(r), i64.extend_u(value));
    },
    readSp: (r) => i32.wrap(this.#value(this.numberOf(r))),
    writeSp: (r, value) => this.#write(this.numberOf(r), i64.extend_u(value)),
    immediate: (compute) => i32.const(Number(compute(this.#fields))),
    from64: (value) => i32.wrap(value),
    to64: (value) => i64.extend_u(value),
    from32: (value) => value,
  };

  override readonly x: IntegerOps<"i64"> = {
    ...i64,
    type: "i64",
    bits: 64,
    const: (value) => i64.const(BigInt(value)),
    not: (a) => i64.xor(a, i64.const(-1n)),
    read: (r) => this.numberOf(r) === 31 ? i64.const(0n) : this.#value(this.numberOf(r)),
    write: (r, value) => {
      if (this.numberOf(r) !== 31) this.#write(this.numberOf(r), value);
    },
    readSp: (r) => this.#value(this.numberOf(r)),
    writeSp: (r, value) => this.#write(this.numberOf(r), value),
    immediate: (compute) => i64.const(BigInt(compute(this.#fields))),
    from64: (value) => value,
    to64: (value) => value,
    // Shift amounts and the like: constants stay constants.
    from32: (value) => value.constant === undefined ? i64.extend_u(value) : i64.const(BigInt(Number(value.constant) >>> 0)),
  };

  // ---- flags

  override nzcv(): I32 {
    return this.flags.value();
  }

  override setNzcv(value: I32): void {
    this.flags.set(Kind.packed, i64.extend_u(value));
  }

  override addWithFlags<T extends "i32" | "i64">(ops: IntegerOps<T>, left: Value<T>, right: Value<T>, carry: 0 | 1 | I32): Value<T> {
    if (carry !== 0 || this.#depth > 0) return super.addWithFlags(ops, left, right, carry);
    const a = this.let(left), b = this.let(right);
    const r = this.let(ops.add(a, b));
    this.flags.set(ops.bits === 64 ? Kind.add64 : Kind.add32, ops.to64(a), ops.to64(b));
    return r;
  }

  override subtractWithFlags<T extends "i32" | "i64">(ops: IntegerOps<T>, left: Value<T>, right: Value<T>): Value<T> {
    if (this.#depth > 0) return super.subtractWithFlags(ops, left, right);
    const a = this.let(left), b = this.let(right);
    const r = this.let(ops.sub(a, b));
    this.flags.set(ops.bits === 64 ? Kind.subtract64 : Kind.subtract32, ops.to64(a), ops.to64(b));
    return r;
  }

  override logicFlags<T extends "i32" | "i64">(ops: IntegerOps<T>, result: Value<T>): void {
    if (this.#depth > 0) return super.logicFlags(ops, result);
    this.flags.set(ops.bits === 64 ? Kind.logic64 : Kind.logic32, ops.to64(result));
  }

  override condition(cond: number | Field): I32 {
    return this.flags.condition(typeof cond === "number" ? cond : this.#fields[cond.field]);
  }

  // ---- control

  override pc(): I64 {
    return i64.add(this.place.pageVa, i64.const(BigInt(this.#pc)));
  }

  override branchTo(): void {
    this.ending = { kind: "branch" };
  }

  override branchToIf(condition: I32): void {
    this.ending = { kind: "conditional", condition };
  }

  override branch(target: I64): void {
    this.ending = { kind: "indirect", target };
  }

  override system(op: SystemOp): void {
    if (op === "clrex") return this.store32(at.EXCLUSIVE, i32.const(0));
    if (op === "msrImmediate" && this.#inline.writeImmediate(this.#fields.word)) return;
    this.place.bail();
    if (this.#depth === 0) this.ending = { kind: "left" };
  }

  override readSystemRegister(rt: Register, index: (fields: Raw<string>, environment: DecodeEnvironment) => number): void {
    const value = this.#inline.read(registers[index(this.#fields, this.environment)].name);
    if (value !== undefined) this.x.write(rt, value);
    else this.#sometimes(() => super.readSystemRegister(rt, index));
  }

  override writeSystemRegister(
    rt: Register,
    isNarrow: boolean,
    index: (fields: Raw<string>, environment: DecodeEnvironment) => number,
  ): void {
    const { name } = registers[index(this.#fields, this.environment)];
    if (this.present && (name === "FPCR" || name === "FPSR")) this.present.writesFpcr = true;
    if (!this.#inline.write(name, this.x.read(rt))) this.#sometimes(() => super.writeSystemRegister(rt, isNarrow, index));
  }

  override zeroBlock(address: I64): void {
    this.#sometimes(() => super.zeroBlock(address));
  }

  /** What `body` emits may be skipped. */
  #sometimes(body: () => void): void {
    this.#depth++;
    const held = { ...this.holds };
    this.skippable(body);
    this.holds = held;
    this.#depth--;
  }

  override if(condition: I32, yes: () => void, no?: () => void): void {
    this.#branch(yes, no, (yes, no) => super.if(condition, yes, no));
  }

  override ifAll(conditions: readonly I32[], yes: () => void, no: () => void): void {
    const { f } = this.place;
    this.#branch(yes, no, (yes) =>
      f.block((end) => {
        f.block((other) => {
          for (const condition of conditions) f.ifUnlikely(i32.eqz(condition), () => f.br(other));
          yes();
          f.br(end);
        });
        no();
      }));
  }

  /** One of both is executed. */
  #branch(yes: () => void, no: (() => void) | undefined, write: (yes: () => void, no?: () => void) => void): void {
    const { flags } = this;
    const before = flags.known;
    let afterYes: number | undefined;
    this.#sometimes(() =>
      write(() => {
        const held = { ...this.holds };
        yes();
        afterYes = flags.known;
        flags.known = before;
        this.holds = held;
      }, no)
    );
    if (afterYes !== flags.known) flags.known = undefined;
  }

  override repeatWhile(body: () => I32): void {
    const before = this.flags.known;
    this.#sometimes(() => super.repeatWhile(body));
    if (this.flags.known !== before) this.flags.known = undefined;
  }
}

const offsetOf = (n: number) => n === SP ? at.SP : at.x(n);

/** What both know. */
export function bothOf(one: Facts, other: Facts | undefined): Facts {
  if (other === undefined) return one;
  return { flags: one.flags === other.flags ? one.flags : undefined, origins: common(one.origins, other.origins) };
}
