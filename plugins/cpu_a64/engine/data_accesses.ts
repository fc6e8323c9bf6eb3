/**
 * Which bytes an instruction loads and stores, told from its word and the registers before it: for traces. It reads the architecture's
 * grouping of encodings (Arm ARM DDI 0487, "Loads and stores") and executes nothing; its test holds it against what execution touches.
 */
import type { DataAccess } from "../../../core/mod.ts";

type Kind = DataAccess["kind"];

/** What of an instruction is asked for. */
interface Operands {
  readonly word: number;
  readonly pc: bigint;
  /** Xn; 31 is SP. */
  readonly register: (n: number) => bigint;
}

/** The accesses of an instruction, lowest address first; none for one that makes none, or that isn't allocated. */
export function dataAccesses(word: number, pc: bigint, register: (n: number) => bigint): readonly DataAccess[] {
  const operands: Operands = { word, pc, register };
  if ((word & ~31) === ZERO_BLOCK) return zeroBlock(operands);
  if ((word >>> 25 & 5) !== 4) return [];
  const group = word >>> 24 & 0x3f;
  const isVector = (group & 4) !== 0;
  switch (group & ~4) {
    case 0x18:
      return literal(operands, isVector);
    case 0x28:
    case 0x29:
      return pair(operands, isVector);
    case 0x38:
    case 0x39:
      return single(operands, isVector);
    case 0x19:
      return isVector || field(word, 21, 1) || field(word, 10, 2) ? [] : oneRegister(operands, offset9(word), false);
    case 0x08:
      return isVector ? structures(operands) : exclusive(operands);
    case 0x09:
      return isVector ? structures(operands) : [];
    default:
      return [];
  }
}

/** DC ZVA, Xt. */
const ZERO_BLOCK = 0xd50b7420 | 0, ZERO_BLOCK_BYTES = 64;

const field = (word: number, low: number, width: number) => word >>> low & (1 << width) - 1;
const signed = (value: number, width: number) => value << 32 - width >> 32 - width;
const offset9 = (word: number) => signed(field(word, 12, 9), 9);

/** Xn, whose 31 is XZR. */
const general = ({ register }: Operands, n: number): bigint => n === 31 ? 0n : register(n);

/** Pieces one after the other from an address on. `registers`: those that move, where they are general ones. */
function pieces(kind: Kind, address: bigint, size: number, registers: readonly (number | undefined)[]): DataAccess[] {
  return registers.map((register, n) => ({
    kind,
    address: BigInt.asUintN(64, address + BigInt(n * size)),
    size,
    ...register !== undefined && { register },
  }));
}

function based({ word, register }: Operands, offset: number | bigint): bigint {
  return register(field(word, 5, 5)) + BigInt(offset);
}

function zeroBlock(operands: Operands): DataAccess[] {
  const at = general(operands, operands.word & 31) & ~BigInt(ZERO_BLOCK_BYTES - 1);
  return pieces("write", at, 16, Array<undefined>(ZERO_BLOCK_BYTES / 16).fill(undefined));
}

function literal({ word, pc }: Operands, isVector: boolean): DataAccess[] {
  const opc = field(word, 30, 2);
  if (opc === 3) return [];
  const size = isVector ? 4 << opc : opc === 1 ? 8 : 4;
  return pieces("read", pc + BigInt(signed(field(word, 5, 19), 19) * 4), size, [isVector ? undefined : word & 31]);
}

/** Pairs: opc 101 V 0 mode L imm7 Rt2 Rn Rt; mode 1 is post-indexed. */
function pair(operands: Operands, isVector: boolean): DataAccess[] {
  const { word } = operands;
  const opc = field(word, 30, 2);
  if (opc === 3) return [];
  const size = isVector ? 4 << opc : opc === 2 ? 8 : 4;
  const offset = field(word, 23, 2) === 1 ? 0 : signed(field(word, 15, 7), 7) * size;
  const registers = [word & 31, field(word, 10, 5)];
  return pieces(field(word, 22, 1) ? "read" : "write", based(operands, offset), size, isVector ? [undefined, undefined] : registers);
}

/** One register with one of the ways to say an offset; or an atomic operation. */
function single(operands: Operands, isVector: boolean): readonly DataAccess[] {
  const { word } = operands;
  if (field(word, 24, 1)) return oneRegister(operands, field(word, 10, 12) * sizeOf(word, isVector), isVector);
  const mode = field(word, 10, 2);
  if (!field(word, 21, 1)) return oneRegister(operands, mode === 1 ? 0 : offset9(word), isVector);
  if (mode === 2) return oneRegister(operands, registerOffset(operands, isVector), isVector);
  return mode === 0 && !isVector ? atomic(operands) : [];
}

