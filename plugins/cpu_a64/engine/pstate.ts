/**
 * PSTATE in the state block, to and from SPSR format, and the banks of the stack
 * pointer. The SP slot holds the pointer in use; the others wait in the slots of
 * SP_EL0, SP_EL1 and SP_EL2. Arm ARM DDI 0487, "Process state, PSTATE".
 */
import { DAIF, EL, FAST_ACCESS, IL, NZCV, PAN, SP, SPSEL, SS, UAO } from "../state.ts";
import { copyPair, getWord, registerByName, registerOffset, setWord, type StateBlock } from "../sysregs/mod.ts";

/** Bits of an SPSR. */
export const SPSR = {
  IL: 1 << 20,
  SS: 1 << 21,
  PAN: 1 << 22,
  UAO: 1 << 23,
  D: 1 << 9,
  A: 1 << 8,
  I: 1 << 7,
  F: 1 << 6,
  DAIF: 0x3c0,
} as const;

/** Slots of SP_EL0, SP_EL1 and SP_EL2. */
const SP_BANKS = [registerOffset("SP_EL0"), registerOffset("SP_EL1"), registerOffset("SP_EL2")] as const;

/** Slot of the stack pointer that a level uses with this SPSel. */
export function stackPointerSlot(el: number, spSel: number): number {
  return SP_BANKS[spSel === 0 ? 0 : el];
}

/** Where each field is in the state block, and in an SPSR. `always`: an illegal exception return restores it as well. */
export const PSTATE_FIELDS = [
  { offset: NZCV, shift: 28, mask: 15, always: true },
  { offset: UAO, shift: 23, mask: 1, always: true },
  { offset: PAN, shift: 22, mask: 1, always: true },
  { offset: SS, shift: 21, mask: 1, always: false },
  { offset: IL, shift: 20, mask: 1, always: false },
  { offset: DAIF, shift: 6, mask: 15, always: true },
  { offset: EL, shift: 2, mask: 3, always: false },
  { offset: SPSEL, shift: 0, mask: 1, always: false },
] as const;

/** PSTATE in SPSR format, unsigned. */
export function packPstate(block: StateBlock): number {
  let spsr = 0;
  for (const { offset, shift } of PSTATE_FIELDS) spsr |= getWord(block, offset) << shift;
  return spsr >>> 0;
}

/**
 * Sets all of PSTATE from SPSR format, whatever the present level is, and
 * switches the stack pointer. The mode must be one of AArch64 below EL3; bits
 * of features that the model lacks must be zero.
 */
export function unpackPstate(block: StateBlock, spsr: number): void {
  for (const { offset, shift, mask } of PSTATE_FIELDS) {
    if (offset !== EL && offset !== SPSEL) setWord(block, offset, spsr >>> shift & mask);
  }
  switchSp(block, spsr >>> 2 & 3, spsr & 1);
}

/** Changes the Exception level and SPSel, banking one stack pointer and loading the other. */
export function switchSp(block: StateBlock, el: number, spSel: number): void {
  const from = stackPointerSlot(getWord(block, EL), getWord(block, SPSEL));
  const to = stackPointerSlot(el, spSel);
  setWord(block, EL, el);
  if (getWord(block, SPSEL) !== spSel) {
    setWord(block, SPSEL, spSel);
    setFastStack(block, spSel);
  }
  if (from === to) return;
  copyPair(block, SP, from);
  copyPair(block, to, SP);
}

/** SP_EL0's byte of the fast access table, and what it is while SP_EL0 isn't the pointer in use: reads and writes, EL1 and EL2. */
export const FAST_STACK = { offset: FAST_ACCESS + registerByName("SP_EL0").index, open: 0x66 } as const;

/** SP_EL0 goes straight to its slot unless it is the pointer in use; then it is UNDEFINED. */
function setFastStack(block: StateBlock, spSel: number): void {
  const { offset, open } = FAST_STACK;
  const shift = (offset & 3) * 8;
  const others = getWord(block, offset & ~3) & ~(0xff << shift);
  setWord(block, offset & ~3, others | (spSel === 0 ? 0 : open << shift));
}

/** Writes the pointer in use to its bank, so that SP_EL0, SP_EL1 and SP_EL2 can be read by name. */
export function bankSp(block: StateBlock): void {
  copyPair(block, SP, stackPointerSlot(getWord(block, EL), getWord(block, SPSEL)));
}

/** Loads the pointer in use from its bank, after SP_EL0, SP_EL1 or SP_EL2 was written by name. */
export function unbankSp(block: StateBlock): void {
  copyPair(block, stackPointerSlot(getWord(block, EL), getWord(block, SPSEL)), SP);
}

/** A register that is a view of PSTATE: where it is in the state block, and its lowest bit in the register. */
const VIEWS: Readonly<Record<string, { readonly offset: number; readonly shift: number; readonly mask: number }>> = {
  NZCV: { offset: NZCV, shift: 28, mask: 15 },
  DAIF: { offset: DAIF, shift: 6, mask: 15 },
  CurrentEL: { offset: EL, shift: 2, mask: 3 },
  SPSel: { offset: SPSEL, shift: 0, mask: 1 },
  PAN: { offset: PAN, shift: 22, mask: 1 },
  UAO: { offset: UAO, shift: 23, mask: 1 },
};

/** MRS of a register with the hook `pstate`; the upper half reads as zero. */
export function readPstateRegister(block: StateBlock, name: string): number {
  const view = VIEWS[name];
  return getWord(block, view.offset) << view.shift >>> 0;
}

/** MSR of a register with the hook `pstate`, from the value's lower half. */
export function writePstateRegister(block: StateBlock, name: string, lo: number): void {
  const view = VIEWS[name];
  const value = lo >>> view.shift & view.mask;
  if (name === "SPSel") switchSp(block, getWord(block, EL), value);
  else setWord(block, view.offset, value);
}
