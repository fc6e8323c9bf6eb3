/** Register and condition names for assembler text. */

/** Xn or Wn; 31 is the zero register. */
export const reg = (sf: number, n: number): string => n === 31 ? (sf ? "xzr" : "wzr") : `${sf ? "x" : "w"}${n}`;

/** Xn or Wn; 31 is the stack pointer. */
export const regSp = (sf: number, n: number): string => n === 31 ? (sf ? "sp" : "wsp") : `${sf ? "x" : "w"}${n}`;

/** `, #n` unless n is zero. */
export const offset = (n: number): string => n === 0 ? "" : `, #${n}`;

/** Condition names by number. */
export const conditions = ["eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"] as const;

/** A signed branch offset as `.+n` or `.-n`. */
export const relative = (bytes: number): string => bytes < 0 ? `.-${-bytes}` : `.+${bytes}`;
