import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { capability } from "../plugin/capability.ts";
import type { RunHooks } from "../plugin/context.ts";
import { Machine } from "./machine.ts";
import type { MachineEnvironment } from "./machine.ts";
import { definePlugin } from "../plugin/plugin.ts";
import type { Plugin } from "../plugin/plugin.ts";
import type { SchedulerPolicy } from "../schedule/scheduler_policy.ts";
import { Serial } from "../host/serial.ts";
import { fakeBoard, roundRobin, startAll, startFirst, uses } from "../testing.ts";
import type { FakeBoardOptions, Step } from "../testing.ts";
import { QUANTUM } from "../schedule/scheduling.ts";

const esr = (ec: number, iss = 0) => BigInt(ec) << 26n | 1n << 25n | BigInt(iss);
const wfi: Step = { exception: { esr: esr(0x01) } };
const hvc = (functionId: number): Step => ({ effect: (state) => state.setX(0, BigInt(functionId)), exception: { esr: esr(0x16) } });
const quiet: MachineEnvironment = { images: new Map(), onSerial: () => {} };

async function machineOf(
  options: FakeBoardOptions,
  script: (index: number) => Iterable<Step>,
  environment: Partial<MachineEnvironment> = {},
) {
  const fake = fakeBoard(options);
  fake.engine.script = script;
  const machine = await Machine.create(fake.board, { ...quiet, ...environment });
  return { machine, ...fake };
}

/** Attaches to each domain with the body given. */
function plugin(name: string, attach: NonNullable<Plugin["attach"]>): Plugin {
  return definePlugin({ name, doc: "", options: {}, attach });
}

/** Powers the domain off when function 0x84000008 is called. */
const powerOff = plugin("power", ({ domain, exceptions }) => {
  exceptions.claimCalls(0x8400_0008, 0x8400_0008, ["hvc"], () => {
    domain.end({ kind: "power-off", code: 7 });
    return "stopped";
  });
});

Deno.test("a guest runs, calls, and powers off", async () => {
  const { machine } = await machineOf(
    { plugins: [startFirst, powerOff] },
    () => [{ retire: 1000 }, hvc(0x8400_0000), { retire: 10 }, hvc(0x8400_0008)],
  );
  assertEquals(machine.runFor(1e9, 1e9), { kind: "power-off", domain: "guest", code: 7 });
  assertEquals(machine.stats.instructions, 1010);
  assertEquals(machine.stats.exits.get("hvc"), 2);
  assertEquals(machine.stats.traced.get("unknown call"), 1);
  assertEquals(machine.nowNs, 1012);
  machine.dispose();
  assertEquals(machine.memory.usage().size, 0);
});

Deno.test("time is monotonic across vCPUs, and N busy CPUs do N times the work in it", async () => {
  for (const pcpus of [1, 2, 3, 4]) {
    const { machine, engine } = await machineOf({ pcpus, domains: [{ name: "guest", vcpus: pcpus }] }, () => []);
    let last = -1;
    engine.onRun = (_state, window) => {
      assert(window.startNs >= last, `${window.startNs} after ${last}`);
      last = window.startNs + window.budget * window.nsPerInstruction - 1e-6;
    };
    assertEquals(machine.runFor(10_000_000, 1e9), undefined);
    const rateOfAll = machine.stats.instructions / machine.nowNs;
    assert(Math.abs(rateOfAll - pcpus) < 1e-6, `${pcpus} CPUs: ${rateOfAll} instructions per ns`);
    machine.dispose();
  }
});

Deno.test("fractional rates add up exactly", async () => {
  const { machine } = await machineOf({ pcpus: 3, nsPerInstruction: 2.5, domains: [{ name: "guest", vcpus: 3 }] }, () => []);
  machine.runFor(1_000_000, 1e9);
  assertEquals(Math.floor(machine.stats.instructions * 2.5 / 3), machine.nowNs);
});

Deno.test("a timer cuts the budget: it fires at its instruction, never early", async () => {
  const fired: number[] = [];
  const ticking = plugin("ticking", ({ clock }) => {
    const timer = clock.timer("tick", () => {
      fired.push(clock.nowNs);
      if (fired.length < 5) timer.arm(clock.nowNs + 777);
    });
    timer.arm(777);
  });
  const { machine, engine } = await machineOf({ nsPerInstruction: 2, plugins: [startAll, ticking] }, () => []);
  machine.runFor(10_000, 1e9);
  // 777 ns are 388.5 instructions: it fires after the 389th.
  assertEquals(fired, [778, 1556, 2334, 3112, 3890]);
  assertEquals(engine.runs[0].window.budget, 389);
});

