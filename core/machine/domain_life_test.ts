/** Moments of a domain's life that only programs of one's own come to. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { definePlugin } from "../plugin/plugin.ts";
import { fakeBoard, leakReport, leaks, startFirst, uses } from "../testing.ts";
import { Machine } from "./machine.ts";

const create = (options: Parameters<typeof fakeBoard>[0]) =>
  Machine.create(fakeBoard(options).board, { images: new Map(), onSerial: () => {} });

Deno.test("a domain that is destroyed while it is being built: nothing of it is left, and whoever builds it is told", async () => {
  const machine = await create({ plugins: [startFirst] });
  const before = leakReport(machine);
  for (const when of ["attach", "boot"]) {
    let go = () => {};
    const waiting = new Promise<void>((resolve) => go = resolve);
    const slow = definePlugin({
      name: "slow",
      doc: "",
      options: {},
      async attach({ clock, exceptions, onBoot, onStop }) {
        if (when === "attach") await waiting;
        else onBoot(() => waiting as unknown as void);
        clock.timer("late", () => {}).arm(1e12);
        exceptions.claimMmio(0x900_0000, 0x1000, "", { read: () => 0, write: () => {} });
        onStop(() => stopped++);
      },
    });
    let stopped = 0;
    const building = machine.createDomain({ name: "new", vcpus: 1, memory: [{ at: 0, size: 2 ** 20 }], plugins: uses(slow) });
    while (machine.domains.length < 2) await new Promise((resolve) => setTimeout(resolve));
    machine.destroyDomain(machine.domains[1]);
    machine.runFor(1000, Infinity);
    go();
    await assertRejects(() => building, Error, "domain new was destroyed while it was being built");
    assertEquals(stopped, 1, when);
    assertEquals(leaks(before, leakReport(machine)), [], when);
  }
  machine.dispose();
});

Deno.test("two domains of one name at once: the second is refused, the first comes", async () => {
  const machine = await create({ plugins: [startFirst] });
  const spec = { name: "new", vcpus: 1, memory: [{ at: 0, size: 2 ** 20 }], plugins: [] };
  const both = await Promise.allSettled([machine.createDomain(spec), machine.createDomain(spec)]);
  assertEquals(both.map(({ status }) => status), ["fulfilled", "rejected"]);
  assertEquals(machine.domains.map(({ name }) => name), ["guest", "new"]);
  machine.dispose();
});

Deno.test("operations come between runs: within one they are refused, and nothing has happened", async () => {
  const told: string[] = [];
  const meddler = definePlugin({
    name: "meddler",
    doc: "",
    options: {},
    attach({ clock, domain }) {
      clock.timer("now", () => {
        for (const operate of [() => machine.destroyDomain(domain), () => machine.pause(domain.name)]) {
          try {
            operate();
          } catch (error) {
            told.push((error as Error).message);
          }
        }
      }).arm(1000);
    },
  });
  const machine: Machine = await create({ plugins: [startFirst, meddler] });
  machine.runFor(10_000, Infinity);
  assertEquals(told.map((text) => text.replace(/:.*/, "")), ["destroy of guest within runFor", "pause of guest within runFor"]);
  assertEquals([machine.domains.length, machine.operations.length], [1, 0]);
  machine.dispose();
});

Deno.test("pause and unpause: once each, over a reboot, not for one that has ended; a machine whose domains are all paused waits", async () => {
  const machine = await create({ plugins: [startFirst] });
  assertThrows(() => machine.pause("nobody"), Error, "there is no domain nobody; there is guest");
  assertEquals([machine.pause("guest"), machine.pause("guest")], [true, false]);
  assertEquals(machine.status()[0].state, "paused");
  assertEquals(machine.status()[0].vcpus[0].does, "paused");
  assertEquals(machine.runFor(1e6, Infinity), undefined);
  assert(machine.waiting && machine.wakeAfterMs === undefined);
  await machine.reboot("guest");
  assertEquals([machine.isPaused(machine.domains[0]), machine.domains[0].vcpus[0].isHeld], [true, true]);
  const before = machine.stats.instructions;
  assertEquals([machine.unpause("guest"), machine.unpause("guest")], [true, false]);
  machine.runFor(10_000, Infinity);
  assert(machine.stats.instructions > before);
  assertEquals(machine.operations.map(({ operation }) => operation), ["pause", "pause", "reboot", "unpause", "unpause"]);
  machine.domains[0].end({ kind: "power-off" });
  assertEquals(machine.pause("guest"), false);
  machine.dispose();
});
