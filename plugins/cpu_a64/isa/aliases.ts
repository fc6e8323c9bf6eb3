/**
 * What an instruction is called where another name says more plainly what it does: the preferred disassembly. Arm ARM DDI 0487, chapter C6,
 * "Alias conditions" of each instruction. Each text assembles to the same word.
 */
import type { Raw } from "./dsl.ts";
import { conditions, reg, regSp } from "./names.ts";

const bits = (sf: number) => sf ? 64 : 32;
const ZERO = 31;

/** Small numbers as people count them, larger ones as bits. */
export const immediate = (n: number | bigint): string =>
  n >= -4096 && n < 4096 ? `#${n}` : n < 0 ? `#-0x${(-n).toString(16)}` : `#0x${n.toString(16)}`;

/** ADD, SUB and their kin: CMP and CMN are those whose result nobody wants. `operand` begins with a comma. */
function sum(
  f: Raw<"sf" | "op" | "S" | "Rd" | "Rn">,
  operand: string,
  names: { readonly destination: (sf: number, n: number) => string; readonly source: (sf: number, n: number) => string },
): string {
  const source = names.source(f.sf, f.Rn);
  if (f.S && f.Rd === ZERO) return `${f.op ? "cmp" : "cmn"} ${source}${operand}`;
  return `${f.op ? "sub" : "add"}${f.S ? "s" : ""} ${names.destination(f.sf, f.Rd)}, ${source}${operand}`;
}

/** "ADD (immediate)": MOV from and to SP. */
export function sumWithImmediate(f: Raw<"sf" | "op" | "S" | "sh" | "imm12" | "Rd" | "Rn">): string {
  const isMove = !f.op && !f.S && !f.sh && f.imm12 === 0 && (f.Rd === ZERO || f.Rn === ZERO);
  if (isMove) return `mov ${regSp(f.sf, f.Rd)}, ${regSp(f.sf, f.Rn)}`;
  return sum(f, `, ${immediate(f.imm12)}${f.sh ? ", lsl #12" : ""}`, { destination: f.S ? reg : regSp, source: regSp });
}

/** "SUB (shifted register)": NEG. `shift` begins with a comma, or is empty. */
export function sumWithShifted(f: Raw<"sf" | "op" | "S" | "Rd" | "Rn" | "Rm">, shift: string): string {
  const operand = `, ${reg(f.sf, f.Rm)}${shift}`;
  if (f.op && f.Rn === ZERO && !(f.S && f.Rd === ZERO)) return `neg${f.S ? "s" : ""} ${reg(f.sf, f.Rd)}${operand}`;
  return sum(f, operand, { destination: reg, source: reg });
}

/** "ADD (extended register)": beside SP an extension that changes nothing is a shift. */
export function sumWithExtended(f: Raw<"sf" | "op" | "S" | "option" | "imm3" | "Rd" | "Rn" | "Rm">, extension: string): string {
  const isShift = f.option === (f.sf ? 3 : 2) && (f.Rn === ZERO || f.Rd === ZERO && !f.S);
  const name = isShift ? f.imm3 ? ", lsl" : "" : `, ${extension}`;
  const operand = `, ${reg(+(f.sf === 1 && (f.option & 3) === 3), f.Rm)}${name}${f.imm3 ? ` #${f.imm3}` : ""}`;
  return sum(f, operand, { destination: f.S ? reg : regSp, source: regSp });
}

/** "SBC": NGC. */
export function sumWithCarry(f: Raw<"sf" | "op" | "S" | "Rd" | "Rn" | "Rm">): string {
  const [name, s, rd, rm] = [f.op ? "sbc" : "adc", f.S ? "s" : "", reg(f.sf, f.Rd), reg(f.sf, f.Rm)];
  return f.op && f.Rn === ZERO ? `ngc${s} ${rd}, ${rm}` : `${name}${s} ${rd}, ${reg(f.sf, f.Rn)}, ${rm}`;
}

/** Whether MOVZ or MOVN gives a logical immediate: all its halfwords but one are zeros, or all but one are ones. */
function isWide(sf: number, value: bigint): boolean {
  const halfwords = Array.from({ length: bits(sf) / 16 }, (_, n) => value >> BigInt(16 * n) & 0xffffn);
  return [0n, 0xffffn].some((rest) => halfwords.filter((halfword) => halfword !== rest).length < 2);
}

/** "ORR (immediate)", "ANDS (immediate)": MOV and TST. */
export function logicalWithImmediate(f: Raw<"sf" | "opc" | "Rd" | "Rn">, value: bigint): string {
  const [rn, mask] = [reg(f.sf, f.Rn), `#0x${value.toString(16)}`];
  if (f.opc === 3 && f.Rd === ZERO) return `tst ${rn}, ${mask}`;
  // Neither of them writes SP.
  if (f.opc === 1 && f.Rn === ZERO && (f.Rd === ZERO || !isWide(f.sf, value))) return `mov ${regSp(f.sf, f.Rd)}, ${mask}`;
  return `${["and", "orr", "eor", "ands"][f.opc]} ${f.opc === 3 ? reg(f.sf, f.Rd) : regSp(f.sf, f.Rd)}, ${rn}, ${mask}`;
}

