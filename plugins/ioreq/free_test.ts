/** Order `free`: only the domain waits; answers come when the host's threads have them. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { DeviceModels } from "./contract.ts";
import { ioreq } from "./mod.ts";
import type { IoreqOptions } from "./mod.ts";
import { Crime, good, Register } from "./tests/devices.ts";

const AT = 0x0900_0000;

async function started(options: Partial<IoreqOptions> = {}): Promise<Bench> {
  const kit = bench({ vcpus: 2 });
  await kit.attach(ioreq, { on_failure: "restart", order: "free", deadline: 1e10, virtual_deadline: 1e12, buffered: false, ...options });
  await kit.attach(good, { at: AT, interrupt: 40, runs: "ioreq", fails: false });
  await kit.boot();
  kit.vcpu(1).start(0n, 0n);
  return kit;
}

/** The access again and again, as the machine does it, until its answer is there. */
function settled(kit: Bench, access: () => void): number {
  const vcpu = kit.vcpu();
  access();
  let waits = 0;
  while (vcpu.power === "blocked" && waits++ < 200_000) kit.advance(10_000);
  return waits;
}

function read(kit: Bench, register: number): number {
  settled(kit, () => kit.read32(AT + register));
  if (!kit.vcpu().hasAnswer) throw new Error(`no answer: ${kit.traced.at(-1)}`);
  return kit.read32(AT + register);
}

function write(kit: Bench, register: number, value: number): void {
  settled(kit, () => kit.write32(AT + register, value));
  if (kit.vcpu().hasAnswer) kit.write32(AT + register, value);
}

const failures = (kit: Bench) => kit.traced.filter((text) => text.startsWith("device behind IOREQ"));

Deno.test("free: the domain waits, time goes on, and each access takes effect once", async () => {
  using kit = await started();
  for (let n = 1; n <= 20; n++) write(kit, Register.SUM, n);
  assertEquals(read(kit, Register.SUM), 210);
  kit.write32(AT + Register.SUM, 1);
  assertEquals([kit.vcpu(0).power, kit.vcpu(1).power], ["blocked", "blocked"]);
  kit.vcpu(1).kick();
  assertEquals(kit.vcpu(1).power, "blocked");
  settled(kit, () => {});
  assertEquals([kit.vcpu(0).power, kit.vcpu(1).power], ["runnable", "runnable"]);
  kit.write32(AT + Register.SUM, 1);
  assertEquals(read(kit, Register.SUM), 211);
  assertEquals(failures(kit), []);
});

Deno.test("free: a Worker that dies in the middle is replaced, and the request is answered", async () => {
  using kit = await started();
  write(kit, Register.SUM, 5);
  kit.get(DeviceModels).devices[0].kill();
  write(kit, Register.SUM, 6);
  assertEquals(read(kit, Register.SUM), 11);
  assertEquals(failures(kit).length, 2);
});

Deno.test("free: a device that hangs misses its deadline in virtual time, or in the host's", async () => {
  for (const [options, cause] of [[{ virtual_deadline: 2e8 }, /ms of virtual time/], [{ deadline: 1e9 }, /in 1000 ms/]] as const) {
    using kit = await started({ on_failure: "bus_error", ...options });
    write(kit, Register.SUM, 5);
    settled(kit, () => kit.write32(AT + Register.CRIME, Crime.HANG));
    assertThrows(() => kit.write32(AT + Register.CRIME, Crime.HANG), Error, "doesn't answer");
    assertMatch(failures(kit)[0], cause);
    assertEquals(failures(kit).length, 1);
    assertEquals(kit.vcpu(1).power, "runnable", "the rest of the domain goes on");
  }
});

Deno.test("free: the domain goes while it waits, and nothing is left", async () => {
  const kit = await started();
  write(kit, Register.SUM, 5);
  const models = kit.get(DeviceModels);
  kit.write32(AT + Register.SUM, 1);
  assert(kit.vcpu().isHeld);
  kit.domain.end({ kind: "power-off" });
  kit.close();
  assertEquals([models.devices[0].isAlive, models.servers.all.length, kit.memory.usage().size], [false, 0, 0]);
  kit.advance(1e6);
});
