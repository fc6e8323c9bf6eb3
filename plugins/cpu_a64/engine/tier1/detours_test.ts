import { assertEquals } from "@std/assert";
import { BASE, patientVcpu, programMachine } from "../tests/program_machine.ts";
import { PATIENCE } from "./detours.ts";
import type { Tier1Mode } from "./tier1.ts";

/** Every 512th round of a loop of five instructions goes another way, of 21. */
const ROUND = 5, ROUNDS = 512, DETOUR = 21;
const program = [
  0xd2a40000, // mov x0, #0x20000000
  0x8b000021, // again: add x1, x1, x0
  0xf240201f, // tst x0, #511
  0x54000080, // b.eq other
  0xf1000400, // back: subs x0, x0, #1
  0x54ffff81, // b.ne again
  0xd4000002, // hvc #0
  ...Array<number>(DETOUR - 1).fill(0x91000442), // other: add x2, x2, #1
  0x17ffffe9, // b back
];

function run(tier1: Tier1Mode, budgets: readonly number[]) {
  const { engine } = programMachine({ [BASE]: program }, tier1);
  const { hotness, stats } = engine.cpu.tier1 ?? {};
  // Too few samples fall on the other way.
  const vcpu = patientVcpu(engine);
  return budgets.map((budget) => {
    engine.run(vcpu, { budget, startNs: 0, nsPerInstruction: 1 });
    return {
      state: [vcpu.pc, vcpu.pstate, vcpu.x(0), vcpu.x(1), vcpu.x(2)].join(),
      detours: hotness?.stats.detours,
      regions: stats?.regions,
    };
  });
}

/** What is executed until so many instructions were behind the exit. */
const until = (instructions: number) => Math.ceil(instructions / DETOUR) * (ROUNDS * ROUND + DETOUR);

Deno.test("what regions leave for seldom, but again and again, is compiled when that is worth it, once", () => {
  const [before, after, later] = run("on", [until(0.9 * PATIENCE), until(0.2 * PATIENCE), until(3 * PATIENCE)]);
  assertEquals([before.detours, after.detours], [0, 1]);
  assertEquals(after.regions, before.regions! + 1);
  // The second look would come after twice as many: there is nothing left to count.
  assertEquals([later.detours, later.regions], [1, after.regions]);
});

Deno.test("a detour leaves the guest's state as it is without tier 1", () => {
  const budgets = [until(0.9 * PATIENCE), until(0.2 * PATIENCE) + 3, 1001, 7];
  assertEquals(run("on", budgets).map(({ state }) => state), run("off", budgets).map(({ state }) => state));
});

Deno.test("a region may begin where a detour is worth a look in the same moment, and its code change afterwards", () => {
  const store = BASE + 0x1000, place = BASE + 40;
  const outcome = (tier1: Tier1Mode) => {
    const { engine } = programMachine({ [BASE]: program, [store]: [0xb9000083, 0xd61f00a0] }, tier1); // str w3, [x4]; br x5
    const vcpu = patientVcpu(engine);
    const go = (detours: number) => void engine.run(vcpu, { budget: until(detours), startNs: 0, nsPerInstruction: 1 });
    const { hotness, stats } = engine.cpu.tier1 ?? {};
    if (hotness) Object.assign(hotness.tuning, { patience: PATIENCE / 2, patienceOfOne: PATIENCE / 2 });
    go(PATIENCE / 4);
    // What the first look requests waits for the second, since nothing else ends a slice.
    if (hotness) hotness.tuning.period = 1e9;
    go(4 * PATIENCE);
    const seen = [hotness?.stats.detours, stats?.modules];
    vcpu.setX(3, 0x91000842n); // add x2, x2, #2
    vcpu.setX(4, BigInt(place));
    vcpu.setX(5, vcpu.pc);
    vcpu.pc = BigInt(store);
    go(1000);
    return { seen, state: [vcpu.pc, vcpu.pstate, vcpu.x(0), vcpu.x(1), vcpu.x(2)].join() };
  };
  const { seen, state } = outcome("on");
  assertEquals(seen, [1, 2]);
  assertEquals(state, outcome("off").state);
});
