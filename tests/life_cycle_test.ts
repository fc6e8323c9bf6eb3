/**
 * The lives of domains, on boards with nearly every plugin: whatever a domain does when it goes, and whatever fails when it comes, nothing of it
 * is left, and the others go on. `PLUGBOARD_LIVES` (100) and `PLUGBOARD_FAILURES=all` make it longer.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { boot, checkBoard, checkDomain, ManifestError, plugins } from "../mod.ts";
import type { Domain, Machine } from "../mod.ts";
import { leakReport, leaks } from "../core/testing.ts";
import { bootCrowded } from "./support/crowded_board.ts";
import { Probe, PROBE_FREE, PROBE_LOAD, probeBoot, probeImages } from "./support/probe_guest.ts";
import { Saboteur } from "./support/sabotage.ts";

const LIVES = Number(Deno.env.get("PLUGBOARD_LIVES") ?? 100);
const ALL_FAILURES = Deno.env.get("PLUGBOARD_FAILURES") === "all";

const CPU_ON = 0xc400_0003, SYSTEM_OFF = 0x8400_0008, SYSTEM_RESET = 0x8400_0009;
const UART = 0x0900_0000, DISK = 0x0a00_0000, DISTRIBUTOR = 0x0800_0000;

const named = (machine: Machine, name: string): Domain => machine.domains.find((domain) => domain.name === name)!;

/** A hypercall of Xen's with two arguments: `mov x16, #number; mov x0, #operation; mov x1, #at; hvc #0xea1`. */
const hypercall = (number: number, operation: number, at: number): number[] =>
  [
    0xd280_0010 | number << 5,
    0xd280_0000 | operation << 5,
    0xd280_0001 | (at & 0xffff) << 5,
    0xf2a0_0001 | (at >>> 16) << 5,
    0xd401_d422,
  ].map((word) => word >>> 0);

/** What a guest does while it lives: memory, a timer, interrupts, devices, event channels, grants, the other vCPU. */
function busyLife(): Probe {
  const probe = new Probe();
  probe.fill(PROBE_FREE, PROBE_FREE + 0x1_0000, 0x5ec2_e75e_c2e7_5ec2n);
  probe.store(4, DISTRIBUTOR, 0x12);
  probe.store(4, DISTRIBUTOR + 0x104, 0xffff_ffff);
  probe.store(4, UART + 0x30, 0x301);
  probe.store(4, UART + 0x38, 0x7f0);
  for (const letter of "alive\n") probe.store(1, UART, letter.charCodeAt(0));
  for (const status of [0, 1, 3]) probe.store(4, DISK + 0x70, status);
  probe.load(4, DISK + 0x10);
  // A virtual timer in a long time: msr cntv_cval_el0, x0; mov x1, #1; msr cntv_ctl_el0, x1.
  probe.run([0xd51b_e340, 0xd280_0021, 0xd51b_e321], 1e12);
  // EVTCHNOP_alloc_unbound for domain 2, GNTTABOP_setup_table's neighbour: memory for both comes from the RAM.
  probe.store(8, PROBE_FREE, 0x0002_7ff0n);
  probe.run(hypercall(32, 6, PROBE_FREE));
  probe.store(8, PROBE_FREE, 0x0000_7ff0n);
  probe.run(hypercall(32, 6, PROBE_FREE));
  probe.call(CPU_ON, 1, PROBE_LOAD, 0);
  return probe;
}

/** A crowded machine in which every vCPU has run. */
async function started(...options: Parameters<typeof bootCrowded>): ReturnType<typeof bootCrowded> {
  const machine = await bootCrowded(...options);
  const probe = new Probe();
  probe.call(CPU_ON, 1, PROBE_LOAD, 0);
  for (const domain of machine.domains) probe.place(domain);
  for (const domain of machine.domains) probe.finish(machine, domain);
  machine.runFor(100_000, Infinity);
  for (const { name } of machine.domains) await machine.reboot(name);
  return machine;
}

