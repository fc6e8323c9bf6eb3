import { assertEquals } from "@std/assert";
import { type Entry, Library } from "./library.ts";

Deno.test("who waits for a page hears of it once, and of endlessly many pages the latest are remembered", () => {
  const library = new Library();
  const entry = { number: 1 } as Entry;
  library.wait(entry, 7, 3);
  assertEquals([...library.arrived(7)], [[entry, 3]]);
  assertEquals([...library.arrived(7)], []);
  const pages = 100_000;
  for (let page = 0; page < pages; page++) {
    library.wait(entry, page, page);
    assertEquals(library.waiting <= 16_384, true);
  }
  assertEquals([...library.arrived(0)], []);
  assertEquals([...library.arrived(pages - 1)], [[entry, pages - 1]]);
});
