/**
 * Random programs with loops, calls, faults and self-modification, for engines that are compared with each other: an
 * exception skips the instruction that caused it, and a fetch from nowhere starts over, so a program never ends.
 */
import type { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import type { Random } from "../support/random.ts";
import { findForms, type Form, randomWord } from "./forms.ts";
import { isLoadStore } from "./memory_operands.ts";

/** Where things are; VA = PA but for the device. All in one block of 2 MiB. */
export const BASE = 0x4000_0000;
/** Two pages of code, one after the other. */
export const CODE = BASE + 0x1000, CODE_WORDS = 2048;
export const VECTORS = BASE + 0x4000;
/** Readable and writable, twice; then readable, invalid, device, writable. */
export const DATA = BASE + 0x8000, DATA_PAGES = 6;
/** All of it again, as one large page; its pages share TLB entries with their neighbours of {@linkcode BASE}. */
export const LARGE = BASE + 0x20_0000;
/** Pages that share TLB entries with those of {@linkcode DATA}, by {@linkcode collisionOf}. */
const COLLISIONS = BASE + 0x40_0000;
export const collisionOf = (page: number): number => COLLISIONS + (DATA - BASE) + (page << 12 ^ 0x4000);
/** Third level tables of {@linkcode BASE} and of the collisions; all of them lie in {@linkcode LARGE} too. */
export const TABLES = BASE + 0x1_0000, PAGE_TABLE = TABLES + 0x2000, COLLISION_TABLE = TABLES + 0x3000;
/** Tables of stage 2, which map this page and the devices' alike. */
export const STAGE2_TABLES = TABLES + 0x4000;

/** The end of a vector, seven words: goes on behind what faulted, or by its fourth word at TPIDR_EL1. */
const goOn: readonly number[] = [
  0xd5384020, // mrs x0, elr_el1
  0x91001000, // add x0, x0, #0x4
  0x14000002, // b 2f
  0xd538d080, // 1: mrs x0, tpidr_el1
  0xd5184020, // 2: msr elr_el1, x0
  0xd53bd040, // mrs x0, tpidr_el0
  0xd69f03e0, // eret
];

/** Vectors: what faults is skipped, a fetch from nowhere goes to TPIDR_EL1; interrupts ask EL2 to take them back. */
export const synchronous: readonly number[] = [
  0xd51bd040, // msr tpidr_el0, x0
  0xd5385200, // mrs x0, esr_el1
  0xd35bfc00, // lsr x0, x0, #27
  0xf100401f, // cmp x0, #0x10
  0x540000c0, // b.eq 1f
  0xf100441f, // cmp x0, #0x11
  0x54000080, // b.eq 1f
  ...goOn,
];
export const interrupt: readonly number[] = [
  0xd4000022, // hvc #1
  0xd69f03e0, // eret
];

/**
 * Vectors for programs at EL0: SVC changes the ASID, and whether interrupts are masked after it; other exceptions are skipped as above.
 */
export const userSynchronous: readonly number[] = [
  0xd51bd040, // msr tpidr_el0, x0
  0xd5385200, // mrs x0, esr_el1
  0xd35afc00, // lsr x0, x0, #26
  0xf100541f, // cmp x0, #0x15
  0x54000180, // b.eq 3f
  0xf100801f, // cmp x0, #0x20
  0x540000c0, // b.eq 1f
  0xf100881f, // cmp x0, #0x22
  0x54000080, // b.eq 1f
  ...goOn,
  0xd5382000, // 3: mrs x0, ttbr0_el1
  0xd2500000, // eor x0, x0, #1 << 48
  0xd5182000, // msr ttbr0_el1, x0
  0xd5033fdf, // isb
  0xd5384000, // mrs x0, spsr_el1
  0xd2790000, // eor x0, x0, #0x80
  0xd5184000, // msr spsr_el1, x0
  0xd53bd040, // mrs x0, tpidr_el0
  0xd69f03e0, // eret
];
/** An interrupt of the virtual CPU interface: acknowledged and ended, with no exit. */
export const userInterrupt: readonly number[] = [
  0xd51bd040, // msr tpidr_el0, x0
  0xd538cc00, // mrs x0, icc_iar1_el1
  0xd518cc20, // msr icc_eoir1_el1, x0
  0xd53bd040, // mrs x0, tpidr_el0
  0xd69f03e0, // eret
];

const system: readonly number[] = [
  0xd53be049, // mrs x9, cntvct_el0
  0xd51b4209, // msr nzcv, x9
  0xd53b4209, // mrs x9, nzcv
  0xd50342df, // msr daifset, #2
  0xd50342ff, // msr daifclr, #2
  0xd4000001, // svc #0
  0xd5033fdf, // isb
  0xd50b7434, // dc zva, x20
  0xd51bd065, // msr tpidrro_el0, x5
  0xd53bd066, // mrs x6, tpidrro_el0
  0xd5033f5f, // clrex
  0xd51b443f, // msr fpsr, xzr
  0xd51b441f, // msr fpcr, xzr
  0xd51b4409, // msr fpcr, x9
  0xd50040bf, // msr spsel, #0
  0xd50041bf, // msr spsel, #1
  0x9100029f, // mov sp, x20
  0xd53b4427, // mrs x7, fpsr
  0xd50b7536, // ic ivau, x22
  0xd508871f, // tlbi vmalle1
  0xd53b4229, // mrs x9, daif
  0xd51b4229, // msr daif, x9
  0xd5034fff, // msr daifclr, #15
  0xd5034fdf, // msr daifset, #15
  0xd53b4407, // mrs x7, fpcr
  0xd51b4429, // msr fpsr, x9
  0x04000000, // undefined in all models: the code behind it is another's
  0xd61f03e1, // likewise, among the branches
];

/** X20 to X25 hold addresses: five of data, and one of code. */
const FIRST_BASE = 20, BASES = 6, CODE_BASE = 25;

/** Small numbers are compared, and the flags used: what compilers write, and random words hardly ever are. */
function comparison(random: Random, at: number, count: number): number[] {
  const small = () => random.below(4);
  const is64 = random.below(2) << 31;
  const words = [];
  // AND Xn, Xn, #3; and sometimes its negative: SUB Xn, XZR, Xn.
  const n = small();
  if (random.chance(0.7)) words.push((0x9240_0400 | n << 5 | n) >>> 0);
  if (random.chance(0.2)) words.push((0xcb00_03e0 | n << 16 | n) >>> 0);
  const destination = random.chance(0.5) ? 31 : small();
  // SUBS, ADDS, ANDS (registers), SUBS, ADDS (immediate).
  const setter = random.pick([0x6b00_0000, 0x2b00_0000, 0x6a00_0000]) | small() << 16;
  const immediate = random.pick([0x7100_0000, 0x3100_0000]) | random.below(5) << 10;
  words.push((is64 | (random.chance(0.5) ? setter : immediate) | n << 5 | destination) >>> 0);
  if (random.chance(0.2)) {
    // CCMP, CCMN
    words.push(
      (random.below(2) << 31 | random.below(2) << 30 | 0x3a40_0000 | small() << 16 | random.below(16) << 12 | small() << 5 |
        random.below(16)) >>> 0,
    );
  }
  for (let uses = 0; uses < 2; uses++) {
    // CSINC, or B.cond.
    if (random.chance(0.5)) words.push((0x9a80_0400 | small() << 16 | random.below(16) << 12 | small() << 5 | random.below(20)) >>> 0);
    else words.push((0x5400_0000 | ((random.below(count) - at - words.length) & 0x7_ffff) << 5 | random.below(16)) >>> 0);
  }
  return words;
}

/** MOVZ, MOVK. */
const move = (register: number, value: number): number[] => [
  (0xd280_0000 | (value & 0xffff) << 5 | register) >>> 0,
  (0xf2a0_0000 | (value >>> 16) << 5 | register) >>> 0,
];

/** Somewhere in the data, by one of its addresses. */
function dataAddress(random: Random): number {
  const page = random.below(DATA_PAGES);
  const start = random.pick([DATA + page * 0x1000, DATA + page * 0x1000, LARGE + (DATA - BASE) + page * 0x1000, collisionOf(page)]);
  return start + (random.chance(0.4) ? 0xfa0 + random.below(0x60) : random.below(0x100) << 4);
}

/** Changes a descriptor of a data page (writable or not, which frame, valid or not), most often with TLBI. */
function remapping(random: Random, table = random.pick([PAGE_TABLE, COLLISION_TABLE]), page = random.below(DATA_PAGES)): number[] {
  const va = table === PAGE_TABLE ? DATA + page * 0x1000 : collisionOf(page);
  const bit = random.pick([0, 7, 11, 12, 13]);
  const words = [
    ...move(9, table + LARGE - BASE + (va >> 12 & 511) * 8),
    0xf940012a, // ldr x10, [x9]
    (0xd240_014a | (64 - bit & 63) << 16) >>> 0, // eor x10, x10, #1 << bit
    0xf900012a, // str x10, [x9]
  ];
  if (random.chance(0.7)) words.push(...move(9, va >>> 12), random.pick([0xd5088769, 0xd5088729, 0xd508871f])); // tlbi vaae1, vae1, vmalle1
  return words;
}

/** A page whose TLB entry goes to another one, and whose descriptor changes without TLBI: the next access sees that. */
function displacement(random: Random): number[] {
  const page = random.pick([0, 1, 5]);
  const load = 0xf940_0000 | random.below(8) << 10;
  return [
    ...move(20, DATA + page * 0x1000),
    ...move(21, collisionOf(page)),
    (load | 20 << 5 | 1) >>> 0,
    (load | 21 << 5 | 2) >>> 0,
    ...remapping(random, PAGE_TABLE, page).slice(0, 5),
    (load | 20 << 5 | 3) >>> 0,
  ];
}

/** Another address space, of the same tables: ASIDs of which two are one, as they have eight bits. Or a base that nobody uses, or VBAR_EL1 again. */
function addressSpace(random: Random): number[] {
  const [value, upper, write] = random.pick([
    [TABLES, random.pick([0, 1, 0x41, 0x101]), 0xd518_2009], // msr ttbr0_el1, x9
    [TABLES, random.below(4), 0xd518_2029], // msr ttbr1_el1, x9
    [VECTORS + random.below(0x800), 0, 0xd518_c009], // msr vbar_el1, x9
  ]);
  const words = [...move(9, value), (0xf2e0_0009 | upper << 5) >>> 0, write];
  // MRS X9, TTBR0_EL1 or MIDR_EL1.
  return random.chance(0.3) ? [...words, random.pick([0xd538_2009, 0xd538_0009])] : words;
}

/** Accesses by one base register to a page, its neighbour, and across the border between. */
function crossing(random: Random): number[] {
  const base = FIRST_BASE + random.below(BASES - 1);
  const border = random.pick([DATA, DATA, LARGE + (DATA - BASE), COLLISIONS + (DATA - BASE)]) + 0x1000 + random.below(4) * 0x1000;
  const words = move(base, border - 32 - random.below(8));
  for (let n = 2 + random.below(4); n > 0; n--) {
    const register = random.below(16), load = random.below(2);
    const offset = random.pick([0, 8, 16, 24, 32, 40, 48]);
    // LDR, STR; LDP, STP.
    if (random.chance(0.5)) words.push((0xf900_0000 | load << 22 | (offset >> 3) << 10 | base << 5 | register) >>> 0);
    else words.push((0xa900_0000 | load << 22 | (offset >> 3) << 15 | (register + 1) << 10 | base << 5 | register) >>> 0);
  }
  return words;
}

/** Draws programs. */
export class ProgramGenerator {
  readonly #computations: Form[];
  readonly #accesses: Form[];

  constructor(readonly decoder: Decoder) {
    const { forms } = findForms(decoder);
    // Bits 28:26 of branches, exceptions and system instructions are 101.
    this.#computations = forms.filter(({ example }) => !isLoadStore(example) && (example >>> 26 & 7) !== 5 && example >>> 16 !== 0);
    this.#accesses = forms.filter(({ example }) => isLoadStore(example) && (example >>> 24 & 0x3b) !== 0x18);
  }

  /** Words from {@linkcode CODE} on, across the border of its two pages. `first`: index of the one to start at. */
  program(random: Random): { first: number; words: number[] } {
    const count = 60 + random.below(120);
    const first = 1024 - random.below(count);
    const words: number[] = [];
    const restore = () => {
      const base = FIRST_BASE + random.below(BASES);
      words.push(...move(base, base === CODE_BASE ? CODE + first * 4 : dataAddress(random)));
    };
    for (let base = 0; base < 8; base++) restore();
    while (words.length < count) {
      switch (random.below(16)) {
        case 0:
          restore();
          break;
        case 1:
        case 2:
        case 3:
        case 4:
          words.push(this.#access(random));
          break;
        case 5:
        case 6:
        case 7:
          words.push(this.#branch(random, words.length, count));
          break;
        case 8:
          if (random.chance(0.5)) {
            words.push(
              ...random.pick([
                () => [random.pick(system)],
                () => remapping(random),
                () => displacement(random),
                () => addressSpace(random),
              ])(),
            );
          }
          break;
        case 9:
          // Copies an instruction over another: LDR Wt, [X25, #…]; STR Wt, [X25, #…].
          if (random.chance(0.15)) {
            words.push((0xb940_0000 | random.below(count) << 10 | CODE_BASE << 5 | 9) >>> 0);
            words.push((0xb900_0000 | random.below(count) << 10 | CODE_BASE << 5 | 9) >>> 0);
          }
          break;
        case 10:
          words.push(...crossing(random));
          break;
        case 11:
          words.push(...comparison(random, words.length, count));
          break;
        default:
          words.push(this.#computation(random));
      }
    }
    words.push((0x1400_0000 | (-words.length & 0x3ff_ffff)) >>> 0);
    return { first, words };
  }

  /** Leaves X20 to X30 alone, most of the time. */
  #computation(random: Random): number {
    for (;;) {
      // A few forms come often, or flags and conditions would drown in vectors.
      const word = randomWord(
        random,
        this.decoder,
        random.chance(0.5) ? random.pick(this.#computations.slice(0, 120)) : random.pick(this.#computations),
      );
      if (typeof word === "number" && ((word & 31) < FIRST_BASE || (word & 31) === 31 || random.chance(0.02))) return word;
    }
  }

  #access(random: Random): number {
    for (;;) {
      const word = randomWord(random, this.decoder, random.pick(this.#accesses));
      if (typeof word !== "number") continue;
      return (word & ~(31 << 5) | (FIRST_BASE + random.below(BASES - (random.chance(0.03) ? 0 : 1))) << 5) >>> 0;
    }
  }

  #branch(random: Random, at: number, count: number): number {
    const distance = (random.chance(0.8) ? Math.max(0, Math.min(count, at + random.below(24) - 12)) : random.below(count)) - at;
    const register = random.below(FIRST_BASE);
    switch (random.below(8)) {
      case 0:
        return (0x1400_0000 | distance & 0x3ff_ffff) >>> 0;
      case 1:
        return (0x9400_0000 | distance & 0x3ff_ffff) >>> 0;
      case 2:
        return 0xd65f_03c0;
      case 3: // CBZ, CBNZ
        return (0x3400_0000 | random.below(2) << 31 | random.below(2) << 24 | (distance & 0x7_ffff) << 5 | register) >>> 0;
      case 4: // TBZ, TBNZ
        return (0x3600_0000 | random.below(2) << 31 | random.below(2) << 24 | random.below(32) << 19 | (distance & 0x3fff) << 5 |
          register) >>> 0;
      case 5: // BR, BLR to where X25 points
        return random.chance(0.2) ? (0xd61f_0000 | random.below(2) << 21 | CODE_BASE << 5) >>> 0 : 0xd65f_03c0;
      default:
        return (0x5400_0000 | (distance & 0x7_ffff) << 5 | random.below(16)) >>> 0;
    }
  }
}
