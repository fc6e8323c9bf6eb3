/**
 * Puts base registers where a load or store hits the data window. It reads the
 * operand fields from the word by the architecture's own grouping (Arm ARM
 * DDI 0487, "Loads and stores"), not from the declarations that are under test.
 */
import type { Registers } from "../support/case.ts";
import { CODE, WINDOW, WINDOW_SIZE } from "../support/layout.ts";
import type { Random } from "../support/random.ts";

/** Whether a word is a load or store. */
export const isLoadStore = (word: number): boolean => (word >>> 25 & 5) === 4;

/** Whether a word is a load (literal) or its prefetch. */
const isLiteral = (word: number): boolean => (word >>> 24 & 0x3b) === 0x18;

const isExclusive = (word: number): boolean => (word >>> 24 & 0x3f) === 0x08;
const isPair = (word: number): boolean => (word >>> 27 & 7) === 5;
const isUnsignedOffset = (word: number): boolean => (word >>> 24 & 0x3b) === 0x39;
const isOffset9 = (word: number): boolean => (word >>> 24 & 0x3b) === 0x38 && (word >>> 21 & 1) === 0;
const isAtomic = (word: number): boolean => (word >>> 24 & 0x3b) === 0x38 && (word >>> 21 & 1) === 1 && (word >>> 10 & 3) === 0;
const isRegisterOffset = (word: number): boolean => (word >>> 24 & 0x3b) === 0x38 && (word >>> 21 & 1) === 1 && (word >>> 10 & 3) === 2;

const isLdapr = (word: number): boolean => ((word & 0x3fff_fc00) >>> 0) === 0x38bf_c000;
const isOrderedOffset9 = (word: number): boolean => ((word & 0x3f20_0c00) >>> 0) === 0x1900_0000;

/** Bytes of one register of an access, as a power of two. */
function accessLog2(word: number): number {
  const vector = word >>> 26 & 1, size = word >>> 30;
  if (isLiteral(word)) return size === 0 ? 2 : vector ? size + 2 : size === 1 ? 3 : 2;
  if (isPair(word)) return vector ? size + 2 : size === 2 ? 3 : 2;
  return vector && (word >>> 23 & 1) && size === 0 ? 4 : size;
}

const signed = (value: number, width: number) => value << (32 - width) >> (32 - width);

/** Distance in bytes from the base register to the address, without register offsets. */
function immediateOffset(word: number): number {
  if (isUnsignedOffset(word)) return (word >>> 10 & 0xfff) << accessLog2(word);
  if (isPair(word)) return (word >>> 23 & 3) === 1 ? 0 : signed(word >>> 15 & 0x7f, 7) << accessLog2(word);
  if (isOrderedOffset9(word)) return signed(word >>> 12 & 0x1ff, 9);
  if (isOffset9(word)) return (word >>> 10 & 3) === 1 ? 0 : signed(word >>> 12 & 0x1ff, 9);
  return 0;
}

/** An address in or around the window. Misaligned ones come often, unless `aligned`. */
function address(random: Random, log2: number, aligned: boolean): number {
  const grain = 1 << log2;
  const align = (offset: number) => aligned ? offset & -grain : offset;
  switch (random.below(16)) {
    case 0: // across the pages' border
    case 1:
      return WINDOW + align(0x1000 - random.below(grain * 4));
    case 2: // over the ends
      return WINDOW + align(random.pick([0, WINDOW_SIZE]) - random.below(grain * 4 + 1));
    case 3:
      return WINDOW + align(random.below(WINDOW_SIZE));
    default:
      return WINDOW + (random.below(WINDOW_SIZE - 256) & -Math.max(grain, 16)) + (random.chance(0.3) ? align(random.below(16)) : 0);
  }
}

/** Addresses at which nothing can be; with and without a tag, canonical and not. */
const nowhere = [
  0n,
  8n,
  // Not higher: QEMU's own stack is in its guest's address space, and lies within reach of an offset.
  0x0000_6fff_ffff_0000n,
  0x0001_0000_0000_0000n,
  0x7fff_ffff_ffff_fff8n,
  0xffff_0000_1234_0000n,
  0xffff_ffff_ffff_fff0n,
];

const general = (word: number, low: number) => word >>> low & 31;

