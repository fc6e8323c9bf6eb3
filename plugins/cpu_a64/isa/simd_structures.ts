/** Arm ARM DDI 0487, "Advanced SIMD load/store multiple structures", "... single structure", and their post-indexed forms. */
import { a64, type Declaration, type Field, type I64, i64, i8x16, type Raw, type Semantics, type V128 } from "./dsl.ts";
import { reg, regSp } from "./names.ts";
import { baseAddress, spBase } from "./loads_stores.ts";
import { half, lanesOf, low64 } from "./simd_lanes.ts";
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

/** Loads `total` bytes in pieces of 16, or of 8. */
function loadPieces<F extends string>(m: Semantics<F>, address: I64, total: number, size: 8 | 16, element: number): V128[] {
  const pieces: V128[] = [];
  for (let at = 0; at < total; at += size) {
    const here = i64.add(address, i64.const(BigInt(at)));
    pieces.push(size === 16 && total - at >= 16 ? m.load128(here, { element }) : m.let(low64(m.load(here, 3, { element }))));
  }
  return pieces;
}

interface Multiple {
  readonly Q: number;
  readonly size: number;
  readonly registers: number;
  readonly elements: number;
}

function loadMultiple<F extends string>(m: Semantics<F>, address: I64, Rt: Field, { Q, size, registers, elements }: Multiple): void {
  const bytes = 8 << Q;
  if (elements === 1) {
    return loadPieces(m, address, registers * bytes, Q ? 16 : 8, 1 << size).forEach((value, r) => m.setV(nth(Rt, r), value));
  }
  const pieces = loadPieces(m, address, registers * bytes, 16, 1 << size);
  if (pieces.length === 1) pieces.push(pieces[0]);
  const places = (r: number) => Array.from({ length: 16 }, (_, at) => at < bytes ? memoryByte(r, at, elements, size) : 0);
  const values = Array.from({ length: registers }, (_, r) => m.let(gather(m as Semantics, pieces, places(r))));
  values.forEach((value, r) => lanesOf(m, 0, Q).write(nth(Rt, r), value));
}

function storeMultiple<F extends string>(m: Semantics<F>, address: I64, Rt: Field, { Q, size, registers, elements }: Multiple): void {
  const bytes = 8 << Q;
  const sources = Array.from({ length: registers }, (_, r) => m.let(m.v(nth(Rt, r))));
  /** Which byte of which register comes to a place in memory; the register from bit 4 on. */
  const places: number[] = [];
  for (let r = 0; r < registers; r++) {
    for (let at = 0; at < bytes; at++) places[elements === 1 ? r * bytes + at : memoryByte(r, at, elements, size)] = r << 4 | at;
  }
  const step = elements === 1 ? bytes : 16;
  const element = 1 << size;
  for (let at = 0; at < places.length; at += step) {
    const here = i64.add(address, i64.const(BigInt(at)));
    const piece = Array.from({ length: 16 }, (_, i) => places[at + i] ?? 0);
    const value = m.let(elements === 1 ? sources[at / step] : gather(m as Semantics, sources, piece));
    if (step === 16 && places.length - at >= 16) m.store128(here, value, { element });
    else m.store(here, 3, half(value, 0), { element });
  }
}

/** How the base moves: not at all, by the bytes accessed, by a register. */
const steps = { none: 0, bytes: 1, register: 2 };
const step = (f: Raw<"post" | "Rm">): number => f.post === 0 ? steps.none : f.Rm === 31 ? steps.bytes : steps.register;

function moveBase<F extends string>(m: Semantics<F>, step: number, Rn: Field, Rm: Field, base: I64, bytes: number): void {
  if (step === steps.none) return;
  m.x.writeSp(Rn, i64.add(base, step === steps.bytes ? i64.const(BigInt(bytes)) : m.x.read(Rm)));
}

const moveText = (f: Raw<"post" | "Rm">, bytes: number) => f.post === 0 ? "" : f.Rm === 31 ? `, #${bytes}` : `, ${reg(1, f.Rm)}`;

