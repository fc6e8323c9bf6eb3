import { assertEquals, assertThrows } from "@std/assert";
import { HostTime } from "./host_time.ts";

Deno.test("time counts for the innermost of what is being done, also when that throws", () => {
  let now = 0;
  const time = new HostTime(() => now);
  const take = (ms: number) => void (now += ms);
  const result = time.of("outer", () => {
    take(1);
    time.of("inner", () => take(10));
    take(2);
    assertThrows(() =>
      time.of("inner", () => {
        take(20);
        throw new Error("a fault");
      })
    );
    // The same within itself.
    time.of("outer", () => take(4));
    return 7;
  });
  take(100);
  assertEquals(result, 7);
  assertEquals([time.spent("outer"), time.spent("inner"), time.spent("other")], [7, 30, 0]);
});
