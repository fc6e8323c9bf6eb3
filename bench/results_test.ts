import { assertEquals } from "@std/assert";
import { measures } from "./results.ts";
import type { Results } from "./results.ts";
import { alternate, median, medianDuration } from "./statistics.ts";

Deno.test("bench: the median is the middle one", () => {
  assertEquals(median([9, 1, 2]), 2);
  assertEquals(median([4, 1, 2, 30]), 3);
  assertEquals(median([]), undefined);
});

Deno.test("bench: a run without CPU time leaves none in the median", () => {
  assertEquals(medianDuration([{ wall: 3, cpu: 1 }, { wall: 1, cpu: 2 }]), { wall: 2, cpu: 1.5 });
  assertEquals(medianDuration([{ wall: 3, cpu: 1 }, { wall: 1 }]), { wall: 2, cpu: undefined });
});

Deno.test("bench: both sides take turns", async () => {
  const order: string[] = [];
  const side = (name: string) => () => Promise.resolve(order.push(name));
  assertEquals((await alternate(2, side("ours"), side("QEMU"))).other, [2, 4]);
  assertEquals(order, ["ours", "QEMU", "ours", "QEMU"]);
});

Deno.test("bench: measures are met at their limits and missed beyond", () => {
  const results = (factor: number): Results => ({
    runs: 1,
    kernels: [{ name: "loop", doc: "", instructions: 150e6, goal: 150, ours: { wall: 9, cpu: factor } }],
    boot: {
      ours: { wall: 12 * factor, cpu: factor },
      qemu: { wall: 2 },
      instructions: 80e6,
      guestBytes: 2 ** 29,
      peakResidentBytes: 712 * 2 ** 20 * factor,
    },
    startUp: { wall: 0.49 * factor },
  });
  assertEquals(measures(results(1)).map(({ met }) => met), [true, true, true, true, true]);
  assertEquals(measures(results(1.05)).map(({ met }) => met), [false, false, false, false, false]);
});
