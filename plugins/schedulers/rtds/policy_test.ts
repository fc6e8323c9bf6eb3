import { assert, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../../tests/support/random.ts";
import { PoolModel } from "../tests/pool_model.ts";
import { rtdsPolicy } from "./policy.ts";
import type { RtdsState } from "./policy.ts";
import type { Reservation } from "./reservation.ts";

const MS = 1_000_000;

/** A pool whose domains have one vCPU each. Work conserving when all have extratime. */
function model(cpus: number, reservations: Record<string, Reservation>) {
  const state: RtdsState = { accounts: {} };
  const workConserving = Object.values(reservations).every(({ extratime }) => extratime);
  const pool = new PoolModel(rtdsPolicy(state, ({ domain }) => reservations[domain]), cpus, workConserving);
  const vcpus = Object.keys(reservations).map((name) => pool.add(name));
  return { pool, vcpus, state };
}

const promise = (period: number, budget: number, extratime = false): Reservation => ({
  period: period * MS,
  budget: budget * MS,
  extratime,
});

Deno.test("one CPU, all of it promised: each has its budget in every period, to the nanosecond", () => {
  const reservations = { a: promise(10, 4), b: promise(5, 1), c: promise(20, 8) };
  const { pool, vcpus } = model(1, reservations);
  for (const vcpu of vcpus) pool.wake(vcpu);
  // What each had at the end of its latest period.
  const had = [0, 0, 0];
  for (let ms = 1; ms <= 1000; ms++) {
    pool.runFor(MS);
    Object.values(reservations).forEach(({ period, budget }, n) => {
      if (ms * MS % period !== 0) return;
      assertEquals(vcpus[n].ranNs - had[n], budget, `${vcpus[n].domain} in the period that ends at ${ms} ms`);
      had[n] = vcpus[n].ranNs;
    });
  }
});

Deno.test("a budget waits while its vCPU sleeps, and isn't saved up for the next period", () => {
  const { pool, vcpus: [rt, other] } = model(1, { rt: promise(10, 3), other: promise(10, 1, true) });
  pool.wake(other);
  pool.runFor(6 * MS);
  pool.wake(rt);
  pool.runFor(4 * MS);
  // Its deadline is as near as the other's, whose first budget is used up.
  assertEquals(rt.ranNs, 3 * MS);
  pool.sleep(rt);
  pool.runFor(95 * MS);
  pool.wake(rt);
  pool.runFor(5 * MS);
  assertEquals(rt.ranNs, 6 * MS);
});

Deno.test("extratime: what is left over goes to who may have it, behind every budget", () => {
  const { pool, vcpus: [rt, greedy, idle] } = model(1, { rt: promise(10, 5), greedy: promise(10, 2, true), idle: promise(10, 2) });
  for (const vcpu of [rt, greedy, idle]) pool.wake(vcpu);
  pool.runFor(1000 * MS);
  assertEquals([rt, greedy, idle].map(({ ranNs }) => ranNs / MS), [500, 300, 200]);
});

Deno.test("without extratime a CPU idles rather than let anybody overrun", () => {
  const { pool, vcpus: [only] } = model(1, { only: promise(10, 4) });
  pool.wake(only);
  pool.runFor(1000 * MS);
  assertEquals(only.ranNs, 400 * MS);
});

Deno.test("random task sets below the bound of global earliest deadline first: every budget is met, on 1 to 4 CPUs", () => {
  const random = new Random("rtds task sets");
  for (let round = 0; round < 40; round++) {
    const cpus = 1 + random.below(4);
    const reservations: Record<string, Reservation> = {};
    let sum = 0;
    let greatest = 0;
    for (let n = 0; n < 12; n++) {
      const period = [5, 10, 20, 40][random.below(4)];
      const budget = 1 + random.below(Math.ceil(period / 2));
      const share = budget / period;
      if (sum + share > cpus - (cpus - 1) * Math.max(greatest, share)) continue;
      sum += share;
      greatest = Math.max(greatest, share);
      reservations[`d${n}`] = promise(period, budget, random.chance(0.3));
    }
    const { pool, vcpus } = model(cpus, reservations);
    for (const vcpu of vcpus) pool.wake(vcpu);
    const had = vcpus.map(() => 0);
    for (let ms = 5; ms <= 200; ms += 5) {
      pool.runFor(5 * MS);
      vcpus.forEach((vcpu, n) => {
        const { period, budget, extratime } = reservations[vcpu.domain];
        if (ms * MS % period !== 0) return;
        const got = vcpu.ranNs - had[n];
        had[n] = vcpu.ranNs;
        if (extratime) assert(got >= budget, `${vcpu.domain}: ${got} of ${budget}`);
        else assertEquals(got, budget, `round ${round}, ${cpus} CPUs, ${vcpu.domain} at ${ms} ms`);
      });
    }
  }
});

Deno.test("100,000 random steps: nobody has more than its budget in a period, nobody starves, nobody is in two places", () => {
  const reservations = { a: promise(10, 4), b: promise(5, 1), c: promise(20, 8, true), d: promise(8, 2, true), e: promise(10, 2) };
  const { pool, vcpus, state } = model(2, reservations);
  const random = new Random("rtds steps");
  for (let round = 0; round < 100; round++) {
    const before = vcpus.map(({ ranNs }) => ranNs);
    const from = pool.nowNs;
    pool.shake(1000, random, 300_000);
    vcpus.forEach(({ ranNs, domain }, n) => {
      const { period, budget, extratime } = reservations[domain as keyof typeof reservations];
      const most = (Math.ceil((pool.nowNs - from) / period) + 1) * budget;
      assert(extratime || ranNs - before[n] <= most, `${domain} had ${ranNs - before[n]} of ${most}`);
    });
  }
  for (const { domain, longestWaitNs } of vcpus) assert(longestWaitNs < 40 * MS, `${domain} waited ${longestWaitNs / MS} ms`);
  structuredClone(state);
});

Deno.test("100,000 random steps with extratime for all: no CPU idles while somebody could run", () => {
  const { pool } = model(2, { a: promise(10, 4, true), b: promise(5, 1, true), c: promise(20, 8, true), d: promise(8, 2, true) });
  pool.add("a", 1, [1]);
  pool.shake(100_000, new Random("rtds extratime"), 300_000);
});

Deno.test("promises change while it runs, from the next period on; what is wrong changes nothing", () => {
  const { pool, vcpus: [a] } = model(1, { a: promise(10, 4) });
  pool.wake(a);
  pool.runFor(15 * MS);
  pool.policy.adjust!("a", { budget: 2 * MS });
  pool.runFor(5 * MS);
  assertEquals(a.ranNs, 8 * MS);
  pool.runFor(20 * MS);
  assertEquals(a.ranNs, 12 * MS);
  for (const wrong of [{ budget: 20 * MS }, { budget: 0 }, { period: "5" }, { speed: 1 }, { extratime: "yes" }, { vcpu: 3, budget: MS }]) {
    assertThrows(() => pool.policy.adjust!("a", wrong), RangeError);
  }
  assertThrows(() => pool.policy.adjust!("z", { budget: MS }), RangeError);
  pool.runFor(10 * MS);
  assertEquals(a.ranNs, 14 * MS);
});
