import { assert, assertEquals, assertThrows } from "@std/assert";
import { Random } from "../../../tests/support/random.ts";
import { PoolModel } from "../tests/pool_model.ts";
import { credit2Policy, credit2State } from "./policy.ts";
import type { Credit2Settings } from "./policy.ts";

const RATE_LIMIT = 1_000_000;
const SECOND = 1_000_000_000;

function model(cpus: number, settings: Record<string, Credit2Settings> = {}, workConserving = true) {
  const state = credit2State();
  const pool = new PoolModel(credit2Policy(state, (domain) => settings[domain] ?? {}, RATE_LIMIT), cpus, workConserving);
  return { pool, state };
}

const within = (found: number, wanted: number, share: number, what: string) =>
  assert(Math.abs(found - wanted) <= wanted * share, `${what}: ${found}; want ${wanted} within ${share * 100} %`);

Deno.test("shares follow weights, within 1 per cent over a second", () => {
  for (const weights of [[256, 512], [1, 1], [100, 200, 300, 400], [1, 1000], [65_535, 65_535, 13_107]]) {
    const settings = Object.fromEntries(weights.map((weight, n) => [`d${n}`, { weight }]));
    const { pool } = model(1, settings);
    const vcpus = weights.map((_, n) => pool.add(`d${n}`));
    for (const vcpu of vcpus) pool.wake(vcpu);
    // A slice of the lightest costs it many rounds of credit: shares hold over times that are long beside them.
    pool.runFor(weights.includes(1000) ? 20 * SECOND : SECOND);
    const sum = weights.reduce((a, b) => a + b);
    vcpus.forEach((vcpu, n) =>
      within(vcpu.ranNs / pool.nowNs, weights[n] / sum, weights.includes(1000) ? 0.05 : 0.01, `weights ${weights}`)
    );
  }
});

Deno.test("several CPUs: equal vCPUs get equal time, whatever their number; weights hold as far as a vCPU is one", () => {
  for (const [cpus, count] of [[2, 3], [3, 4], [4, 9]]) {
    const { pool } = model(cpus);
    const vcpus = Array.from({ length: count }, (_, n) => pool.add(`d${n}`));
    for (const vcpu of vcpus) pool.wake(vcpu);
    pool.runFor(SECOND);
    for (const vcpu of vcpus) within(vcpu.ranNs, SECOND * cpus / count, 0.02, `${count} vCPUs on ${cpus} CPUs`);
  }
  const { pool } = model(2, { heavy: { weight: 512 } });
  const [heavy, ...light] = ["heavy", "a", "b"].map((name) => pool.add(name));
  for (const vcpu of [heavy, ...light]) pool.wake(vcpu);
  pool.runFor(SECOND);
  // Twice the weight of each: half of the two CPUs, which is all of one.
  within(heavy.ranNs, SECOND, 0.02, "the heavy one");
  for (const vcpu of light) within(vcpu.ranNs, SECOND / 2, 0.02, "a light one");
});

Deno.test("a cap holds also where CPUs idle, for the domain as a whole, and overruns are paid back", () => {
  for (const [cpus, vcpus, cap] of [[1, 1, 50], [1, 1, 3], [2, 2, 150], [4, 4, 100], [2, 1, 20]]) {
    const { pool } = model(cpus, { capped: { cap } }, false);
    const all = Array.from({ length: vcpus }, (_, index) => pool.add("capped", index));
    for (const vcpu of all) pool.wake(vcpu);
    pool.runFor(SECOND);
    within(all.reduce((sum, { ranNs }) => sum + ranNs, 0), SECOND * cap / 100, 0.02, `cap ${cap} of ${vcpus} vCPUs on ${cpus} CPUs`);
  }
});

Deno.test("what a cap takes from one goes to the others", () => {
  const { pool } = model(1, { capped: { cap: 10, weight: 5000 } });
  const [capped, other] = ["capped", "other"].map((name) => pool.add(name));
  pool.wake(capped);
  pool.wake(other);
  pool.runFor(SECOND);
  within(capped.ranNs, SECOND / 10, 0.02, "capped");
  within(other.ranNs, SECOND * 0.9, 0.02, "the other");
});

Deno.test("who slept has credit for a moment, not for what it missed", () => {
  const { pool } = model(1);
  const [sleeper, worker] = ["sleeper", "worker"].map((name) => pool.add(name));
  pool.wake(worker);
  pool.runFor(10 * SECOND);
  pool.wake(sleeper);
  const before = worker.ranNs;
  pool.runFor(SECOND);
  within(worker.ranNs - before, SECOND / 2, 0.03, "the worker");
});

