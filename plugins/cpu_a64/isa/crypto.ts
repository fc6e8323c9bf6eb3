/** Arm ARM DDI 0487, "Cryptographic AES", "Cryptographic three-register SHA", "Cryptographic two-register SHA". */
import { a64, type Declaration, type I32, i32, i32x4, i8x16, type Semantics, type V128, v128 } from "./dsl.ts";
import { Lanes, zero } from "./simd_lanes.ts";

// ---- AES (FIPS 197)

/** Doubles in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
const doubled = (byte: number): number => (byte << 1 ^ (byte & 0x80 ? 0x11b : 0)) & 0xff;

/** FIPS 197, "SubBytes()": the inverse in the field, then an affine map. */
function makeSBox(): Uint8Array {
  // Powers of the generator 3 walk through the field; the inverse of the n-th one is the (255 - n)-th.
  const powers: number[] = [1];
  for (let i = 1; i < 255; i++) powers.push(doubled(powers[i - 1]) ^ powers[i - 1]);
  const box = new Uint8Array(256);
  box[0] = 0x63;
  powers.forEach((value, n) => {
    const inverse = powers[(255 - n) % 255];
    let sum = 0x63;
    for (let turn = 0; turn < 5; turn++) sum ^= inverse << turn | inverse >> (8 - turn);
    box[value] = sum;
  });
  return box;
}

const sBox = makeSBox();
const inverseSBox = new Uint8Array(256);
sBox.forEach((to, from) => inverseSBox[to] = from);

/** Looks up each byte, sixteen table entries at a time. */
function substitute(m: Semantics, state: V128, box: Uint8Array): V128 {
  const bytes = new Lanes(m, 0);
  const view = new DataView(box.buffer);
  let result: V128 = zero;
  for (let row = 0; row < 256; row += 16) {
    const entries = v128.const(view.getBigUint64(row, true), view.getBigUint64(row + 8, true));
    // Indices outside of 0 to 15 give zero.
    const found = i8x16.swizzle(entries, row ? v128.xor(state, bytes.splat(row)) : state);
    result = row ? v128.or(result, found) : found;
  }
  return result;
}

/** FIPS 197, "ShiftRows()": byte `i` of the result comes from here. */
const shiftRows = Array.from({ length: 16 }, (_, i) => (i + 4 * (i & 3)) & 15);
const inverseShiftRows = Array.from({ length: 16 }, (_, i) => (i - 4 * (i & 3)) & 15);

const rotateColumns = (state: V128, by: number): V128 =>
  i8x16.shuffle(state, state, Array.from({ length: 16 }, (_, i) => i & ~3 | (i + by) & 3));

function double(m: Semantics, state: V128): V128 {
  const bytes = new Lanes(m, 0);
  return v128.xor(bytes.shl(state, 1), v128.and(bytes.negative(state), bytes.splat(0x1b)));
}

/** FIPS 197, "MixColumns()": 2, 3, 1, 1 times the bytes from here on down the column. */
function mixColumns(m: Semantics, state: V128): V128 {
  const twice = m.let(double(m, state));
  const thrice = m.let(v128.xor(twice, state));
  return v128.xor(v128.xor(twice, rotateColumns(thrice, 1)), v128.xor(rotateColumns(state, 2), rotateColumns(state, 3)));
}

/** Its inverse is the same after 5, 0, 4, 0. */
function inverseMixColumns(m: Semantics, state: V128): V128 {
  const pairs = m.let(v128.xor(state, rotateColumns(state, 2)));
  const twice = m.let(double(m, pairs));
  return mixColumns(m, m.let(v128.xor(state, double(m, twice))));
}

const aesNames: Readonly<Record<number, string>> = { 4: "aese", 5: "aesd", 6: "aesmc", 7: "aesimc" };