/** How a life ends. */
const endings: Readonly<Record<string, (machine: Machine, domain: Domain) => void>> = {
  "while it runs": () => {},
  "paused": (machine, { name }) => assert(machine.pause(name)),
  "powered off": (machine, domain) => end(machine, domain, SYSTEM_OFF, "power-off"),
  "asking to start over": (machine, domain) => end(machine, domain, SYSTEM_RESET, "reboot"),
  "crashed": (machine, domain) => {
    // msr vbar_el1, xzr; brk #0: it faults for ever.
    const probe = new Probe();
    probe.run([0xd518_c01f, 0xd420_0000]);
    probe.restart(domain);
    runUntil(machine, () => domain.outcome !== undefined);
    assertEquals(domain.outcome?.kind, "crash");
  },
  "with all its vCPUs powered down": (_, domain) => {
    for (const vcpu of domain.vcpus) vcpu.stop();
  },
};

function end(machine: Machine, domain: Domain, call: number, kind: string): void {
  const probe = new Probe();
  probe.call(call);
  probe.restart(domain);
  runUntil(machine, () => domain.outcome !== undefined);
  assertEquals(domain.outcome?.kind, kind);
}

function runUntil(machine: Machine, what: () => boolean): void {
  for (let n = 0; !what(); n++) {
    assert(n < 1000, machine.describe());
    machine.runFor(100_000, Infinity);
  }
}

Deno.test("however a domain ends, and whether it comes again at once or later: 100 lives leave nothing, the other one goes on", async () => {
  using machine = await started();
  const two = named(machine, "two");
  const both = leakReport(machine);
  machine.destroyDomain(named(machine, "one"));
  const alone = leakReport(machine);
  assert(leaks(both, alone).length > 10);
  const spec = machine.board.domains[0];
  await machine.createDomain(spec);
  const names = Object.keys(endings);
  for (let life = 0; life < LIVES; life++) {
    const ending = names[life % names.length];
    const where = `life ${life}, ended ${ending}`;
    assertEquals(leaks(both, leakReport(machine)), [], `before ${where}`);
    const one = named(machine, "one");
    const probe = busyLife();
    probe.place(one);
    probe.finish(machine, one);
    assert(leaks(both, leakReport(machine)).some((line) => line.startsWith("timer one/")), "it did something");
    endings[ending](machine, one);
    if (life % 2 === 0) {
      await machine.reboot("one");
      if (machine.isPaused(named(machine, "one"))) machine.unpause("one");
    } else {
      machine.destroyDomain(one);
      machine.runFor(1, Infinity); // last words
      assertEquals(leaks(alone, leakReport(machine)), [], where);
      await machine.createDomain(spec);
    }
  }
  assertEquals(leaks(both, leakReport(machine)), []);
  assert(named(machine, "two") === two && two.outcome === undefined);
  assertEquals(machine.stats.traced.get("break before make"), undefined);
  const last = new Probe();
  const step = last.load(4, DISK);
  last.restart(two);
  last.finish(machine, two);
  assertEquals(last.result(two, step), 0x7472_6976n, "virt");
  // Names of their own, which no manifest knows.
  machine.destroyDomain(named(machine, "one"));
  for (let life = 0; life < 6; life++) {
    const domain = await machine.createDomain({ ...spec, name: `guest${life}` });
    machine.runFor(10_000, Infinity);
    machine.destroyDomain(domain);
    machine.runFor(1, Infinity);
    assertEquals(leaks(alone, leakReport(machine)), [], `guest${life}`);
  }
});

Deno.test("lives with each physical CPU in a thread of its own leave nothing either", async () => {
  using machine = await started({}, { set: { parallel: "true", "plugins.cpu_a64.break_before_make": "off" } });
  const both = leakReport(machine);
  for (let life = 0; life < 6; life++) {
    const one = named(machine, "one");
    const probe = busyLife();
    probe.place(one);
    if (life % 3 === 0) probe.finish(machine, one);
    else machine.runFor(5000 * life, Infinity);
    if (life % 2 === 0) await machine.reboot("one");
    else {
      machine.destroyDomain(one);
      await machine.createDomain(machine.board.domains[0]);
    }
    assertEquals(leaks(both, leakReport(machine)), [], `life ${life}`);
  }
});

