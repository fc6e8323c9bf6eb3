import { assert, assertEquals } from "@std/assert";
import { bench } from "../../core/testing.ts";
import type { Bench } from "../../core/testing.ts";
import { genericTimer } from "./mod.ts";
import type { GenericTimerOptions } from "./mod.ts";

/** 62.5 MHz: a tick is 16 ns. */
const TICK = 16;
const MAX = 2n ** 64n - 1n;
const VIRTUAL = 27;
const PHYSICAL = 30;

async function machine(vcpus = 1, options: Partial<GenericTimerOptions> = {}): Promise<Bench> {
  const kit = bench({ vcpus });
  await kit.attach(genericTimer, { virtual_offset: 0, virtual_start: 0, physical: "direct", ...options });
  kit.domain.vcpus.forEach((vcpu) => vcpu.start(0x4000_0000n, 0n));
  return kit;
}

/** A run in which the guest sets a timer. */
function set(kit: Bench, timer: "CNTV" | "CNTP", control: bigint, compare?: bigint, vcpu = 0): void {
  kit.enter(vcpu);
  if (compare !== undefined) kit.state(vcpu).write(`${timer}_CVAL_EL0`, compare);
  kit.state(vcpu).write(`${timer}_CTL_EL0`, control);
  kit.exit(vcpu);
}

Deno.test("timer: fires at its tick, never early", async () => {
  const kit = await machine();
  set(kit, "CNTV", 1n, 1000n);
  kit.advance(1000 * TICK - 1);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), false);
  kit.advance(1);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), true);
});

Deno.test("timer: the line is a level: it falls when the compare value moves ahead, is masked, or off", async () => {
  const kit = await machine();
  kit.advance(1000 * TICK);
  const levels = () => kit.interrupts.level(VIRTUAL, 0);
  set(kit, "CNTV", 1n, 1000n);
  assertEquals(levels(), true);
  set(kit, "CNTV", 1n, 1001n);
  assertEquals(levels(), false);
  set(kit, "CNTV", 1n, 0n);
  assertEquals(levels(), true);
  set(kit, "CNTV", 3n);
  assertEquals(levels(), false);
  set(kit, "CNTV", 1n);
  assertEquals(levels(), true);
  set(kit, "CNTV", 0n);
  assertEquals(levels(), false);
});

Deno.test("timer: a compare value of 2^64 - 1 waits for ever, and arms nothing", async () => {
  const kit = await machine();
  set(kit, "CNTV", 1n, MAX);
  assertEquals([kit.interrupts.level(VIRTUAL, 0), kit.clock.events.size], [false, 0]);
});

Deno.test("timer: reprogrammed again and again, it holds one deadline", async () => {
  const kit = await machine();
  for (let n = 0; n < 10_000; n++) set(kit, "CNTV", 1n, BigInt(1000 + n));
  assertEquals(kit.clock.events.size, 1);
  set(kit, "CNTV", 3n);
  assertEquals(kit.clock.events.size, 0);
  kit.advance(1e9);
  assertEquals(kit.interrupts.rises(VIRTUAL, 0), 0);
});

Deno.test("timer: each vCPU has its own, virtual and physical apart", async () => {
  const kit = await machine(2);
  set(kit, "CNTV", 1n, 10n, 1);
  set(kit, "CNTP", 1n, 20n, 0);
  kit.advance(15 * TICK);
  const levels = () => [0, 1].flatMap((v) => [kit.interrupts.level(VIRTUAL, v), kit.interrupts.level(PHYSICAL, v)]);
  assertEquals(levels(), [false, false, true, false]);
  kit.advance(5 * TICK);
  assertEquals(levels(), [false, true, true, false]);
});

Deno.test("timer: the virtual offset moves the virtual timer only", async () => {
  const kit = await machine(1, { virtual_offset: 100 * TICK });
  assertEquals(kit.state().read("CNTVOFF_EL2"), 100n);
  kit.advance(100 * TICK);
  set(kit, "CNTV", 1n, 10n);
  set(kit, "CNTP", 1n, 105n);
  kit.advance(5 * TICK);
  assertEquals([kit.interrupts.level(VIRTUAL, 0), kit.interrupts.level(PHYSICAL, 0)], [false, true]);
  kit.advance(5 * TICK);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), true);
});

Deno.test("timer: before its zero the virtual count is huge: everything is past, until it wraps", async () => {
  const kit = await machine(1, { virtual_offset: 1000 * TICK });
  set(kit, "CNTV", 1n, 10n);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), true);
  kit.advance(1000 * TICK - 1);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), true);
  kit.advance(1);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), false);
  kit.advance(10 * TICK - 1);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), false);
  kit.advance(1);
  assertEquals([kit.interrupts.level(VIRTUAL, 0), kit.interrupts.rises(VIRTUAL, 0)], [true, 2]);
});

Deno.test("timer: a virtual counter that starts ahead is a negative offset", async () => {
  const kit = await machine(1, { virtual_start: 100 * TICK });
  assertEquals(kit.state().read("CNTVOFF_EL2"), 2n ** 64n - 100n);
  set(kit, "CNTV", 1n, 100n);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), true);
  set(kit, "CNTV", 1n, 103n);
  kit.advance(3 * TICK - 1);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), false);
  kit.advance(1);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), true);
});

Deno.test("timer: a power-up finds its timers off", async () => {
  const kit = await machine();
  set(kit, "CNTV", 1n, 0n);
  assert(kit.interrupts.level(VIRTUAL, 0));
  kit.vcpu().stop();
  kit.vcpu().start(0x4000_0000n, 0n);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), false);
});

Deno.test("timer: trapped accesses to the physical timer reach it at once", async () => {
  const kit = await machine(1, { physical: "trapped" });
  assertEquals(kit.state().read("CNTHCTL_EL2"), 0n);
  kit.advance(100 * TICK);
  kit.msr("CNTP_CVAL_EL0", 50);
  kit.msr("CNTP_CTL_EL0", 1);
  assertEquals([kit.interrupts.level(PHYSICAL, 0), kit.mrs("CNTP_CVAL_EL0")], [true, 50n]);
  assertEquals((await machine()).state().read("CNTHCTL_EL2"), 3n);
});

Deno.test("timer: 19.2 MHz doesn't divide a nanosecond: still never early, at most one nanosecond late", async () => {
  const kit = bench();
  Object.assign(kit.engine, { counterFrequencyHz: 19_200_000 });
  await kit.attach(genericTimer, { virtual_offset: 0, virtual_start: 0, physical: "direct" });
  kit.vcpu().start(0x4000_0000n, 0n);
  set(kit, "CNTV", 1n, 7n); // 364.58 ns
  kit.advance(364);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), false);
  kit.advance(1);
  assertEquals(kit.interrupts.level(VIRTUAL, 0), true);
});

Deno.test("timer: state is plain data; the node is for domains only", async () => {
  const kit = bench();
  const state = await kit.attach(genericTimer, { virtual_offset: 0, virtual_start: 0, physical: "direct" });
  assertEquals(structuredClone(state), state);
  const options = { virtual_offset: 0, virtual_start: 0, physical: "direct" } as const;
  const { deviceTree } = genericTimer.resources!(options, { board: kit.board, domain: kit.board.domains[0] });
  assertEquals(deviceTree![0].nodes![0].name, "timer");
  assertEquals(genericTimer.resources!(options, { board: kit.board }), {});
});
