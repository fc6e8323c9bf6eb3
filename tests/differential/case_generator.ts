/** Random cases of an instruction form. */
import type { Decoder } from "../../plugins/cpu_a64/isa/decoder.ts";
import { type Case, Registers } from "../support/case.ts";
import { CODE, WINDOW, WINDOW_SIZE } from "../support/layout.ts";
import type { Random } from "../support/random.ts";
import { integer, type LaneKind, LanePool } from "../support/values.ts";
import { type Form, randomWord } from "./forms.ts";
import { exclusiveLoad, isLoadStore, placeLiteral, placeOperands } from "./memory_operands.ts";
import { isByAddress } from "./system_words.ts";

const laneKinds: readonly LaneKind[] = ["f16", "f32", "f64", "f16", "f32", "f64", "i8", "i16", "i32", "i64"];

/** FPCR.RMode, FZ, DN, FZ16 and AHP. */
const FPCR_RMODE = 22, FPCR_FLAGS = [1 << 24, 1 << 25, 1 << 19, 1 << 26];

/** FPSR.QC and the cumulative exception bits. */
const FPSR_FLAGS = 0x0800_009f;

const isBranchRegister = (word: number) => ((word & 0xff80_0000) >>> 0) === 0xd600_0000;
const isBranchImmediate = (word: number) => ((word & 0x7c00_0000) >>> 0) === 0x1400_0000;
const isFloatOrVector = (word: number) => (word >>> 25 & 7) === 7;

/** A data window full of interesting values. */
export function randomMemory(random: Random): Uint8Array {
  const memory = new Uint8Array(WINDOW_SIZE);
  for (let at = 0; at < WINDOW_SIZE; at += 256) {
    const pool = new LanePool(random, random.pick(laneKinds));
    for (let vector = at; vector < at + 256; vector += 16) pool.fill(new DataView(memory.buffer, vector, 16));
  }
  return memory;
}

/** A case of a form. `memory` may be shared by many cases. */
export function randomCase(random: Random, decoder: Decoder, form: Form, memory: Uint8Array, name: string): Case {
  let word = randomWord(random, decoder, form);
  if (typeof word !== "number") throw new Error(`${name}: no word found (${word})`);
  if (isBranchImmediate(word)) word = nearBranch(random, word);
  if (isLoadStore(word)) word = placeLiteral(random, word);
  const registers = randomRegisters(random, word);
  const code = [word];
  if (isLoadStore(word)) {
    const load = exclusiveLoad(random, word);
    const lone = load !== undefined && random.chance(0.4);
    if (load !== undefined && !lone) code.unshift(load);
    // Without the monitor a store-exclusive may fault or just fail, as the CPU likes: such ones stay in the window.
    placeOperands(random, word, registers, new DataView(memory.buffer, memory.byteOffset, memory.byteLength), lone);
  } else if (isBranchRegister(word)) {
    registers.setX(word >>> 5 & 31, BigInt(branchTarget(random)));
  } else if (isByAddress(word)) registers.setX(word & 31, BigInt(WINDOW + random.below(WINDOW_SIZE)));
  return { name, code, registers, memory };
}

/** Registers of which those that the word may name hold interesting values. */
function randomRegisters(random: Random, word: number): Registers {
  const registers = new Registers();
  for (let at = 0; at < Registers.size; at += 4) registers.view.setUint32(at, random.u32(), true);
  registers.nzcv = random.below(16);
  registers.fpsr = random.chance(0.8) ? 0 : random.u32() & FPSR_FLAGS;
  registers.fpcr = randomFpcr(random, word);
  const pool = new LanePool(random, laneKind(random, word));
  const pointers = isLoadStore(word);
  // Where the register fields of every encoding are, and the registers that follow in lists.
  for (const low of [0, 5, 10, 16]) {
    const n = word >>> low & 31;
    if (n < 31 || pointers) registers.setX(n, integer(random, random.chance(0.7) ? 64 : 32));
    for (let i = 0; i < 4; i++) pool.fill(registers.vector(n + i & 31));
  }
  // Elements come from V0 to V15 where the size takes a bit of Rm.
  pool.fill(registers.vector(word >>> 16 & 15));
  if (random.chance(0.05)) registers.setX(word >>> 16 & 31, registers.x(word >>> 5 & 31));
  return registers;
}

/** What vectors hold: often what the word's ftype or sz field says. */
function laneKind(random: Random, word: number): LaneKind {
  if (!isFloatOrVector(word) || random.chance(0.5)) return random.pick(laneKinds);
  const isScalar = (word >>> 28 & 5) === 1;
  if (isScalar) return (["f32", "f64", "f32", "f16"] as const)[word >>> 22 & 3];
  return word >>> 22 & 1 ? "f64" : random.pick(["f32", "f32", "f16"]);
}

function randomFpcr(random: Random, word: number): number {
  if (random.chance(isFloatOrVector(word) ? 0.4 : 0.9)) return 0;
  let fpcr = random.below(4) << FPCR_RMODE;
  for (const flag of FPCR_FLAGS) if (random.chance(0.25)) fpcr |= flag;
  return fpcr;
}

/** Misaligned targets lie in the code page: elsewhere QEMU reports the missing page first, the architecture the misalignment. */
function branchTarget(random: Random): number {
  const inside = random.pick([CODE - 64, CODE + 4, CODE + 256]);
  return random.chance(0.1) ? inside + 2 : random.chance(0.5) ? inside : random.pick([0x1300_0000, 0x7000_0000]);
}

/** B and BL reach far: most go to BRKs nearby, none into the memory of the oracle's driver. */
function nearBranch(random: Random, word: number): number {
  const distance = random.chance(0.1) ? random.pick([0x1ff_ffff, -0x200_0000, 0x4000, -0x4000]) : random.below(500) - 510;
  return (word & 0xfc00_0000 | (distance === 0 ? 4 : distance) & 0x3ff_ffff) >>> 0;
}
