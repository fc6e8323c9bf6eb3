/**
 * The system registers: one row each, in storage order. A register's slot is 8
 * bytes at `state.SYSREGS + 8 * index` of the CPU state block.
 */
import { FAST_ACCESS, SYSREGS } from "../state.ts";
import { debugRegisters } from "./debug_registers.ts";
import { el1Registers } from "./el1_registers.ts";
import { el2Registers } from "./el2_registers.ts";
import { gicRegisters } from "./gic_registers.ts";
import { idRegisters } from "./id_registers.ts";
import type { Feature } from "./features.ts";
import { pmsaRegisters } from "./pmsa_registers.ts";
import { pmuRegisters } from "./pmu_registers.ts";
import { timerRegisters } from "./timer_registers.ts";
import type { Row } from "./row.ts";

/** A row with its place in the state block. */
export interface SystemRegister extends Row {
  /** Position in {@linkcode registers}. */
  readonly index: number;
  /** Byte offset of the slot from the start of the state block. */
  readonly offset: number;
  /** The encoding as one number, see {@linkcode packEncoding}. */
  readonly packed: number;
}

/** op0:op1:CRn:CRm:op2 as 16 bits: bits 20 to 5 of MRS and MSR, with op0 whole. */
export function packEncoding(op0: number, op1: number, crn: number, crm: number, op2: number): number {
  return op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2;
}

/** The packed encoding in an MRS, MSR (register), SYS or SYSL instruction word. */
export function packedOfInstruction(word: number): number {
  return word >>> 5 & 0xffff;
}

/** Every register, in storage order. */
export const registers: readonly SystemRegister[] = [
  ...el1Registers,
  ...idRegisters,
  ...timerRegisters,
  ...pmuRegisters,
  ...debugRegisters,
  ...gicRegisters,
  ...el2Registers,
  ...pmsaRegisters,
].map((row, index) => ({ ...row, index, offset: SYSREGS + 8 * index, packed: packEncoding(...row.encoding) }));

/** Slots that the state block has room for. */
export const CAPACITY = (FAST_ACCESS - SYSREGS) / 8;

const byName = new Map<string, SystemRegister>();
const byPacked = new Map<number, SystemRegister>();
/** Registers whose encoding is another's where their feature is missing. */
const instead = new Map<number, SystemRegister>();
for (const register of registers) {
  for (const name of register.writeName ? [register.name, register.writeName] : [register.name]) {
    if (byName.has(name)) throw new Error(`system register ${name} has two rows`);
    byName.set(name, register);
  }
  const other = byPacked.get(register.packed);
  if (other && (other.without === undefined || other.without !== register.feature)) {
    throw new Error(`system registers ${other.name} and ${register.name} have one encoding`);
  }
  (other ? instead : byPacked).set(register.packed, register);
}
if (registers.length > CAPACITY) throw new Error(`${registers.length} system registers, room for ${CAPACITY}`);

/** The row of this name, as printed by Arm. Throws when there is none. */
export function registerByName(name: string): SystemRegister {
  const register = byName.get(name);
  if (!register) throw new Error(`no system register is called ${name}`);
  return register;
}

/** The row with this encoding. */
export function registerByEncoding(op0: number, op1: number, crn: number, crm: number, op2: number): SystemRegister | undefined {
  return byPacked.get(packEncoding(op0, op1, crn, crm, op2));
}

/** The row with this packed encoding: where a feature decides between two, that of these features. */
export function registerByPacked(packed: number, features?: ReadonlySet<Feature>): SystemRegister | undefined {
  const other = features && instead.get(packed);
  return other && features.has(other.feature!) ? other : byPacked.get(packed);
}

/** Byte offset of a register's slot from the start of the state block. Throws on an unknown name. */
export function registerOffset(name: string): number {
  return registerByName(name).offset;
}

/** The name for disassembly: the register's, or the generic `S3_0_C4_C1_0`. */
export function encodingName(packed: number, isWrite = false): string {
  const register = registerByPacked(packed);
  if (register) return isWrite ? register.writeName ?? register.name : register.name;
  return `S${packed >>> 14}_${packed >>> 11 & 7}_C${packed >>> 7 & 15}_C${packed >>> 3 & 15}_${packed & 7}`;
}
