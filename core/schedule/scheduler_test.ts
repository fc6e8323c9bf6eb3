/** Physical CPUs and their turns: pools, affinity, exact slices, where time goes, and policies that misbehave. */
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { poolOptions } from "./cpu_pool.ts";
import type { PluginUse } from "../board/board.ts";
import { Machine } from "../machine/machine.ts";
import { definePlugin } from "../plugin/plugin.ts";
import type { Plugin } from "../plugin/plugin.ts";
import { SchedulerPolicy } from "./scheduler_policy.ts";
import type { Schedulable } from "./scheduler_policy.ts";
import { fakeBoard, roundRobin, startAll } from "../testing.ts";
import type { FakeBoardOptions, FakeVcpuState, Step } from "../testing.ts";

const wfi: Step = { exception: { esr: 0x01n << 26n } };
const wfe: Step = { exception: { esr: 0x01n << 26n | 1n } };

interface Options extends FakeBoardOptions {
  readonly wallMs?: () => number;
  readonly script?: (index: number) => Iterable<Step>;
  /** Schedulers with their options; then there is no other. */
  readonly schedulers?: readonly { policy: SchedulerPolicy; options: Record<string, unknown> }[];
}

async function machineOf({ script, schedulers, wallMs, ...options }: Options) {
  const fake = fakeBoard({ ...options, policy: schedulers ? false : options.policy });
  fake.engine.script = script;
  const traced: string[] = [];
  const uses = (schedulers ?? []).map(({ policy, options }, n): PluginUse => ({
    plugin: definePlugin({
      name: `scheduler_${n}`,
      doc: "",
      options: poolOptions,
      provides: [SchedulerPolicy],
      setup: ({ provide }) => provide(SchedulerPolicy, policy),
    }),
    options,
    path: ["plugins", 10 + n],
  }));
  const machine = await Machine.create({ ...fake.board, plugins: [...fake.board.plugins, ...uses] }, {
    images: new Map(),
    wallMs,
    onSerial: () => {},
    onTrace: (kind, detail) => traced.push(`${kind}: ${detail}`),
  });
  return { ...fake, machine, traced };
}

function plugin(name: string, attach: NonNullable<Plugin["attach"]>): Plugin {
  return definePlugin({ name, doc: "", options: {}, attach });
}

const retired = (machine: Machine) => machine.domains.map(({ vcpus }) => vcpus.map(({ state }) => state.retired));

/** Wakes vCPU 0 of every domain each `ns`. */
const alarm = (ns: number) =>
  plugin("alarm", ({ clock, domain: { vcpus: [vcpu] } }) => {
    const state = vcpu.state as unknown as FakeVcpuState;
    const timer = clock.timer("alarm", () => {
      state.pending = true;
      vcpu.kick();
      timer.arm(clock.nowNs + ns);
    });
    timer.arm(ns);
  });

/** Works for so many instructions, then waits for an interrupt, for ever. */
function* napping(work: number, after: Step = wfi): Generator<Step> {
  for (;;) {
    yield { retire: work, effect: (state) => state.pending = false };
    yield after;
  }
}

Deno.test("slices end to the instruction on every CPU, whatever happens on the others: sleeps, yields, wake-ups", async () => {
  // CPU 0 has two vCPUs in windows of 1 ms and 2 ms; the other CPUs do as they like.
  const windowed = (): SchedulerPolicy => {
    const vcpus: Schedulable[] = [];
    return {
      ...roundRobin(),
      insert: (vcpu) => void vcpus.push(vcpu),
      remove: () => {},
      ran: () => {},
      yield: () => {},
      decide(_pcpu, nowNs) {
        const at = nowNs % 3_000_000;
        const [who, end] = at < 1_000_000 ? [0, 1_000_000] : [1, 3_000_000];
        return { vcpu: vcpus[who].runnable ? vcpus[who] : undefined, sliceNs: end - at };
      },
    };
  };
  for (const after of [wfi, wfe]) {
    let made = 0;
    const { machine } = await machineOf({
      pcpus: 4,
      domains: [{ name: "a" }, { name: "b" }, { name: "c", vcpus: 1 }, { name: "d", vcpus: 3 }],
      plugins: [startAll, alarm(70_001)],
      schedulers: [{ policy: windowed(), options: { cpus: 0, domains: ["a", "b"] } }, { policy: roundRobin(), options: {} }],
      script: () => made++ < 2 ? [] : napping(13_331 * made, after),
    });
    for (let frame = 1; frame <= 20; frame++) {
      machine.runFor(3_000_000, Infinity);
      assertEquals(machine.nowNs, frame * 3_000_000);
      assertEquals(retired(machine).slice(0, 2), [[1_000_000 * frame], [2_000_000 * frame]]);
    }
    assert(retired(machine)[2][0] > 1_000_000);
    machine.dispose();
  }
});

