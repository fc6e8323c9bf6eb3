/**
 * What schedulers promise, measured by the guests that they promise it to: examples/guests/counter counts loops of 100 instructions for
 * 200 ms, and tells in which runs. An instruction takes a nanosecond, so a CPU gives 10,000 loops a millisecond.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { changed, debianBoard } from "./debian_images.ts";
import { Session } from "./session.ts";

const root = new URL("../../", import.meta.url);
const kernel = await Deno.readFile(new URL("examples/guests/counter/counter.bin", root));
const arinc653 = await Deno.readTextFile(new URL("boards/arinc653.yaml", root));
const COUNTER = "../examples/guests/counter/counter.bin";
const LOOPS_PER_MS = 10_000;
/** How long a guest counts, in milliseconds. */
const DURATION = 200;
/** What it takes to begin and to take a run down, in loops. */
const OVERHEAD = 400;

/** One run of loops, as the guest saw it. */
interface Run {
  readonly beganNs: number;
  readonly lengthNs: number;
  readonly loops: number;
}

/** A board whose guests all count. `domains`: vCPUs are one each. */
function counters(pcpus: number, scheduler: string, domains: readonly string[]): string {
  const domain = (name: string) =>
    `  - name: ${name}
    memory: [{ at: 0x4000_0000, size: 8MiB }]
    plugins:
      - { use: pl011, port: ${name} }
      - use: fdt
      - { use: linux_boot, kernel: ${COUNTER} }
`;
  return `board: counters
pcpus: ${pcpus}
memory: [{ at: 0x4000_0000, size: 96MiB }]
plugins:
  - use: cpu_a64
  - use: vmsa
${scheduler}
  - use: gicv3
  - use: generic_timer
  - use: psci
domains:
${domains.map(domain).join("")}`;
}

/** Runs a board of counters to its end: what each printed. */
async function measure(manifest: string): Promise<Map<string, Run[]>> {
  using session = await Session.start(manifest, { images: new Map([[COUNTER, kernel]]), checksTables: false });
  assertEquals(session.finish(2e9).kind, "power-off");
  return new Map([...session.ports].map(([name, text]) => [name, runsOf(text)]));
}

function runsOf(text: string): Run[] {
  const runs = [...text.matchAll(/run at (\d+) ns, (\d+) ns: (\d+) loops/g)].map(([, beganNs, lengthNs, loops]) => ({
    beganNs: Number(beganNs),
    lengthNs: Number(lengthNs),
    loops: Number(loops),
  }));
  assert(runs.length > 0 && runs.length < 1024, `${runs.length} runs:\n${text.slice(0, 2000)}`);
  return runs;
}

const loopsOf = (runs: readonly Run[] | undefined) => runs!.reduce((sum, { loops }) => sum + loops, 0);

function within(found: number, wanted: number, share: number, what: string): void {
  assert(Math.abs(found - wanted) <= wanted * share, `${what}: ${found}; want ${wanted} within ${share * 100} %`);
}

Deno.test("ARINC 653, boards/arinc653.yaml: each window of each frame has its loops, to the loop, beside a greedy neighbour", async () => {
  const measured = await measure(arinc653);
  const windows: Record<string, [startMs: number, lengthMs: number][]> = {
    control: [[0, 2], [6, 2]],
    sensors: [[2, 1]],
    payload: [[3, 3], [8, 1.5]],
  };
  for (const [name, list] of Object.entries(windows)) {
    const runs = measured.get(name)!;
    assertEquals(runs.length, list.length * DURATION / 10, name);
    runs.forEach(({ beganNs, loops }, n) => {
      const [startMs, lengthMs] = list[n % list.length];
      const frameMs = Math.floor(n / list.length) * 10;
      // Two CPUs take turns within a round of 50 us.
      const late = beganNs - (frameMs + startMs) * 1e6;
      assert(n === 0 || (late >= 0 && late < 200), `${name}, run ${n} begins ${late} ns late`);
      // The first one has also the way to its counting. Where a window cuts a loop in two, it counts for the next one.
      const missing = lengthMs * LOOPS_PER_MS - loops;
      assert(n === 0 ? missing < OVERHEAD : missing === 0 || missing === 1, `${name}, run ${n}: ${missing} loops are missing`);
    });
  }
  const neighbour = measured.get("neighbour")!;
  assertEquals(neighbour.length, 1);
  within(loopsOf(neighbour), DURATION * LOOPS_PER_MS, 0.001, "the neighbour on a CPU of its own");
});