Deno.test("a device of the bus sees the time of its instruction, and a timer that it arms cuts the run in progress", async () => {
  const seen: number[] = [];
  let fired = -1;
  let touch = () => {};
  const device = plugin("device", ({ clock }) => {
    const timer = clock.timer("soon", () => fired = clock.nowNs);
    touch = () => {
      seen.push(clock.nowNs);
      timer.arm(clock.nowNs + 50);
    };
  });
  const { machine, engine } = await machineOf({ plugins: [startAll, device] }, () => [{ retire: 300, effect: () => touch() }]);
  machine.runFor(1000, 1e9);
  assertEquals(seen, [300]);
  assertEquals(fired, 350);
  assertEquals(engine.kicks, 1);
});

Deno.test("WFI blocks until an interrupt is pending; idle time is skipped", async () => {
  let woken = -1;
  const alarm = plugin("alarm", ({ clock, domain }) => {
    clock.timer("alarm", () => {
      woken = clock.nowNs;
      (domain.vcpus[0].state as unknown as { pending: boolean }).pending = true;
      domain.vcpus[0].kick();
    }).arm(5_000_000);
  });
  const { machine, engine } = await machineOf(
    { plugins: [startAll, alarm, powerOff] },
    () => [{ retire: 10 }, wfi, { retire: 5 }, hvc(0x8400_0008)],
  );
  assertEquals(machine.runFor(1e9, 1e9)?.kind, "power-off");
  assertEquals(woken, 5_000_000);
  assertEquals(machine.nowNs, 5_000_006);
  assertEquals(engine.runs.length, 2);
});

Deno.test("WFI with an interrupt pending already goes on: no wake-up is lost", async () => {
  // The interrupt gets visible only when the entry hook fills the list registers, as with a real controller.
  let software = false;
  const controller = plugin("controller", ({ domain, onRun }) => {
    const hooks: RunHooks = {
      entry: (vcpu) => (vcpu.state as unknown as { pending: boolean }).pending = software,
      exit: (vcpu) => (vcpu.state as unknown as { pending: boolean }).pending = false,
    };
    onRun(hooks);
    domain.vcpus[0].kick();
  });
  const raise: Step = { retire: 10, effect: () => software = true };
  const { machine } = await machineOf({ plugins: [startAll, controller, powerOff] }, () => [raise, wfi, { retire: 5 }, hvc(0x8400_0008)]);
  assertEquals(machine.runFor(1e9, 1e9)?.kind, "power-off");
});

Deno.test("a kick without a pending interrupt wakes nobody", async () => {
  const nudge = plugin("nudge", ({ clock, domain }) => {
    clock.timer("nudge", () => domain.vcpus[0].kick()).arm(1000);
  });
  const { machine } = await machineOf({ plugins: [startAll, nudge] }, () => [wfi]);
  const reason = machine.runFor(1e9, 1e9);
  assertEquals(reason?.kind, "idle-forever");
  assertStringIncludes(reason!.report!, "vCPU 0 of guest: waits for an interrupt, PC 0x4");
  assertEquals(machine.domains[0].vcpus[0].power, "blocked");
});

Deno.test("one vCPU starts another and stops itself", async () => {
  const psci = plugin("psci", ({ domain, exceptions }) => {
    exceptions.claimCalls(0x8400_0002, 0x8400_0003, ["hvc"], ({ vcpu, functionId }) => {
      if (functionId === 0x8400_0002) {
        vcpu.stop();
        return "stopped";
      }
      domain.vcpus[1].start(0x4000n, 0x55n);
      return 0n;
    });
  });
  // Where there is a CPU for it, it begins at once: the turn of the one that was alone is over.
  for (const [pcpus, power, begins] of [[1, "off", 203], [2, "runnable", 101]] as const) {
    const order: string[] = [];
    const { machine } = await machineOf(
      { pcpus, domains: [{ name: "guest", vcpus: 2 }], plugins: [startFirst, psci, powerOff] },
      (index) =>
        index === 0 ? [{ retire: 100 }, hvc(0x8400_0003), { retire: 100 }, hvc(0x8400_0002)] : [{
          retire: 1,
          effect: (state) => order.push(`${state.pc} ${state.x(0)} ${machine.domains[0].vcpus[0].power} ${machine.nowNs}`),
        }, hvc(0x8400_0008)],
    );
    assertEquals(machine.runFor(1e9, 1e9)?.kind, "power-off");
    assertEquals(order, [`${0x4000} ${0x55} ${power} ${begins}`]);
  }
});

