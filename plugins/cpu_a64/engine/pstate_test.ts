import { assertEquals } from "@std/assert";
import { EL, FAST_ACCESS, SP, SPSEL, STATE_SIZE } from "../state.ts";
import { fastAccess, getLong, getWord, registerByName, registerOffset, setLong, type StateBlock } from "../sysregs/mod.ts";
import { bankSp, packPstate, readPstateRegister, switchSp, unbankSp, unpackPstate, writePstateRegister } from "./pstate.ts";

function newBlock(): StateBlock {
  return { words: new Uint32Array(STATE_SIZE / 2), base: STATE_SIZE / 8 };
}

Deno.test("PSTATE goes to SPSR format and back", () => {
  for (const spsr of [0x0, 0x3c5, 0x3c4, 0x9, 0xf000_0000, 0x8000_0145, 0x00f0_0005, 0x6030_0249, 0xf0f0_03c9]) {
    const block = newBlock();
    unpackPstate(block, spsr);
    assertEquals(packPstate(block), spsr, spsr.toString(16));
  }
});

Deno.test("the stack pointer in use follows EL and SPSel", () => {
  const block = newBlock();
  const slots = { SP_EL0: 0x10n, SP_EL1: 0xffff_8000_0000_1000n, SP_EL2: 0x3000n };
  unpackPstate(block, 0);
  for (const [name, value] of Object.entries(slots)) setLong(block, registerOffset(name), value);
  unbankSp(block);
  assertEquals(getLong(block, SP), slots.SP_EL0);
  switchSp(block, 1, 1);
  assertEquals(getLong(block, SP), slots.SP_EL1);
  setLong(block, SP, 0xffff_8000_0000_0ff0n);
  switchSp(block, 1, 0);
  assertEquals(getLong(block, SP), slots.SP_EL0);
  setLong(block, SP, 0x20n);
  bankSp(block);
  assertEquals(getLong(block, registerOffset("SP_EL0")), 0x20n);
  switchSp(block, 2, 1);
  assertEquals(getLong(block, SP), slots.SP_EL2);
  assertEquals([getWord(block, EL), getWord(block, SPSEL)], [2, 1]);
  assertEquals(getLong(block, registerOffset("SP_EL1")), 0xffff_8000_0000_0ff0n);
});

Deno.test("a switch between levels that share SP_EL0 keeps the pointer", () => {
  const block = newBlock();
  unpackPstate(block, 0);
  setLong(block, SP, 0x1230n);
  switchSp(block, 1, 0);
  assertEquals(getLong(block, SP), 0x1230n);
});

Deno.test("views of PSTATE", () => {
  const block = newBlock();
  unpackPstate(block, 0xa0c0_0245);
  assertEquals(readPstateRegister(block, "NZCV"), 0xa000_0000);
  assertEquals(readPstateRegister(block, "DAIF"), 0x240);
  assertEquals(readPstateRegister(block, "CurrentEL"), 4);
  assertEquals(readPstateRegister(block, "SPSel"), 1);
  assertEquals(readPstateRegister(block, "PAN"), 0x40_0000);
  assertEquals(readPstateRegister(block, "UAO"), 0x80_0000);
  setLong(block, registerOffset("SP_EL0"), 0x77n);
  writePstateRegister(block, "NZCV", 0x5fff_ffff);
  writePstateRegister(block, "DAIF", 0xffff_ffff);
  writePstateRegister(block, "PAN", 0);
  writePstateRegister(block, "SPSel", 0xffff_fff0);
  assertEquals(packPstate(block), 0x5080_03c4);
  assertEquals(getLong(block, SP), 0x77n);
});

Deno.test("SP_EL0 has its fast path while it isn't the stack pointer in use", () => {
  const block = newBlock();
  const register = registerByName("SP_EL0");
  const bytes = new Uint8Array(block.words.buffer, block.base * 4 + FAST_ACCESS, 0x400).fill(0xff);
  for (const [el, spSel] of [[1, 1], [2, 0], [0, 0], [2, 1], [1, 0], [1, 1]]) {
    switchSp(block, el, spSel);
    assertEquals(bytes[register.index], fastAccess(register, true, block), `EL${el} with SPSel ${spSel}`);
  }
  assertEquals([bytes[register.index - 1], bytes[register.index + 1]], [0xff, 0xff]);
});
