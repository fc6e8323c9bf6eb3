/**
 * The language in which A64 instructions are declared, each of them once. The
 * interpreter, the decoder, the disassembler and the random tests derive from
 * the declarations.
 *
 * Fields listed in `known` are numbers when code is generated: each combination
 * becomes a variant of its own. The others are operands: opaque here, extracted
 * when an instruction is decoded.
 */
import type { AtomicOp, F32, F64, I32, I64, Type, V128, Value } from "../wasm/mod.ts";
import type { Feature } from "../sysregs/features.ts";

export * from "../wasm/ops.ts";
export type { Feature };
export { Value } from "../wasm/value.ts";
export type { Type } from "../wasm/value.ts";

/** An operand field. Its value is known when an instruction is decoded. */
export interface Field {
  readonly field: string;
  /** Added to a register number: the second of a consecutive pair or list (modulo 32). */
  readonly next?: number;
}

/** A register number: an operand field, or a fixed number. */
export type Register = Field | number;

type Tokens<S extends string> = S extends `${infer Head} ${infer Tail}` ? Head | Tokens<Tail> : S;
type NameOf<T extends string> = T extends `0${string}` | `1${string}` | "" ? never : T extends `${infer Name}:${number}` ? Name : T;

/** Names of the fields in a bit picture. */
export type FieldName<Bits extends string> = NameOf<Tokens<Bits>>;

/** Raw field values of one instruction, and the word itself. Fields aren't properties of its own: `{ ...fields }` has none of them. */
export type Raw<F extends string> = Readonly<Record<F | "word", number>>;

/** What an engine knows about system registers and instructions when it decodes. */
export interface DecodeEnvironment {
  /** Index of a system register, or -1: fields as in MRS. */
  registerIndex(op0: number, op1: number, crn: number, crm: number, op2: number): number;
  /** Bits of a register that MSR may change, if they are all in the lower word; -1: there are others. */
  narrowMask(index: number): number;
  /** Somebody wants to know of DSBs. */
  readonly watchesBarriers?: boolean;
  /** Other CPUs run at the same time, in other threads. `lock`: address of a word that is taken around accesses of 128 bits. */
  readonly sharesMemory?: { readonly lock: number };
}

/** Operations that are not computation: the engine's own business. */
export type SystemOp =
  | "svc"
  | "hvc"
  | "smc"
  | "brk"
  | "hlt"
  | "undefined"
  | "eret"
  | "mrs"
  | "msr"
  | "msrImmediate"
  | "sys"
  | "wfi"
  | "wfe"
  | "sev"
  | "sevl"
  | "clrex"
  | "dsb"
  | "spAlignment"
  | "fpTrap";

/** How a memory access is made. */
export interface AccessOptions {
  /** As if from EL0 (LDTR, STTR). */
  readonly unprivileged?: boolean;
  /** Load-acquire or store-release; must be aligned to its size as Armv8.0 demands. */
  readonly ordered?: boolean;
  /** Bytes of an element, where the access is of many: what must be aligned, if anything must. */
  readonly element?: number;
}

/** Operations of one integer width. */
export interface IntegerOps<T extends "i32" | "i64"> {
  readonly type: T;
  readonly bits: 32 | 64;
  const(value: number | bigint): Value<T>;
  eqz(a: Value<T>): I32;
  eq(a: Value<T>, b: Value<T>): I32;
  ne(a: Value<T>, b: Value<T>): I32;
  lt_u(a: Value<T>, b: Value<T>): I32;
  lt_s(a: Value<T>, b: Value<T>): I32;
  ge_u(a: Value<T>, b: Value<T>): I32;
  add(a: Value<T>, b: Value<T>): Value<T>;
  sub(a: Value<T>, b: Value<T>): Value<T>;
  mul(a: Value<T>, b: Value<T>): Value<T>;
  div_s(a: Value<T>, b: Value<T>): Value<T>;
  div_u(a: Value<T>, b: Value<T>): Value<T>;
  and(a: Value<T>, b: Value<T>): Value<T>;
  or(a: Value<T>, b: Value<T>): Value<T>;
  xor(a: Value<T>, b: Value<T>): Value<T>;
  not(a: Value<T>): Value<T>;
  shl(a: Value<T>, b: Value<T>): Value<T>;
  shr_u(a: Value<T>, b: Value<T>): Value<T>;
  shr_s(a: Value<T>, b: Value<T>): Value<T>;
  rotr(a: Value<T>, b: Value<T>): Value<T>;
  clz(a: Value<T>): Value<T>;
  /** General register; 31 reads zero, writes vanish. 32-bit writes clear the upper half. */
  read(register: Register): Value<T>;
  write(register: Register, value: Value<T>): void;
  /** The same, but 31 is SP. */
  readSp(register: Register): Value<T>;
  writeSp(register: Register, value: Value<T>): void;
  /** A constant computed from the fields at decode time. */
  immediate(compute: (fields: Raw<string>) => number | bigint): Value<T>;
  /** From a 64-bit value: truncated or as it is. */
  from64(value: I64): Value<T>;
  /** Zero-extended to 64 bits. */
  to64(value: Value<T>): I64;
  /** From an i32: zero-extended where needed. */
  from32(value: I32): Value<T>;
}

