import { assert, assertEquals } from "@std/assert";
import { PageMap } from "./pages.ts";

const SLOTS = 16;

Deno.test("a page that executes at endlessly many addresses is found at the last, and its neighbours around it", () => {
  const map = new PageMap(SLOTS);
  const see = (slot: number, page: number) => map.seen(slot, (page & 0xf_ffff) << 12 >>> 0, Math.floor(page / 2 ** 20));
  for (let slot = 0; slot < SLOTS; slot++) assertEquals(see(slot, 100 + slot), 100 + slot);
  for (let n = 0; n < 5000; n++) {
    const page = 2 ** 24 + 3 * n;
    assertEquals(see(1, page), page);
    assertEquals([see(1, page), map.pageOf(1)], [undefined, page]);
    assert(map.size <= 4 * SLOTS, `${map.size} places`);
  }
  // The others are where they were.
  for (let slot = 2; slot < SLOTS; slot++) assertEquals([map.pageOf(slot), map.neighbour(2, slot - 2)], [100 + slot, slot]);
  assertEquals(map.neighbour(2, -1), -1);
  map.forget(1);
  assertEquals(map.pageOf(1), -1);
});
