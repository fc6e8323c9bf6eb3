import { assert, assertEquals, assertThrows } from "@std/assert";
import { STATE_SIZE } from "../state.ts";
import { getLong, modelByName, models, registerByName, RegisterFile, registers, withGic } from "./mod.ts";

function resetBlock(file: RegisterFile) {
  const block = { words: new Uint32Array(STATE_SIZE / 4), base: 0 };
  file.reset(block, { mpidr: 0x101n, counterFrequencyHz: 62_500_000 });
  return (name: string) => getLong(block, registerByName(name).offset);
}

Deno.test("a model names registers that exist and reset by model, and each cache that CLIDR_EL1 shows", () => {
  for (const model of models) {
    for (const name of Object.keys(model.registers)) assertEquals(registerByName(name).reset, "model", `${model.name}: ${name}`);
    assertEquals(model.caches.map((cache) => cache.select), [0, 1, 2]);
  }
  assertThrows(() => modelByName("cortex-a5"), RangeError, "cortex-a57");
});

Deno.test("ID registers tell the truth", () => {
  const a57 = resetBlock(new RegisterFile(modelByName("cortex-a57")));
  assertEquals(a57("ID_AA64PFR0_EL1"), 0x11n);
  assertEquals(a57("ID_AA64ISAR0_EL1"), 0x11120n);
  assertEquals(a57("ID_AA64MMFR0_EL1"), 0x24n);
  assertEquals(a57("ID_PFR0_EL1"), 0n);
  const max = resetBlock(new RegisterFile(modelByName("max")));
  assertEquals(max("ID_AA64PFR0_EL1"), 0x1100_0000_0011_0011n);
  assertEquals(max("ID_AA64ISAR0_EL1"), 0x1000_1021_1120n);
  assertEquals(max("ID_AA64ISAR1_EL1"), 0x10_0001n);
  assertEquals(resetBlock(new RegisterFile(modelByName("cortex-r82")))("ID_AA64ISAR1_EL1"), 0x20_0001n);
  assertEquals(max("ID_AA64MMFR0_EL1"), 0x10_0025n);
  assertEquals(max("ID_AA64MMFR1_EL1"), 0x10_0000n);
  assertEquals(max("ID_AA64MMFR2_EL1"), 0x10n);
});

Deno.test("a GICv3 is there, and advertised, only with its feature", () => {
  const without = new RegisterFile(modelByName("cortex-a57"));
  const having = new RegisterFile(withGic(modelByName("cortex-a57")));
  const packed = registerByName("ICC_IAR1_EL1").packed;
  assertEquals(without.find(packed), undefined);
  assertEquals(having.find(packed)?.name, "ICC_IAR1_EL1");
  assertEquals(resetBlock(having)("ID_AA64PFR0_EL1"), 0x100_0011n);
});

Deno.test("reset: identity, frequency and RES1", () => {
  const read = resetBlock(new RegisterFile(modelByName("cortex-a72")));
  assertEquals(read("MPIDR_EL1"), 0x8000_0101n);
  assertEquals(read("VMPIDR_EL2"), 0x8000_0101n);
  assertEquals(read("VPIDR_EL2"), read("MIDR_EL1"));
  assertEquals(read("CNTFRQ_EL0"), 62_500_000n);
  assertEquals(read("HCR_EL2"), 1n << 31n);
  assertEquals(read("OSLSR_EL1"), 0xan);
  assertEquals(read("SCTLR_EL1") & 1n, 0n);
});

Deno.test("writes keep RES0 and RES1, and a feature makes its bits writable", () => {
  const block = { words: new Uint32Array(STATE_SIZE / 4), base: 0 };
  const sctlr = registerByName("SCTLR_EL1"), par = registerByName("PAN").packed;
  const a57 = new RegisterFile(modelByName("cortex-a57")), max = new RegisterFile(modelByName("max"));
  a57.store(block, sctlr, 0, 0xffff_ffff);
  assertEquals(getLong(block, sctlr.offset), 0x30d0_0980n);
  max.store(block, sctlr, 0, 0);
  assertEquals(getLong(block, sctlr.offset), 0x3050_0980n);
  max.storeLong(block, sctlr, 2n ** 64n - 1n);
  assertEquals(getLong(block, sctlr.offset), 0x34dd_db9fn);
  assertEquals(a57.find(par), undefined);
  assertEquals(max.find(par)?.name, "PAN");
});

Deno.test("what MSR may store directly has no hook, reads nothing as one and controls no trap", () => {
  const file = new RegisterFile(modelByName("max"));
  const storable = registers.filter((register) => file.storable[register.index]).map((register) => register.name);
  for (const name of ["SP_EL0", "TPIDR_EL0", "TPIDR_EL1", "ELR_EL1", "FAR_EL1", "SPSR_EL1"]) {
    assert(storable.includes(name), name);
  }
  for (const name of ["SCTLR_EL1", "VBAR_EL1", "CNTKCTL_EL1", "HCR_EL2", "CNTV_CVAL_EL0", "NZCV"]) assert(!storable.includes(name), name);
});