Deno.test("a handler that throws: its domain crashes with a report, the others go on", async () => {
  const bad = plugin("bad", ({ exceptions }) => {
    exceptions.claimMmio(0x900_0000, 0x1000, "registers", {
      read: () => {
        throw new Error("out of cheese");
      },
      write: () => {},
    });
  });
  const scripts: Step[][] = [
    [{ retire: 3, exception: { esr: esr(0x24, 1 << 24 | 2 << 22 | 7), ipa: 0x900_0004 } }],
    [{ retire: 1_000_000 }, hvc(0x8400_0008)],
  ];
  const { machine } = await machineOf(
    { pcpus: 2, domains: [{ name: "one", plugins: uses(bad) }, { name: "two" }], plugins: [startAll, powerOff] },
    () => scripts.shift()!,
  );
  const reason = machine.runFor(1e9, 1e9);
  assertEquals([reason?.kind, reason?.domain], ["crash", "one"]);
  assertStringIncludes(reason!.report!, "plugin one/bad, read at offset 0x4, 4 bytes: out of cheese");
  assertEquals(machine.domains[1].outcome, { kind: "power-off", code: 7 });
  assert(machine.stats.instructions > 1_000_000);
});
Deno.test("hooks and timers that throw name plugin and hook", async () => {
  const cases: [Plugin, RegExp][] = [
    [
      plugin("hooked", ({ onRun }) => onRun({ entry: () => assert(false, "entry is broken") })),
      /plugin guest\/hooked, onRun entry: .*entry is broken/,
    ],
    [
      plugin("timed", ({ clock }) => clock.timer("t", () => assert(false, "timer is broken")).arm(100)),
      /plugin guest\/timed, timer t: .*timer is broken/,
    ],
    [
      plugin("odd", ({ exceptions }) => exceptions.claim(0x01, (() => undefined) as never)),
      /plugin guest\/odd, handler of exception class 0x1: the answer is undefined/,
    ],
  ];
  for (const [broken, message] of cases) {
    const { machine } = await machineOf({ plugins: [startAll, broken] }, () => [{ retire: 200 }, wfi]);
    const reason = machine.runFor(1e9, 1e9);
    assertEquals(reason?.kind, "crash");
    assertMatch(reason!.report!, message);
  }
});

Deno.test("a policy that throws, sleeps or decides nonsense is named, and guests run all the same", async () => {
  const broken: [string, Partial<SchedulerPolicy>][] = [
    ["it threw: no", {
      decide() {
        throw new Error("no");
      },
    }],
    ["want more than zero", { decide: () => ({ vcpu: undefined, sliceNs: 0 }) }],
    ["want more than zero", { decide: () => ({ vcpu: undefined, sliceNs: NaN }) }],
    ["no decision came back", { decide: (() => Promise.resolve()) as never }],
    ["it chose a vCPU that it doesn't have", {
      decide: () => ({ vcpu: { id: 9, domain: "x", index: 0, runnable: true, cpus: [0] }, sliceNs: 5 }),
    }],
    ["wake: it threw", {
      wake() {
        throw new Error("no");
      },
    }],
  ];
  for (const [message, part] of broken) {
    const traced: string[] = [];
    const { machine } = await machineOf(
      { plugins: [startAll, powerOff], policy: { ...roundRobin(), ...part } },
      () => [{ retire: 100_000 }, hvc(0x8400_0008)],
      { onTrace: (kind, detail) => traced.push(`${kind}: ${detail}`) },
    );
    assertEquals(machine.runFor(1e9, 1e9)?.kind, "power-off");
    assert(traced.some((line) => line.startsWith("scheduler policy: fake_policy, ") && line.includes(message)), `${message}: ${traced}`);
    assert(traced.length < 100);
  }
});

