/** Computes an operation on scalars: by the host where that is right, else by the slow path. */
import {
  type F32,
  f32,
  type F64,
  f64,
  f64x2,
  type Field,
  type I32,
  i32,
  type I64,
  i64,
  type Semantics,
  type Type,
  type Value,
} from "./dsl.ts";
import { doubleHost, type Host, isUnflushed, singleHost } from "./fp_host.ts";
import { fpOpCode } from "./fp_op_code.ts";
import { FLUSH, type Operation } from "./fp_operations.ts";

/** FPSR.IXC. */
const IXC = 1 << 4;

/** Precision as `ftype` has it. */
export const SINGLE = 0, DOUBLE = 1, HALF = 3;

/** Bits of a number by `ftype`. */
export const widthOf = (ftype: number): 16 | 32 | 64 => ftype === DOUBLE ? 64 : ftype === SINGLE ? 32 : 16;

/** Bits of a scalar in a register, zero-extended. */
export function readBits(m: Semantics, register: Parameters<Semantics["vLow64"]>[0], ftype: number): I64 {
  return ftype === DOUBLE ? m.vLow64(register) : i64.extend_u(m.vLow32(register, ftype === SINGLE ? 32 : 16));
}

/** FPCR fields are clear. */
export const isClear = (m: Semantics, fields: number): I32 => i32.eqz(i32.and(m.fpcr(), i32.const(fields)));

/** FPCR fields are clear and IXC is set. */
export function isClearAndInexact(m: Semantics, fields: number): I32 {
  const missing = i32.and(i32.xor(m.fpsr(), i32.const(-1)), i32.const(IXC));
  return i32.eqz(i32.or(i32.and(m.fpcr(), i32.const(fields)), missing));
}

/** IXC is set. */
export const isInexact = (m: Semantics): I32 => i32.shr_u(i32.and(m.fpsr(), i32.const(IXC)), i32.const(4));

/** Emits the choice between the host's result and the slow path. The first test is the common case, the second all that is certain. */
export function choosePath(
  m: Semantics,
  x: Host,
  operation: Operation,
  operands: readonly Value[],
  take: (value: Value) => void,
  slow: () => void,
): void {
  const { clear = 0, host } = operation;
  const [a, b, c] = operands;
  const { value, right, silent, unflushed } = host!(x, a, b, c);
  const take1 = () => take(value);
  const take2 = () => {
    let certain = right ? x.either(silent(), x.both(x.truth(isInexact(m)), right())) : silent();
    if (clear & FLUSH) {
      let safe = operands.map((operand) => isUnflushed(x, operand)).reduce((one, other) => x.both(one, other));
      if (unflushed) safe = x.both(safe, unflushed());
      certain = x.both(certain, x.either(x.truth(isClear(m, FLUSH)), safe));
    }
    m.if(i32.and(isClear(m, clear & ~FLUSH), x.all(certain)), take1, slow);
  };
  if (right) m.ifAll([...m.fpIsPlain(clear), x.all(right())], take1, take2);
  else m.ifAll([isClear(m, clear), x.all(silent())], take1, clear & FLUSH ? take2 : slow);
}

/** Flips signs as the operation wants, on bits. */
export function negateBits(operation: Operation, ftype: number, bits: readonly I64[]): I64[] {
  const sign = i64.const(1n << BigInt(widthOf(ftype) - 1));
  return bits.map((value, i) => operation.negate?.includes(i) ? i64.xor(value, sign) : value);
}

/** The operation's last step on bits. */
export function finishBits({ after }: Operation, ftype: number, bits: I64): I64 {
  const sign = 1n << BigInt(widthOf(ftype) - 1);
  if (after === "abs") return i64.and(bits, i64.const(sign - 1n));
  return after === "neg" ? i64.xor(bits, i64.const(sign)) : bits;
}

/** The code of an operation; one that is computed when decoded brings its own. */
export const codeOf = (operation: Operation, ftype: number): number => fpOpCode(operation.op, ftype, operation.variant);

/**
 * Computes on bits of scalars. The result is zero-extended.
 *
 * @param code The operation's code, if it is known only when an instruction is decoded.
 */
export function compute(m: Semantics, operation: Operation, ftype: number, operands: readonly I64[], code?: I32): I64 {
  const bits = operands.map((operand) => m.let(operand));
  const slow = () => finishBits(operation, ftype, m.softFloat(code ?? codeOf(operation, ftype), negateBits(operation, ftype, bits)));
  if (ftype === HALF || !operation.host) return m.let(slow());
  const result = m.variable(i64.const(0n));
  const x: Host = ftype === SINGLE ? singleHost(m) : doubleHost(m);
  const numbers = bits.map((value, i) => {
    const number = ftype === SINGLE ? f32.reinterpret_i32(i32.wrap(value)) : f64.reinterpret_i64(value);
    return m.let(operation.negate?.includes(i) ? x.neg(number) : number);
  });
  const { after } = operation;
  choosePath(m, x, operation, numbers, (value) => result.set(bitsOf(after ? x[after](value) : value)), () => result.set(slow()));
  return result.get();
}

/** Reads registers and computes into another one. */
export function computeRegister(m: Semantics, operation: Operation, ftype: number, Rd: Field, sources: readonly Field[]): void {
  if (ftype === HALF || !operation.host) {
    return m.setVLow64(Rd, compute(m, operation, ftype, sources.map((register) => readBits(m, register, ftype))));
  }
  let x: Host = ftype === SINGLE ? singleHost(m) : doubleHost(m);
  if (operation.fused && sources.length === 3 && ftype === DOUBLE && m.holdsVectors && m.hostFusesMultiplyAdd) {
    // The host has it for vectors; what becomes of the other lane doesn't matter.
    const [a, b, c] = sources.map((register, i) => operation.negate?.includes(i) ? f64x2.neg(m.v(register)) : m.v(register));
    x = { ...x, multiplyAdd: () => ({ value: f64x2.extract_lane(f64x2.relaxed_madd(a, b, c), 0), right: i32.const(1) }) };
  }
  const numbers = sources.map((register, i) => {
    const number = ftype === SINGLE ? m.vSingle(register) : m.vDouble(register);
    const operand = operation.negate?.includes(i) ? x.neg(number) : number;
    // A lane of a register costs nothing where it is used; most are, only where the first test failed.
    return m.holdsVectors ? operand : m.let<Type>(operand);
  });
  const take = (value: Value) => {
    const result = operation.after ? x[operation.after](value) : value;
    if (ftype === SINGLE) m.setVSingle(Rd, result as F32);
    else m.setVDouble(Rd, result as F64);
  };
  choosePath(m, x, operation, numbers, take, () => {
    const bits = sources.map((register) => m.let(readBits(m, register, ftype)));
    m.setVLow64(Rd, finishBits(operation, ftype, m.softFloat(codeOf(operation, ftype), negateBits(operation, ftype, bits))));
  });
}

function bitsOf(value: Value): I64 {
  switch (value.type) {
    case "f64":
      return i64.reinterpret_f64(value as Value<"f64">);
    case "f32":
      return i64.extend_u(i32.reinterpret_f32(value as Value<"f32">));
    case "i32":
      return i64.extend_u(value as I32);
    default:
      return value as I64;
  }
}