Deno.test("pools: a policy decides for its own CPUs and domains only", async () => {
  const asked: Record<string, Set<number>> = { a: new Set(), b: new Set() };
  const spy = (name: string): SchedulerPolicy => {
    const policy = roundRobin();
    return {
      ...policy,
      insert(vcpu) {
        assertEquals(vcpu.domain, name);
        assertEquals(vcpu.cpus, name === "a" ? [1, 3] : [0, 2]);
        policy.insert(vcpu);
      },
      decide(cpu, nowNs) {
        asked[name].add(cpu);
        return policy.decide(cpu, nowNs);
      },
    };
  };
  const { machine } = await machineOf({
    pcpus: 4,
    domains: [{ name: "a", vcpus: 1 }, { name: "b", vcpus: 4 }],
    schedulers: [{ policy: spy("a"), options: { cpus: "1,3", domains: ["a"] } }, { policy: spy("b"), options: {} }],
  });
  machine.runFor(10_000_000, Infinity);
  assertEquals(asked, { a: new Set([1, 3]), b: new Set([0, 2]) });
  const [[a], b] = retired(machine);
  assertEquals([a, b.reduce((sum, each) => sum + each)], [10_000_000, 20_000_000]);
  await assertRejects(
    () => machineOf({ domains: [{ name: "a" }, { name: "b" }], schedulers: [{ policy: roundRobin(), options: { domains: ["a"] } }] }),
    RangeError,
    "domain b is in no pool",
  );
});

Deno.test("affinity: a policy that ignores it is named, and the vCPU stays where it may be", async () => {
  const places = new Set<number>();
  const { machine, traced } = await machineOf({
    pcpus: 2,
    domains: [{ name: "a", vcpus: 2 }],
    schedulers: [{ policy: roundRobin(), options: { affinity: { a: [1, "0-1"] } } }],
    plugins: [
      startAll,
      plugin("spy", ({ onRun }) =>
        onRun({
          entry(vcpu) {
            if (vcpu.index === 0) places.add((vcpu as unknown as { pcpu: number }).pcpu);
          },
        })),
    ],
  });
  machine.runFor(10_000_000, Infinity);
  assertEquals(places, new Set([1]));
  assertStringIncludes(traced[0], "it chose vCPU 0 of a for CPU 0, where it may not run");
  assertEquals(retired(machine), [[10_000_000, 10_000_000]]);
});

Deno.test("a CPU that idles gets who loses its place elsewhere", async () => {
  // The pinned one wakes and takes CPU 0; the other one moves to CPU 1, which had nobody to wait for.
  const policy = roundRobin();
  const vcpus: Schedulable[] = [];
  const pinnedFirst: SchedulerPolicy = {
    ...policy,
    insert: (vcpu) => void vcpus.push(vcpu),
    ran: () => {},
    decide: (cpu) => ({ vcpu: vcpus.find((vcpu) => vcpu.runnable && vcpu.cpus.includes(cpu)), sliceNs: cpu === 1 ? Infinity : 1_000_000 }),
  };
  let made = 0;
  const { machine } = await machineOf({
    pcpus: 2,
    domains: [{ name: "pinned" }, { name: "other" }],
    plugins: [startAll, alarm(500_000)],
    schedulers: [{ policy: pinnedFirst, options: { affinity: { pinned: 0 } } }],
    script: () => made++ === 0 ? napping(200_000) : [],
  });
  machine.runFor(50_000_000, Infinity);
  const [[pinned], [other]] = retired(machine);
  // A CPU that somebody is woken on has to end its turn first.
  assert(pinned > 19_000_000 && other > 49_000_000, `${pinned} ${other}`);
});

