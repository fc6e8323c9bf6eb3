import { assertEquals, assertThrows } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { CpuTimers, timersOf } from "../cpu_a64/contract.ts";
import { modelByName } from "../cpu_a64/sysregs/mod.ts";
import { HypervisorTimers } from "./contract.ts";
import { genericTimer } from "./mod.ts";

/** 62.5 MHz: a tick is 16 ns. */
const TICK = 16;

async function machine(model: string, vcpus = 1): Promise<{ kit: Bench; timers: HypervisorTimers; heard: string[] }> {
  const cpu = { timers: timersOf(modelByName(model)), writes: NaN };
  const kit = bench({ vcpus, provide: [[CpuTimers, cpu]] });
  await kit.attach(genericTimer, { virtual_offset: 1000 * TICK, virtual_start: 0, physical: "direct" });
  kit.domain.vcpus.forEach((vcpu) => vcpu.start(0x4000_0000n, 0n));
  const timers = kit.get(HypervisorTimers);
  const heard: string[] = [];
  const hear = (name: string) => (vcpu: number, level: boolean) => void heard.push(`${name} ${vcpu} ${level} at ${kit.clock.nowNs}`);
  timers.physical.claim("test", hear("physical"));
  timers.virtual?.claim("test", hear("virtual"));
  return { kit, timers, heard };
}

for (const [model, control, intid] of [["cortex-a57", "CNTHP_CTL_EL2", 26], ["cortex-r82", "CNTHPS_CTL_EL2", 20]] as const) {
  Deno.test(`EL2's physical timer on ${model} is ${control}: heard of at its tick, until it is disarmed`, async () => {
    const { kit, timers: { physical }, heard } = await machine(model, 2);
    assertEquals([physical.registers.control, physical.intid], [control, intid]);
    kit.advance(10 * TICK);
    physical.arm(1, physical.count() + 5n);
    assertEquals([kit.state(1).read(control), kit.state(0).read(control), kit.clock.events.size], [1n, 0n, 1]);
    kit.advance(5 * TICK - 1);
    assertEquals(heard, []);
    kit.advance(100);
    assertEquals(heard, [`physical 1 true at ${15 * TICK}`]);
    physical.disarm(1);
    assertEquals([heard.length, heard[1], kit.clock.events.size], [2, `physical 1 false at ${15 * TICK + 99}`, 0]);
  });
}

Deno.test("EL2's timers: one in the past is heard of at once; CNTVOFF_EL2 isn't for them", async () => {
  const { kit, timers: { physical, virtual }, heard } = await machine("cortex-r82");
  kit.advance(3 * TICK);
  physical.arm(0, 3n);
  virtual!.arm(0, 4n);
  assertEquals([heard, virtual!.intid], [["physical 0 true at 48"], 19]);
  kit.advance(TICK);
  assertEquals(heard[1], "virtual 0 true at 64");
  assertEquals((await machine("max")).timers.virtual, undefined); // without FEAT_VHE
});

Deno.test("EL2's timers: registers written by name count from the next look, or exit", async () => {
  const { kit, timers: { physical }, heard } = await machine("cortex-a57");
  const { compare } = physical.registers;
  kit.state().write("CNTHP_CTL_EL2", 1n);
  physical.look(0);
  assertEquals(heard.length, 1); // CVAL is 0
  kit.state().write(compare, 50n);
  kit.exit();
  assertEquals(heard[1], "physical 0 false at 0");
  kit.advance(50 * TICK);
  assertEquals(heard[2], `physical 0 true at ${50 * TICK}`);
});

Deno.test("EL2's timers: periodic from within the call", async () => {
  const kit = bench();
  await kit.attach(genericTimer, { virtual_offset: 0, virtual_start: 0, physical: "direct" });
  kit.vcpu().start(0n, 0n);
  const { physical } = kit.get(HypervisorTimers);
  const at: bigint[] = [];
  physical.claim("ticker", (vcpu, level) => {
    if (!level) return;
    at.push(physical.count());
    physical.arm(vcpu, physical.count() + 10n);
  });
  physical.arm(0, 10n);
  kit.advance(35 * TICK);
  assertEquals([at, kit.clock.events.size], [[10n, 20n, 30n], 1]);
});

Deno.test("EL2's timers: a second owner is refused; without one nobody hears, and the guest never does", async () => {
  const { timers: { physical } } = await machine("cortex-a57");
  assertThrows(() => physical.claim("other", () => {}), Error, "CNTHP_CTL_EL2: other wants the timer that test has");
  const kit = bench();
  await kit.attach(genericTimer, { virtual_offset: 0, virtual_start: 0, physical: "direct" });
  kit.vcpu().start(0n, 0n);
  kit.get(HypervisorTimers).physical.arm(0, 5n);
  kit.advance(10 * TICK);
  assertEquals([kit.state().read("CNTHP_CTL_EL2"), kit.interrupts.rises(27, 0), kit.interrupts.rises(30, 0)], [1n, 0, 0]);
});
