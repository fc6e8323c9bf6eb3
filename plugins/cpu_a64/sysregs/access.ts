/**
 * May this Exception level access this register now? The rules of the rows are
 * compiled to words and masks, because MRS and MSR are hot.
 */
import { SPSEL } from "../state.ts";
import { getWord, type StateBlock } from "./block.ts";
import type { Hook } from "./row.ts";
import { registerOffset, registers, type SystemRegister } from "./table.ts";
import type { TrapRule } from "./traps.ts";

/** An access that goes to EL1 or EL2 instead. */
export interface Trapped {
  readonly trapTo: 1 | 2;
  /** Exception class: 0x18, 0x07, or 0x00 where EL2 hides why. */
  readonly ec: number;
}

/** The answer. The objects are shared and frozen: no allocation per access. */
export type AccessResult = "ok" | "undefined" | Trapped;

/** Bits of {@linkcode CompiledTrap.from} for a level and a direction. */
function accessBit(el: number, isWrite: boolean): number {
  return 1 << (el * 2 + (isWrite ? 1 : 0));
}

const ANY = 0, NONE_SET = 1, NOT_ALL = 2;

/** A {@linkcode TrapRule} with its control bits found. */
export interface CompiledTrap {
  readonly from: number;
  readonly offset: number;
  readonly mask: number;
  readonly when: number;
  readonly result: Trapped | "undefined";
  /** What it becomes when HCR_EL2.TGE is set. */
  readonly underTge: Trapped | "undefined";
}

function trapped(trapTo: 1 | 2, ec: number): Trapped {
  return Object.freeze({ trapTo, ec });
}

/** Finds where the control bits of the rules are. */
export function compileTraps(rules: readonly TrapRule[]): readonly CompiledTrap[] {
  return rules.map((rule) => {
    let from = 0;
    for (const el of rule.from) {
      if (rule.on !== "write") from |= accessBit(el, false);
      if (rule.on !== "read") from |= accessBit(el, true);
    }
    const upper = rule.bits[0] >= 32;
    if (rule.bits.some((bit) => bit >= 32 !== upper)) throw new Error(`trap bits of ${rule.control} lie in two words`);
    const base = rule.control === "SPSel" ? SPSEL : registerOffset(rule.control);
    const result = rule.to === 0 ? "undefined" : trapped(rule.to, rule.ec);
    return {
      from,
      offset: base + (upper ? 4 : 0),
      mask: rule.bits.reduce((mask, bit) => mask | 1 << (bit & 31), 0),
      when: rule.when === "any" ? ANY : rule.when === "none" ? NONE_SET : NOT_ALL,
      result,
      // Arm ARM DDI 0487, "AArch64.AdvSIMDFPAccessTrap": EL2 is told only that the instruction was UNDEFINED.
      underTge: rule.to === 1 ? trapped(2, rule.ec === 0x07 ? 0x00 : rule.ec) : result,
    };
  });
}

const HCR_EL2 = registerOffset("HCR_EL2");
const TGE = 1 << 27;

/** Applies compiled rules in order. */
export function checkTraps(traps: readonly CompiledTrap[], el: number, isWrite: boolean, block: StateBlock): AccessResult {
  const bit = accessBit(el, isWrite);
  for (const trap of traps) {
    if ((trap.from & bit) === 0) continue;
    const found = getWord(block, trap.offset) & trap.mask;
    const holds = trap.when === ANY ? found !== 0 : trap.when === NONE_SET ? found === 0 : found !== trap.mask;
    if (holds) return (getWord(block, HCR_EL2) & TGE) !== 0 ? trap.underTge : trap.result;
  }
  return "ok";
}

const compiled = new WeakMap<SystemRegister, readonly CompiledTrap[]>();

function trapsOf(register: SystemRegister): readonly CompiledTrap[] {
  let traps = compiled.get(register);
  if (!traps) compiled.set(register, traps = compileTraps(register.traps ?? []));
  return traps;
}

