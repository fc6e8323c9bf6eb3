/** Rounds of parallel CPUs, without threads: the fake engine's vCPUs run when somebody waits for them. */
import { assert, assertEquals } from "@std/assert";
import type { MaybeParallel, ParallelCpus, Returned } from "../../arch/parallel_cpus.ts";
import type { VcpuState } from "../../arch/cpu_engine.ts";
import { Machine } from "../../machine/machine.ts";
import { definePlugin } from "../../plugin/plugin.ts";
import type { Plugin } from "../../plugin/plugin.ts";
import { MOST_TRAPS } from "../scheduling.ts";
import { fakeBoard } from "../../testing.ts";
import type { FakeBoardOptions, FakeEngine, FakeVcpuState, Step } from "../../testing.ts";

const wfi: Step = { exception: { esr: 0x01n << 26n } };
const wfe: Step = { exception: { esr: 0x01n << 26n | 1n } };
const hvc: Step = { exception: { esr: 0x16n << 26n | 1n } };

/** CPUs whose vCPUs run at once, a piece at a time, the lowest first. */
class FakeCpus implements ParallelCpus {
  limit = 0;
  readonly log: string[] = [];
  readonly #busy = new Map<number, { state: VcpuState; position: number; retired: number; kicked: boolean }>();
  readonly #returned: Returned[] = [];
  #farthest = 0;

  constructor(readonly engine: FakeEngine, readonly piece: number) {}

  get position(): number {
    return this.#farthest;
  }