const multiple = a64({
  bits: "0 Q 001100 post L 0 Rm:5 opcode:4 size:2 Rn:5 Rt:5",
  known: ["Q", "post", "L", "opcode", "size"],
  split: { ...spBase, step },
  fp: true,
  when: (f) => f.opcode in multiples && (f.post === 1 || f.Rm === 0) && (multiples[f.opcode].elements === 1 || f.size < 3 + f.Q),
  asm: (f) => {
    const { registers, elements } = multiples[f.opcode];
    const address = `[${regSp(1, f.Rn)}]${moveText(f, registers * (8 << f.Q))}`;
    return `${f.L ? "ld" : "st"}${elements} ${list(f.Rt, registers, f.size, f.Q)}, ${address}`;
  },
  emit(m, { Q, L, opcode, size, sp, step, Rm, Rn, Rt }) {
    const what = { Q, size, ...multiples[opcode] };
    const base = baseAddress(m, Rn, sp);
    (L ? loadMultiple : storeMultiple)(m, base, Rt, what);
    moveBase(m, step, Rn, Rm, base, what.registers * (8 << Q));
  },
});

/** Opcode 3 above the number of elements: load to all lanes. */
const REPLICATE = 3;

type Single = Raw<"Q" | "R" | "scale" | "odd" | "S" | "size">;

/** Element size and index of a single structure; `undefined`: unallocated. */
function single(f: Pick<Single, "Q" | "S" | "size" | "scale">): { size: number; index: number } | undefined {
  const index = f.Q << 3 | f.S << 2 | f.size;
  if (f.scale === REPLICATE) return f.S ? undefined : { size: f.size, index: 0 };
  if (f.scale === 0) return { size: 0, index };
  if (f.scale === 1) return f.size & 1 ? undefined : { size: 1, index: index >> 1 };
  if (f.size === 0) return { size: 2, index: index >> 2 };
  return f.size === 1 && f.S === 0 ? { size: 3, index: f.Q } : undefined;
}

const elementsOf = (f: Pick<Single, "R" | "odd">): number => f.odd * 2 + f.R + 1;

const singleStructure = a64({
  bits: "0 Q 001101 post L R Rm:5 scale:2 odd S size:2 Rn:5 Rt:5",
  known: ["Q", "post", "L", "R", "scale", "odd", "S", "size"],
  split: { ...spBase, step },
  fp: true,
  when: (f) => (f.post === 1 || f.Rm === 0) && single(f) !== undefined && (f.scale !== REPLICATE || f.L === 1),
  asm: (f) => {
    const { size, index } = single(f)!;
    const n = elementsOf(f);
    const address = `[${regSp(1, f.Rn)}]${moveText(f, n << size)}`;
    if (f.scale === REPLICATE) return `ld${n}r ${list(f.Rt, n, size, f.Q)}, ${address}`;
    const registers = Array.from({ length: n }, (_, i) => `v${(f.Rt + i) & 31}.${elementLetter(size)}`);
    return `${f.L ? "ld" : "st"}${n} {${registers.join(", ")}}[${index}], ${address}`;
  },
  emit(m, { Q, L, R, scale, odd, S, size: sizeField, sp, step, Rm, Rn, Rt }) {
    const { size, index } = single({ Q, S, size: sizeField, scale })!;
    const n = elementsOf({ R, odd });
    const base = baseAddress(m, Rn, sp);
    const places = Array.from({ length: n }, (_, i) => i64.add(base, i64.const(BigInt(i << size))));
    if (L) {
      const values = places.map((place) => m.load(place, size));
      const lanes = lanesOf(m, size, Q);
      values.forEach((value, i) => {
        if (scale === REPLICATE) lanes.write(nth(Rt, i), lanes.splatValue(value));
        else m.setVLane(nth(Rt, i), size, index, value);
      });
    } else places.forEach((place, i) => m.store(place, size, m.vLane(nth(Rt, i), size, index)));
    moveBase(m, step, Rn, Rm, base, n << size);
  },
});

/** All of them. */
export const simdStructures: readonly Declaration[] = [multiple, singleStructure];
