import { assert, assertEquals, assertThrows } from "@std/assert";
import { EventQueue, queuedEvent } from "./events.ts";
import type { QueuedEvent } from "./events.ts";
import { randomBytes, randomState } from "../host/random.ts";
import { rate, rateNs, VirtualClock } from "./virtual_clock.ts";
import { randomBelow } from "../../tests/support/random.ts";

Deno.test("event queue against a sorted list", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomBelow(`events ${seed}`);
    const queue = new EventQueue();
    const events = Array.from({ length: 20 }, (_, i) => queuedEvent(`${i}`, () => {}));
    let model: { event: QueuedEvent; ns: number; order: number }[] = [];
    for (let step = 0; step < 500; step++) {
      const event = events[random(events.length)];
      if (random(3) > 0) {
        const ns = random(10);
        model = model.filter((entry) => entry.event !== event);
        model.push({ event, ns, order: step });
        queue.arm(event, ns);
      } else if (random(2) === 0) {
        model = model.filter((entry) => entry.event !== event);
        queue.disarm(event);
      } else {
        const now = random(10);
        model.sort((a, b) => a.ns - b.ns || a.order - b.order);
        const expected = model[0]?.ns <= now ? model.shift()!.event : undefined;
        assertEquals(queue.takeDue(now)?.name, expected?.name, `seed ${seed}, step ${step}`);
      }
      assertEquals(queue.size, model.length);
    }
  }
});

Deno.test("virtual time is exact: many small steps are one large one", () => {
  for (const sharers of [1, 2, 3, 5, 7, 16]) {
    const clock = new VirtualClock();
    const pace = rate(1, sharers);
    for (let i = 0; i < 10_007; i++) clock.advance(13, pace);
    assertEquals(clock.nowNs, Math.floor(10_007 * 13 / sharers));
    assertEquals(Math.round(1 / rateNs(pace)), sharers);
  }
});

Deno.test("instructions until a deadline: the last of them reaches it, the one before doesn't", () => {
  const random = randomBelow("deadlines");
  for (let i = 0; i < 2000; i++) {
    const clock = new VirtualClock();
    const pace = rate([1, 0.5, 2.5, 10, 1 / 3][i % 5], 1 + random(4));
    clock.advance(random(1000), pace);
    const deadline = clock.nowNs + 1 + random(5000);
    const count = clock.instructionsUntil(deadline, pace, 1e9);
    const before = new VirtualClock();
    before.skipTo(clock.nowNs);
    clock.advance(count - 1, pace);
    assert(clock.nowNs < deadline);
    clock.advance(1, pace);
    assert(clock.nowNs >= deadline, `${clock.nowNs} of ${deadline}`);
  }
  const clock = new VirtualClock();
  assertEquals(clock.instructionsUntil(1e15, rate(1, 1), 50_000), 50_000);
  assertEquals(clock.instructionsUntil(0, rate(1, 1), 50_000), 1);
});

Deno.test("timers: one deadline each, names are unique, bad deadlines are refused, and they go with their instance", () => {
  const clock = new VirtualClock();
  const undo: (() => void)[] = [];
  const door = clock.forInstance("dev", (_hook, callback) => callback(), (step) => undo.push(step));
  const timer = door.timer("a", () => {});
  timer.arm(100);
  timer.arm(50);
  assertEquals([timer.deadlineNs, clock.events.size], [50, 1]);
  assertThrows(() => door.timer("a", () => {}), Error, "dev: there is a timer");
  assertThrows(() => timer.arm(NaN), RangeError, "dev/a");
  timer.disarm();
  assertEquals([timer.deadlineNs, clock.events.size], [undefined, 0]);
  timer.arm(1);
  undo.forEach((step) => step());
  assertEquals(clock.events.size, 0);
});

Deno.test("random bytes: same seed and owner, same bytes; another owner, others", () => {
  assertEquals(randomBytes(randomState(1, "a"), 33), randomBytes(randomState(1, "a"), 33));
  assert(`${randomBytes(randomState(1, "a"), 16)}` !== `${randomBytes(randomState(1, "b"), 16)}`);
  assert(`${randomBytes(randomState(1, "a"), 16)}` !== `${randomBytes(randomState(2 ** 32 + 1, "a"), 16)}`);
  const counts = new Array(256).fill(0);
  for (const byte of randomBytes(randomState(3, "histogram"), 256_000)) counts[byte]++;
  assert(counts.every((count) => count > 850 && count < 1150));
});