const aes = a64({
  bits: "0100111000101000 opcode:4 10 Rn:5 Rd:5",
  known: ["opcode"],
  fp: true,
  feature: "AES",
  when: (f) => f.opcode in aesNames,
  asm: (f) => `${aesNames[f.opcode]} v${f.Rd}.16b, v${f.Rn}.16b`,
  emit(m, { opcode, Rn, Rd }) {
    const s = m as Semantics;
    if (opcode >= 6) return m.setV(Rd, (opcode === 6 ? mixColumns : inverseMixColumns)(s, m.let(m.v(Rn))));
    const mixed = m.let(v128.xor(m.v(Rd), m.v(Rn)));
    const moved = m.let(i8x16.shuffle(mixed, mixed, opcode === 4 ? shiftRows : inverseShiftRows));
    m.setV(Rd, substitute(s, moved, opcode === 4 ? sBox : inverseSBox));
  },
});

// ---- SHA (FIPS 180-4)

const word = (v: V128, index: number): I32 => i32x4.extract_lane(v, index);

const words = (values: readonly I32[]): V128 => values.reduce((v, value, i) => i32x4.replace_lane(v, i, value), zero);

const rotateLeft = (a: I32, by: number): I32 => i32.rotl(a, i32.const(by));
const rotateRight = (a: I32, by: number): I32 => i32.rotr(a, i32.const(by));

/** FIPS 180-4, "SHA-1 Functions" and "SHA-256 Functions". */
const choose = (x: I32, y: I32, z: I32): I32 => i32.xor(i32.and(i32.xor(y, z), x), z);
const parity = (x: I32, y: I32, z: I32): I32 => i32.xor(i32.xor(x, y), z);
const majority = (x: I32, y: I32, z: I32): I32 => i32.or(i32.and(x, y), i32.and(i32.or(x, y), z));
const sigma = (x: I32, a: number, b: number, c: number): I32 => i32.xor(i32.xor(rotateRight(x, a), rotateRight(x, b)), rotateRight(x, c));

/** Sums of vectors' words. */
const add = (a: V128, b: V128): V128 => i32x4.add(a, b);

/** Words 1 to 3 of `a`, then word 0 of `b`. */
const nextWords = (m: Semantics, a: V128, b: V128): V128 => new Lanes(m, 2).pick(a, b, (i) => i + 1);

/** SHA1C, SHA1P, SHA1M: four rounds. */
function sha1Rounds(m: Semantics, abcd: V128, e: I32, schedule: V128, mix: typeof choose): V128 {
  let state: I32[] = [0, 1, 2, 3].map((i) => m.let(word(abcd, i)));
  let last = m.let(e);
  for (let round = 0; round < 4; round++) {
    const [a, b, c, d] = state;
    const next = i32.add(i32.add(i32.add(last, rotateLeft(a, 5)), mix(b, c, d)), word(schedule, round));
    state = [m.let(next), a, m.let(rotateLeft(b, 30)), c];
    last = d;
  }
  return words(state);
}

/** Four rounds of SHA-256. Returns the two halves of the state. */
function sha256Rounds(m: Semantics, abcd: V128, efgh: V128, schedule: V128): [V128, V128] {
  let state: I32[] = [abcd, efgh].flatMap((half) => [0, 1, 2, 3].map((i) => m.let(word(half, i))));
  for (let round = 0; round < 4; round++) {
    const [a, b, c, d, e, f, g, h] = state;
    const t1 = m.let(i32.add(i32.add(h, sigma(e, 6, 11, 25)), i32.add(choose(e, f, g), word(schedule, round))));
    const t2 = i32.add(sigma(a, 2, 13, 22), majority(a, b, c));
    state = [m.let(i32.add(t1, t2)), a, b, c, m.let(i32.add(d, t1)), e, f, g];
  }
  return [words(state.slice(0, 4)), words(state.slice(4))];
}

/** A message schedule's small sigma of four words: two rotations and a shift. */
function smallSigma(v: V128, a: number, b: number, shift: number): V128 {
  const rotate = (by: number) => v128.or(i32x4.shr_u(v, i32.const(by)), i32x4.shl(v, i32.const(32 - by)));
  return v128.xor(v128.xor(rotate(a), rotate(b)), i32x4.shr_u(v, i32.const(shift)));
}

