import { assertEquals } from "@std/assert";
import { STATE_SIZE } from "../state.ts";
import { modelByName, RegisterFile } from "../sysregs/mod.ts";
import { PerformanceMonitors } from "./performance_monitors.ts";

const CYCLES = 1n << 31n;

function monitors() {
  const block = { words: new Uint32Array(STATE_SIZE / 4), base: 0 };
  new RegisterFile(modelByName("cortex-a57")).reset(block, { mpidr: 0n, counterFrequencyHz: 1 });
  const time = { now: 1000n };
  return { pmu: new PerformanceMonitors(block, () => time.now), time };
}

Deno.test("the cycle counter runs while both switches are on", () => {
  const { pmu, time } = monitors();
  pmu.write("PMCR_EL0", 1n);
  time.now += 10n;
  assertEquals(pmu.read("PMCCNTR_EL0"), 0n);
  pmu.write("PMCNTENSET_EL0", 2n ** 32n - 1n);
  assertEquals(pmu.read("PMCNTENCLR_EL0"), CYCLES);
  time.now += 10n;
  assertEquals(pmu.read("PMCCNTR_EL0"), 10n);
  pmu.write("PMCNTENCLR_EL0", CYCLES);
  time.now += 10n;
  assertEquals(pmu.read("PMCCNTR_EL0"), 10n);
  pmu.write("PMCNTENSET_EL0", CYCLES);
  pmu.write("PMCR_EL0", 0n);
  time.now += 10n;
  assertEquals(pmu.read("PMCCNTR_EL0"), 10n);
});

Deno.test("PMCR_EL0: C resets, D divides, identification stays", () => {
  const { pmu, time } = monitors();
  pmu.write("PMCNTENSET_EL0", CYCLES);
  pmu.write("PMCR_EL0", 1n);
  time.now += 24n;
  pmu.write("PMCR_EL0", 1n | 4n | 8n);
  assertEquals(pmu.read("PMCR_EL0"), 0x4101_0049n);
  assertEquals(pmu.read("PMCCNTR_EL0"), 0n);
  time.now += 640n;
  assertEquals(pmu.read("PMCCNTR_EL0"), 10n);
});

Deno.test("a 64-bit overflow raises the interrupt line until software clears it", () => {
  const { pmu, time } = monitors();
  pmu.write("PMCNTENSET_EL0", CYCLES);
  pmu.write("PMINTENSET_EL1", CYCLES);
  pmu.write("PMCR_EL0", 1n);
  pmu.write("PMCCNTR_EL0", 2n ** 64n - 5n);
  time.now += 4n;
  assertEquals([pmu.interruptLine(), pmu.read("PMOVSSET_EL0")], [false, 0n]);
  time.now += 4n;
  assertEquals([pmu.interruptLine(), pmu.read("PMOVSCLR_EL0"), pmu.read("PMCCNTR_EL0")], [true, CYCLES, 3n]);
  pmu.write("PMINTENCLR_EL1", CYCLES);
  assertEquals(pmu.interruptLine(), false);
  pmu.write("PMINTENSET_EL1", CYCLES);
  pmu.write("PMOVSCLR_EL0", CYCLES);
  assertEquals([pmu.interruptLine(), pmu.read("PMINTENSET_EL1")], [false, CYCLES]);
});
