/** Random programs of short loops that access memory by registers which they move, with ways around, out of and into their middle. */
import type { Random } from "../support/random.ts";
import { DATA } from "./random_program.ts";

/** X0 counts; these are what accesses are relative to, and what is loaded, stored and calculated with. */
const BASES = [20, 21, 22, 31], VALUES = [1, 2, 3, 4, 5, 6];
const COUNTER = 0, ENTRANCE = 9;
/** Bytes from a page's end or start where bases begin. */
const NEAR = 96;

/** Fields of instructions that say how far. */
const imm12 = (n: number) => n << 10,
  imm9 = (n: number) => (n & 0x1ff) << 12,
  imm7 = (n: number) => (n & 0x7f) << 15,
  imm19 = (n: number) => (n & 0x7ffff) << 5;
const rn = (n: number) => n << 5, rm = (n: number) => n << 16, rt2 = (n: number) => n << 10;

/** An access. */
function access(random: Random): number {
  const base = rn(random.pick(BASES)), [t, u] = random.pick([[1, 2], [2, 3], [3, 4], [5, 6], [6, 1]]);
  const near = random.below(64) - 32, store = random.chance(0.4);
  return random.pick([
    (store ? 0xf9000000 : 0xf9400000) | imm12(random.below(12)) | base | t, // ldr x, [base, #n]
    (store ? 0xb8000000 : 0xb8400000) | imm9(near) | base | t, // ldur w
    (store ? 0x38000400 : 0x38400400) | imm9(random.pick([1, 1, -1, near])) | base | t, // ldrb w, [base], #n
    (store ? 0x78000c00 : 0x78400c00) | imm9(random.pick([2, -2, near])) | base | t, // ldrh w, [base, #n]!
    (store ? 0xa9000000 : 0xa9400000) | imm7(random.below(16) - 8) | rt2(u) | base | t, // ldp x, x, [base, #n]
    (store ? 0xa8800000 : 0xa8c00000) | imm7(random.pick([2, -2])) | rt2(u) | base | t, // ldp x, x, [base], #n
    (store ? 0x3c800400 : 0x3cc00400) | imm9(random.pick([16, -16])) | base | t, // ldr q, [base], #n
    0xfd400000 | imm12(random.below(8)) | base | t, // ldr d, [base, #n]
    0xf8606800 | rm(VALUES[0]) | base | t, // ldr x, [base, x1]
    0x08df_fc00 | base | t, // ldarb w, [base]
  ]) >>> 0;
}

/** What else there is in a loop's body; bases may become others. */
function other(random: Random): number {
  const [d, n, m] = [random.pick(VALUES), random.pick(VALUES), random.pick(VALUES)];
  const base = random.pick(BASES), from = random.pick(BASES);
  return random.pick([
    0x8b000000 | rm(m) | rn(n) | d, // add x, x, x
    0xca000000 | rm(m) | rn(n) | d, // eor x, x, x
    0xf2401c00 | rn(n) | d, // ands x, x, #0xff
    0x91000000 | imm12(random.below(40)) | rn(base) | base, // add base, base, #n
    0xd1000000 | imm12(random.below(40)) | rn(base) | base, // sub base, base, #n
    0x91000000 | imm12(random.below(40)) | rn(from) | base, // add base, other, #n
    0x8b206000 | rm(m) | rn(from) | base, // add base, other, x
    0x9a800000 | rm(20) | rn(21) | 22, // csel x22, x21, x20, eq
    0xc8007c00 | rm(22) | rn(20) | d, // stxr w22, x, [x20]
  ]) >>> 0;
}

/** A number into a register, three words. */
function constant(register: number, value: number): number[] {
  return [0xd2800000 | (value & 0xffff) << 5, 0xf2a00000 | (value >>> 16) << 5, 0x91000000].map((word, i) =>
    (i < 2 ? word | (register === 31 ? 10 : register) : word | rn(register === 31 ? 10 : register) | register) >>> 0
  );
}

function loop(random: Random): number[] {
  const setUp = BASES.flatMap((base) => {
    const page = DATA + random.pick([0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 4, 5]) * 0x1000;
    const at = page + (random.chance(0.5) ? 0x1000 - random.below(NEAR) : random.below(NEAR));
    return constant(base, base === 31 || random.chance(0.5) ? at & ~15 : at);
  });
  const body: number[] = [];
  const length = 2 + random.below(10);
  while (body.length < length) body.push(random.chance(0.6) ? access(random) : other(random));
  // Ways around what comes next, and out.
  for (let i = 0; i < body.length; i++) {
    if (random.chance(0.1)) body[i] = (0xb4000000 | imm19(1 + random.below(body.length - i)) | random.pick(VALUES)) >>> 0; // cbz
    else if (random.chance(0.05)) body[i] = (0xb5000000 | imm19(body.length - i + 2) | random.pick(VALUES)) >>> 0; // cbnz
  }
  // Into its middle, or to its head beside what comes before it, where it may come back to.
  const into = random.chance(0.15) ? 1 + random.below(body.length) : 0;
  const count = (0xd2800000 | (1 + random.below(random.chance(0.2) ? 100 : 12)) << 5 | COUNTER) >>> 0;
  const before = [count, other(random), access(random)];
  const bit = () => random.below(6) << 19 | ENTRANCE;
  const imm14 = (n: number) => (n & 0x3fff) << 5;
  return [
    ...setUp,
    count,
    ...random.chance(0.4) ? [(0x36000000 | bit() | imm14(1 + before.length + into)) >>> 0] : [], // tbz x9
    ...before,
    ...body,
    0xf1000400, // subs x0, x0, #1
    (0x54000001 | imm19(-body.length - 1)) >>> 0, // b.ne
    0x91000400 | rn(ENTRANCE) | ENTRANCE, // add x9, x9, #1
    ...random.chance(0.3) ? [(0x36000000 | bit() | imm14(-body.length - before.length - 3)) >>> 0] : [], // tbz x9
  ];
}

/** Some loops, one after the other, over and over. */
export function loopProgram(random: Random): { first: number; words: number[] } {
  const words = Array.from({ length: 1 + random.below(4) }, () => loop(random)).flat();
  words.push((0x14000000 | (-words.length & 0x3ffffff)) >>> 0); // b
  return { first: random.below(1000), words };
}