/** "ORR (shifted register)", "ORN", "ANDS": MOV, MVN and TST. `shift` begins with a comma, or is empty. */
export function logicalWithShifted(f: Raw<"sf" | "opc" | "N" | "Rd" | "Rn" | "Rm">, shift: string): string {
  const [rd, rn, rm] = [reg(f.sf, f.Rd), reg(f.sf, f.Rn), `${reg(f.sf, f.Rm)}${shift}`];
  if (f.opc === 1 && f.Rn === ZERO && (f.N || shift === "")) return `${f.N ? "mvn" : "mov"} ${rd}, ${rm}`;
  if (f.opc === 3 && f.Rd === ZERO && !f.N) return `tst ${rn}, ${rm}`;
  return `${[["and", "bic"], ["orr", "orn"], ["eor", "eon"], ["ands", "bics"]][f.opc][f.N]} ${rd}, ${rn}, ${rm}`;
}

/** "MOVZ", "MOVN": MOV. */
export function wide(f: Raw<"sf" | "opc" | "hw" | "imm16" | "Rd">): string {
  const rd = reg(f.sf, f.Rd);
  const isPlain = f.opc !== 3 && !(f.imm16 === 0 && f.hw > 0) && !(f.opc === 0 && !f.sf && f.imm16 === 0xffff);
  if (!isPlain) return `${["movn", "", "movz", "movk"][f.opc]} ${rd}, ${immediate(f.imm16)}${f.hw ? `, lsl #${f.hw * 16}` : ""}`;
  const value = BigInt(f.imm16) << BigInt(f.hw * 16);
  return `mov ${rd}, ${immediate(f.opc === 2 ? value : BigInt.asIntN(bits(f.sf), ~value))}`;
}

/** "SBFM", "UBFM", "BFM": shifts, extensions, and fields by their lowest bit and width. */
export function field(f: Raw<"sf" | "opc" | "immr" | "imms" | "Rd" | "Rn">): string {
  const [rd, rn, width] = [reg(f.sf, f.Rd), reg(f.sf, f.Rn), bits(f.sf)];
  const inserted = `#${(width - f.immr) % width}, #${f.imms + 1}`;
  const extracted = `#${f.immr}, #${f.imms - f.immr + 1}`;
  if (f.opc === 1) {
    if (f.imms >= f.immr) return `bfxil ${rd}, ${rn}, ${extracted}`;
    return f.Rn === ZERO ? `bfc ${rd}, ${inserted}` : `bfi ${rd}, ${rn}, ${inserted}`;
  }
  const sign = f.opc === 0 ? "s" : "u";
  if (f.imms === width - 1) return `${sign === "s" ? "asr" : "lsr"} ${rd}, ${rn}, #${f.immr}`;
  if (sign === "u" && f.imms + 1 === f.immr) return `lsl ${rd}, ${rn}, #${width - 1 - f.imms}`;
  if (f.imms < f.immr) return `${sign}bfiz ${rd}, ${rn}, ${inserted}`;
  const size = f.immr === 0 ? ({ 7: "b", 15: "h", 31: "w" } as Record<number, string>)[f.imms] : undefined;
  if (size !== undefined && (sign === "s" || !f.sf)) return `${sign}xt${size} ${rd}, ${reg(0, f.Rn)}`;
  return `${sign}bfx ${rd}, ${rn}, ${extracted}`;
}

/** "EXTR": ROR. */
export function fieldOfTwo(f: Raw<"sf" | "imms" | "Rd" | "Rn" | "Rm">): string {
  const rest = `${f.Rn === f.Rm ? "" : `, ${reg(f.sf, f.Rm)}`}, #${f.imms}`;
  return `${f.Rn === f.Rm ? "ror" : "extr"} ${reg(f.sf, f.Rd)}, ${reg(f.sf, f.Rn)}${rest}`;
}

/** "CSINC", "CSINV", "CSNEG": CSET, CINC and their kin, by the opposite condition. */
export function selected(f: Raw<"sf" | "op" | "o2" | "cond" | "Rd" | "Rn" | "Rm">): string {
  const [rd, rn, opposite] = [reg(f.sf, f.Rd), reg(f.sf, f.Rn), conditions[f.cond ^ 1]];
  if (f.Rn === f.Rm && f.cond < 14 && (f.op || f.o2)) {
    if (f.op && f.o2) return `cneg ${rd}, ${rn}, ${opposite}`;
    if (f.Rn === ZERO) return `cset${f.op ? "m" : ""} ${rd}, ${opposite}`;
    return `${f.op ? "cinv" : "cinc"} ${rd}, ${rn}, ${opposite}`;
  }
  return `${[["csel", "csinc"], ["csinv", "csneg"]][f.op][f.o2]} ${rd}, ${rn}, ${reg(f.sf, f.Rm)}, ${conditions[f.cond]}`;
}

/** "MADD", "SMADDL" and their kin: MUL, MNEG. `prefix` and `suffix` of the long ones. */
export function product(
  f: Raw<"o0" | "Ra" | "Rd" | "Rn" | "Rm">,
  { to, from, prefix = "", suffix = "" }: {
    readonly to: number;
    readonly from: number;
    readonly prefix?: string;
    readonly suffix?: string;
  },
): string {
  const name = f.Ra === ZERO ? f.o0 ? "mneg" : "mul" : f.o0 ? "msub" : "madd";
  return `${prefix}${name}${suffix} ${reg(to, f.Rd)}, ${reg(from, f.Rn)}, ${reg(from, f.Rm)}${f.Ra === ZERO ? "" : `, ${reg(to, f.Ra)}`}`;
}
