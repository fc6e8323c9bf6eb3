/** A domain that starts over: what it loses, what its plugins keep, and whom it doesn't disturb. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Machine } from "./machine.ts";
import { definePlugin } from "../plugin/plugin.ts";
import { QUANTUM } from "../schedule/scheduling.ts";
import { fakeBoard, roundRobin, startAll, startFirst, uses } from "../testing.ts";

interface Kept {
  boots: number;
  scratch: number;
}

const battery = definePlugin<Record<string, never>, Kept>({
  name: "battery",
  doc: "",
  options: {},
  state: () => ({ boots: 0, scratch: 0 }),
  keep: ({ boots }) => ({ boots }),
  attach({ state, domain, clock }) {
    boots.push({ ...state });
    state.boots++;
    state.scratch = 7;
    clock.timer("reset", () => domain.end({ kind: "reboot", cause: "battery" })).arm(clock.nowNs + 1000);
  },
});
let boots: Kept[] = [];

Deno.test("a reboot builds the domain anew: state is fresh but for what plugins keep, memory is scrubbed, frames are given back", async () => {
  boots = [];
  const { board } = fakeBoard({ plugins: [startFirst, battery] });
  const machine = await Machine.create(board, { images: new Map(), onSerial: () => {} });
  const frames = machine.memory.freeFrames;
  for (let round = 1; round <= 50; round++) {
    const [before] = machine.domains;
    before.writeMemory(before.ram[0].at, Uint8Array.of(1, 2, 3));
    assertEquals(machine.runFor(1e9, 1e9), { kind: "reboot", domain: "guest", cause: "battery" });
    assertEquals(machine.runFor(1e9, 1e9)?.kind, "reboot", "it stays down until somebody reboots it");
    const now = machine.nowNs;
    const after = await machine.reboot("guest");
    assertEquals(machine.nowNs, now);
    assert(after !== before && machine.domains.length === 1);
    assertEquals(after.outcome, undefined);
    assertEquals(after.readMemory(after.ram[0].at, 3), new Uint8Array(3));
    assertEquals(after.vcpus.map(({ id }) => id), before.vcpus.map(({ id }) => id));
    assertEquals(machine.memory.freeFrames, frames);
    assertEquals(machine.stats.reboots, round);
  }
  assertEquals(boots, Array.from({ length: 51 }, (_, n) => ({ boots: n, scratch: 0 })));
  await assertRejects(() => machine.reboot("nobody"), Error, "there is no domain nobody");
  machine.dispose();
  assertEquals(machine.memory.usage().size, 0);
});

Deno.test("a domain reboots while another one goes on", async () => {
  boots = [];
  const { board, engine } = fakeBoard({
    pcpus: 2,
    plugins: [startFirst],
    domains: [{ name: "steady", vcpus: 1 }, { name: "fickle", vcpus: 1, plugins: uses(battery) }],
  });
  engine.script = () => [];
  const machine = await Machine.create(board, { images: new Map(), onSerial: () => {} });
  const steady = machine.domains[0];
  for (let round = 0; round < 3; round++) {
    assertEquals(machine.runFor(1e9, 1e9)?.domain, "fickle");
    await machine.reboot("fickle");
  }
  assert(machine.domains.includes(steady) && steady.outcome === undefined);
  // Three lives of 1,000 ns each, through which the steady domain ran on, to the end of its turn.
  assert(machine.nowNs >= 3000 && machine.nowNs < 3 * (1000 + QUANTUM), `${machine.nowNs}`);
  assert(steady.vcpus[0].state.retired >= machine.nowNs, `${steady.vcpus[0].state.retired}`);
  machine.dispose();
});

Deno.test("stolen time: what a vCPU could have run and didn't, never more than the time that passed", async () => {
  const { board } = fakeBoard({ plugins: [startAll], policy: roundRobin(), domains: [{ name: "guest", vcpus: 3 }] });
  const machine = await Machine.create(board, { images: new Map(), onSerial: () => {} });
  machine.runFor(3_000_000, 1e9);
  const { vcpus } = machine.domains[0];
  for (const vcpu of vcpus) assertEquals(Math.round(vcpu.stolenNs / 20_000), 100, `vCPU ${vcpu.index}: ${vcpu.stolenNs} ns of 3 ms`);
  assertEquals(vcpus.reduce((sum, vcpu) => sum + vcpu.stolenNs, 0), 2 * machine.nowNs);
  vcpus[1].stop();
  const before = vcpus.map((vcpu) => vcpu.stolenNs);
  machine.runFor(2_000_000, 1e9);
  assertEquals(vcpus[1].stolenNs, before[1], "nothing is stolen from one that is off");
  assertEquals(Math.round((vcpus[0].stolenNs - before[0]) / 10_000), 100);
  machine.dispose();
});