Deno.test("RTDS: every budget is met in every period, what is left goes to who may have it", async () => {
  const scheduler = `  - use: scheduler_rtds
    reservations:
      fast: { period: 5ms, budget: 1ms, extratime: false }
      slow: { period: 20ms, budget: 8ms, extratime: false }
      greedy: { period: 10ms, budget: 2ms, extratime: true }`;
  const measured = await measure(counters(1, scheduler, ["fast", "slow", "greedy"]));
  const promised = { fast: [5, 1], slow: [20, 8], greedy: [10, 2] } as const;
  for (const [name, [period, budget]] of Object.entries(promised)) {
    const had = new Array<number>(DURATION / period).fill(0);
    for (const { beganNs, lengthNs, loops } of measured.get(name)!) {
      // A run may go on over the end of a period, where the next budget begins.
      for (let ns = beganNs; ns < beganNs + lengthNs;) {
        const index = Math.floor(ns / (period * 1e6));
        const end = Math.min(beganNs + lengthNs, (index + 1) * period * 1e6);
        had[index] += loops * (end - ns) / lengthNs;
        ns = end;
      }
    }
    had.forEach((loops, index) => {
      const wanted = budget * LOOPS_PER_MS;
      const what = `${name}, period ${index}: ${loops} of ${wanted} loops`;
      assert(loops > wanted - (index === 0 ? OVERHEAD : 20), what);
      if (name !== "greedy") assert(loops < wanted + 20, what);
    });
  }
  within(loopsOf(measured.get("greedy")), DURATION * 0.4 * LOOPS_PER_MS, 0.005, "with what is left over");
});

Deno.test("credit2: shares follow weights within 2 per cent, and a cap holds within 2 per cent", async () => {
  const weights = "  - use: scheduler_credit2\n    weights: { light: 128, middle: 256, heavy: 512 }";
  const measured = await measure(counters(1, weights, ["light", "middle", "heavy"]));
  const total = [...measured.values()].reduce((sum, runs) => sum + loopsOf(runs), 0);
  within(total, DURATION * LOOPS_PER_MS, 0.002, "all together");
  for (const [name, weight] of [["light", 1], ["middle", 2], ["heavy", 4]] as const) {
    within(loopsOf(measured.get(name)), DURATION * LOOPS_PER_MS * weight / 7, 0.02, name);
  }
});

Deno.test("credit2 on two CPUs: three equals share them, one of them capped leaves the rest to the others", async () => {
  const capped = await measure(counters(2, "  - use: scheduler_credit2\n    caps: { capped: 30 }", ["capped", "one", "two", "three"]));
  within(loopsOf(capped.get("capped")), DURATION * 0.3 * LOOPS_PER_MS, 0.02, "capped");
  for (const name of ["one", "two", "three"]) within(loopsOf(capped.get(name)), DURATION * 1.7 / 3 * LOOPS_PER_MS, 0.02, name);
});

Deno.test("null: a CPU of its own is exclusive; who has none waits until one is free", async () => {
  const manifest = counters(2, "  - use: scheduler_null\n    affinity: { pinned: 1, late: 1 }", ["free", "pinned", "late"]);
  const measured = await measure(manifest);
  for (const name of ["free", "pinned"]) {
    assertEquals(measured.get(name)!.length, 1, name);
    within(loopsOf(measured.get(name)), DURATION * LOOPS_PER_MS, 0.001, name);
  }
  // It came to its CPU when its time was over already: it counts until it sees that.
  assert(loopsOf(measured.get("late")) <= 1);
});

const tour = await Deno.readTextFile(new URL("boards/tour.yaml", root));
const TOUR = "../examples/guests/tour/tour.bin";
const tourKernel = await Deno.readFile(new URL("examples/guests/tour/tour.bin", root));