Deno.test("each thing that can fail while a domain is built fails in turn: the error names it, nothing is left, the other domain goes on", async () => {
  const saboteur = new Saboteur();
  using machine = await started({ extra: "  - { use: sabotage }\n" }, { plugins: saboteur.plugins });
  const spec = machine.board.domains[0];
  const two = named(machine, "two");
  const both = leakReport(machine);
  machine.destroyDomain(named(machine, "one"));
  let alone = leakReport(machine);
  saboteur.arm();
  await machine.createDomain(spec);
  const things = [...saboteur.seen];
  assert(things.length > 200, `${things.length} things`);
  machine.destroyDomain(named(machine, "one"));
  assertEquals(leaks(alone, leakReport(machine)), []);
  // Frames one by one are alike: some of them are enough.
  const rest = things.flatMap((what, n) => ALL_FAILURES || !isAlike(things, n) ? [{ what, n }] : []);
  const leaky: string[] = [], unclear: string[] = [], unnoticed: string[] = [];
  for (const { what, n } of rest) {
    saboteur.arm(n);
    const told = await machine.createDomain(spec).then(() => undefined, (error: Error) => error.message);
    if (told === undefined) unnoticed.push(what);
    else if (!/sabotage of|the page of the (console|xenstore) can't be there/.test(told)) unclear.push(`${what}: ${told}`);
    for (const domain of machine.domains) if (domain !== two) machine.destroyDomain(domain);
    saboteur.arm();
    machine.runFor(1000, Infinity);
    const left = leaks(alone, leakReport(machine));
    if (left.length > 0) leaky.push(`${n}, ${what}: ${left.join("; ")}`);
    // What is left once would be counted for everything that follows.
    alone = leakReport(machine);
    assertEquals(two.outcome, undefined);
  }
  assertEquals({ leaky, unclear, unnoticed }, { leaky: [], unclear: [], unnoticed: [] });
  await machine.createDomain(spec);
  assertEquals(leaks(both, leakReport(machine)), [], `after ${rest.length} failures`);
  const one = named(machine, "one");
  const probe = busyLife();
  probe.place(one);
  probe.finish(machine, one);
});

/** True for the third and later of equal things in a row. */
function isAlike(things: readonly string[], n: number): boolean {
  return n >= 2 && things[n] === things[n - 1] && things[n] === things[n - 2];
}

Deno.test("a device in a Worker goes with its domain, also one that owes an answer", async () => {
  const original = globalThis.Worker;
  let workers = 0;
  globalThis.Worker = class extends original {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      workers++;
    }
    override terminate(): void {
      workers--;
      super.terminate();
    }
  };
  try {
    using machine = await started({ worker: true, domains: ["one"], ioreq: "order: free" });
    const spec = machine.board.domains[0];
    const full = leakReport(machine);
    assertEquals(workers, 1);
    for (let life = 0; life < 3; life++) {
      const one = named(machine, "one");
      const probe = new Probe();
      probe.load(1, 0x0906_0005);
      probe.place(one);
      for (let n = 0; !one.vcpus[0].isHeld; n++) {
        assert(n < 100_000, "the guest waits for the Worker's answer");
        machine.runFor(100, Infinity);
      }
      if (life === 1) await machine.reboot("one");
      else {
        machine.destroyDomain(one);
        assertEquals(workers, 0);
        await machine.createDomain(spec);
      }
      assertEquals(workers, 1);
      assertEquals(leaks(full, leakReport(machine)), []);
    }
    machine.dispose();
    assertEquals(workers, 0);
  } finally {
    globalThis.Worker = original;
  }
});

