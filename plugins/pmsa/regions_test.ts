/** Sets of regions against a map of granules. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { addRegion, checkRegion, GRANULE, merge, regionAt, removeRange } from "./regions.ts";
import type { Region } from "./regions.ts";
import { randomBelow } from "../../tests/support/random.ts";

const BASE = 0x4000_0000, GRANULES = 48, LIMIT = 8;

class FullError extends Error {}

function room(limit: number) {
  return (regions: number) => {
    if (regions > limit) throw new FullError();
  };
}

/** Runs of equal attributes; 0 is a hole. */
function runs(model: Uint8Array): Region[] {
  const list: Region[] = [];
  for (let start = 0; start < model.length;) {
    let end = start + 1;
    while (end < model.length && model[end] === model[start]) end++;
    if (model[start]) list.push({ at: BASE + start * GRANULE, size: (end - start) * GRANULE, attributes: model[start] });
    start = end;
  }
  return list;
}

function count(model: Uint8Array): number {
  let regions = 0;
  for (let index = 0; index < model.length; index++) if (model[index] && model[index] !== model[index - 1]) regions++;
  return regions;
}

Deno.test("a million random operations: the regions are the runs of a granule map, and a refusal changes nothing", () => {
  const model = new Uint8Array(GRANULES), regions: Region[] = [];
  const seen = { mapped: 0, taken: 0, full: 0, unmapped: 0, split: 0, invalid: 0 };
  const random = randomBelow("regions");
  for (let operation = 0; operation < 1_000_000; operation++) {
    const start = random(GRANULES), length = 1 + random(Math.min(12, GRANULES - start));
    const at = BASE + start * GRANULE, size = length * GRANULE;
    const choice = random(16);
    if (choice === 0) {
      const before = regions.length;
      const [badAt, badSize] = ([
        [at + 1 + random(63), size],
        [at, size + 1 + random(63)],
        [at, 0],
        [at, -GRANULE],
        [at, 2 ** 48],
        [at, 2 ** 53],
        [
          -GRANULE,
          size,
        ],
        [2 ** 48 - GRANULE, 2 * GRANULE],
        [NaN, size],
        [at + 0.5, size],
      ] as const)[random(10)];
      const call = random(2)
        ? () => addRegion(regions, { at: badAt, size: badSize, attributes: 1 }, room(LIMIT))
        : () => void removeRange(regions, badAt, badSize, room(LIMIT));
      assertThrows(call, RangeError);
      assertEquals(regions.length, before);
      seen.invalid++;
    } else if (choice < 9) {
      const attributes = 1 + random(3);
      const isTaken = model.subarray(start, start + length).some((value) => value !== 0);
      const after = model.slice().fill(attributes, start, start + length);
      const expected = isTaken ? "taken" : count(after) > LIMIT ? "full" : "mapped";
      seen[expected]++;
      let result: string = "mapped";
      try {
        addRegion(regions, { at, size, attributes }, room(LIMIT));
      } catch (error) {
        result = error instanceof FullError ? "full" : error instanceof RangeError ? "taken" : String(error);
      }
      if (result !== expected) throw new Error(`operation ${operation}: ${result}, not ${expected}`);
      if (expected === "mapped") model.set(after);
    } else {
      const after = model.slice().fill(0, start, start + length);
      const expected = count(after) > LIMIT ? "split" : "unmapped";
      seen[expected]++;
      let result: string = "unmapped";
      try {
        removeRange(regions, at, size, room(LIMIT));
      } catch (error) {
        result = error instanceof FullError ? "split" : String(error);
      }
      if (result !== expected) throw new Error(`operation ${operation}: ${result}, not ${expected}`);
      if (expected === "unmapped") model.set(after);
    }
    const probe = random(GRANULES);
    const found = regionAt(regions, BASE + probe * GRANULE + random(GRANULE))?.attributes ?? 0;
    if (found !== model[probe]) throw new Error(`operation ${operation}: granule ${probe} is ${found}, not ${model[probe]}`);
    if (operation % 16 === 0) assertSame(regions, runs(model), operation);
    if (regions.length > LIMIT) throw new Error(`operation ${operation}: ${regions.length} regions`);
  }
  // Every kind of answer was seen, many times over.
  for (const [kind, times] of Object.entries(seen)) assert(times > 500, `${kind}: ${times}`);
  removeRange(regions, BASE, GRANULES * GRANULE, room(LIMIT));
  assertEquals(regions, []);
});

function assertSame(regions: readonly Region[], expected: readonly Region[], operation: number): void {
  const same = regions.length === expected.length &&
    regions.every(({ at, size, attributes }, n) =>
      at === expected[n].at && size === expected[n].size && attributes === expected[n].attributes
    );
  if (!same) throw new Error(`operation ${operation}: ${JSON.stringify(regions)}, not ${JSON.stringify(expected)}`);
}

Deno.test("a granule has 64 bytes: the 63rd is in it, the next isn't", () => {
  const regions: Region[] = [];
  addRegion(regions, { at: BASE, size: GRANULE, attributes: 1 }, room(1));
  assertEquals(regionAt(regions, BASE + 63)?.at, BASE);
  assertEquals(regionAt(regions, BASE + 64), undefined);
  assertEquals(regionAt(regions, BASE - 1), undefined);
});

Deno.test("each range that makes no sense has its own message", () => {
  for (
    const [at, size, message] of [
      [BASE + 32, 64, "multiple of 64"],
      [BASE, 63, "multiple of 64"],
      [BASE, 0, "at least 64 bytes"],
      [BASE, -64, "at least 64 bytes"],
      [2 ** 48 - 64, 128, "above 48 bits"],
      [-64, 64, "not a range"],
      [BASE, 2 ** 64, "not a range"],
      [NaN, 64, "not a range"],
    ] as const
  ) assertThrows(() => checkRegion(at, size), RangeError, message);
});

Deno.test("ranges merge where they touch or overlap and are alike", () => {
  const range = (at: number, size: number, attributes: number): Region => ({ at: at * GRANULE, size: size * GRANULE, attributes });
  assertEquals(merge([range(8, 2, 1), range(0, 4, 1), range(4, 2, 1), range(10, 1, 2), range(3, 2, 1), range(12, 1, 2)]), [
    range(0, 6, 1),
    range(8, 2, 1),
    range(10, 1, 2),
    range(12, 1, 2),
  ]);
  assertThrows(() => merge([range(0, 4, 1), range(3, 2, 2)]), RangeError, "has other attributes");
});