Deno.test("run states: what a vCPU did adds up to its age, and tells running from waiting", async () => {
  let made = 0;
  const { machine } = await machineOf({
    domains: [{ name: "naps" }, { name: "works" }, { name: "also" }],
    plugins: [
      plugin("start", ({ domain, onBoot, clock }) => {
        if (domain.name !== "also") onBoot(() => domain.vcpus[0].start(0n, 0n));
        else clock.timer("late", () => domain.vcpus[0].start(0n, 0n)).arm(6_000_000);
      }),
      alarm(1_000_000),
    ],
    script: () => made++ === 0 ? napping(100_000) : [],
  });
  machine.runFor(12_000_000, Infinity);
  const [naps, works, also] = machine.domains.map(({ vcpus: [vcpu] }) => vcpu.runStates);
  for (const { spentNs } of [naps, works, also]) {
    assertEquals(Object.values(spentNs).reduce((sum, ns) => sum + ns), machine.nowNs);
  }
  assertEquals(also.spentNs.offline, 6_000_000);
  assertEquals([naps.spentNs.offline, works.spentNs.offline, works.spentNs.blocked], [0, 0, 0]);
  assert(naps.spentNs.blocked > 4_000_000, `${naps.spentNs.blocked}`);
  // One CPU, and somebody always runs.
  assertEquals([naps, works, also].reduce((sum, { spentNs }) => sum + spentNs.running, 0), machine.nowNs);
  for (const [n, { spentNs }] of [naps, works, also].entries()) {
    const trapped = spentNs.running - retired(machine)[n][0];
    assert(trapped >= 0 && trapped < 20, "an instruction takes a nanosecond, a trapped one as well");
    assertEquals(machine.domains[n].vcpus[0].stolenNs, spentNs.runnable);
  }
  assertEquals([naps, works, also].filter(({ state }) => state === "running").length, 1);
});

Deno.test("block unless pending: an interrupt between the last look and WFI is never lost, at any instruction", async () => {
  for (let at = 95; at < 112; at++) {
    const { machine } = await machineOf({
      plugins: [
        startAll,
        plugin("once", ({ clock, domain: { vcpus: [vcpu] } }) => {
          clock.timer("once", () => {
            (vcpu.state as unknown as FakeVcpuState).pending = true;
            vcpu.kick();
          }).arm(at);
        }),
      ],
      script: () => [{ retire: 100 }, wfi, { retire: 7 }, { ...wfi, effect: (state) => state.pending = false }],
    });
    assertEquals(machine.runFor(1e9, Infinity)?.kind, "idle-forever");
    assertEquals(retired(machine), [[107]], `the interrupt comes at ${at} ns`);
  }
});

Deno.test("WFE: who waits for an event leaves its CPU to others, and alone waits for the next timer at most", async () => {
  let made = 0;
  const { machine } = await machineOf({
    domains: [{ name: "waits" }, { name: "works" }],
    script: () => made++ === 0 ? napping(10, wfe) : [],
  });
  machine.runFor(10_000_000, Infinity);
  const [[waits], [works]] = retired(machine);
  assert(works > 9_900_000 && waits > 0, `${waits} ${works}`);
  const alone = await machineOf({ script: () => napping(10, wfe), plugins: [startAll, alarm(7_000)] });
  alone.machine.runFor(1_000_000, Infinity);
  const looks = alone.engine.runs.length;
  assert(looks > 1_000_000 / 7_000 && looks < 4 * 1_000_000 / 7_000, `${looks} looks`);
});

