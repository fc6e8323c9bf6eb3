import { assert, assertThrows } from "@std/assert";
import { Machine } from "../../../core/mod.ts";
import type { PluginUse } from "../../../core/mod.ts";
import { fakeBoard, startAll } from "../../../core/testing.ts";
import type { Step } from "../../../core/testing.ts";
import { Random } from "../../../tests/support/random.ts";
import { PoolModel } from "../tests/pool_model.ts";
import { schedulerFair } from "./plugin.ts";
import { fairPolicy } from "./policy.ts";
import type { FairOptions } from "./policy.ts";

const quiet = { images: new Map(), onSerial: () => {} };

function machineOf(
  pcpus: number,
  domains: Record<string, number>,
  options: Partial<FairOptions> = {},
  script?: (index: number) => Iterable<Step>,
) {
  const fake = fakeBoard({
    pcpus,
    policy: false,
    plugins: [startAll],
    domains: Object.entries(domains).map(([name, vcpus]) => ({ name, vcpus })),
  });
  fake.engine.script = script;
  const use: PluginUse = { plugin: schedulerFair, options: { slice: 100_000, weights: {}, ...options }, path: ["plugins", 9] };
  return Machine.create({ ...fake.board, plugins: [...fake.board.plugins, use] }, quiet);
}

function shares(machine: Machine): number[] {
  const all = machine.domains.flatMap(({ vcpus }) => vcpus.map(({ state }) => state.retired));
  const sum = all.reduce((a, b) => a + b, 0);
  return all.map((retired) => retired / sum);
}

Deno.test("greedy vCPUs share equally, whatever the number of CPUs", async () => {
  for (const pcpus of [1, 2, 3]) {
    const machine = await machineOf(pcpus, { a: 3, b: 1 });
    machine.runFor(20_000_000, 1e9);
    for (const share of shares(machine)) assert(Math.abs(share - 0.25) < 0.02, `${pcpus} CPUs: ${shares(machine)}`);
    assert(Math.abs(machine.stats.instructions / machine.nowNs - pcpus) < 0.01, "no CPU idles");
  }
});

Deno.test("weights", async () => {
  const machine = await machineOf(1, { a: 1, b: 1 }, { weights: { a: 3 } });
  machine.runFor(40_000_000, 1e9);
  const [a, b] = shares(machine);
  assert(Math.abs(a / b - 3) < 0.1, `${a} to ${b}`);
});

Deno.test("one that yields all the time doesn't starve, and doesn't hold the others up", async () => {
  function* polite(): Iterable<Step> {
    for (;;) yield { retire: 1000, exit: { kind: "wait", instruction: "WFE" } };
  }
  let made = 0;
  const machine = await machineOf(1, { polite: 1, greedy: 1 }, {}, () => made++ === 0 ? polite() : []);
  machine.runFor(20_000_000, 1e9);
  const [yielding, greedy] = shares(machine);
  assert(yielding > 0.001 && greedy > 0.9, `${yielding} ${greedy}`);
});

Deno.test("100,000 random steps: nobody starves, nobody is in two places, no CPU idles while somebody could run", () => {
  const pool = new PoolModel(fairPolicy({ accounts: {} }, { slice: 100_000, weights: { a: 4 } }), 3, true);
  for (const [domain, count] of [["a", 2], ["b", 4]] as const) for (let index = 0; index < count; index++) pool.add(domain, index);
  pool.add("pinned", 0, [2]);
  pool.shake(100_000, new Random("fair"), 50_000);
  for (const { domain, index, longestWaitNs } of pool.vcpus) {
    assert(longestWaitNs < 20_000_000, `${domain} ${index} waited ${longestWaitNs / 1e6} ms`);
  }
});

Deno.test("weights change while it runs", () => {
  const pool = new PoolModel(fairPolicy({ accounts: {} }, { slice: 100_000, weights: {} }), 1, true);
  const [a, b] = [pool.add("a"), pool.add("b")];
  pool.wake(a);
  pool.wake(b);
  pool.runFor(100_000_000);
  pool.policy.adjust!("a", { weight: 4 });
  const before = [a.ranNs, b.ranNs];
  pool.runFor(100_000_000);
  assert(Math.abs((a.ranNs - before[0]) / (b.ranNs - before[1]) - 4) < 0.1);
  for (const wrong of [{}, { weight: 0 }, { weight: "4" }, { weight: 4, cap: 3 }]) {
    assertThrows(() => pool.policy.adjust!("a", wrong), RangeError);
  }
});