/** Changes registers so that the access of a load or store lands in the window most of the time. */
export function placeOperands(random: Random, word: number, registers: Registers, memory: DataView, inWindow: boolean): void {
  if (isLiteral(word)) return;
  const atomic = isExclusive(word) || isAtomic(word);
  const log2 = accessLog2(word);
  const pairs = isExclusive(word) && (word >>> 21 & 1) === 1;
  if (!inWindow && random.chance(0.02)) return registers.setX(general(word, 5), random.pick(nowhere));
  // QEMU 7.2 doesn't check the alignment of LDAPR, LDAPUR and STLUR; the architecture does.
  const careful = isLdapr(word) || isOrderedOffset9(word) || (atomic && random.chance(0.93));
  const size = pairs ? (word >>> 30 & 1) + 3 : log2;
  const target = inWindow ? WINDOW + (random.below(WINDOW_SIZE) & -(1 << size)) : address(random, size, careful);
  const base = general(word, 5);
  let distance = immediateOffset(word);
  if (isRegisterOffset(word)) distance = registerOffset(random, word, registers);
  registers.setX(base, BigInt.asUintN(64, BigInt(target) - BigInt(distance)));
  const inside = target >= WINDOW && target + 32 <= WINDOW + WINDOW_SIZE;
  if (atomic && inside && random.chance(0.5)) expectMemory(random, word, registers, memory, target - WINDOW, log2, pairs);
}

/** Makes Rm a small offset; returns the distance in bytes. */
function registerOffset(random: Random, word: number, registers: Registers): number {
  const rm = general(word, 16), option = word >>> 13 & 7;
  const shift = word >>> 12 & 1 ? accessLog2(word) : 0;
  if (rm === 31) return 0;
  const small = random.below(0x200) - (option === 2 ? 0 : 0x100);
  const high = option & 1 ? BigInt.asUintN(64, BigInt(small)) : random.u64() & ~0xffff_ffffn | BigInt(small >>> 0);
  registers.setX(rm, high);
  return small << shift;
}

/** Lets CAS find what it expects, in its first register or pair. */
function expectMemory(
  random: Random,
  word: number,
  registers: Registers,
  memory: DataView,
  offset: number,
  log2: number,
  pairs: boolean,
): void {
  const rs = general(word, 16);
  const bits = (pairs && !(word >>> 31) ? (word >>> 30 & 1) + 2 : log2) * 1;
  const read = (at: number) => {
    const value = memory.getBigUint64(at, true);
    return bits === 3
      ? value
      : value & (1n << BigInt(8 << bits)) - 1n | (random.chance(0.5) ? 0n : random.u64() << BigInt(8 << bits) & 0xffff_ffff_ffff_ffffn);
  };
  if (rs === general(word, 5)) return;
  if (rs !== 31) registers.setX(rs, read(offset));
  if (pairs && rs + 1 < 31 && rs + 1 !== general(word, 5)) registers.setX(rs + 1, read(offset + (1 << bits)));
}

/** A load (literal) with its distance changed so that it reads the window, or the words around itself. */
export function placeLiteral(random: Random, word: number): number {
  if (!isLiteral(word) || random.chance(0.1)) return word;
  const target = random.chance(0.8) ? WINDOW + random.below(WINDOW_SIZE) : CODE + random.below(64) - 32;
  return (word & ~(0x7ffff << 5) | ((target - CODE) >> 2 & 0x7ffff) << 5) >>> 0;
}

/**
 * The load-exclusive that lets a store-exclusive succeed: same size and base, other
 * registers. `undefined` for all other words.
 */
export function exclusiveLoad(random: Random, word: number): number | undefined {
  if (!isExclusive(word) || (word >>> 22 & 3) !== 0) return undefined;
  if (word >>> 21 & 1 && !(word >>> 31)) return undefined; // CASP
  const used = [general(word, 5), general(word, 16), general(word, 0), general(word, 10)];
  const free = Array.from({ length: 31 }, (_, n) => n).filter((n) => !used.includes(n));
  const rt = random.pick(free);
  const pair = word >>> 21 & 1;
  const rt2 = pair ? random.pick(free.filter((n) => n !== rt)) : 31;
  return (word & 0xffe0_83e0 | 1 << 22 | 31 << 16 | rt2 << 10 | rt) >>> 0;
}