  beginRound({ limit }: { readonly limit: number }): void {
    assertEquals(this.#busy.size, 0, "nobody runs when a round begins");
    this.#farthest = 0;
    this.limit = limit;
  }

  isBusy(cpu: number): boolean {
    return this.#busy.has(cpu) || this.#returned.some((returned) => returned.cpu === cpu);
  }

  start(cpu: number, state: VcpuState, position: number): void {
    assert(!this.isBusy(cpu) && ![...this.#busy.values()].some((busy) => busy.state === state), "a vCPU is on one CPU at a time");
    this.#busy.set(cpu, { state, position, retired: 0, kicked: false });
  }

  kick(cpu: number): void {
    this.#busy.get(cpu)!.kicked = true;
  }

  recall(cpu: number): void {
    this.log.push(`recall ${cpu}`);
    this.#come(cpu, { kind: "budget" });
  }

  wait(): Returned | undefined {
    if (this.#returned.length > 0) return this.#returned.shift();
    // Whoever is behind goes first, as if they ran at the same time.
    const [cpu, busy] = [...this.#busy].sort(([, a], [, b]) => a.position + a.retired - b.position - b.retired)[0];
    const budget = busy.kicked ? 0 : Math.min(this.piece, this.limit - busy.position - busy.retired);
    if (budget <= 0) return this.#come(cpu, { kind: "budget" }), this.#returned.shift();
    const exit = this.engine.run(busy.state, { budget, startNs: 0, nsPerInstruction: 1 });
    busy.retired += this.engine.lastRetired;
    this.#farthest = Math.max(this.#farthest, busy.position + busy.retired);
    if (exit.kind === "budget" && this.engine.lastRetired > 0) return undefined;
    this.#come(cpu, exit);
    return this.#returned.shift();
  }

  #come(cpu: number, exit: Returned["exit"]): void {
    const { state, retired } = this.#busy.get(cpu)!;
    this.#busy.delete(cpu);
    this.#returned.push({ cpu, vcpu: state, exit, retired });
  }
}

async function machineOf(script: (index: number) => Iterable<Step>, options: FakeBoardOptions, wallMs?: () => number) {
  const fake = fakeBoard(options);
  fake.engine.script = script;
  const cpus = new FakeCpus(fake.engine, 1000);
  (fake.engine as { parallel?: MaybeParallel["parallel"] }).parallel = cpus;
  const machine = await Machine.create(fake.board, { images: new Map(), onSerial: () => {}, wallMs });
  return { machine, cpus, engine: fake.engine };
}

const plugin = (attach: NonNullable<Plugin["attach"]>) => definePlugin({ name: "test", doc: "", options: {}, attach });
const guest = (vcpus: number, attach: NonNullable<Plugin["attach"]>) => [{
  name: "guest",
  vcpus,
  plugins: [{ plugin: plugin(attach), options: {}, path: [] }],
}];
const startAllVcpus: NonNullable<Plugin["attach"]> = ({ onBoot, domain }) =>
  onBoot(() => domain.vcpus.forEach((vcpu) => vcpu.start(0n, 0n)));

Deno.test("time is that of the farthest CPU: two busy ones retire twice as much in it", async () => {
  const { machine } = await machineOf(() => [], { pcpus: 2, domains: guest(2, startAllVcpus), plugins: [] });
  machine.runFor(1_000_000, Infinity);
  assertEquals(machine.nowNs, 1_000_000);
  const retired = machine.domains[0].vcpus.map(({ state }) => state.retired);
  assert(retired.every((count) => count > 998_000 && count <= 1_000_000), String(retired));
  assertEquals(machine.stats.instructions, retired[0] + retired[1]);
});

Deno.test("a timer fires at its time, and a vCPU that sleeps wakes on its idle CPU while the other goes on", async () => {
  const fired: number[] = [];
  const { machine } = await machineOf(
    (index) => index === 0 ? [] : [wfi, { retire: 5000, effect: (state) => state.pending = false }, wfi],
    {
      pcpus: 2,
      plugins: [],
      domains: guest(2, (context) => {
        startAllVcpus(context);
        const { clock, domain: { vcpus: [, sleeper] } } = context;
        const timer = clock.timer("alarm", () => {
          fired.push(clock.nowNs);
          (sleeper.state as unknown as FakeVcpuState).pending = true;
          sleeper.kick();
        });
        timer.arm(300_500);
      }),
    },
  );
  machine.runFor(1_000_000, Infinity);
  assertEquals(fired, [300_500]);
  assertEquals(machine.domains[0].vcpus[1].state.retired, 5000);
});

Deno.test("a domain that is paused doesn't run when pause returns, and an exit that it left is answered afterwards", async () => {
  let calls = 0;
  const { machine, cpus } = await machineOf((index) => index === 0 ? [{ retire: 10_000 }, hvc] : [], {
    pcpus: 2,
    plugins: [],
    domains: guest(2, (context) => {
      startAllVcpus(context);
      context.exceptions.claim(0x16, ({ vcpu }) => {
        calls++;
        if (vcpu.index === 0) {
          vcpu.domain.pause();
          context.clock.timer("later", () => vcpu.domain.unpause()).arm(context.clock.nowNs + 50_000);
        }
        return "resume";
      });
    }),
  });
  machine.runFor(1_000_000, Infinity);
  assertEquals([calls, cpus.log], [1, ["recall 1"]]);
  const [, other] = machine.domains[0].vcpus;
  assert(other.state.retired < 955_000, `it stood still for 50 us: ${other.state.retired}`);
});

Deno.test("whoever waits for an event lets time pass, and hears of the timer", async () => {
  function* waiting(): Generator<Step> {
    for (;;) yield wfe;
  }
  let fired = 0;
  const { machine } = await machineOf(() => waiting(), {
    pcpus: 1,
    plugins: [],
    domains: guest(1, (context) => {
      startAllVcpus(context);
      context.clock.timer("event", () => fired = context.clock.nowNs).arm(700_000);
    }),
  });
  machine.runFor(1_000_000, Infinity);
  assertEquals(fired, 700_000);
  assert(machine.stats.exits.get("wfe")! < 100, "each of them takes its time");
});

Deno.test("two vCPUs that only trap: the host's clock is looked at after some thousand of them", async () => {
  let calls = 0;
  function* trapping(): Generator<Step> {
    for (;;) yield hvc;
  }
  const domains = guest(2, (context) => {
    startAllVcpus(context);
    context.exceptions.claim(0x16, () => (calls++, "resume"));
  });
  const { machine } = await machineOf(() => trapping(), { pcpus: 2, domains, plugins: [] }, () => calls);
  machine.runFor(1_000_000_000, 1);
  assert(calls >= MOST_TRAPS && calls <= MOST_TRAPS + 2, `${calls}`);
});
