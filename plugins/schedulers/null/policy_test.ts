import { assertEquals } from "@std/assert";
import { Machine } from "../../../core/mod.ts";
import { fakeBoard, startAll } from "../../../core/testing.ts";
import { schedulerNull } from "./plugin.ts";

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
