import { assertEquals } from "@std/assert";
import { Machine } from "../../../core/mod.ts";
import { fakeBoard, startAll } from "../../../core/testing.ts";
import { Random } from "../../../tests/support/random.ts";
import { PoolModel } from "../tests/pool_model.ts";
import { schedulerNull } from "./plugin.ts";
import { nullPolicy } from "./policy.ts";

Deno.test("a third vCPU on two CPUs waits until a domain dies", async () => {
  const { board, engine } = fakeBoard({
    pcpus: 2,
    policy: false,
    plugins: [schedulerNull, startAll],
    domains: [{ name: "a" }, { name: "b" }, { name: "c" }],
  });
  const traced: string[] = [];
  const machine = await Machine.create(board, {
    images: new Map(),
    onSerial: () => {},
    onTrace: (kind, detail) => traced.push(`${kind}: ${detail}`),
  });
  assertEquals(traced, ["vCPU without a CPU: scheduler_null: vCPU 0 of c waits: all 2 CPUs are taken"]);
  const states = machine.domains.map(({ vcpus }) => vcpus[0].state);
  const ran = () => states.map((state) => state.retired > 0);
  machine.runFor(1_000_000, 1e9);
  assertEquals(ran(), [true, true, false]);
  machine.domains[0].end({ kind: "power-off" });
  machine.runFor(1_000_000, 1e9);
  assertEquals(ran(), [true, true, true]);
  // Both CPUs are busy all the time: nobody shares.
  assertEquals(engine.runs.every(({ window }) => window.nsPerInstruction === 0.5), true);
  machine.dispose();
});

Deno.test("a vCPU waits for a CPU that it may run on, and takes no other", () => {
  const waited: string[] = [];
  const policy = nullPolicy({ assigned: {}, waiting: [] }, ({ domain }) => waited.push(domain));
  const pool = new PoolModel(policy, 3, false);
  const [a, b, c] = [pool.add("a", 0, [1]), pool.add("b", 0, [1]), pool.add("c")];
  for (const vcpu of [a, b, c]) pool.wake(vcpu);
  pool.runFor(1000);
  assertEquals([waited, a.cpu, b.cpu, c.cpu], [["b"], 1, undefined, 0]);
  pool.remove(c);
  pool.askAll();
  assertEquals(b.cpu, undefined);
  pool.remove(a);
  pool.askAll();
  assertEquals(b.cpu, 1);
});

Deno.test("100,000 random steps: each stays on its CPU, and has it whenever it wants it", () => {
  const pool = new PoolModel(nullPolicy({ assigned: {}, waiting: [] }, () => {}), 4, false);
  const vcpus = [0, 1, 2, 3].map((index) => pool.add("a", index));
  const random = new Random("null");
  for (let round = 0; round < 1000; round++) {
    pool.shake(100, random, 10_000);
    for (const vcpu of vcpus) assertEquals(vcpu.cpu, vcpu.awake ? vcpu.index : undefined);
  }
  assertEquals(vcpus.map(({ longestWaitNs }) => longestWaitNs), [0, 0, 0, 0]);
});