/** What `emit` writes its semantics with. */
export interface Semantics<F extends string = string> {
  /** 32-bit or 64-bit general registers, by `sf` or a width in bits. */
  width(bits: 32 | 64): IntegerOps<"i32" | "i64">;
  readonly w: IntegerOps<"i32">;
  readonly x: IntegerOps<"i64">;

  /** A constant computed from the fields at decode time. */
  i32(compute: (fields: Raw<F>) => number): I32;
  /** The same for 0 to 255: shift amounts, indices. */
  u8(compute: (fields: Raw<F>) => number): I32;
  i64(compute: (fields: Raw<F>) => bigint): I64;

  /** A whole V register. */
  v(register: Register): V128;
  setV(register: Register, value: V128): void;
  /** The low 8, 16, 32 (i32) or 64 (i64) bits of a V register. */
  vLow32(register: Register, bits: 8 | 16 | 32): I32;
  vLow64(register: Register): I64;
  /** The low 32 or 64 bits as a number. */
  vSingle(register: Register): F32;
  vDouble(register: Register): F64;
  /** Writes the low bits and clears the rest of the V register. */
  setVSingle(register: Register, value: F32): void;
  setVDouble(register: Register, value: F64): void;
  setVLow32(register: Register, value: I32): void;
  setVLow64(register: Register, value: I64): void;
  /** One lane, by a constant index; `log2` of the lane's bytes 0 to 3. */
  vLane(register: Register, log2: number, index: number): I64;
  /** Inserts into one lane, keeping the rest. */
  setVLane(register: Register, log2: number, index: number, value: I64): void;
  /** Reads a lane whose index is computed at decode time. */
  vLaneAt(register: Register, log2: number, index: (fields: Raw<F>) => number): I64;
  /** Writes a lane whose index is computed at decode time. */
  setVLaneAt(register: Register, log2: number, index: (fields: Raw<F>) => number, value: I64): void;

  /** PSTATE.NZCV as a number, N in bit 3. */
  nzcv(): I32;
  setNzcv(value: I32): void;
  /** `a + b + carry` with the flags set; `carry` 0 or 1, or a value that is 0 or 1. */
  addWithFlags<T extends "i32" | "i64">(ops: IntegerOps<T>, a: Value<T>, b: Value<T>, carry: 0 | 1 | I32): Value<T>;
  /** `a - b` with the flags set. */
  subtractWithFlags<T extends "i32" | "i64">(ops: IntegerOps<T>, a: Value<T>, b: Value<T>): Value<T>;
  /** N and Z from a result, C and V zero. */
  logicFlags<T extends "i32" | "i64">(ops: IntegerOps<T>, result: Value<T>): void;
  /** Whether a condition holds, as 0 or 1. */
  condition(cond: number | Field): I32;

