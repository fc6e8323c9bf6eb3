import { assert, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../../tests/support/random.ts";
import { PoolModel } from "../tests/pool_model.ts";
import { arinc653Policy } from "./policy.ts";
import { placeWindows, readWindows } from "./schedule.ts";

const MS = 1_000_000;

function model(cpus: number, windows: unknown[], frame?: number) {
  const read = (settings: Readonly<Record<string, unknown>>) => placeWindows(readWindows(settings.windows), settings.frame as number, 0);
  const state = { schedule: placeWindows(readWindows(windows), frame, 0), originNs: 0, next: undefined, lastNs: 0 };
  return new PoolModel(arinc653Policy(state, read), cpus, false);
}

Deno.test("each has its windows and nothing else, to the nanosecond, in every frame", () => {
  const pool = model(
    1,
    [{ domain: "a", time: "3ms" }, { time: "1ms" }, { domain: "b", time: "2ms" }, { domain: "a", time: "500us" }],
    8 * MS,
  );
  const [a, b] = [pool.add("a"), pool.add("b")];
  pool.wake(a);
  pool.wake(b);
  for (let frame = 1; frame <= 100; frame++) {
    pool.runFor(8 * MS);
    assertEquals([a.ranNs, b.ranNs], [3.5 * MS * frame, 2 * MS * frame]);
  }
});

Deno.test("who sleeps in its window leaves it empty; who wakes in it has the rest of it", () => {
  const pool = model(1, [{ domain: "a", time: "4ms" }, { domain: "b", time: "4ms" }]);
  const [a, b] = [pool.add("a"), pool.add("b")];
  pool.wake(b);
  pool.runFor(2 * MS);
  assertEquals([a.ranNs, b.ranNs], [0, 0]);
  pool.wake(a);
  pool.runFor(4 * MS);
  assertEquals([a.ranNs, b.ranNs], [2 * MS, 2 * MS]);
  pool.sleep(a);
  pool.runFor(10 * MS);
  assertEquals([a.ranNs, b.ranNs], [2 * MS, 8 * MS]);
});

Deno.test("several CPUs have tables of their own; a vCPU may go from one to the other", () => {
  const pool = model(2, [
    { domain: "a", time: "2ms" },
    { domain: "b", time: "3ms" },
    { domain: "b", cpu: 1, time: "2ms" },
    { domain: "a", cpu: 1, time: "3ms" },
  ]);
  const [a, b] = [pool.add("a"), pool.add("b")];
  pool.wake(a);
  pool.wake(b);
  pool.runFor(50 * MS);
  assertEquals([a.ranNs, b.ranNs], [50 * MS, 50 * MS]);
});

Deno.test("100,000 random steps: windows hold, whatever anybody does", () => {
  const pool = model(2, [
    { domain: "a", time: "1ms" },
    { domain: "b", time: "2ms" },
    { domain: "c", cpu: 1, time: "1500us" },
    { cpu: 1, time: "100us" },
    { domain: "b", vcpu: 1, cpu: 1, time: "1ms" },
  ]);
  for (const [name, index] of [["a", 0], ["b", 0], ["c", 0], ["b", 1], ["no window", 0]] as const) pool.add(name, index);
  const random = new Random("arinc653");
  for (let round = 0; round < 100; round++) {
    const before = pool.vcpus.map(({ ranNs }) => ranNs);
    const from = pool.nowNs;
    pool.shake(1000, random, 300_000);
    const frames = Math.floor(pool.nowNs / (3 * MS)) - Math.floor(from / (3 * MS)) + 1;
    [1, 2, 1.5, 1, 0].forEach((ms, n) =>
      assert(pool.vcpus[n].ranNs - before[n] <= frames * ms * MS, `${pool.vcpus[n].domain} had too much`)
    );
  }
  // Nobody starves: all awake again, each has all of its windows.
  for (const vcpu of pool.vcpus) pool.wake(vcpu);
  pool.runFor(3 * MS - pool.nowNs % (3 * MS));
  const before = pool.vcpus.map(({ ranNs }) => ranNs);
  pool.runFor(3 * MS);
  assertEquals(pool.vcpus.map(({ ranNs }, n) => ranNs - before[n]), [1 * MS, 2 * MS, 1.5 * MS, 1 * MS, 0]);
});

Deno.test("a new schedule takes over where a frame ends; what is wrong changes nothing", () => {
  const pool = model(1, [{ domain: "a", time: "6ms" }, { domain: "b", time: "4ms" }]);
  const [a, b] = [pool.add("a"), pool.add("b")];
  pool.wake(a);
  pool.wake(b);
  pool.runFor(13 * MS);
  assertThrows(() => pool.policy.adjust!("a", { windows: [] }), RangeError);
  assertThrows(() => pool.policy.adjust!("a", { windows: [{ domain: "a", time: "2ms" }], frame: MS }), RangeError);
  pool.policy.adjust!("a", { windows: [{ domain: "b", time: "1ms" }, { domain: "a", time: "2ms" }] });
  pool.askAll();
  pool.runFor(7 * MS);
  assertEquals([a.ranNs, b.ranNs], [12 * MS, 8 * MS]);
  pool.runFor(30 * MS);
  assertEquals([a.ranNs, b.ranNs], [32 * MS, 18 * MS]);
});

Deno.test("windows that can't be read say which and why", () => {
  const rows: [unknown, string][] = [
    [[], "want a list of windows"],
    ["a", "want a list of windows"],
    [[{ domain: "a", time: "2ms" }, { domain: "b" }], "window 1: the time is undefined"],
    [[{ domain: "a", time: 5 }], "window 0: the time is 5; want one with its unit"],
    [[{ domain: "a", time: 0 }], "window 0: the time is 0; want more"],
    [[{ domain: "a", time: "2ms", vcpu: -1 }], "window 0: vcpu"],
    [[{ domain: "a", time: "2ms", cpu: "x" }], "window 0: cpu"],
    [[{ domain: 3, time: "2ms" }], "window 0: the domain is no text"],
    [[{ domain: "a", tim: "2ms" }], "window 0: there is no tim"],
    [[null], "window 0: want {"],
    [new Array(1025).fill({ time: "1ms" }), "these are 1025 windows"],
  ];
  for (const [windows, message] of rows) assertThrows(() => readWindows(windows), RangeError, message);
  // The sum of what each fits may not: ARINC 653 schedules were once added up without a look at it.
  const long = readWindows(Array.from({ length: 1000 }, () => ({ domain: "a", time: "2000h" })));
  assertThrows(() => placeWindows(long, undefined, 0), RangeError, "longer than 104 days");
});