Deno.test("a policy that chooses an offline vCPU is contained", async () => {
  const policy = roundRobin();
  let second: Parameters<SchedulerPolicy["insert"]>[0] | undefined;
  const insert = policy.insert;
  policy.insert = (vcpu) => {
    insert(vcpu);
    if (vcpu.index === 1) second = vcpu;
  };
  policy.decide = () => ({ vcpu: second, sliceNs: 1000 });
  const { machine } = await machineOf(
    { domains: [{ name: "guest", vcpus: 2 }], plugins: [startFirst, powerOff], policy },
    () => [{ retire: 10 }, hvc(0x8400_0008)],
  );
  assertEquals(machine.runFor(1e9, 1e9)?.kind, "power-off");
  assertEquals(machine.stats.traced.get("scheduler policy"), 1);
});

Deno.test("a fault loop ends with a report", async () => {
  const { machine } = await machineOf({}, () => [
    {
      retire: 42,
      effect: (state) => state.write("ESR_EL1", esr(0x21, 0b000111)),
      exit: { kind: "fault-loop", detail: "the vector faults on itself" },
    },
  ]);
  const reason = machine.runFor(1e9, 1e9);
  assertEquals(reason?.kind, "crash");
  for (
    const part of ["guest, vCPU 0: the vector faults on itself", "translation fault, level 3", "42 instructions retired", "EL1h", "x30"]
  ) {
    assertStringIncludes(reason!.report!, part);
  }
});

Deno.test("traps that nobody claims get the architectural answer, and bounded traces", async () => {
  const traced: string[] = [];
  function* hostile(): Iterable<Step> {
    for (let i = 0; i < 10_000; i++) {
      yield { exception: { esr: esr(0x18, 0x30_0000 | 5 << 5 | 1) } };
      yield { exception: { esr: esr(0x24, 1 << 24 | 2 << 22 | 7), ipa: 0x6666_0000 } };
      yield { exception: { esr: esr(0x16, 1) } };
    }
    yield hvc(0x8400_0008);
  }
  const { machine } = await machineOf({ plugins: [startAll, powerOff] }, hostile, {
    onTrace: (kind, detail) => traced.push(`${kind}: ${detail}`),
  });
  assertEquals(machine.runFor(1e9, 1e9)?.kind, "power-off");
  assert(traced.length < 120, `${traced.length} lines`);
  const state = machine.domains[0].vcpus[0].state as unknown as { injected: { kind: string }[] };
  assertEquals(state.injected.slice(0, 3).map(({ kind }) => kind), ["undefined", "abort", "undefined"]);
  assertEquals(machine.nowNs, 30_001);
});

Deno.test("a guest that only traps makes time pass, so that limits hold", async () => {
  function* forever(): Iterable<Step> {
    for (;;) yield { exception: { esr: esr(0x20, 0b000111) } };
  }
  const { machine } = await machineOf({}, forever);
  assertEquals(machine.runFor(100_000, 1e9), undefined);
  assert(machine.nowNs >= 100_000);
});

Deno.test("domains leave nothing behind: 100 of them, created and destroyed", async () => {
  const held = capability<object>("Held", "domain");
  const greedy = definePlugin({
    name: "greedy",
    doc: "",
    options: {},
    provides: [held],
    needs: [Serial],
    attach({ provide, clock, get, exceptions, onRun, onStop, domain }) {
      provide(held, {});
      clock.timer("never", () => {}).arm(1e15);
      get(Serial).open(`port of ${domain.name}`);
      exceptions.claimMmio(0x900_0000, 0x1000, "", { read: () => 0, write: () => {} });
      onRun({});
      onStop(() => stopped++);
    },
  });
  let stopped = 0;
  const { machine, engine, backend, board } = await machineOf({ domains: [], plugins: [startAll] }, () => []);
  const before = [machine.memory.freeFrames, machine.memory.usage().size, engine.vcpus.size, machine.serialPorts.length];
  for (let i = 0; i < 100; i++) {
    const domain = await machine.createDomain({ name: `d${i}`, vcpus: 2, memory: [{ at: 0, size: 3 * 2 ** 20 }], plugins: uses(greedy) });
    machine.runFor(1000, 1e9);
    domain.writeMemory(0x1000, new TextEncoder().encode("secret"));
    machine.destroyDomain(domain);
  }
  assertEquals([machine.memory.freeFrames, machine.memory.usage().size, engine.vcpus.size, machine.serialPorts.length], before);
  assertEquals(stopped, 100);
  assertEquals([...backend.spaces.values()].every((space) => space.destroyed), true);
  assertEquals(machine.runFor(1e6, 1e9), { kind: "destroyed", domain: "d99" });
  const { base, size } = board.memory.map(({ at, size }) => ({ base: at, size }))[0];
  machine.memory.allocateAt("the next", base, size);
  assert(machine.memory.view(base, size).every((byte) => byte === 0), "memory is scrubbed before it has an owner again");
});