/** Two windows for each of four vCPUs on two CPUs, which they change. */
const windows = [0, 1, 2, 3, 1, 0, 3, 2].map((vcpu, n) => `{ domain: tour, vcpu: ${vcpu}, cpu: ${Math.floor(n % 4 / 2)}, time: 300us }`);
const schedulers: Readonly<Record<string, string>> = {
  fair: "scheduler_fair\n    slice: 100us",
  credit2: "scheduler_credit2\n    rate_limit: 0",
  rtds: "scheduler_rtds\n    period: 1ms\n    budget: 400us\n    extratime: false",
  "ARINC 653": `scheduler_arinc653\n    windows: [${windows.join(", ")}]`,
  "affinities, two pools": "scheduler_credit2\n    cpus: 1\n    affinity: { tour: 1 }\n  - { use: scheduler_null, domains: [] }",
};

for (const [name, scheduler] of Object.entries(schedulers)) {
  Deno.test(`the tour, timer ticks, PSCI and calls between four vCPUs on two CPUs: ${name}`, async () => {
    const manifest = changed(tour, [["scheduler_fair", scheduler]]);
    using session = await Session.start(manifest, { images: new Map([[TOUR, tourKernel]]) });
    assertEquals(session.finish(5e9).kind, "power-off");
    assertStringIncludes(session.console, "Tour complete: 4 CPUs");
    assertEquals(session.machine.stats.traced.get("scheduler policy"), undefined);
  });
}

const debian = await debianBoard("partitioned");

Deno.test({
  name: "partitioned.yaml: Debian boots on two CPUs beside two guests that nobody ever takes their CPUs away",
  ignore: debian.images === undefined,
  async fn() {
    using session = await Session.start(debian.manifest, { images: debian.images, console: "console", checksTables: false });
    session.until("Plugboard: 2 CPUs online");
    for (const name of ["alone", "pinned"]) {
      const runs = runsOf(session.ports.get(name)!);
      assertEquals(runs.length, 1, name);
      within(loopsOf(runs), DURATION * LOOPS_PER_MS, 0.001, name);
    }
    session.until("# ");
    assertStringIncludes(session.command("nproc"), "2");
    session.type("poweroff -f\n");
    assertEquals(session.finish().kind, "power-off");
  },
});

Deno.test({
  name: "two Debians beside a bare-metal guest under credit2, on two CPUs: both boot and answer, the bare-metal one has its share",
  ignore: debian.images === undefined,
  async fn() {
    const [head, linux, alone] = debian.manifest.split(/^(?= {2}- name: (?:linux|alone))/m);
    const second = changed(linux, [["name: linux", "name: other"], ["port: console", "port: other"]]);
    const one = (text: string) => changed(text, [["vcpus: 2", "vcpus: 1"]]);
    const manifest = changed(head, [
      ["pcpus: 4", "pcpus: 2"],
      ["size: 384MiB", "size: 768MiB"],
      ['scheduler_null\n    affinity: { linux: "0-1", pinned: 3 }', "scheduler_credit2"],
    ]) + one(linux) + one(second) + alone.replace(/^ {2}- name: pinned[^]*/m, "");
    using session = await Session.start(manifest, { images: debian.images, console: "console", checksTables: false });
    session.until("Plugboard: 1 CPUs online");
    session.until("# ");
    // Three that are busy share two CPUs.
    within(loopsOf(runsOf(session.ports.get("alone")!)), DURATION * 2 / 3 * LOOPS_PER_MS, 0.02, "the bare-metal one");
    assertStringIncludes(session.command("echo $((6 * 7))"), "42");
    for (let n = 0; !/shell ready[^]*\n# /.test(session.ports.get("other")!); n++) {
      assert(n < 100, session.ports.get("other"));
      session.command("sleep 0.1");
    }
    session.type("echo $((7 * 8)); poweroff -f\n", "other");
    session.type("poweroff -f\n");
    assertEquals(session.finish().kind, "power-off");
    assertStringIncludes(session.ports.get("other")!, "56");
  },
});
