/** CPU_ON and CPU_OFF against one another, in every order; and the time between CPU_ON and the first instruction. */
import { assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { psci } from "./mod.ts";

const RAM = 0x4000_0000n;
const CPU_OFF = 0x8400_0002, CPU_ON = 0xc400_0003, AFFINITY_INFO = 0xc400_0004;
const [INVALID_PARAMETERS, ALREADY_ON, ON_PENDING] = [-2n, -4n, -5n].map((code) => BigInt.asUintN(64, code));
const [ON, OFF, PENDING] = [0n, 1n, 2n];
const TARGET = 3;

async function machine(powerUp: number, version: "0.1" | "1.1" = "1.1"): Promise<Bench> {
  const kit = bench({ vcpus: 4 });
  await kit.attach(psci, { conduit: "hvc", version, suspend: "standby", power_up: powerUp });
  for (const caller of [0, 1, 2]) kit.vcpu(caller).start(RAM, 0n);
  return kit;
}

/** All ways to merge two sequences. */
function* interleavings<T>(a: readonly T[], b: readonly T[]): Generator<readonly T[]> {
  if (a.length === 0 || b.length === 0) return yield [...a, ...b];
  for (const rest of interleavings(a.slice(1), b)) yield [a[0], ...rest];
  for (const rest of interleavings(a, b.slice(1))) yield [b[0], ...rest];
}

type Step = (kit: Bench, log: string[]) => void;

const on = (caller: number): Step => (kit, log) => {
  const before = kit.vcpu(TARGET).power;
  const { x0 } = kit.call(CPU_ON, [TARGET, RAM + BigInt(caller) * 0x100n, caller], { vcpu: caller });
  const pending = kit.call(AFFINITY_INFO, [TARGET, 0], { vcpu: caller }).x0 === PENDING;
  if (x0 === 0n) log.push(`${caller} starts it`);
  else assertEquals(x0, before === "off" ? ON_PENDING : ALREADY_ON, `vCPU ${caller}, target ${before}`);
  if (x0 !== 0n) log.push(pending ? `${caller}: pending` : `${caller}: on`);
};
const off: Step = (kit, log) => {
  if (kit.vcpu(TARGET).power === "off") return;
  kit.call(CPU_OFF, [], { vcpu: TARGET });
  log.push("off");
};
const look: Step = (kit) => {
  const { x0 } = kit.call(AFFINITY_INFO, [TARGET, 0], { vcpu: 2 });
  // OFF is said only of one that really stopped.
  if (x0 === OFF) assertEquals(kit.vcpu(TARGET).power, "off");
  if (x0 === ON) assertEquals(kit.vcpu(TARGET).power !== "off", true);
};
const pass: Step = (kit) => kit.advance(600);

for (const powerUp of [0, 1000]) {
  Deno.test(`psci: of two callers exactly one starts a vCPU, in every order; power-up takes ${powerUp} ns`, async () => {
    let orders = 0;
    for (const order of interleavings([on(0), look, pass, on(0)], [on(1), pass, look, on(1)])) {
      const kit = await machine(powerUp);
      const log: string[] = [];
      for (const step of order) step(kit, log);
      kit.advance(1000);
      const starts = log.filter((line) => line.endsWith("starts it"));
      assertEquals(starts.length, 1, log.join(", "));
      const winner = BigInt(starts[0][0]);
      assertEquals([kit.state(TARGET).pc, kit.state(TARGET).x(0)], [RAM + winner * 0x100n, winner]);
      orders++;
    }
    assertEquals(orders, 70);
  });

  Deno.test(`psci: off and on again race with two that start it, in every order; power-up takes ${powerUp} ns`, async () => {
    for (const order of interleavings([on(0), off, on(0), off, pass], [pass, on(1), look, pass, on(1)])) {
      const kit = await machine(powerUp);
      const log: string[] = [];
      for (const step of order) step(kit, log);
      kit.advance(1000);
      // Starts and ends alternate: nobody starts what is on, and nothing is lost.
      const changes = log.filter((line) => line === "off" || line.endsWith("starts it"));
      changes.forEach((line, n) => assertEquals(line === "off", n % 2 === 1, log.join(", ")));
      assertEquals(kit.vcpu(TARGET).power, changes.length % 2 === 1 ? "runnable" : "off", log.join(", "));
    }
  });
}

Deno.test("psci: a vCPU that powers up is ON_PENDING, and runs when its time is over", async () => {
  const kit = await machine(1000);
  assertEquals(kit.call(CPU_ON, [TARGET, RAM + 4n, 7]).x0, 0n);
  kit.advance(999);
  assertEquals([kit.vcpu(TARGET).power, kit.call(AFFINITY_INFO, [TARGET, 0]).x0], ["off", PENDING]);
  assertEquals(kit.call(CPU_ON, [TARGET, RAM, 0]).x0, ON_PENDING);
  kit.advance(1);
  assertEquals([kit.vcpu(TARGET).power, kit.call(AFFINITY_INFO, [TARGET, 0]).x0], ["runnable", ON]);
  assertEquals([kit.state(TARGET).pc, kit.state(TARGET).x(0)], [RAM + 4n, 7n]);
});

Deno.test("psci: a domain that ends while a vCPU powers up stays ended", async () => {
  const kit = await machine(1000);
  kit.call(CPU_ON, [TARGET, RAM, 0]);
  kit.call(0x8400_0008);
  kit.advance(2000);
  assertEquals([kit.domain.outcome?.kind, kit.vcpu(TARGET).power], ["power-off", "off"]);
});

Deno.test("psci: 0.1 knows neither ALREADY_ON nor ON_PENDING", async () => {
  const kit = await machine(1000, "0.1");
  assertEquals(kit.call(CPU_ON, [TARGET, RAM, 0]).x0, 0n);
  assertEquals(kit.call(CPU_ON, [TARGET, RAM, 0]).x0, INVALID_PARAMETERS);
  kit.advance(1000);
  assertEquals(kit.call(CPU_ON, [TARGET, RAM, 0]).x0, INVALID_PARAMETERS);
});