Deno.test("a domain that can't be built leaves nothing behind, and the error says why", async () => {
  const { machine } = await machineOf({ domains: [], plugins: [startAll] }, () => []);
  const broken = plugin("broken", () => {
    throw new Error("no such thing");
  });
  const spec = { name: "d", vcpus: 1, memory: [{ at: 0, size: 2 ** 20 }], plugins: uses(broken) };
  const free = machine.memory.freeFrames;
  await assertRejects(() => machine.createDomain(spec), Error, "plugin d/broken, attach: no such thing");
  await assertRejects(() => machine.createDomain({ ...spec, memory: [{ at: 0, size: 2 ** 30 }] }), Error, "M0407");
  const [{ base, size }] = machine.memory.banks;
  machine.memory.allocateAt("somebody", base, size / 2);
  await assertRejects(() => machine.createDomain({ ...spec, memory: [{ at: 0, size: size / 4 * 3 }] }), Error, "domain d asks for");
  machine.memory.release("somebody", base, size / 2);
  assertEquals(machine.memory.freeFrames, free);
  assertEquals(machine.domains.length, 0);
});

Deno.test("serial input is delivered in virtual time, output comes at the end of runFor", async () => {
  const out: string[] = [];
  const got: [number, number][] = [];
  const uart = definePlugin({
    name: "uart",
    doc: "",
    options: {},
    needs: [Serial],
    attach({ get, clock, domain }) {
      const port = get(Serial).open("console");
      port.onInput((byte) => {
        got.push([clock.nowNs, byte]);
        port.write(byte);
        domain.end({ kind: "power-off" });
      });
    },
  });
  const { machine } = await machineOf({ domains: [{ name: "guest", plugins: uses(uart) }] }, () => [{ retire: 100 }, wfi], {
    expectsInput: true,
    onSerial: (port, bytes) => out.push(`${port}: ${new TextDecoder().decode(bytes)}`),
  });
  assertEquals(machine.runFor(1e9, 1e9), undefined);
  assertEquals([machine.waiting, machine.wakeAfterMs], [true, undefined]);
  machine.serialInput("console", new Uint8Array([0x41]));
  assertEquals(machine.runFor(1e9, 1e9)?.kind, "power-off");
  assertEquals(got, [[101, 0x41]]);
  assertEquals(out, ["console: A"]);
});

Deno.test("the end of input turns waiting into idle-forever", async () => {
  const listener = definePlugin({
    name: "uart",
    doc: "",
    options: {},
    needs: [Serial],
    attach: ({ get }) => get(Serial).open("c").onInput(() => {}),
  });
  const { machine } = await machineOf({ domains: [{ name: "guest", plugins: uses(listener) }] }, () => [wfi], { expectsInput: true });
  assertEquals(machine.runFor(1e9, 1e9), undefined);
  machine.endInput();
  assertEquals(machine.runFor(1e9, 1e9)?.kind, "idle-forever");
});

Deno.test("the same board runs the same, however the run is cut", async () => {
  const traces: string[] = [];
  for (const piece of [1e9, 70_000, 1000]) {
    const { machine, engine } = await machineOf(
      { pcpus: 2, domains: [{ name: "guest", vcpus: 3 }], plugins: [startAll, powerOff] },
      (index) => index === 0 ? [{ retire: 400_000 }, hvc(0x8400_0008)] : [{ retire: 1000 * index }, { exception: { esr: esr(1, 1) } }],
    );
    while (machine.runFor(piece, 1e9) === undefined);
    traces.push(
      `${machine.nowNs} ${machine.stats.instructions} ${
        engine.runs.map(({ window, retired }) => `${window.startNs}+${retired}`).join(" ")
      }`,
    );
  }
  assertEquals(new Set(traces).size, 1);
});

