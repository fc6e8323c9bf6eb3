/** Suspending: standby, power-down, the whole system; what wakes, and where it goes on. */
import { assertEquals } from "@std/assert";
import { Interrupts } from "../../core/mod.ts";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { psci } from "./mod.ts";
import type { PsciOptions } from "./mod.ts";

const RAM = 0x4000_0000n;
const CPU_SUSPEND = 0xc400_0001, CPU_ON = 0xc400_0003, AFFINITY_INFO = 0xc400_0004, SYSTEM_SUSPEND = 0xc400_000e;
const STAT_RESIDENCY = 0xc400_0010, STAT_COUNT = 0xc400_0011;
const [DENIED, ALREADY_ON, INVALID_ADDRESS] = [-3n, -4n, -9n].map((code) => BigInt.asUintN(64, code));
const POWER_DOWN = 0x1_0000;

async function machine(options: Partial<PsciOptions> = {}): Promise<Bench> {
  const kit = bench({ vcpus: 2 });
  await kit.attach(psci, { conduit: "hvc", version: "1.1", suspend: "powerdown", power_up: 0, ...options });
  kit.vcpu(0).start(RAM, 0n);
  return kit;
}

function unused(): never {
  throw new Error("nobody has a line");
}

/** What the scheduler does with a vCPU that waits, and with one that an interrupt wakes. */
function sleep(kit: Bench, index = 0): void {
  kit.vcpu(index).block();
}
function wake(kit: Bench, index = 0): void {
  kit.state(index).pending = true;
  kit.vcpu(index).kick();
  kit.state(index).pending = false;
  kit.enter(index);
  kit.advance(0);
}

Deno.test("psci: standby keeps the context and returns SUCCESS", async () => {
  const kit = await machine();
  kit.state().setX(20, 77n);
  assertEquals(kit.call(CPU_SUSPEND, [0, RAM + 0x100n, 5]), { x0: 0n, next: "wait" });
  const { pc } = kit.state();
  sleep(kit);
  wake(kit);
  assertEquals([kit.vcpu().power, kit.state().pc, kit.state().x(20)], ["runnable", pc, 77n]);
});

Deno.test("psci: a power-down state may be answered by standby", async () => {
  const kit = await machine({ suspend: "standby" });
  kit.state().setX(20, 77n);
  assertEquals(kit.call(CPU_SUSPEND, [POWER_DOWN, RAM + 0x100n, 5]), { x0: 0n, next: "wait" });
  sleep(kit);
  wake(kit);
  assertEquals([kit.vcpu().power, kit.state().pc === RAM + 0x100n, kit.state().x(20)], ["runnable", false, 77n]);
});

Deno.test("psci: a power-down loses the context, and goes on at the entry point", async () => {
  const kit = await machine();
  kit.state().setX(20, 77n);
  kit.state().write("TTBR0_EL1", 0x1234n);
  assertEquals(kit.call(CPU_SUSPEND, [POWER_DOWN, RAM + 0x100n, 5]).next, "wait");
  sleep(kit);
  wake(kit);
  assertEquals([kit.vcpu().power, kit.state().pc, kit.state().x(0), kit.state().x(20)], ["runnable", RAM + 0x100n, 5n, 0n]);
  assertEquals(kit.state().read("TTBR0_EL1"), 0n);
  // It is over: the next entry is an ordinary one.
  kit.state().pc = RAM + 0x200n;
  kit.enter();
  kit.advance(0);
  assertEquals(kit.state().pc, RAM + 0x200n);
});

Deno.test("psci: whoever is suspended is on, also while it powers up again", async () => {
  const kit = await machine({ power_up: 1000 });
  kit.call(CPU_ON, [1, RAM, 0]);
  kit.advance(1000);
  assertEquals(kit.call(CPU_SUSPEND, [POWER_DOWN, RAM + 0x100n, 5], { vcpu: 1 }).next, "wait");
  const asks = () => [kit.call(AFFINITY_INFO, [1, 0]).x0, kit.call(CPU_ON, [1, RAM, 0]).x0];
  sleep(kit, 1);
  assertEquals(asks(), [0n, ALREADY_ON]);
  wake(kit, 1);
  assertEquals(kit.vcpu(1).power, "off");
  assertEquals(asks(), [0n, ALREADY_ON]);
  kit.advance(1000);
  assertEquals([kit.vcpu(1).power, kit.state(1).pc], ["runnable", RAM + 0x100n]);
});