/**
 * Checks an access from `el` (0 to 2). UNDEFINED has the priority over traps to
 * EL2, and traps to EL1 over those to EL2. Features are not looked at: see
 * `RegisterFile.find`.
 */
export function access(register: SystemRegister, el: number, isWrite: boolean, block: StateBlock): AccessResult {
  const lowest = isWrite ? register.access.write : register.access.read;
  if (lowest === undefined || el < lowest) return "undefined";
  if (register.traps === undefined) return "ok";
  return checkTraps(trapsOf(register), el, isWrite, block);
}

/** Hooks whose slot always holds what a read returns. */
const READS_SLOT: ReadonlySet<Hook | undefined> = new Set<Hook | undefined>([undefined, "mmu", "control", "debug"]);

/**
 * The register's byte of `state.FAST_ACCESS` under the present controls: bit EL
 * when a read goes straight to the slot, bit 4 + EL when a write may store what
 * its mask lets through. To be computed anew for every register when one of
 * {@linkcode trapControls} changes. `isStorable` and the register's existence
 * come from `RegisterFile`.
 */
export function fastAccess(register: SystemRegister, isStorable: boolean, block: StateBlock): number {
  const readsSlot = READS_SLOT.has(register.hook);
  let bits = 0;
  for (let el = 0; el <= 2; el++) {
    if (readsSlot && access(register, el, false, block) === "ok") bits |= 1 << el;
    if (isStorable && access(register, el, true, block) === "ok") bits |= 1 << (4 + el);
  }
  return bits;
}

/** Registers, and PSTATE.SPSel, whose bits decide about traps. */
export const trapControls: ReadonlySet<string> = new Set(
  registers.flatMap((register) => (register.traps ?? []).map((rule) => rule.control)).concat("HCR_EL2"),
);

/** By the names of {@linkcode trapControls}: the accesses to which registers they decide about. */
export const controlledBy: ReadonlyMap<string, readonly SystemRegister[]> = new Map(
  [...trapControls].map((name) => [name, registers.filter(({ traps }) => traps?.some(({ control }) => control === name))]),
);

/**
 * An access to an encoding without a row. HCR_EL2.TIDCP catches those that the
 * architecture leaves to implementations: op0 = 3 with CRn 11 or 15.
 */
export function accessUnknown(packed: number, el: number, block: StateBlock): AccessResult {
  const op0 = packed >>> 14, crn = packed >>> 7 & 15;
  const isImplementationDefined = (op0 === 3 || op0 === 1) && (crn === 11 || crn === 15);
  if (isImplementationDefined && el === 1 && (getWord(block, HCR_EL2) & (1 << 20)) !== 0) return implementationDefined;
  return "undefined";
}
const implementationDefined = trapped(2, 0x18);

/** ISS of exception class 0x18 for an MRS, MSR, SYS or SYSL instruction word. */
export function systemIss(instruction: number): number {
  const packed = instruction >>> 5 & 0xffff;
  const op0 = instruction >>> 19 & 3, op1 = packed >>> 11 & 7, crn = packed >>> 7 & 15, crm = packed >>> 3 & 15, op2 = packed & 7;
  const rt = instruction & 31, isRead = instruction >>> 21 & 1;
  return op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | isRead;
}

/** ISS of exception class 0x07: condition "always", as A64 has it. */
export const FP_ACCESS_ISS = 0x1e0_0000;

/** ISS that goes with a trapped access. */
export function trapIss(trap: Trapped, instruction: number): number {
  return trap.ec === 0x18 ? systemIss(instruction) : trap.ec === 0x07 ? FP_ACCESS_ISS : 0;
}

/** The register that an ISS of exception class 0x18 speaks of, what is done with it, and the general register. */
export function decodeSystemIss(iss: number): { readonly packed: number; readonly rt: number; readonly isRead: boolean } {
  const packed = (iss >>> 20 & 3) << 14 | (iss >>> 14 & 7) << 11 | (iss >>> 10 & 15) << 7 | (iss >>> 1 & 15) << 3 | iss >>> 17 & 7;
  return { packed, rt: iss >>> 5 & 31, isRead: (iss & 1) === 1 };
}