Deno.test("WFE gives the turn away, and lets time pass when nobody else runs", async () => {
  const wfe: Step = { retire: 5, exception: { esr: esr(0x01, 1) } };
  const { machine, engine } = await machineOf({ plugins: [startAll, powerOff] }, () => [wfe, wfe, wfe, hvc(0x8400_0008)]);
  assertEquals(machine.runFor(1e9, 1e9)?.kind, "power-off");
  assertEquals(engine.runs.length, 4);
  assert(machine.nowNs >= 30_000);
});

Deno.test("paced against the wall clock, an idle machine waits as long as its timer", async () => {
  let wall = 1000;
  let fired = 0;
  const alarm = plugin("alarm", ({ clock }) => clock.timer("alarm", () => fired++).arm(500e6));
  const { machine } = await machineOf({ time: "host", plugins: [startAll, alarm] }, () => [wfi], { wallMs: () => wall });
  assertEquals(machine.runFor(1e12, 1e9), undefined);
  assert(machine.waiting && Math.abs(machine.wakeAfterMs! - 500) < 1, `${machine.wakeAfterMs}`);
  wall += 30;
  machine.runFor(1e12, 1e9);
  assert(fired === 0 && Math.abs(machine.wakeAfterMs! - 470) < 1, `${machine.wakeAfterMs}`);
  wall += 471;
  assertEquals(machine.runFor(1e12, 1e9)?.kind, "idle-forever");
  assertEquals(fired, 1);
});

Deno.test("a turn is never longer than the quantum, a slice never longer than the policy says", async () => {
  for (const [pcpus, nsPerInstruction, most] of [[1, 1, 40 * QUANTUM], [1, 100, QUANTUM], [2, 1, QUANTUM]]) {
    const patient = roundRobin();
    const { decide } = patient;
    patient.decide = (...args) => ({ ...decide(...args), sliceNs: 10_000_000 });
    const { machine, engine } = await machineOf(
      { pcpus, nsPerInstruction, policy: patient, domains: [{ name: "guest", vcpus: pcpus }] },
      () => [],
    );
    machine.runFor(30_000_000, 1e9);
    assertEquals(Math.max(...engine.runs.map(({ window }) => window.budget)), most);
  }
  const policy = roundRobin();
  const decide = policy.decide;
  policy.decide = (...args) => ({ ...decide(...args), sliceNs: 333 });
  const short = await machineOf({ policy, domains: [{ name: "guest", vcpus: 2 }] }, () => []);
  short.machine.runFor(10_000, 1e9);
  assert(short.engine.runs.every(({ window, retired }) => window.budget === 333 && retired === 333));
  const turns = short.engine.runs.map(({ state }) => Number(state.config.mpidr & 0xffn));
  assertEquals(turns.slice(0, 6), [0, 1, 0, 1, 0, 1]);
});

Deno.test("missing, doubled and undeclared capabilities are named", async () => {
  const key = capability<number>("Thing");
  const needs = definePlugin({ name: "wants", doc: "", options: {}, needs: [key] });
  await assertRejects(() => machineOf({ plugins: [needs] }, () => []), Error, "plugin wants needs Thing, which nobody provides");
  const gives = (name: string) => definePlugin({ name, doc: "", options: {}, provides: [key], setup: ({ provide }) => provide(key, 1) });
  await assertRejects(
    () => machineOf({ plugins: [gives("a"), gives("b")] }, () => []),
    Error,
    "plugin b, setup: Thing is provided by a already",
  );
  const lazy = definePlugin({ name: "lazy", doc: "", options: {}, provides: [key] });
  await assertRejects(() => machineOf({ plugins: [lazy] }, () => []), Error, "it declares Thing and didn't provide it");
  const sly = definePlugin({ name: "sly", doc: "", options: {}, setup: ({ get }) => void get(key) });
  await assertRejects(() => machineOf({ plugins: [gives("a"), sly] }, () => []), Error, `it uses Thing, which its "needs" doesn't list`);
});