Deno.test("two that only yield to each other, without an instruction, don't stop time", async () => {
  function* polite(): Generator<Step> {
    for (;;) yield { exit: { kind: "wait", instruction: "WFE" } };
  }
  const { machine, engine } = await machineOf({ pcpus: 2, domains: [{ name: "guest", vcpus: 5 }], script: polite });
  machine.runFor(1_000_000, 10_000);
  assert(machine.nowNs >= 1_000_000);
  assert(engine.runs.length < 500, `${engine.runs.length} looks: time has to pass between them`);
});

Deno.test("a policy that idles again and again for a nanosecond while somebody could run is named, and time goes on", async () => {
  const { machine, traced } = await machineOf({
    policy: { ...roundRobin(), decide: () => ({ vcpu: undefined, sliceNs: 1 }) },
    script: () => [],
  });
  machine.runFor(100_000_000, Infinity);
  assert(traced.some((line) => line.includes("it idled 1000 times in a row for less than 1000 ns")), traced.join("\n"));
  assert(machine.stats.instructions > 90_000_000, `${machine.stats.instructions}`);
});

Deno.test("slices that are none are refused: fractions of a nanosecond, negative, not a number, text", async () => {
  for (const sliceNs of [1e-9, 0.5, -1, -Infinity, NaN, "5" as unknown as number, undefined as unknown as number]) {
    const { machine, traced } = await machineOf({ policy: { ...roundRobin(), decide: () => ({ vcpu: undefined, sliceNs }) } });
    machine.runFor(3_000_000, Infinity);
    assert(traced.some((line) => line.includes("want more than zero")), `${sliceNs}: ${traced}`);
    assertEquals(machine.stats.instructions, 3_000_000);
  }
});

Deno.test("a vCPU of another pool, or one that runs elsewhere, is refused", async () => {
  const seen: Schedulable[] = [];
  const collect = (policy: SchedulerPolicy): SchedulerPolicy => {
    const { insert } = policy;
    return { ...policy, insert: (vcpu) => (seen.push(vcpu), insert(vcpu)) };
  };
  const thief: SchedulerPolicy = {
    ...collect(roundRobin()),
    decide: () => ({ vcpu: seen.find(({ domain }) => domain === "b"), sliceNs: 1000 }),
  };
  const { machine, traced } = await machineOf({
    pcpus: 2,
    domains: [{ name: "a" }, { name: "b" }],
    schedulers: [{ policy: thief, options: { cpus: 0, domains: ["a"] } }, { policy: collect(roundRobin()), options: {} }],
  });
  machine.runFor(1_000_000, Infinity);
  assertStringIncludes(traced.join("\n"), "scheduler_0, decide(0): it chose a vCPU that it doesn't have");
  assertEquals(retired(machine), [[1_000_000], [1_000_000]]);

  const greedy = await machineOf({
    pcpus: 2,
    domains: [{ name: "a", vcpus: 2 }],
    policy: { ...collect(roundRobin()), decide: () => ({ vcpu: seen.at(-2), sliceNs: 1000 }) },
  });
  greedy.machine.runFor(1_000_000, Infinity);
  assertStringIncludes(greedy.traced.join("\n"), "which runs on CPU 0");
  assertEquals(retired(greedy.machine), [[1_000_000, 1_000_000]]);
});

Deno.test("a policy that throws in any of its hooks is named with the hook, and a domain's end gets through", async () => {
  for (const hook of ["remove", "wake", "sleep", "yield", "ran", "decide"] as const) {
    const broken = {
      ...roundRobin(),
      [hook]() {
        throw new Error("broken");
      },
    };
    const { machine, traced } = await machineOf({
      policy: broken,
      domains: [{ name: "a", vcpus: 2 }, { name: "b" }],
      plugins: [startAll, alarm(10_000)],
      script: (index) => napping(3_000, index === 0 ? wfi : wfe),
    });
    machine.runFor(1_000_000, Infinity);
    for (const domain of machine.domains) machine.destroyDomain(domain);
    assert(traced.some((line) => line.includes(`fake_policy, ${hook}`) && line.includes("it threw: broken")), `${hook}: ${traced}`);
    assertEquals(machine.memory.usage().size, 0);
  }
});

