import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fakeBoard, startAll } from "../core/testing.ts";
import { boot, Machine } from "../mod.ts";
import { schedulerLottery } from "./scheduler_lottery.ts";

/** Greedy guests, one vCPU each, for a second. */
async function shares(pcpus: number, domains: readonly string[], tickets: Record<string, number>): Promise<number[]> {
  const { board } = fakeBoard({ pcpus, policy: false, plugins: [startAll], domains: domains.map((name) => ({ name })) });
  const use = { plugin: schedulerLottery, options: { slice: 500_000, tickets }, path: ["plugins", 9] };
  const machine = await Machine.create({ ...board, plugins: [...board.plugins, use] }, { images: new Map(), onSerial: () => {} });
  machine.runFor(1e9, Infinity);
  const ran = machine.domains.map(({ vcpus: [vcpu] }) => vcpu.state.retired / 1e9);
  machine.dispose();
  return ran;
}

Deno.test("tickets decide, in the long run, and the same ones win in each run", async () => {
  const ran = await shares(1, ["a", "b", "c"], { a: 300, b: 200 });
  [1 / 2, 1 / 3, 1 / 6].forEach((wanted, n) => assert(Math.abs(ran[n] - wanted) < 0.03, `${ran}`));
  assertEquals(await shares(1, ["a", "b", "c"], { a: 300, b: 200 }), ran);
});

Deno.test("two CPUs: nobody plays on both at once, and none of them idles", async () => {
  const ran = await shares(2, ["a", "b", "c"], { a: 10_000 });
  assert(ran[0] > 0.97 && ran.every((share) => share <= 1), `${ran}`);
  assert(Math.abs(ran.reduce((sum, share) => sum + share) - 2) < 1e-6);
});

Deno.test("a manifest uses it by path, with a pool of its own", async () => {
  const root = new URL("..", import.meta.url).pathname;
  const tour = await Deno.readTextFile(`${root}boards/tour.yaml`);
  const scheduler = `- use: ${root}examples/scheduler_lottery.ts\n    cpus: 1\n    tickets: { tour: 7 }`;
  let console = "";
  const machine = await boot(tour.replace("- use: scheduler_fair", scheduler).replaceAll("../examples", `${root}examples`), {
    onSerial: (_port, bytes) => console += new TextDecoder().decode(bytes),
  });
  assertEquals(machine.runFor(1e9, 60_000)?.kind, "power-off");
  machine.dispose();
  assertStringIncludes(console, "Tour complete");
});