/** Bytes of the register that moves. */
function sizeOf(word: number, isVector: boolean): number {
  const size = field(word, 30, 2);
  return isVector && size === 0 && field(word, 23, 1) ? 16 : 1 << size;
}

function oneRegister(operands: Operands, offset: number | bigint, isVector: boolean): DataAccess[] {
  const { word } = operands;
  const opc = field(word, 22, 2), size = field(word, 30, 2);
  if (isVector ? opc >= 2 && size !== 0 : opc >= 2 && size === 3 || opc === 3 && size === 2) return []; // Prefetches, and nothing.
  const isLoad = isVector ? (opc & 1) !== 0 : opc !== 0;
  return pieces(isLoad ? "read" : "write", based(operands, offset), sizeOf(word, isVector), [isVector ? undefined : word & 31]);
}

/** Xm, or Wm extended, and shifted by the size or not. */
function registerOffset(operands: Operands, isVector: boolean): bigint {
  const { word } = operands;
  const option = field(word, 13, 3);
  const value = general(operands, field(word, 16, 5));
  const wide = option & 1 ? value : option & 4 ? BigInt.asIntN(32, value) : BigInt.asUintN(32, value);
  return field(word, 12, 1) ? wide * BigInt(sizeOf(word, isVector)) : wide;
}

function atomic(operands: Operands): DataAccess[] {
  const { word } = operands;
  const isLdapr = (word & 0x3fff_fc00) === 0x38bf_c000;
  return pieces(isLdapr ? "read" : "update", based(operands, 0), 1 << field(word, 30, 2), [word & 31]);
}

/** Exclusives, ordered ones, and compare-and-swap: size 001000 o2 L o1 Rs o0 Rt2 Rn Rt. */
function exclusive(operands: Operands): DataAccess[] {
  const { word } = operands;
  const size = 1 << field(word, 30, 2), isPair = field(word, 21, 1) !== 0, isOrdered = field(word, 23, 1) !== 0;
  const rs = field(word, 16, 5), address = based(operands, 0);
  const kind = field(word, 22, 1) ? "read" : "write";
  if (isOrdered && !isPair) return pieces(kind, address, size, [word & 31]);
  if (isOrdered || isPair && size < 4) {
    return compareAndSwap(operands, address, isOrdered ? size : 4 << field(word, 30, 1), rs, isOrdered ? 1 : 2);
  }
  const registers = isPair ? [word & 31, field(word, 10, 5)] : [word & 31];
  return pieces(kind, address, size, registers).map((piece) => kind === "write" ? { ...piece, statusRegister: rs } : piece);
}

function compareAndSwap(operands: Operands, address: bigint, size: number, rs: number, count: number): DataAccess[] {
  let expected = 0n;
  for (let n = count; n-- > 0;) expected = expected << BigInt(size * 8) | BigInt.asUintN(size * 8, general(operands, rs + n));
  return [{ kind: "update", address: BigInt.asUintN(64, address), size: size * count, expected, ...count === 1 && { register: rs } }];
}

/** Registers of multiple structures, by their opcode. */
const MULTIPLE: Readonly<Record<number, number>> = { 0: 4, 2: 4, 4: 3, 6: 3, 7: 1, 8: 2, 10: 2 };
/** Opcode 3 of a single structure: one element loaded to all lanes. */
const REPLICATE = 3;

/** Vectors of structures: 0 Q 00110 isSingle post L R Rm opcode size Rn Rt. */
function structures(operands: Operands): DataAccess[] {
  const { word } = operands;
  if (word < 0) return [];
  const isSingle = field(word, 24, 1) !== 0;
  const kind = field(word, 22, 1) ? "read" : "write", address = based(operands, 0);
  if (!isSingle) {
    const count = MULTIPLE[field(word, 12, 4)] ?? 0;
    return pieces(kind, address, 8 << field(word, 30, 1), Array<undefined>(count).fill(undefined));
  }
  const scale = field(word, 14, 2), size = field(word, 10, 2);
  const log2 = scale === REPLICATE ? size : scale === 2 && size === 1 ? 3 : scale;
  const count = field(word, 13, 1) * 2 + field(word, 21, 1) + 1;
  return pieces(kind, address, 1 << log2, Array<undefined>(count).fill(undefined));
}