Deno.test("psci: SYSTEM_SUSPEND is denied while another vCPU is on, or on its way", async () => {
  const kit = await machine({ power_up: 1000 });
  kit.call(CPU_ON, [1, RAM, 0]);
  assertEquals(kit.call(SYSTEM_SUSPEND, [RAM, 0]), { x0: DENIED, next: "run" });
  kit.advance(1000);
  assertEquals(kit.call(SYSTEM_SUSPEND, [RAM, 0]), { x0: DENIED, next: "run" });
  kit.call(0x8400_0002, [], { vcpu: 1 });
  assertEquals(kit.call(SYSTEM_SUSPEND, [RAM + 2n, 0]), { x0: INVALID_ADDRESS, next: "run" });
  assertEquals(kit.call(SYSTEM_SUSPEND, [0, 0]), { x0: INVALID_ADDRESS, next: "run" });
});

Deno.test("psci: SYSTEM_SUSPEND resumes at its entry point, whatever CPU_SUSPEND does", async () => {
  const kit = await machine({ suspend: "standby" });
  assertEquals(kit.call(SYSTEM_SUSPEND, [RAM + 0x300n, 9]).next, "wait");
  sleep(kit);
  kit.advance(5_000_000);
  assertEquals(kit.vcpu().power, "blocked");
  wake(kit);
  assertEquals([kit.vcpu().power, kit.state().pc, kit.state().x(0)], ["runnable", RAM + 0x300n, 9n]);
});

Deno.test("psci: statistics count suspensions and their microseconds, by kind of state", async () => {
  const kit = await machine();
  for (const [state, ns] of [[0, 2_000], [0, 3_500], [POWER_DOWN, 1_000_000]]) {
    kit.call(CPU_SUSPEND, [state, RAM, 0]);
    sleep(kit);
    kit.advance(ns);
    wake(kit);
  }
  const ask = (id: number, ...args: number[]) => kit.call(id, args).x0;
  assertEquals([ask(STAT_COUNT, 0, 0), ask(STAT_RESIDENCY, 0, 0)], [2n, 5n]);
  assertEquals([ask(STAT_COUNT, 0, POWER_DOWN), ask(STAT_RESIDENCY, 0, POWER_DOWN)], [1n, 1000n]);
  assertEquals([ask(STAT_COUNT, 1, 0), ask(STAT_COUNT, 7, 0)], [0n, 0n]);
});

Deno.test("psci: the interrupt controller's request wakes a vCPU that turned its CPU interface off before it powered down", async () => {
  const requests = new Set<number>();
  const interrupts: Interrupts = { spi: unused, ppi: unused, wakeRequest: (v) => requests.has(v) };
  const kit = bench({ vcpus: 2, interrupts: false, provide: [[Interrupts, interrupts]] });
  await kit.attach(psci, { conduit: "hvc", version: "1.1", suspend: "standby", power_up: 0 });
  kit.vcpu().start(RAM, 0n);
  // Standby is left by what wakes WFI alone.
  requests.add(0);
  kit.call(CPU_SUSPEND, [0, 0, 0]);
  sleep(kit);
  kit.vcpu().kick();
  kit.advance(0);
  assertEquals(kit.vcpu().power, "blocked");
  wake(kit);
  requests.delete(0);
  assertEquals(kit.call(SYSTEM_SUSPEND, [RAM + 0x300n, 9]).next, "wait");
  sleep(kit);
  assertEquals(kit.vcpu().power, "blocked");
  requests.add(0);
  kit.vcpu().kick();
  kit.advance(0);
  assertEquals([kit.vcpu().power, kit.state().pc, kit.state().x(0)], ["runnable", RAM + 0x300n, 9n]);
});