  /** Zero-extended load of `1 << log2` bytes, 0 to 3. Leaves the instruction when it faults. */
  load(address: I64, log2: number, options?: AccessOptions): I64;
  load128(address: I64, options?: AccessOptions): V128;
  /** Zero-extended load of `1 << log2` bytes, 2 or 3, into a vector. */
  loadLow(address: I64, log2: number): V128;
  /** Two neighbours of `1 << log2` bytes, 2 or 3, zero-extended. */
  loadPair(address: I64, log2: number): readonly [I64, I64];
  storePair(address: I64, log2: number, values: readonly [I64, I64]): void;
  /** Two neighbours of 16 bytes. */
  loadPair128(address: I64): readonly [V128, V128];
  storePair128(address: I64, values: readonly [V128, V128]): void;
  store(address: I64, log2: number, value: I64, options?: AccessOptions): void;
  store128(address: I64, value: V128, options?: AccessOptions): void;
  /** Zeroes the 64-byte block that holds the address (DC ZVA). */
  zeroBlock(address: I64): void;
  /** An atomic read-modify-write; the old value comes back zero-extended. Checked for alignment. */
  atomic(op: AtomicOp | "smax" | "smin" | "umax" | "umin" | "clr", address: I64, log2: number, value: I64): I64;
  /** Compare and swap; the old value comes back zero-extended. */
  compareAndSwap(address: I64, log2: number, expected: I64, replacement: I64): I64;
  /** Compare and swap of two registers of `1 << log2` bytes (2 or 3). Returns the old pair. */
  compareAndSwapPair(address: I64, log2: number, expected: readonly [I64, I64], replacement: readonly [I64, I64]): readonly [I64, I64];
  /** Load-exclusive: sets the monitor. A pair gives two values of `1 << log2` bytes. */
  loadExclusive(address: I64, log2: number): I64;
  loadExclusivePair(address: I64, log2: number): readonly [I64, I64];
  /** Store-exclusive: 0 on success, 1 otherwise. */
  storeExclusive(address: I64, log2: number, value: I64): I32;
  storeExclusivePair(address: I64, log2: number, values: readonly [I64, I64]): I32;

  /** Address of this instruction. */
  pc(): I64;
  /** Branches to PC plus an offset in bytes, computed at decode time. */
  branchTo(offset: (fields: Raw<F>) => number): void;
  branchToIf(condition: I32, offset: (fields: Raw<F>) => number): void;
  /** Branches to an address. */
  branch(target: I64): void;

  /** Memory accesses before it are ordered against those behind it, where other threads see them. */
  fence(): void;
  /** An operation of the system; may leave the instruction. */
  system(op: SystemOp): void;
  /** MRS of a register that needs no more than its slot; falls back to `system("mrs")`. */
  readSystemRegister(rt: Register, index: (fields: Raw<F>, environment: DecodeEnvironment) => number): void;
  /** The same for MSR. `isNarrow`: the register has a `narrowMask`. */
  writeSystemRegister(rt: Register, isNarrow: boolean, index: (fields: Raw<F>, environment: DecodeEnvironment) => number): void;

  /** Conditions that all hold when these fields of FPCR are clear and FPSR.IXC is set; they may fail to hold although it is so. */
  fpIsPlain(fields: number): readonly I32[];
  /** Whether V registers are values of the host's, so that reading one as a whole costs nothing. */
  readonly holdsVectors: boolean;
  /** FPCR, and the cumulative flags of FPSR. */
  fpcr(): I32;
  fpsr(): I32;
  /** ORs flags into FPSR. */
  raise(flags: I32): void;
  /** Exact arithmetic of the slow path: operands are raw bits; see `fp_op_code.ts`. Updates FPSR. */
  softFloat(op: number | I32, operands: readonly I64[]): I64;
  /** Whether the host's relaxed multiply-add of vectors rounds once. */
  readonly hostFusesMultiplyAdd: boolean;

  /** A value for many uses. */
  let<T extends Type>(value: Value<T>): Value<T>;
  /** A variable: read with `get`, written with `set`. */
  variable<T extends Type>(initial: Value<T>): { get(): Value<T>; set(value: Value<T>): void };
  if(condition: I32, yes: () => void, no?: () => void): void;
  /** The same, if all conditions hold, which is to be expected. */
  ifAll(conditions: readonly I32[], yes: () => void, no: () => void): void;
  /** Repeats while the condition, computed after the body, holds. */
  repeatWhile(body: () => I32): void;
}

/** A declaration as it is written. */
export interface Declared<Bits extends string, Known extends FieldName<Bits>, Split extends string> {
  /** Picture of the 32 bits, most significant first: constants, fields of one bit, `name:width`. */
  readonly bits: Bits;
  /** Fields that are numbers in `emit`. */
  readonly known?: readonly Known[];
  /** Further known numbers, computed from the fields at decode time; few values each. */
  readonly split?: Readonly<Record<Split, (fields: Raw<FieldName<Bits>>, environment: DecodeEnvironment) => number>>;
  /** False for encodings that this declaration doesn't cover (unallocated, or another instruction's). */
  readonly when?: (fields: Raw<FieldName<Bits>>) => boolean;
  /** Without it the encoding is UNDEFINED. */
  readonly feature?: Feature | ((fields: Raw<FieldName<Bits>>) => Feature | undefined);
  /** Uses FP and SIMD registers: traps when CPACR_EL1.FPEN says so. */
  readonly fp?: boolean;
  /** Assembler text, the preferred disassembly where there is an alias. What is relative to the instruction is an address when `at` says its own. */
  readonly asm: (fields: Raw<FieldName<Bits>>, at?: bigint) => string;
  /** Why random tests leave (some of) these encodings out: CONSTRAINED UNPREDICTABLE cases, system state. */
  readonly unpredictable?: (fields: Raw<FieldName<Bits>>) => boolean;
  readonly emit: (
    m: Semantics<FieldName<Bits>>,
    f: { readonly [N in Known | Split]: number } & { readonly [N in Exclude<FieldName<Bits>, Known>]: Field },
  ) => void;
}