/** SHA256SU1: words 16 to 19 of a schedule from `d` (SHA256SU0 of 0 to 3), `n` (8 to 11), `k` (12 to 15). */
function sha256Schedule(m: Semantics, d: V128, n: V128, k: V128): V128 {
  const lanes = new Lanes(m, 2);
  const sum = m.let(add(d, nextWords(m, n, k)));
  const first = m.let(add(sum, lanes.pick(smallSigma(k, 17, 19, 10), zero, (i) => i < 2 ? i + 2 : 4)));
  // The last two need the first two.
  return add(first, lanes.pick(smallSigma(first, 17, 19, 10), zero, (i) => i < 2 ? 4 : i - 2));
}

/** SHA1SU1: `d` is SHA1SU0's result, `n` the four words before the new ones. */
function sha1Schedule(m: Semantics, d: V128, n: V128): V128 {
  const mixed = m.let(v128.xor(d, new Lanes(m, 2).pick(n, zero, (i) => i + 1)));
  const rotated = m.let(v128.or(i32x4.shl(mixed, i32.const(1)), i32x4.shr_u(mixed, i32.const(31))));
  // The last word needs the first new one.
  return i32x4.replace_lane(rotated, 3, i32.xor(word(rotated, 3), rotateLeft(word(rotated, 0), 1)));
}

const threeNames = ["sha1c", "sha1p", "sha1m", "sha1su0", "sha256h", "sha256h2", "sha256su1"];

const sha3 = a64({
  bits: "01011110000 Rm:5 0 opcode:3 00 Rn:5 Rd:5",
  known: ["opcode"],
  fp: true,
  feature: (f) => f.opcode < 4 ? "SHA1" : "SHA256",
  when: (f) => f.opcode < 7,
  asm: (f) => {
    const name = threeNames[f.opcode];
    if (f.opcode === 3 || f.opcode === 6) return `${name} v${f.Rd}.4s, v${f.Rn}.4s, v${f.Rm}.4s`;
    return `${name} q${f.Rd}, ${f.opcode < 3 ? "s" : "q"}${f.Rn}, v${f.Rm}.4s`;
  },
  emit(m, { opcode, Rm, Rn, Rd }) {
    const s = m as Semantics;
    const [d, n, k] = [Rd, Rn, Rm].map((register) => m.let(m.v(register)));
    if (opcode < 3) return m.setV(Rd, sha1Rounds(s, d, word(n, 0), k, [choose, parity, majority][opcode]));
    if (opcode === 3) return m.setV(Rd, v128.xor(v128.xor(d, k), new Lanes(s, 2).pick(d, n, (i) => i + 2)));
    if (opcode === 4) return m.setV(Rd, sha256Rounds(s, d, n, k)[0]);
    if (opcode === 5) return m.setV(Rd, sha256Rounds(s, n, d, k)[1]);
    m.setV(Rd, sha256Schedule(s, d, n, k));
  },
});

const twoNames = ["sha1h", "sha1su1", "sha256su0"];

const sha2 = a64({
  bits: "0101111000101000 opcode:4 10 Rn:5 Rd:5",
  known: ["opcode"],
  fp: true,
  feature: (f) => f.opcode < 2 ? "SHA1" : "SHA256",
  when: (f) => f.opcode < 3,
  asm: (f) => f.opcode === 0 ? `sha1h s${f.Rd}, s${f.Rn}` : `${twoNames[f.opcode]} v${f.Rd}.4s, v${f.Rn}.4s`,
  emit(m, { opcode, Rn, Rd }) {
    const s = m as Semantics;
    if (opcode === 0) return m.setVLow32(Rd, rotateLeft(m.vLow32(Rn, 32), 30));
    const [d, n] = [Rd, Rn].map((register) => m.let(m.v(register)));
    if (opcode === 1) return m.setV(Rd, sha1Schedule(s, d, n));
    m.setV(Rd, add(d, smallSigma(m.let(nextWords(s, d, n)), 7, 18, 3)));
  },
});

/** All of them. */
export const crypto: readonly Declaration[] = [aes, sha3, sha2];
