/** Register and condition names for assembler text. */

/** Xn or Wn; 31 is the zero register. */
export const reg = (sf: number, n: number): string => n === 31 ? (sf ? "xzr" : "wzr") : `${sf ? "x" : "w"}${n}`;

/** Xn or Wn; 31 is the stack pointer. */
export const regSp = (sf: number, n: number): string => n === 31 ? (sf ? "sp" : "wsp") : `${sf ? "x" : "w"}${n}`;

/** `, #n` unless n is zero. */
export const offset = (n: number): string => n === 0 ? "" : `, #${n}`;

/** Condition names by number. */
export const conditions = ["eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"] as const;

/** An address by its mode: 1: post-indexed, 3: pre-indexed, others: with an offset. */
export const addressText = (Rn: number, imm: number, mode = 0): string =>
  mode === 1 ? `[${regSp(1, Rn)}], #${imm}` : mode === 3 ? `[${regSp(1, Rn)}, #${imm}]!` : `[${regSp(1, Rn)}${offset(imm)}]`;

/** A signed distance as `.+n` or `.-n`, or where that is from `at`. */
export const relative = (bytes: number, at?: bigint): string =>
  at === undefined ? bytes < 0 ? `.-${-bytes}` : `.+${bytes}` : `0x${BigInt.asUintN(64, at + BigInt(bytes)).toString(16)}`;