/** A field of an encoding: where it is, its width in bits, and as many ones. */
export interface EncodedField {
  readonly name: string;
  readonly low: number;
  readonly width: number;
  readonly mask: number;
}

/** A declaration, ready for decoders and generators. */
export interface Declaration {
  readonly bits: string;
  /** Bits that are fixed, and their values. */
  readonly mask: number;
  readonly value: number;
  readonly fields: readonly EncodedField[];
  /** Those of a word, and the word itself. */
  readonly fieldsOf: (word: number) => Raw<string>;
  /** All of them as operands. */
  readonly operands: Readonly<Record<string, Field>>;
  readonly known: readonly string[];
  /** The same with their widths in bits. */
  readonly knownFields: readonly EncodedField[];
  /** Further known numbers. */
  readonly split: readonly { readonly name: string; readonly compute: (fields: Raw<string>, environment: DecodeEnvironment) => number }[];
  readonly when: ((fields: Raw<string>) => boolean) | undefined;
  readonly feature: Feature | ((fields: Raw<string>) => Feature | undefined) | undefined;
  readonly fp: boolean;
  readonly asm: (fields: Raw<string>, at?: bigint) => string;
  readonly unpredictable: ((fields: Raw<string>) => boolean) | undefined;
  readonly emit: (m: Semantics, f: Readonly<Record<string, number & Field>>) => void;
}

/** Declares an instruction. Throws when the picture isn't 32 bits wide. */
export function a64<const Bits extends string, const Known extends FieldName<Bits> = never, Split extends string = never>(
  declared: Declared<Bits, Known, Split>,
): Declaration {
  const fields: EncodedField[] = [];
  let at = 32;
  let mask = 0;
  let value = 0;
  for (const token of declared.bits.split(" ")) {
    if (/^[01]+$/.test(token)) {
      at -= token.length;
      mask |= (2 ** token.length - 1) << at;
      value |= parseInt(token, 2) << at;
    } else {
      const [name, bits = "1"] = token.split(":");
      const width = Number(bits);
      at -= width;
      fields.push({ name, low: at, width, mask: 2 ** width - 1 });
    }
  }
  if (at !== 0) throw new Error(`${declared.bits}: ${32 - at} bits`);
  return {
    bits: declared.bits,
    mask: mask >>> 0,
    value: value >>> 0,
    fields,
    fieldsOf: fieldsMaker(fields),
    known: declared.known ?? [],
    operands: Object.fromEntries(fields.map(({ name }) => [name, { field: name }])),
    knownFields: fields.filter(({ name }) => (declared.known as readonly string[] | undefined)?.includes(name)),
    split: Object.entries(declared.split ?? {}).map(([name, compute]) => ({ name, compute })) as Declaration["split"],
    when: declared.when as Declaration["when"],
    feature: declared.feature as Declaration["feature"],
    fp: declared.fp ?? false,
    asm: declared.asm as Declaration["asm"],
    unpredictable: declared.unpredictable as Declaration["unpredictable"],
    emit: declared.emit as unknown as Declaration["emit"],
  };
}

/**
 * What makes the fields of a word. They are computed when somebody asks: of most few are needed, and each word that is executed or compiled
 * gets an object.
 */
function fieldsMaker(fields: readonly EncodedField[]): Declaration["fieldsOf"] {
  const Fields = class {
    constructor(readonly word: number) {}
  };
  for (const { name, low, mask } of fields) {
    Object.defineProperty(Fields.prototype, name, {
      get(this: { readonly word: number }): number {
        return (this.word >>> low) & mask;
      },
    });
  }
  return (word) => new Fields(word >>> 0) as unknown as Raw<string>;
}

/** Sign-extends the low `width` bits. */
export function signed(value: number, width: number): number {
  return (value << (32 - width)) >> (32 - width);
}