Deno.test("nobody is preempted before the rate limit is over, however often others wake", () => {
  const { pool } = model(1);
  const [worker, nervous] = ["worker", "nervous"].map((name) => pool.add(name));
  pool.wake(worker);
  pool.runFor(50_000_000);
  for (let n = 0; n < 100; n++) {
    pool.wake(nervous);
    pool.runFor(100_000);
    if (pool.cpus[0].vcpu === nervous) pool.sleep(nervous);
  }
  assert(pool.decisions < 400, `${pool.decisions} decisions`);
  assert(worker.ranNs > 50_000_000 + 8_000_000, `${worker.ranNs}`);
});

Deno.test("who yields lets the others go first, once", () => {
  const { pool } = model(1);
  const [a, b] = ["a", "b"].map((name) => pool.add(name));
  pool.wake(a);
  pool.wake(b);
  pool.runFor(1);
  const first = pool.cpus[0].vcpu!;
  pool.yield(first);
  assertEquals(pool.cpus[0].vcpu, first === a ? b : a);
  // Alone, it goes on.
  pool.sleep(pool.cpus[0].vcpu!);
  pool.yield(first);
  assertEquals(pool.cpus[0].vcpu, first);
});

Deno.test("weights and caps change while it runs; what is wrong changes nothing", () => {
  const { pool, state } = model(1);
  const [a, b] = ["a", "b"].map((name) => pool.add(name));
  pool.wake(a);
  pool.wake(b);
  pool.runFor(SECOND);
  pool.policy.adjust!("a", { weight: 768 });
  const before = [a.ranNs, b.ranNs];
  pool.runFor(SECOND);
  within((a.ranNs - before[0]) / (b.ranNs - before[1]), 3, 0.03, "three times the weight");
  pool.policy.adjust!("a", { cap: 20 });
  const then = a.ranNs;
  pool.runFor(SECOND);
  within(a.ranNs - then, SECOND / 5, 0.02, "the cap");
  pool.policy.adjust!("a", { cap: 0 });
  const last = a.ranNs;
  pool.runFor(SECOND);
  within(a.ranNs - last, SECOND * 3 / 4, 0.03, "no cap again");
  const kept = structuredClone(state.shares);
  for (const wrong of [{ weight: 0 }, { weight: NaN }, { cap: -1 }, { cap: "10" }, { weight: 5, speed: 1 }]) {
    assertThrows(() => pool.policy.adjust!("a", wrong), RangeError);
  }
  assertThrows(() => pool.policy.adjust!("z", { weight: 5 }), RangeError, "there is no domain z");
  assertEquals(state.shares, kept);
});

Deno.test("100,000 random steps: nobody starves, nobody is in two places, no CPU idles while somebody could run", () => {
  const { pool, state } = model(3, { a: { weight: 1024 }, c: { weight: 64 } });
  for (const [domain, count] of [["a", 2], ["b", 3], ["c", 2]] as const) {
    for (let index = 0; index < count; index++) pool.add(domain, index);
  }
  pool.add("pinned", 0, [2]);
  pool.add("pinned", 1, [0, 1]);
  pool.shake(100_000, new Random("credit2"), 400_000);
  for (const { domain, index, longestWaitNs, ranNs } of pool.vcpus) {
    assert(longestWaitNs < 400_000_000, `${domain} ${index} waited ${longestWaitNs / 1e6} ms`);
    assert(ranNs > pool.nowNs / 50, `${domain} ${index} ran ${ranNs / 1e6} ms of ${pool.nowNs / 1e6}`);
  }
  assert(pool.vcpus.every(({ id }) => Math.abs(state.accounts[id].creditNs) < 1e9), "credits stay small");
  structuredClone(state);
});

Deno.test("100,000 random steps with a cap: never more than the cap in a second, and all of it for who wants it", () => {
  const { pool } = model(2, { capped: { cap: 60 } }, false);
  const capped = [0, 1, 2].map((index) => pool.add("capped", index));
  const free = pool.add("free");
  const random = new Random("credit2 caps");
  const ran = () => capped.reduce((sum, { ranNs }) => sum + ranNs, 0);
  for (let round = 0; round < 20; round++) {
    const [from, used] = [pool.nowNs, ran()];
    pool.shake(5000, random, 400_000);
    // One period's budget may be had twice within the time looked at: at its beginning and at its end.
    const most = (pool.nowNs - from) * 0.6 + 12_000_000;
    assert(ran() - used <= most, `${ran() - used} of ${most}`);
  }
  assert(free.ranNs > 0);
});
