/** Suspension and power-up in the machine: its scheduler, its clock, and an interrupt that comes late. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Machine } from "../../core/machine/machine.ts";
import { definePlugin } from "../../core/mod.ts";
import type { Plugin } from "../../core/mod.ts";
import { fakeBoard, startFirst } from "../../core/testing.ts";
import type { FakeVcpuState, Step } from "../../core/testing.ts";
import { psci } from "./mod.ts";
import type { PsciOptions } from "./mod.ts";

const RAM = 0x4000_0000;
const CPU_SUSPEND = 0xc400_0001, CPU_OFF = 0x8400_0002, CPU_ON = 0xc400_0003, SYSTEM_OFF = 0x8400_0008, SYSTEM_SUSPEND = 0xc400_000e;

const hvc = (functionId: number, ...args: number[]): Step => ({
  retire: 10,
  effect: (state) => [functionId, ...args].forEach((value, n) => state.setX(n, BigInt(value))),
  exception: { esr: 0x16n << 26n | 1n << 25n },
});

/** An interrupt is pending for vCPU 0 from 1 ms on. */
const interrupt: Plugin = definePlugin({
  name: "interrupt",
  doc: "Late.",
  options: {},
  attach({ domain: { vcpus: [vcpu] }, clock }) {
    const timer = clock.timer("late", () => {
      (vcpu.state as FakeVcpuState).pending = true;
      vcpu.kick();
    });
    timer.arm(1_000_000);
  },
});

async function machineOf(options: Partial<PsciOptions>, script: (index: number) => Iterable<Step>): Promise<Machine> {
  const { board, engine } = fakeBoard({ domains: [{ name: "guest", vcpus: 2 }], plugins: [startFirst, psci, interrupt], pcpus: 2 });
  engine.script = script;
  const plugins = board.plugins.map((use) => use.plugin === psci ? { ...use, options: { ...use.options, ...options } } : use);
  return await Machine.create({ ...board, plugins }, { images: new Map(), onSerial: () => {} });
}

for (
  const [name, options, call, resumed] of [
    ["CPU_SUSPEND to standby", {}, hvc(CPU_SUSPEND, 0x1_0000, RAM + 8, 5), { pc: 0n, x0: 0n }],
    ["CPU_SUSPEND to power-down", { suspend: "powerdown" }, hvc(CPU_SUSPEND, 0x1_0000, RAM + 8, 5), { pc: BigInt(RAM + 8), x0: 5n }],
    ["SYSTEM_SUSPEND", {}, hvc(SYSTEM_SUSPEND, RAM + 8, 5), { pc: BigInt(RAM + 8), x0: 5n }],
    ["SYSTEM_SUSPEND, slow to power up", { power_up: 50_000 }, hvc(SYSTEM_SUSPEND, RAM + 8, 5), { pc: BigInt(RAM + 8), x0: 5n }],
  ] as const
) {
  Deno.test(`psci in a machine: ${name} sleeps until an interrupt is pending`, async () => {
    const seen: { at: number; pc: bigint; x0: bigint }[] = [];
    const machine = await machineOf(options, (index) =>
      index > 0 ? [] : [
        call,
        { effect: (state) => seen.push({ at: machine.nowNs, pc: state.pc, x0: state.x(0) }) },
        hvc(SYSTEM_OFF),
      ]);
    assertEquals(machine.runFor(1e9, Infinity)?.kind, "power-off");
    const [{ at, ...rest }] = seen;
    assertEquals(rest, resumed);
    const due = 1_000_000 + ("power_up" in options ? options.power_up : 0);
    assertEquals(at >= due && at < due + 1000, true, `${at} ns`);
    machine.dispose();
  });
}

Deno.test("psci in a machine: a vCPU runs when its power-up time is over, also when everybody else is idle", async () => {
  let began = 0;
  const machine = await machineOf(
    { power_up: 300_000 },
    (index) => index === 0 ? [hvc(CPU_ON, 1, RAM, 0), hvc(CPU_OFF)] : [{ effect: () => void (began = machine.nowNs) }, hvc(SYSTEM_OFF)],
  );
  assertEquals(machine.runFor(1e9, Infinity)?.kind, "power-off");
  assertEquals(began >= 300_000 && began < 301_000, true, `${began} ns`);
  machine.dispose();
});

Deno.test("psci in a machine: when the last vCPU goes off, the machine says that nothing can happen", async () => {
  const machine = await machineOf({}, () => [hvc(CPU_OFF)]);
  const reason = machine.runFor(1e9, Infinity);
  assertEquals([reason?.kind, machine.stats.traced.get("last vCPU off")], ["idle-forever", 1]);
  assertStringIncludes(reason!.report!, "vCPU 0 of guest: off");
  machine.dispose();
});
