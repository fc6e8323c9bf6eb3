import { assert, assertEquals } from "@std/assert";
import * as timers from "./timers.ts";

const MAX = 2n ** 64n - 1n;

Deno.test("timers: the counter never runs ahead, and a deadline is the first nanosecond that reaches it", () => {
  for (const hz of [1_000_000_000, 62_500_000, 24_000_000, 19_200_000, 1, 999_999_937]) {
    for (const ticks of [0n, 1n, 2n, 3n, 1000n, 62_499_999n, 123_456_789n, 2n ** 40n]) {
      const ns = timers.firstNsOf(ticks, hz);
      if (ns === Infinity) continue;
      assert(timers.ticksAt(ns, hz) >= ticks, `${ticks} at ${hz}`);
      if (ns > 0) assert(timers.ticksAt(ns - 1, hz) < ticks, `${ticks} at ${hz}: early`);
    }
  }
});

Deno.test("timers: the quick way to the counter agrees with the exact one, or says that it can't", () => {
  for (const hz of [1_000_000_000, 62_500_000, 24_000_000, 19_200_000, 999_999_937]) {
    const fast = timers.fastTicks(hz);
    let answered = 0;
    for (let ns = 1; ns < Number.MAX_SAFE_INTEGER; ns = Math.floor(ns * 1.7) + 1) {
      for (const at of [ns - 1, ns, ns + 0.5]) {
        if (fast(at) < 0) continue;
        answered++;
        assertEquals(BigInt(fast(at)), timers.ticksAt(at, hz), `${at} ns at ${hz}`);
      }
    }
    assert(answered > 10);
  }
});

Deno.test("timers: exact beyond 2^53 and Infinity where a number can't say", () => {
  assertEquals(timers.ticksAt(Number.MAX_SAFE_INTEGER, 62_500_000), 562_949_953_421_311n);
  assertEquals(timers.firstNsOf(MAX, 62_500_000), Infinity);
});

const outputs: [name: string, ctl: bigint, cval: bigint, count: bigint, level: boolean, ticks: bigint | undefined][] = [
  ["off", 0n, 0n, 5n, false, undefined],
  ["masked", 3n, 0n, 5n, false, undefined],
  ["past: until the count wraps", 1n, 4n, 5n, true, MAX - 4n],
  ["now", 1n, 5n, 5n, true, MAX - 4n],
  ["ahead", 1n, 6n, 5n, false, 1n],
  ["CVAL 2^64-1", 1n, MAX, 5n, false, MAX - 5n],
  ["CVAL 2^64-1, count 2^64-1: for one tick", 1n, MAX, MAX, true, 1n],
  ["CVAL 0 is met for ever", 1n, 0n, 0n, true, undefined],
  ["unsigned: a count above 2^63 is past", 1n, 1n, 2n ** 63n + 1n, true, 2n ** 63n - 1n],
];
for (const [name, ctl, cval, count, level, ticks] of outputs) {
  Deno.test(`timers: output: ${name}`, () => {
    assertEquals(timers.outputLevel(ctl, cval, count), level);
    assertEquals(timers.ticksToChange(ctl, cval, count), ticks);
    assertEquals(timers.nextChangeTicks(ctl, cval, BigInt.asUintN(64, count + 100n), 100n) === undefined, ticks === undefined);
  });
}

Deno.test("timers: ISTATUS is the condition whatever IMASK says, and nothing while disabled", () => {
  assertEquals(timers.readControl(1n, 4n, 5n), 5n);
  assertEquals(timers.readControl(3n, 4n, 5n), 7n);
  assertEquals(timers.readControl(2n, 4n, 5n), 2n);
  assertEquals(timers.readControl(1n, 6n, 5n), 1n);
  assertEquals(timers.writeControl(MAX), 3n);
});

Deno.test("timers: TVAL is a signed distance of 32 bits", () => {
  assertEquals(timers.writeTimerValue(10n, 100n), 110n);
  assertEquals(timers.writeTimerValue(0xffff_ffffn, 100n), 99n);
  assertEquals(timers.writeTimerValue(0x8000_0000n, 0n), 2n ** 64n - 2n ** 31n);
  assertEquals(timers.writeTimerValue(0xdead_beef_0000_0001n, 0n), 1n);
  assertEquals(timers.writeTimerValue(1n, MAX), 0n);
  assertEquals(timers.readTimerValue(110n, 100n), 10n);
  assertEquals(timers.readTimerValue(100n, 101n), 0xffff_ffffn);
  assertEquals(timers.readTimerValue(MAX, 0n), 0xffff_ffffn);
});

Deno.test("timers: the virtual count wraps, and a deadline behind an offset is a physical one", () => {
  assertEquals(timers.virtualCount(5n, 7n), MAX - 1n);
  assertEquals(timers.nextChangeTicks(1n, 30n, 100n, 90n), 120n);
  assertEquals(timers.nextChangeTicks(1n, 0n, 100n, 90n), undefined);
  assertEquals(timers.nextChangeTicks(1n, 10n, 100n, 200n), 200n); // falls where the virtual count wraps to zero
});
