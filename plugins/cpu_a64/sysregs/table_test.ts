import { assert, assertEquals, assertThrows } from "@std/assert";
import { SYSREGS } from "../state.ts";
import {
  CAPACITY,
  encodingName,
  packedOfInstruction,
  packEncoding,
  registerByEncoding,
  registerByName,
  registerByPacked,
  registerOffset,
  registers,
} from "./mod.ts";

Deno.test("slots follow the table's order and fit the state block", () => {
  registers.forEach((register, index) => assertEquals(register.offset, SYSREGS + 8 * index));
  assert(registers.length <= CAPACITY);
});

Deno.test("a row's bits make sense: writable bits aren't RES1, resets stay within what the register can hold", () => {
  for (const { name, mask = 2n ** 64n - 1n, ones = 0n, featureBits = {}, access, reset = 0n } of registers) {
    assertEquals(mask & ones, 0n, `${name}: writable and RES1`);
    for (const value of [mask, ones, ...Object.values(featureBits)]) assert(value >= 0n && value < 2n ** 64n, `${name}: 64 bits`);
    if (access.write === undefined) assertEquals(mask, 0n, `${name}: read-only, but a mask`);
    if (reset !== "model" && access.write !== undefined && mask !== 0n) {
      assertEquals(reset & ~(mask | ones), 0n, `${name}: reset sets a bit that is RES0`);
    }
    assert(access.read !== undefined || access.write !== undefined, `${name}: nobody may access it`);
  }
});

Deno.test("lookups by name, encoding and instruction agree", () => {
  for (const register of registers) {
    assertEquals(registerByName(register.name), register);
    assertEquals(registerByPacked(register.packed, new Set(register.feature ? [register.feature] : [])), register);
    if (register.name !== "VSCTLR_EL2") {
      assertEquals(registerByEncoding(...register.encoding), register);
      assertEquals(encodingName(register.packed), register.name);
    }
    assertEquals(registerOffset(register.name), register.offset);
  }
  assertEquals(registerByPacked(packedOfInstruction(0xd538_4100))?.name, "SP_EL0"); // mrs x0, sp_el0
  assertEquals(registerByPacked(packedOfInstruction(0xd51b_d05f))?.name, "TPIDR_EL0"); // msr tpidr_el0, xzr
  // One encoding, two registers: which one it is depends on the profile.
  assertEquals(registerByName("VSCTLR_EL2").packed, registerByName("TTBR0_EL2").packed);
  assertEquals(registerByPacked(registerByName("TTBR0_EL2").packed)?.name, "TTBR0_EL2");
  assertEquals(encodingName(packEncoding(2, 3, 0, 5, 0)), "DBGDTRRX_EL0");
  assertEquals(encodingName(packEncoding(2, 3, 0, 5, 0), true), "DBGDTRTX_EL0");
  assertEquals(encodingName(packEncoding(3, 1, 15, 2, 0)), "S3_1_C15_C2_0");
  assertThrows(() => registerByName("SCTLR_EL9"), Error, "SCTLR_EL9");
});

Deno.test("the whole ID space is there: op0 = 3, op1 = 0, CRn = 0, CRm = 1 to 7", () => {
  for (let crm = 1; crm <= 7; crm++) {
    for (let op2 = 0; op2 < 8; op2++) {
      const register = registerByEncoding(3, 0, 0, crm, op2);
      assertEquals(register?.access, { read: 1 }, `S3_0_C0_C${crm}_${op2}`);
    }
  }
});

Deno.test("the registers that a Debian boot touches are there", () => {
  const touched = `S3_0_C4_C1_0 S3_0_C13_C0_4 S3_3_C4_C2_1 S3_3_C0_C0_1 S3_3_C0_C0_7 S3_3_C14_C0_2 S3_3_C13_C0_3 S3_3_C14_C3_1
    S3_3_C13_C0_2 S3_0_C4_C0_0 S3_0_C4_C0_1 S3_0_C2_C0_1 S3_0_C12_C0_0 S3_0_C6_C0_0 S3_0_C0_C0_0 S3_0_C13_C0_1 S3_3_C14_C3_2
    S3_0_C12_C12_0 S3_0_C12_C12_1 S3_0_C5_C2_0 S3_0_C4_C2_2 S3_3_C4_C4_0 S3_3_C4_C4_1 S3_0_C2_C0_0 S3_0_C2_C0_2 S3_3_C14_C0_0
    S3_1_C0_C0_1 S3_0_C0_C0_6 S3_0_C12_C12_4 S3_0_C4_C6_0 S3_0_C1_C0_0 S3_0_C12_C12_5 S3_0_C14_C1_0 S3_0_C1_C0_2 S2_0_C0_C2_2
    S3_3_C9_C14_0 S3_0_C10_C2_0 S3_0_C0_C0_5 S3_0_C12_C12_3 S3_0_C12_C8_4 S3_0_C12_C9_0 S3_0_C12_C12_7 S2_0_C1_C3_4 S2_0_C1_C0_4
    S2_0_C0_C0_5 S2_0_C0_C5_4 S2_0_C0_C3_7 S2_0_C0_C3_6 S3_3_C9_C12_0 S3_3_C9_C12_6 S3_3_C9_C12_7 S3_3_C9_C12_2 S3_0_C9_C14_2
    S3_3_C9_C12_3`.split(/\s+/);
  for (const name of touched) {
    const [op0, op1, crn, crm, op2] = [...name.matchAll(/\d+/g)].map(Number);
    assert(registerByEncoding(op0, op1, crn, crm, op2), name);
  }
});
