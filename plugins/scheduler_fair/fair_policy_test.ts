import { assert, assertEquals, assertRejects } from "@std/assert";
import { Machine } from "../../core/mod.ts";
import type { PluginUse } from "../../core/mod.ts";
import { fakeBoard, startAll } from "../../core/testing.ts";
import type { Step } from "../../core/testing.ts";
import { schedulerFair } from "./mod.ts";
import type { FairOptions } from "./fair_policy.ts";

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

Deno.test("a weight for a domain that doesn't exist", async () => {
  await assertRejects(() => machineOf(1, { a: 1 }, { weights: { z: 2 } }), Error, 'there is no domain "z"');
  const check = schedulerFair.options.weights.check!;
  assertEquals([check([]), check({ a: 0 }), check({ a: 2 })].map((answer) => answer !== undefined), [true, true, false]);
});
