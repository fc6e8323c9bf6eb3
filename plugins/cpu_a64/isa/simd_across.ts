/** Arm ARM DDI 0487, "Advanced SIMD across lanes" and "Advanced SIMD scalar pairwise": integers. */
import { a64, type Declaration, type V128 } from "./dsl.ts";
import { Lanes, lanesOf } from "./simd_lanes.ts";
import { scalar, vector } from "./simd_names.ts";

/** Combines all elements in use; the result is element 0. */
function reduce(lanes: Lanes, value: V128, combine: (a: V128, b: V128) => V128): V128 {
  const all = 16 >> lanes.size;
  let result = lanes.let(value);
  for (let distance = lanes.count / 2; distance >= 1; distance /= 2) {
    result = lanes.let(combine(result, lanes.pick(result, result, (i) => (i + distance) % all)));
  }
  return result;
}

interface Operation {
  readonly name: string;
  /** The result has twice the elements' size. */
  readonly long?: boolean;
  readonly combine: (lanes: Lanes, a: V128, b: V128) => V128;
}

/** By opcode. */
const operations = (U: number): Readonly<Record<number, Operation>> => ({
  0b00011: { name: `${"su"[U]}addlv`, long: true, combine: (l, a, b) => l.add(a, b) },
  0b01010: { name: `${"su"[U]}maxv`, combine: (l, a, b) => l.max(a, b, U) },
  0b11010: { name: `${"su"[U]}minv`, combine: (l, a, b) => l.min(a, b, U) },
  0b11011: { name: "addv", combine: (l, a, b) => l.add(a, b) },
});
const byU = [operations(0), operations(1)];

const acrossLanes = a64({
  bits: "0 Q U 01110 size:2 11000 opcode:5 10 Rn:5 Rd:5",
  known: ["Q", "U", "size", "opcode"],
  fp: true,
  when: (f) => f.opcode in byU[f.U] && (f.U === 0 || f.opcode !== 0b11011) && f.size < 2 + f.Q,
  asm: (f) => {
    const { name, long } = byU[f.U][f.opcode];
    return `${name} ${scalar(f.Rd, f.size + +!!long)}, ${vector(f.Rn, f.size, f.Q)}`;
  },
  emit(m, { Q, U, size, opcode, Rn, Rd }) {
    const { long, combine } = byU[U][opcode];
    const lanes = lanesOf(m, size, Q);
    const from = long ? new Lanes(lanes.m, size + 1, lanes.width) : lanes;
    const result = reduce(from, long ? lanes.addPairsLong(m.v(Rn), U) : m.v(Rn), (a, b) => combine(from, a, b));
    lanesOf(m, from.size, 0, 1).write(Rd, result);
  },
});

const addPair = a64({
  bits: "0101111011110001101110 Rn:5 Rd:5",
  fp: true,
  asm: (f) => `addp d${f.Rd}, v${f.Rn}.2d`,
  emit(m, { Rn, Rd }) {
    const lanes = lanesOf(m, 3, 1);
    lanesOf(m, 3, 0, 1).write(Rd, reduce(lanes, m.v(Rn), (a, b) => lanes.add(a, b)));
  },
});

/** All of them. */
export const simdAcross: readonly Declaration[] = [acrossLanes, addPair];
