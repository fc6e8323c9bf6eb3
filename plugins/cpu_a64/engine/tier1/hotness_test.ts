import { assertEquals } from "@std/assert";
import { Hotness } from "./hotness.ts";

Deno.test("what traces lead to waits for more, the first less than what comes later, by what the interpreter executes", () => {
  let interpreted = 0, requested = 0, isCovered = false;
  const waits: number[] = [];
  const hotness = new Hotness({
    wordOf: () => 0,
    isCovered: () => isCovered,
    visit() {},
    isHead: () => false,
    request: () => requested = interpreted,
    compile: () => waits.push(interpreted - requested),
  });
  Object.assign(hotness.tuning, {
    period: 10,
    firstThreshold: 1,
    leastInterpreted: 0,
    interpretedShare: 2,
    patience: 1000,
    patienceOfOne: 400,
  });
  const execute = (record: number, slow: number) => {
    const done = hotness.slice(record, 10);
    interpreted += slow;
    hotness.executed({ done, more: 0, since: slow, interpreted: slow, slow, record });
    return done;
  };
  for (let n = 0; n < 5; n++) {
    // Each trace is of other code; then regions execute all but one of so many.
    const record = 1024 * n;
    isCovered = false;
    while (execute(record, 1) > 1);
    isCovered = true;
    while (waits.length <= n) execute(record, 1);
  }
  assertEquals(waits, [1, 400, 800, 1000, 1000]);
});