Deno.test("a domain that comes is checked against those that run: what clashes is a finding, and nothing has happened", async () => {
  using machine = await started({ domains: ["one", "two"] });
  const before = leakReport(machine);
  const running = machine.domains.map(({ spec }) => spec);
  const check = async (text: string) => {
    const { spec, findings } = await checkDomain(text, "new.yaml", { plugins, board: machine.board, running });
    return { spec, told: findings.map(({ code, spans: [span] }) => `${code} ${span ? `${span.line}:${span.column}` : "elsewhere"}`) };
  };
  assertEquals((await check("name: one\nmemory: 1MiB\n")).told, ["M0501 1:7"]);
  assertEquals((await check("name: three\nmemory: 1GiB\n")).told, ["M0407 2:9"]);
  assertEquals((await check("name: three\nmemory: 1MiB\nvcpu: 2\n")).told, ["M0101 3:1"]);
  assertEquals((await check("name: three\nplugins: [{ use: pl011, at: 0x900_0000, interrupt: spi 1 }]\n")).told, ["M0102 1:1"]);
  assertEquals(
    (await check("name: three\nmemory: 1MiB\nplugins: [{ use: pl011, at: 0x800_0000, interrupt: spi 1, port: three }]\n")).told,
    ["M0401 3:29"],
  );
  assertEquals((await check("name: three\nmemory: [\n")).spec, undefined);
  const { spec } = await check("name: three\nmemory: 1MiB\nplugins: [{ use: pl011, at: 0x900_0000, interrupt: spi 1, port: three }]\n");
  await assertRejects(() => machine.createDomain({ ...spec!, name: "two" }), ManifestError, "M0501");
  await assertRejects(() => machine.createDomain({ ...spec!, memory: [{ at: 0, size: 2 ** 30 }] }), ManifestError, "M0407");
  assertEquals(leaks(before, leakReport(machine)), []);
  const three = await machine.createDomain(spec!);
  assertEquals(machine.status().map(({ name, state }) => `${name} ${state}`), ["one running", "two running", "three running"]);
  machine.destroyDomain(three);
  machine.runFor(1, Infinity);
  assertEquals(leaks(before, leakReport(machine)), []);
  assertEquals(machine.operations.map(({ operation, domain }) => `${operation} ${domain}`), [
    "reboot one",
    "reboot two",
    "create three",
    "destroy three",
  ]);
});

const frames = `board: frames
pcpus: 1
memory: [{ at: 0x4000_0000, size: 16MiB }]
plugins:
  - use: cpu_a64
  - use: vmsa
  - { use: scheduler_arinc653, frame: 200us, windows: [{ domain: steady, time: 100us }, { domain: fickle, time: 100us }] }
  - use: gicv3
  - use: generic_timer
  - use: psci
domains:
${
  ["steady", "fickle"].map((name) =>
    `  - { name: ${name}, memory: [{ at: 0x4000_0000, size: 4MiB }], plugins: [` +
    `{ use: pl011, at: 0x0900_0000, interrupt: spi 1, port: ${name} }, { use: fdt }, ${probeBoot}] }\n`
  ).join("")
}`;

/** What a busy guest sees, from its start to its end: the virtual counter again and again, its output, its instructions; whatever becomes of the other. */
async function steadyLife(disturb: (machine: Machine, fickle: Domain, at: number) => Promise<void> | void, ends?: string) {
  let output = "";
  const machine = await boot(`${frames}${ends === undefined ? "" : `ends: ${ends}\n`}`, {
    images: probeImages,
    onSerial: (port, bytes) => port === "steady" && (output += new TextDecoder().decode(bytes)),
  });
  try {
    const [steady, fickle] = machine.domains;
    const probe = new Probe();
    const stamps: number[] = [];
    for (let n = 0; n < 100; n++) {
      probe.fill(PROBE_FREE, PROBE_FREE + 0x2000, BigInt(n));
      stamps.push(probe.run([0xd53b_e040])); // mrs x0, cntvct_el0
      probe.store(1, UART, 0x30 + n % 10);
    }
    probe.place(steady);
    const other = new Probe();
    for (let n = 0; n < 8; n++) other.fill(PROBE_FREE, PROBE_FREE + 0x1_0000, 7n);
    other.place(fickle);
    for (let at = 0; !probe.isDone(steady); at++) {
      assert(at < 1000);
      await disturb(machine, fickle, at);
      const stopped = machine.runFor(50_000, Infinity);
      if (stopped !== undefined && !probe.isDone(steady)) return { stopped, output };
    }
    return { stamps: stamps.map((step) => probe.result(steady, step)), output, retired: steady.vcpus[0].state.retired };
  } finally {
    machine.dispose();
  }
}