Deno.test("settings reach the policy of the domain's pool; one that has none says so", async () => {
  const said: unknown[] = [];
  const { machine } = await machineOf({
    pcpus: 2,
    domains: [{ name: "a" }, { name: "b" }],
    schedulers: [
      { policy: { ...roundRobin(), adjust: (domain, settings) => void said.push(domain, settings) }, options: { cpus: 0, domains: ["a"] } },
      { policy: roundRobin(), options: {} },
    ],
  });
  machine.scheduling.adjust("a", { weight: 3 });
  assertEquals(said, ["a", { weight: 3 }]);
  assertThrows(() => machine.scheduling.adjust("b", {}), RangeError, "scheduler_1 has nothing to change while it runs");
});

Deno.test("an affinity that changes while the vCPU runs moves it; what is wrong leaves it where it is", async () => {
  let place: number | undefined;
  const policy = roundRobin();
  const fussy: SchedulerPolicy = {
    ...policy,
    insert(vcpu) {
      if (vcpu.cpus[0] === 3) throw new RangeError("not there");
      policy.insert(vcpu);
    },
    decide: (cpu) => policy.decide(cpu, 0).vcpu?.cpus.includes(cpu) ? policy.decide(cpu, 0) : { vcpu: undefined, sliceNs: 1_000_000 },
  };
  const { machine, traced } = await machineOf({
    pcpus: 4,
    policy: fussy,
    plugins: [
      startAll,
      plugin("spy", ({ onRun }) => onRun({ entry: (vcpu) => void (place = (vcpu as unknown as { pcpu: number }).pcpu) })),
    ],
  });
  const [vcpu] = machine.domains[0].vcpus;
  for (const cpus of [1, "2", [0], "1-2"]) {
    machine.scheduling.move(vcpu, cpus);
    machine.runFor(1_000_000, Infinity);
    assertEquals(place, Array.isArray(cpus) ? cpus[0] : Number(String(cpus)[0]));
  }
  for (const [cpus, message] of [[7, "leaves no CPU of the pool"], ["here", "want physical CPUs"], [3, "not there"]] as const) {
    assertThrows(() => machine.scheduling.move(vcpu, cpus), RangeError, message);
    machine.runFor(1_000_000, Infinity);
    assertEquals(place, 1);
  }
  assertEquals(vcpu.state.retired, 7_000_000);
  assertEquals(traced, []);
});

Deno.test("a guest that only traps: the host's clock is looked at after some thousand of them, and virtual time is that of the instructions", async () => {
  const hvc: Step = { exception: { esr: 0x16n << 26n } };
  function* trapping(): Generator<Step> {
    for (;;) yield hvc;
  }
  for (const pcpus of [1, 4]) {
    let calls = 0;
    const claims = plugin("calls", ({ exceptions }) => exceptions.claim(0x16, () => (calls++, "resume")));
    const { machine } = await machineOf({ pcpus, plugins: [startAll, claims], script: () => trapping(), wallMs: () => calls });
    machine.runFor(1_000_000_000, 1);
    assert(calls > 400 && calls < 5_000, `${calls} traps on ${pcpus} CPUs`);
    assertEquals(machine.nowNs, calls);
  }
});

Deno.test("a guest whose instructions take the engine long: the host's clock is looked at after some thousand of them, and time is as it is", async () => {
  let done = 0;
  function* slowly(): Generator<Step> {
    for (;;) yield { retire: 2, isSlow: true, effect: () => void done++ };
  }
  for (const [pcpus, company] of [[1, 0], [4, 0], [2, 1]]) {
    done = 0;
    const script = (index: number) => index === 0 ? slowly() : [];
    const domains = [{ name: "guest", vcpus: 1 + company }];
    const { machine } = await machineOf({ pcpus, domains, plugins: [startAll], script, wallMs: () => done });
    machine.runFor(1_000_000_000, 1);
    // Beside others turns are short by themselves.
    assert(done > 400 && done <= (company ? 25_000 : 20_000), `${done} on ${pcpus} CPUs`);
    if (!company) assertEquals(machine.nowNs, 2 * done);
  }
});
