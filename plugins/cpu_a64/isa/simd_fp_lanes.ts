/** Computes an operation on vectors: by the host's where they are right, else lane by lane. */
import { i16x8, type I32, i32, i32x4, type I64, i64, i64x2, type Register, type Semantics, type V128, v128 } from "./dsl.ts";
import { choosePath, codeOf, compute, DOUBLE, finishBits, HALF, negateBits, readBits, SINGLE, widthOf } from "./fp_compute.ts";
import type { Operation } from "./fp_operations.ts";
import { vectorHost } from "./simd_fp_host.ts";

/** A precision, by `ftype`, and how many numbers. One means the scalar forms. */
export interface Shape {
  readonly ftype: number;
  readonly lanes: number;
}

/** Numbers in a register of 8 or 16 bytes. */
export const shapeOf = (ftype: number, Q: number): Shape => ({ ftype, lanes: (Q ? 128 : 64) / widthOf(ftype) });

/** One number of a register. */
export const scalarShape = (ftype: number): Shape => ({ ftype, lanes: 1 });

/** Bits of a lane, zero-extended. */
export function laneBits(value: V128, ftype: number, lane: number): I64 {
  if (ftype === DOUBLE) return i64x2.extract_lane(value, lane);
  return i64.extend_u(ftype === SINGLE ? i32x4.extract_lane(value, lane) : i16x8.extract_lane_u(value, lane));
}

function replaceLane(value: V128, ftype: number, lane: number, bits: I64): V128 {
  if (ftype === DOUBLE) return i64x2.replace_lane(value, lane, bits);
  return (ftype === SINGLE ? i32x4 : i16x8).replace_lane(value, lane, i32.wrap(bits));
}

/** The same bits in all lanes. */
export function splatBits(bits: I64, ftype: number): V128 {
  if (ftype === DOUBLE) return i64x2.splat(bits);
  return (ftype === SINGLE ? i32x4 : i16x8).splat(i32.wrap(bits));
}

/** A vector made lane by lane; lanes beyond the last are zero. */
export function byLane(m: Semantics, { ftype, lanes }: Shape, make: (lane: number) => I64): V128 {
  const result = m.variable(v128.const(0n, 0n));
  for (let lane = 0; lane < lanes; lane++) result.set(replaceLane(result.get(), ftype, lane, make(lane)));
  return result.get();
}

/** Clears the lanes that a shape hasn't. */
export function clearRest({ ftype, lanes }: Shape, value: V128): V128 {
  const width = lanes * widthOf(ftype);
  return width === 128 ? value : v128.and(value, v128.const((1n << BigInt(width)) - 1n, 0n));
}

/**
 * Computes on vectors; lanes beyond the last are zero in the result.
 *
 * @param code The operation's code, if it is known only when an instruction is decoded.
 * @param scalar The operation on scalars, if it isn't the same.
 */
export function computeVector(
  m: Semantics,
  operation: Operation,
  shape: Shape,
  operands: readonly V128[],
  { code, scalar = operation }: { code?: I32; scalar?: Operation } = {},
): V128 {
  const { ftype, lanes } = shape;
  const vectors = operands.map((operand) => m.let(operand));
  const bitsOf = (lane: number) => vectors.map((vector) => laneBits(vector, ftype, lane));
  const wide = ftype !== HALF && operation.host && !operation.scalarOnly && (!operation.fused || m.hostFusesMultiplyAdd);
  if (!wide) return byLane(m, shape, (lane) => compute(m, scalar, ftype, bitsOf(lane), code));
  const result = m.variable(v128.const(0n, 0n));
  const slow = () =>
    byLane(m, shape, (lane) => {
      const bits = negateBits(operation, ftype, bitsOf(lane));
      return finishBits(operation, ftype, m.softFloat(code ?? codeOf(operation, ftype), bits));
    });
  const x = vectorHost(m, ftype === DOUBLE, lanes);
  const numbers = vectors.map((vector, i) => operation.negate?.includes(i) ? m.let(x.neg(vector)) : vector);
  const { after } = operation;
  choosePath(m, x, operation, numbers, (value) => {
    result.set(clearRest(shape, after ? x[after](value as V128) : value as V128));
  }, () => result.set(slow()));
  return result.get();
}

/** Computes on registers, scalar or vector, and writes the result. */
export function computeRegisters(m: Semantics, operation: Operation, shape: Shape, rd: Register, sources: readonly Register[]): void {
  if (shape.lanes === 1) {
    m.setVLow64(rd, compute(m, operation, shape.ftype, sources.map((source) => readBits(m, source, shape.ftype))));
  } else m.setV(rd, computeVector(m, operation, shape, sources.map((source) => m.v(source))));
}