/** brk #0 where nobody handles it. */
const crash = (domain: Domain) => {
  const probe = new Probe();
  probe.run([0xd518_c01f, 0xd420_0000]);
  probe.restart(domain);
};

Deno.test("a domain that crashes, is paused, rebooted or destroyed disturbs nobody: another one's time, output and instructions are the same", async () => {
  const alone = await steadyLife(() => {});
  assert(alone.stamps!.length === 100 && new Set(alone.stamps).size === 100 && alone.output.length === 100);
  const outcomes: string[] = [];
  for (
    const [what, disturb] of Object.entries<Parameters<typeof steadyLife>[0]>({
      crash: (_, domain, at) => at === 3 ? crash(domain) : void outcomes.push(domain.outcome?.kind ?? "lives"),
      pause: (machine, _, at) => void (at === 3 && machine.pause("fickle")),
      "pause for a while": (machine, _, at) => void (at === 3 ? machine.pause("fickle") : at === 9 && machine.unpause("fickle")),
      reboot: async (machine, _, at) => void (at === 5 && await machine.reboot("fickle")),
      destroy: (machine, domain, at) => void (at === 4 && machine.destroyDomain(domain)),
      "create another one": async (machine, domain, at) => {
        if (at === 4) machine.destroyDomain(domain);
        if (at === 7) await machine.createDomain(domain.spec);
      },
    })
  ) {
    assertEquals(await steadyLife(disturb), alone, what);
  }
  assert(outcomes.includes("crash"));
});

Deno.test("the board says whose end ends a run: the last domain's, the first crash, or that of one", async () => {
  const crashing = (_: Machine, domain: Domain, at: number) => at === 3 ? crash(domain) : undefined;
  const off = (machine: Machine, domain: Domain, at: number) => at === 3 ? domain.end({ kind: "power-off", code: 5 }) : void machine;
  const destroying = (machine: Machine, domain: Domain, at: number) => at === 3 ? machine.destroyDomain(domain) : undefined;
  const ending = async (...args: Parameters<typeof steadyLife>) => {
    const { stopped } = await steadyLife(...args);
    return stopped && { kind: stopped.kind, domain: stopped.domain, code: stopped.code };
  };
  for (const disturb of [crashing, off, destroying]) assertEquals(await ending(disturb), undefined);
  assertEquals(await ending(crashing, "first crash"), { kind: "crash", domain: "fickle", code: undefined });
  for (const disturb of [off, destroying]) assertEquals(await ending(disturb, "first crash"), undefined);
  assertEquals(await ending(crashing, "fickle"), { kind: "crash", domain: "fickle", code: undefined });
  assertEquals(await ending(off, "fickle"), { kind: "power-off", domain: "fickle", code: 5 });
  assertEquals(await ending(destroying, "fickle"), { kind: "destroyed", domain: "fickle", code: undefined });
  for (const disturb of [crashing, off, destroying]) assertEquals(await ending(disturb, "steady"), undefined);
  const { findings } = await checkBoard(`${frames}ends: stedy\n`, "frames.yaml", { plugins });
  assertEquals(findings.map(({ code, help }) => [code, help]), [["M0504", "did you mean steady?"]]);
});
