/** Arm ARM DDI 0487, "Advanced SIMD load/store multiple structures", "... single structure", and their post-indexed forms. */
import { a64, type Declaration, type Field, i64, type I64, i8x16, type Raw, type Semantics, type V128 } from "./dsl.ts";
import { reg, regSp } from "./names.ts";
import { baseAddress, spBase } from "./loads_stores.ts";
import { lanesOf, low64 } from "./simd_lanes.ts";
import { elementLetter, list } from "./simd_names.ts";

/** The n-th register of a list; lists wrap around. */
const nth = (first: Field, n: number): Field => n === 0 ? first : { ...first, next: n };

/** By `opcode` of multiple structures: registers, and elements per structure. */
const multiples: Readonly<Record<number, { registers: number; elements: number }>> = {
  0b0000: { registers: 4, elements: 4 },
  0b0010: { registers: 4, elements: 1 },
  0b0100: { registers: 3, elements: 3 },
  0b0110: { registers: 3, elements: 1 },
  0b0111: { registers: 1, elements: 1 },
  0b1000: { registers: 2, elements: 2 },
  0b1010: { registers: 2, elements: 1 },
};

/** Sixteen bytes of a concatenation of vectors, by their numbers. */
function gather(m: Semantics, sources: readonly V128[], bytes: readonly number[]): V128 {
  let result = sources[0];
  for (let k = 1; k < sources.length; k++) {
    // Bytes of later sources are put in by later rounds; what comes from the first stays where it is.
    const placed = bytes.map((byte, i) => byte >> 4 === k ? 16 + (byte & 15) : k === 1 ? byte & 15 : i);
    if (k === 1 || bytes.some((byte) => byte >> 4 === k)) result = m.let(i8x16.shuffle(result, sources[k], placed));
  }
  return result;
}

/** Where in memory byte `at` of register `r` lies, in bytes from the start. */
function memoryByte(r: number, at: number, elements: number, size: number): number {
  return (((at >> size) * elements + r) << size) + (at & ((1 << size) - 1));
}

/** Loads as many bytes as the registers hold, in pieces of at most 16. */
function loadAll<F extends string>(m: Semantics<F>, address: I64, total: number): V128[] {
  const pieces: V128[] = [];
  for (let at = 0; at < total; at += 16) {
    const here = i64.add(address, i64.const(BigInt(at)));
    pieces.push(total - at >= 16 ? m.load128(here) : m.let(low64(m.load(here, 3))));
  }
  return pieces;
}

function loadMultiple<F extends string>(m: Semantics<F>, address: I64, Rt: Field, Q: number, size: number, registers: number, elements: number): void {
  const bytes = 8 << Q;
  if (elements === 1) {
    // One structure after the other: each fills a register.
    const values = Array.from({ length: registers }, (_, r) => {
      const here = i64.add(address, i64.const(BigInt(r * bytes)));
      return Q ? m.load128(here) : m.let(low64(m.load(here, 3)));
    });
    return values.forEach((value, r) => m.setV(nth(Rt, r), value));
  }
  const pieces = loadAll(m, address, registers * bytes);
  const places = (r: number) => Array.from({ length: 16 }, (_, at) => at < bytes ? memoryByte(r, at, elements, size) : 0);
  const values = Array.from({ length: registers }, (_, r) => gather(m as Semantics, pieces.length === 1 ? [pieces[0], pieces[0]] : pieces, places(r)));
  values.forEach((value, r) => lanesOf(m, 0, Q).write(nth(Rt, r), value));
}

function storeMultiple<F extends string>(m: Semantics<F>, address: I64, Rt: Field, Q: number, size: number, registers: number, elements: number): void {
  const bytes = 8 << Q;
  const sources = Array.from({ length: registers }, (_, r) => m.let(m.v(nth(Rt, r))));
  /** Which byte of which register lies at a place in memory: register in bits 4 and up. */
  const source: number[] = [];
  for (let r = 0; r < registers; r++) {
    for (let at = 0; at < bytes; at++) source[elements === 1 ? r * bytes + at : memoryByte(r, at, elements, size)] = r << 4 | at;
  }
  for (let at = 0; at < source.length; at += 16) {
    const here = i64.add(address, i64.const(BigInt(at)));
    const piece = source.slice(at, at + 16);
    const whole = piece.length === 16;
    while (piece.length < 16) piece.push(piece[0]);
    const plain = piece.every((byte, i) => byte === (piece[0] & ~15 | i));
    const value = plain ? sources[piece[0] >> 4] : gather(m as Semantics, sources.length === 1 ? [sources[0], sources[0]] : sources, piece);
    if (whole) m.store128(here, value);
    else m.store(here, 3, lowHalf(value));
  }
}
